//! Branches that are answered before they are asked: the ways that lead to them have asked already.
//!
//! A block that does nothing but compare a value with a constant, and which no way leads to whose own comparisons leave the answer open, is
//! skipped: each way goes where it would have led. Rules that begin with the same comparison are a chain of such blocks. Where one way is
//! open the block has to stay, and skipping it on the others would take jumps that running into it does not.
//!
//! Two comparisons that together leave one number, as those of a range with one member do, are one for equality.

use super::{Analysis, Changes};
use crate::fold::{fold_cond, mask, width_bits};
use crate::ir::{Block, Cfg, Cond, Function, Operand, Table, Terminator, Value, Width};

/// How many blocks a way is followed back.
const REACH: usize = 16;

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    let cfg = analysis.cfg(function);
    let mut threader = Threader::new(function, cfg);
    let order = cfg.order().to_vec();
    let mut changed = false;
    for block in order {
        changed |= threader.skip(block);
        changed |= threader.unite(block);
    }
    if changed {
        analysis.edges_changed();
        return Changes::EDGES.and(Changes::CODE);
    }
    Changes::NONE
}

/// A comparison of a value with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Test {
    cond: Cond,
    width: Width,
    value: Value,
    constant: u64,
}

impl Test {
    fn of(term: &Terminator) -> Option<Test> {
        match *term {
            Terminator::Branch {
                cond,
                width,
                a: Operand::Value(value),
                b: Operand::Const(constant),
                then,
                otherwise,
            } if then != otherwise => Some(Test { cond, width, value, constant }),
            _ => None,
        }
    }

    /// The comparison that holds where this one does not.
    fn inverse(self) -> Test {
        Test { cond: self.cond.inverse(), ..self }
    }

    /// The one number for which both hold, if there is only one.
    fn only(&self, other: &Test) -> Option<u64> {
        if (self.width, self.value) != (other.width, other.value) {
            return None;
        }
        let ((low, high), (from, to)) = (self.range()?, other.range()?);
        (low.max(from) == high.min(to)).then_some(low.max(from))
    }

    /// What this one, which holds, says of `other`.
    fn answers(&self, other: &Test) -> Option<bool> {
        if (self.width, self.value) != (other.width, other.value) {
            return None;
        }
        let holds = |number| fold_cond(other.cond, other.width, number, other.constant);
        match self.cond {
            _ if self.constant == other.constant && self.cond == other.cond => Some(true),
            _ if self.constant == other.constant && self.cond == other.cond.inverse() => Some(false),
            Cond::Eq => Some(holds(self.constant)),
            _ if other.cond.is_signed() => None,
            _ => {
                // Both ends of a range answer a comparison alike, and so does what is between, unless it is for equality.
                let (low, high) = self.range()?;
                let constant = other.constant & mask(width_bits(other.width));
                let is_between = matches!(other.cond, Cond::Eq | Cond::Ne) && (low..=high).contains(&constant);
                (holds(low) == holds(high) && !is_between).then(|| holds(low))
            }
        }
    }

    /// The unsigned numbers for which it holds, if they are a range.
    fn range(&self) -> Option<(u64, u64)> {
        let greatest = mask(width_bits(self.width));
        let constant = self.constant & greatest;
        match self.cond {
            Cond::Eq => Some((constant, constant)),
            Cond::Gt => Some((constant.checked_add(1).filter(|&low| low <= greatest)?, greatest)),
            Cond::Ge => Some((constant, greatest)),
            Cond::Lt => Some((0, constant.checked_sub(1)?)),
            Cond::Le => Some((0, constant)),
            Cond::Ne | Cond::SGt | Cond::SGe | Cond::SLt | Cond::SLe => None,
        }
    }
}

struct Threader<'f> {
    function: &'f mut Function,
    /// The blocks that lead to each block, as it is by now.
    preds: Table<Block, Vec<Block>>,
}

