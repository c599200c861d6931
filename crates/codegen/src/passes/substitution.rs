//! What replaces a value: the passes note it here and rewrite uses as they meet them.

use crate::ir::{Function, Operand, Table, Value};

/// A replacement for each value, or none.
pub(super) struct Substitution {
    replacement: Table<Value, Option<Operand>>,
    is_empty: bool,
}

impl Substitution {
    pub(super) fn new(function: &Function) -> Substitution {
        Substitution { replacement: Table::filled(None, function.value_count as usize), is_empty: true }
    }

    /// Makes `operand` stand for `value`. Chains are fine, circles are not.
    pub(super) fn replace(&mut self, value: Value, operand: Operand) {
        debug_assert_ne!(self.resolve(operand), Operand::Value(value), "a value cannot replace itself");
        self.replacement[value] = Some(operand);
        self.is_empty = false;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// What stands for `operand` in the end.
    pub(super) fn resolve(&mut self, operand: Operand) -> Operand {
        let Operand::Value(first) = operand else { return operand };
        let mut end = operand;
        let mut links = 0;
        while let Operand::Value(value) = end {
            let Some(next) = self.replacement[value] else { break };
            end = next;
            links += 1;
        }
        // Long chains are cut short for whoever comes next.
        let mut at = first;
        for _ in 1..links {
            if let Some(Operand::Value(next)) = self.replacement[at].replace(end) {
                at = next;
            }
        }
        end
    }

    /// Rewrites every use in `function`.
    pub(super) fn apply(&mut self, function: &mut Function) {
        if !self.is_empty {
            function.for_each_operand(|operand| *operand = self.resolve(*operand));
        }
    }
}
