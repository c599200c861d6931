//! Constants move outwards in sums: `p + (x + k)` becomes `(p + x) + k`.
//!
//! There they vanish in the offsets of loads and stores, and in the constants of other sums. A header behind another one of variable length
//! is such a sum: the packet, the length, and what is before it.

use super::bits::{Bits, View};
use super::{Analysis, Changes};
use crate::ir::{BinOp, Block, Function, Inst, Op, Operand, Table, Value, Width};

/// The largest constant that moves: offsets have 15 bits and a sign.
const MAX_CONSTANT: u64 = 0x7fff;

/// How many bits one of the two others may have at most. The verifier lets no more be added to a packet pointer (`MAX_PACKET_OFF` in
/// `kernel/bpf/verifier.c`), and within them no sum goes around.
const MAX_BITS: u8 = 16;

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    let cfg = analysis.cfg(function);
    let mut uses = Table::filled(0_u32, function.value_count as usize);
    function.for_each_operand(|operand| {
        if let Operand::Value(value) = *operand {
            uses[value] += 1;
        }
    });
    let mut bits = Bits::new(function, View::Verifier);
    let mut changed = false;
    for &block in cfg.order() {
        bits.enter(function, cfg, block);
        changed |= self::block(function, block, &uses, &mut bits);
    }
    if changed { Changes::CODE.and(Changes::VALUES) } else { Changes::NONE }
}

/// A sum of a value and a constant that one operation of the block uses.
struct Inner {
    /// Its place in the block.
    at: usize,
    value: Operand,
    constant: u64,
}

fn block(function: &mut Function, block: Block, uses: &Table<Value, u32>, bits: &mut Bits) -> bool {
    let insts = &mut function.blocks[block].insts;
    let mut changed = false;
    for outer in 0..insts.len() {
        let Inst { result, op, loc } = insts[outer];
        bits.define(result, &op);
        let Op::Bin { op: BinOp::Add, width: Width::W64, a, b } = op else { continue };
        let sides = [(a, b), (b, a)].into_iter();
        let found = sides.filter(|(_, sum)| sum.as_value().is_some_and(|sum| uses[sum] == 1));
        let mut found = found.filter_map(|(other, sum)| Some((other, sum, inner(&insts[..outer], sum, bits)?)));
        let is_small = |operand| bits.operand(operand) <= MAX_BITS;
        let Some((other, Operand::Value(sum), inner)) =
            found.find(|(other, _, inner)| other.as_value().is_some() && (is_small(*other) || is_small(inner.value)))
        else {
            continue;
        };
        let add = |a, b| Op::Bin { op: BinOp::Add, width: Width::W64, a, b };
        // `other` may have been computed after the inner sum.
        insts[inner.at..outer].rotate_left(1);
        insts[outer - 1] = Inst { result: sum, op: add(other, inner.value), loc };
        insts[outer].op = add(Operand::Value(sum), Operand::Const(inner.constant));
        bits.define(sum, &insts[outer - 1].op);
        changed = true;
    }
    changed
}

/// The operation among `insts` that gives `sum`, if it adds a constant without going around.
fn inner(insts: &[Inst], sum: Operand, bits: &Bits) -> Option<Inner> {
    let at = insts.iter().rposition(|inst| Operand::Value(inst.result) == sum)?;
    match insts[at].op {
        Op::Bin { op: BinOp::Add, width, a: value @ Operand::Value(_), b: Operand::Const(constant) }
            if constant <= MAX_CONSTANT && (width == Width::W64 || bits.operand(value) < width.bits() - 1) =>
        {
            Some(Inner { at, value, constant })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    const HEADER: &str = "
block0:
  v0 = context
  v1 = load.b packet v0 + 14
  v2 = add32 v1, 14
  v3 = load.w context v0 + 76
  v4 = add64 v3, v2
  v5 = load.h packet v4 + 2
  return v5";

    #[test]
    fn constants_move_outwards() {
        becomes(
            super::run,
            Endian::Little,
            HEADER,
            "
block0:
  v0 = context
  v1 = load.b packet v0 + 14
  v3 = load.w context v0 + 76
  v2 = add64 v3, v1
  v4 = add64 v2, 14
  v5 = load.h packet v4 + 2
  return v5",
        );
    }

    #[test]
    fn what_goes_around_or_is_used_twice_stays() {
        let stays = |from: &str, to: &str| {
            let text = HEADER.replace(from, to);
            assert_ne!(text, HEADER);
            becomes(super::run, Endian::Little, &text, &text);
        };
        stays("load.b packet v0 + 14", "load.w packet v0 + 14");
        stays("v1, 14", "v1, 0x8000");
        stays("return v5", "return v2");
        stays("add64 v3, v2", "add32 v3, v2");
        stays("add64 v3, v2", "add64 7, v2");
    }
}