impl<'f> Threader<'f> {
    fn new(function: &'f mut Function, cfg: &Cfg) -> Threader<'f> {
        let mut preds = Table::filled(Vec::new(), function.blocks.len());
        for &block in cfg.order() {
            preds[block] = cfg.preds(block).to_vec();
        }
        Threader { function, preds }
    }

    /// Leads every way past `block`, if each knows where.
    fn skip(&mut self, block: Block) -> bool {
        let data = &self.function.blocks[block];
        let Some(test) = Test::of(&data.term) else { return false };
        if block == self.function.entry() || !data.insts.is_empty() || !data.params.is_empty() {
            return false;
        }
        let preds = self.preds[block].clone();
        let Some(answers) = preds.iter().map(|&pred| self.answer(pred, block, &test)).collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        let Terminator::Branch { then, otherwise, .. } = data.term else { return false };
        for (&pred, holds) in preds.iter().zip(answers) {
            let to = if holds { then } else { otherwise };
            self.function.blocks[pred].term.for_each_successor(|target| {
                if *target == block {
                    *target = to;
                }
            });
            self.preds[to].push(pred);
        }
        for to in [then, otherwise] {
            self.preds[to].retain(|&pred| pred != block);
        }
        self.preds[block].clear();
        !preds.is_empty()
    }

    /// Makes the comparison of `block` and the one behind it one for equality, if both have to hold for the same number.
    fn unite(&mut self, block: Block) -> bool {
        let Some(test) = Test::of(&self.function.blocks[block].term) else { return false };
        let Terminator::Branch { then, otherwise, .. } = self.function.blocks[block].term else { return false };
        for (first, next, fails) in [(test, then, otherwise), (test.inverse(), otherwise, then)] {
            let data = &self.function.blocks[next];
            if !data.insts.is_empty() || self.preds[next] != [block] {
                continue;
            }
            let (Some(second), &Terminator::Branch { then, otherwise, .. }) = (Test::of(&data.term), &data.term) else {
                continue;
            };
            let (second, holds) = match fails {
                _ if fails == otherwise => (second, then),
                _ if fails == then => (second.inverse(), otherwise),
                _ => continue,
            };
            if let Some(number) = first.only(&second) {
                let (a, b) = (Operand::Value(test.value), Operand::Const(number));
                self.function.blocks[block].term =
                    Terminator::Branch { cond: Cond::Eq, width: test.width, a, b, then: holds, otherwise: fails };
                self.preds[next].clear();
                self.preds[fails].retain(|&pred| pred != next);
                self.preds[holds].iter_mut().filter(|pred| **pred == next).for_each(|pred| *pred = block);
                return true;
            }
        }
        false
    }

    /// Whether `test` holds whenever control comes from `pred` to `block`.
    fn answer(&self, pred: Block, block: Block, test: &Test) -> Option<bool> {
        let (mut from, mut to) = (pred, block);
        for _ in 0..REACH {
            let term = &self.function.blocks[from].term;
            if let Some(known) = Test::of(term) {
                let holds = matches!(*term, Terminator::Branch { then, .. } if then == to);
                let known = if holds { known } else { known.inverse() };
                if let Some(answer) = known.answers(test) {
                    return Some(answer);
                }
            }
            let [only] = self.preds[from][..] else { return None };
            (from, to) = (only, from);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::test::becomes;
    use bpfasm_isa::Endian;
    use proptest::prelude::*;

    const RULES: &str = "
block0:
  v0 = context
  v1 = load.b packet v0 + 0
  v2 = load.h packet v0 + 2
  branch.ne32 v1, 6, block2, block1
block1:
  branch.eq32 v2, 80, block6, block2
block2:
  branch.ne32 v1, 6, block4, block3
block3:
  branch.eq32 v2, 443, block6, block4
block4:
  branch.eq32 v1, 17, block6, block5
block5:
  return 0
block6:
  return 1";

    #[test]
    fn a_comparison_is_asked_once() {
        becomes(
            run,
            Endian::Little,
            RULES,
            "
block0:
  v0 = context
  v1 = load.b packet v0 + 0
  v2 = load.h packet v0 + 2
  branch.ne32 v1, 6, block4, block1
block1:
  branch.eq32 v2, 80, block6, block3
block2:
  branch.ne32 v1, 6, block4, block3
block3:
  branch.eq32 v2, 443, block6, block4
block4:
  branch.eq32 v1, 17, block6, block5
block5:
  return 0
block6:
  return 1",
        );
    }

    #[test]
    fn a_way_that_leaves_it_open_or_an_operation_keeps_the_block() {
        let stays = |from: &str, to: &str| {
            let text = RULES.replace(from, to);
            assert_ne!(text, RULES);
            becomes(run, Endian::Little, &text, &text);
        };
        stays("6, block2, block1", "7, block2, block1");
        stays("block2:\n", "block2:\n  v3 = load.b packet v0 + 0\n");
    }

    #[test]
    fn a_range_of_one_number_is_equality() {
        let text = |first: &str, second: &str| {
            format!(
                "
block0:
  v0 = context
  v1 = load.h packet v0 + 0
  branch.{first}
block1:
  branch.{second}
block2:
  return 0
block3:
  return 1"
            )
        };
        let becomes_equal = |first: &str, second: &str| {
            let second = second.to_owned();
            let after = text("eq32 v1, 22, block3, block2", &second);
            becomes(run, Endian::Little, &text(first, &second), &after);
        };
        becomes_equal("ge32 v1, 22, block1, block2", "le32 v1, 22, block3, block2");
        becomes_equal("gt32 v1, 22, block2, block1", "lt32 v1, 22, block2, block3");
        becomes_equal("le32 v1, 21, block2, block1", "ge32 v1, 23, block2, block3");
        for (first, second) in [
            ("ge32 v1, 22, block1, block2", "le32 v1, 23, block3, block2"),
            ("ge32 v1, 22, block1, block2", "le32 v1, 22, block2, block3"),
            ("ge32 v1, 22, block1, block2", "le64 v1, 22, block3, block2"),
            ("sge32 v1, 22, block1, block2", "sle32 v1, 22, block3, block2"),
        ] {
            becomes(run, Endian::Little, &text(first, second), &text(first, second));
        }
    }

    proptest! {
        #[test]
        fn answers_are_right(
            (known, asked) in (0..Cond::ALL.len(), 0..Cond::ALL.len()),
            wide: bool,
            constants in [prop_oneof![0..4_u64, any::<u64>()], prop_oneof![0..4_u64, any::<u64>()]],
            number in prop_oneof![0..4_u64, any::<u64>()],
        ) {
            let width = if wide { Width::W64 } else { Width::W32 };
            let test = |cond: usize, constant| Test { cond: Cond::ALL[cond], width, value: Value(0), constant };
            let (known, asked) = (test(known, constants[0]), test(asked, constants[1]));
            let holds = |test: &Test| fold_cond(test.cond, width, number, test.constant);
            if let Some(answer) = known.answers(&asked).filter(|_| holds(&known)) {
                prop_assert_eq!(holds(&asked), answer);
            }
        }
    }
}
