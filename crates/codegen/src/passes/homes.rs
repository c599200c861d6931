//! Where values are defined, and which blocks keep theirs to themselves.

use crate::ir::{Block, Cfg, Function, Op, Operand, Table, Value};

/// Where the values of reachable blocks are defined.
pub(super) struct Homes {
    /// The block that each value is defined in, and its position there: parameters first, then results.
    defs: Table<Value, (Block, u32)>,
    /// Whether another block uses a value of this one.
    escapes: Table<Block, bool>,
}

impl Homes {
    pub(super) fn new(function: &Function, cfg: &Cfg) -> Homes {
        let mut defs = Table::filled((function.entry(), 0), function.value_count as usize);
        for &block in cfg.order() {
            let data = &function.blocks[block];
            for (at, value) in (0..).zip(data.params.iter().copied().chain(data.insts.iter().map(|inst| inst.result))) {
                defs[value] = (block, at);
            }
        }
        let mut homes = Homes { defs, escapes: Table::filled(false, function.blocks.len()) };
        for &block in cfg.order() {
            let data = &function.blocks[block];
            data.insts.iter().flat_map(|inst| inst.op.operands()).for_each(|operand| homes.note_use(block, operand));
            data.term.operands().for_each(|operand| homes.note_use(block, operand));
        }
        homes
    }

    fn note_use(&mut self, block: Block, operand: Operand) {
        if let Operand::Value(value) = operand {
            let home = self.defs[value].0;
            self.escapes[home] |= home != block;
        }
    }

    /// Whether another block uses a value of `block`.
    pub(super) fn escapes(&self, block: Block) -> bool {
        self.escapes[block]
    }

    /// The position of an operand that is one of the block's own values.
    pub(super) fn position(&self, block: Block, operand: Operand) -> Option<u32> {
        let (home, at) = self.defs[operand.as_value()?];
        (home == block).then_some(at)
    }

    /// The operation that gives an operand, unless it is a constant or a parameter.
    pub(super) fn op<'f>(&self, function: &'f Function, operand: Operand) -> Option<&'f Op> {
        let (home, at) = self.defs[operand.as_value()?];
        let data = &function.blocks[home];
        let index = (at as usize).checked_sub(data.params.len())?;
        data.insts.get(index).map(|inst| &inst.op)
    }
}
