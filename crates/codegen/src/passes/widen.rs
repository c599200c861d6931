//! Bounds checks of one pointer become one check of the farthest byte.
//!
//! A check goes to its failure block when `base + k > end`. Where a second check of the same base and end, with the same failure
//! block, follows on a path that has no effects and no other way out than to that same block, the first can check for both: whoever
//! fails the second would have ended in the failure block either way. Loads may lie between, they stay behind the first check.
//!
//! The rewriting is right only while `base + k` does not wrap around, so the base must be made of pointers from the context and small
//! numbers, and `k` must be small.

use super::bits::Bits;
use super::{Analysis, Changes};
use crate::fold::fold_bin;
use crate::ir::{
    BinOp, Block, Cfg, Cond, Effect, Function, Inst, Op, Operand, Size, Space, Table, Terminator, Value, Width,
};

/// How many different bases are followed at once: more are not seen in practice, and each costs a comparison at every check.
const MAX_OPEN: usize = 8;

/// How far a widened check may reach, in bytes: the verifier knows nothing of packets beyond (`MAX_PACKET_OFF` in
/// `kernel/bpf/verifier.c`).
const MAX_REACH: u64 = 0xffff;

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    // Less than two comparisons are nothing to take together.
    if function.blocks.values().filter(|data| comparison(&data.term).is_some()).nth(1).is_none() {
        return Changes::NONE;
    }
    let cfg = analysis.cfg(function);
    let pointers = Pointers::new(function, cfg);
    let mut visited = Table::filled(false, function.blocks.len());
    let mut changed = false;
    for &block in cfg.order() {
        if !visited[block] && pointers.check(function, block).is_some() {
            changed |= widen_from(function, cfg, &pointers, &mut visited, block);
        }
    }
    if !changed {
        return Changes::NONE;
    }
    analysis.edges_changed();
    Changes::EDGES.and(Changes::CODE)
}

/// `base + reach > end`: goes to `fail`, else to `pass`.
#[derive(Clone, Copy)]
struct Check {
    base: Operand,
    reach: u64,
    end: Operand,
    fail: Block,
    pass: Block,
}

/// A check that later ones may be folded into.
struct Open {
    block: Block,
    check: Check,
    /// The farthest byte that this check and those folded into it ask for.
    reach: u64,
}

/// Follows the one path from `start` on which every way out leads to one failure block, and folds checks on it.
fn widen_from(
    function: &mut Function,
    cfg: &Cfg,
    pointers: &Pointers,
    visited: &mut Table<Block, bool>,
    start: Block,
) -> bool {
    let Some(first) = pointers.check(function, start) else { return false };
    let fail = first.fail;
    let mut open: Vec<Open> = Vec::new();
    let mut changed = false;
    let mut at = start;
    loop {
        let next = match pointers.check(function, at).filter(|check| check.fail == fail) {
            Some(check) => {
                visited[at] = true;
                let same = |open: &&mut Open| open.check.base == check.base && open.check.end == check.end;
                if let Some(earlier) = open.iter_mut().find(same) {
                    earlier.reach = earlier.reach.max(check.reach);
                    function.blocks[at].term = Terminator::jump(check.pass);
                    changed = true;
                } else if open.len() < MAX_OPEN {
                    open.push(Open { block: at, check, reach: check.reach });
                }
                check.pass
            }
            None => match function.blocks[at].term {
                Terminator::Branch { then, otherwise, .. } if then == fail => otherwise,
                Terminator::Branch { then, otherwise, .. } if otherwise == fail => then,
                Terminator::Jump { target, ref args } if args.is_empty() => target,
                _ => break,
            },
        };
        let has_effects = |inst: &Inst| !matches!(inst.op.effect(), Effect::Pure | Effect::Reads(_));
        if cfg.preds(next).len() != 1 || function.blocks[next].insts.iter().any(has_effects) {
            break;
        }
        at = next;
    }
    for Open { block, check, reach } in open {
        if reach > check.reach {
            extend(function, block, &check, reach);
        }
    }
    changed
}

/// Makes the check at the end of `block` look `reach` bytes far.
fn extend(function: &mut Function, block: Block, check: &Check, reach: u64) {
    let limit = function.new_value();
    let data = &mut function.blocks[block];
    let op = Op::Bin { op: BinOp::Add, width: Width::W64, a: check.base, b: Operand::Const(reach) };
    data.insts.push(Inst { result: limit, op, loc: data.term_loc });
    data.term = Terminator::Branch {
        cond: Cond::Gt,
        width: Width::W64,
        a: Operand::Value(limit),
        b: check.end,
        then: check.fail,
        otherwise: check.pass,
    };
}

/// A branch that may be a check: what is greater, than what, where it leads then, and where else.
fn comparison(term: &Terminator) -> Option<(Operand, Operand, Block, Block)> {
    let &Terminator::Branch { cond, width: Width::W64, a, b, then, otherwise } = term else { return None };
    match cond {
        Cond::Gt => Some((a, b, then, otherwise)),
        Cond::Le => Some((a, b, otherwise, then)),
        Cond::Lt => Some((b, a, then, otherwise)),
        Cond::Ge => Some((b, a, otherwise, then)),
        _ => None,
    }
}

/// What is known of the values that checks compare.
struct Pointers {
    /// For a sum of a value and a constant, the two.
    sums: Table<Value, Option<(Value, u64)>>,
    /// Whether the value is a pointer from the context plus small numbers, so that adding a small one does not wrap around.
    is_near: Table<Value, bool>,
}

impl Pointers {
    fn new(function: &Function, cfg: &Cfg) -> Pointers {
        let bits = Bits::of_function(function, cfg);
        let count = function.value_count as usize;
        let mut pointers = Pointers { sums: Table::filled(None, count), is_near: Table::filled(false, count) };
        for inst in cfg.order().iter().flat_map(|&block| &function.blocks[block].insts) {
            let near = |operand: Operand| operand.as_value().is_some_and(|value| pointers.is_near[value]);
            let small = |operand: Operand| bits.operand(operand) <= 32;
            pointers.is_near[inst.result] = match inst.op {
                Op::Load { space: Space::Context, size: Size::W, .. } => true,
                Op::Bin { op: BinOp::Add, width: Width::W64, a, b } => near(a) && small(b) || near(b) && small(a),
                _ => false,
            };
            if let Op::Bin { op: BinOp::Add, width: Width::W64, a: Operand::Value(base), b: Operand::Const(k) } =
                inst.op
            {
                pointers.sums[inst.result] = Some((base, k));
            }
        }
        pointers
    }

    /// The check that `block` ends with.
    fn check(&self, function: &Function, block: Block) -> Option<Check> {
        let (limit, end, fail, pass) = comparison(&function.blocks[block].term)?;
        let (mut base, mut reach) = self.sums[limit.as_value()?]?;
        while let Some((inner, k)) = self.sums[base] {
            base = inner;
            reach = fold_bin(BinOp::Add, Width::W64, reach, k)?;
        }
        let is_check =
            self.is_near[base] && reach <= MAX_REACH && fail != pass && function.blocks[fail].params.is_empty();
        is_check.then_some(Check { base: Operand::Value(base), reach, end, fail, pass })
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    const TWO_CHECKS: &str = "
block0:
  v0 = context
  v1 = load.w context v0 + 80
  v2 = load.w context v0 + 76
  v3 = add64 v2, 14
  branch.gt64 v3, v1, block4, block1
block1:
  v4 = load.h packet v2 + 12
  branch.ne32 v4, 8, block4, block2
block2:
  v5 = add64 v2, 34
  branch.le64 v5, v1, block3, block4
block3:
  v6 = load.w packet v2 + 26
  return v6
block4:
  return 0";

    #[test]
    fn the_first_check_looks_as_far_as_the_second() {
        becomes(
            super::run,
            Endian::Little,
            TWO_CHECKS,
            "
block0:
  v0 = context
  v1 = load.w context v0 + 80
  v2 = load.w context v0 + 76
  v3 = add64 v2, 14
  v7 = add64 v2, 34
  branch.gt64 v7, v1, block4, block1
block1:
  v4 = load.h packet v2 + 12
  branch.ne32 v4, 8, block4, block2
block2:
  v5 = add64 v2, 34
  jump block3
block3:
  v6 = load.w packet v2 + 26
  return v6
block4:
  return 0",
        );
    }

    #[test]
    fn a_check_that_says_less_goes() {
        let text = TWO_CHECKS.replace("v2, 34", "v3, 0");
        becomes(super::run, Endian::Little, &text, &text.replace("branch.le64 v5, v1, block3, block4", "jump block3"));
    }

    #[test]
    fn another_way_out_or_an_effect_keeps_both() {
        let stays = |from: &str, to: &str| {
            let text = TWO_CHECKS.replace(from, to);
            assert_ne!(text, TWO_CHECKS);
            becomes(super::run, Endian::Little, &text, &text);
        };
        let other_exit = TWO_CHECKS.replace("v4, 8, block4", "v4, 8, block5") + "\nblock5:\n  return 1";
        becomes(super::run, Endian::Little, &other_exit, &other_exit);
        stays("v4 = load.h packet v2 + 12", "v4 = call ktime_get_ns()");
        stays("v5 = add64 v2, 34", "v5 = add64 v2, 34\n  store.w packet v2 + 0, 0");
        stays("v2 = load.w context", "v2 = load.dw context");
        stays("v2, 34", "v2, 0x10000");
        stays("v2, 34", "v4, 34");
        stays("branch.le64 v5, v1", "branch.le64 v5, v0");
        stays("branch.le64", "branch.sle64");
    }
}
