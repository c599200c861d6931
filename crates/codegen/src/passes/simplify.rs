//! Constant folding, algebraic identities and branches whose way is known, in one walk from definitions to uses.
//!
//! On the way: network-order constants become the target's numbers, constants move to the right, sums of constants are taken together
//! and into the offsets of loads and stores, and extensions of what is extended already go.

use super::bits::{Bits, View, size_bits};
use super::substitution::Substitution;
use super::{Analysis, Changes, clear_unreachable};
use crate::fold::{fold_bin, fold_cond, fold_sign_extend, mask, net_bits, swap_for, width_bits};
use crate::ir::{BinOp, Block, Cond, Function, Inst, Op, Operand, Size, Table, Terminator, Value, Width};
use bpfasm_isa::Endian;

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    let endian = analysis.endian;
    let cfg = analysis.cfg(function);
    clear_unreachable(function, cfg);
    let mut pass = Simplify {
        endian,
        bits: Bits::new(function, View::Verifier),
        shapes: Table::filled(Shape::Other, function.value_count as usize),
        substitution: Substitution::new(function),
        changes: Changes::NONE,
    };
    for &block in cfg.order() {
        pass.bits.enter(function, cfg, block);
        pass.block(function, block);
    }
    if pass.changes.touches(Changes::EDGES) {
        analysis.edges_changed();
    }
    pass.changes
}

/// How a value was made, where a user of it may want to know.
#[derive(Clone, Copy)]
enum Shape {
    /// A sum of a value and a constant, which does not go around if it has 32 bits.
    Sum(Value, u64),
    /// Some bits of a value.
    Masked(Operand, u64),
    /// A value between network and host order.
    Swapped(Size, Operand),
    Other,
}

/// What becomes of an operation.
enum Outcome {
    /// It goes, and this stands for its result.
    Is(Operand),
    /// It is this operation.
    Do(Op),
}

struct Simplify {
    endian: Endian,
    bits: Bits,
    shapes: Table<Value, Shape>,
    substitution: Substitution,
    changes: Changes,
}

impl Simplify {
    fn block(&mut self, function: &mut Function, block: Block) {
        let data = &mut function.blocks[block];
        data.insts.retain_mut(|inst| self.inst(inst));
        data.term.for_each_operand(|operand| *operand = self.operand(*operand));
        if let Some(term) = self.terminator(&data.term) {
            let kind = if matches!(term, Terminator::Jump { .. }) { Changes::EDGES } else { Changes::CODE };
            data.term = term;
            self.changes = self.changes.and(kind);
        }
    }

    /// An operand with what is known of it: the replacement of a value, the number of a network-order constant.
    fn operand(&mut self, operand: Operand) -> Operand {
        match self.substitution.resolve(operand) {
            Operand::Net(net) => Operand::Const(net_bits(self.endian, net)),
            other => other,
        }
    }

    /// Simplifies an operation; whether it stays.
    fn inst(&mut self, inst: &mut Inst) -> bool {
        inst.op.for_each_operand(|operand| *operand = self.operand(*operand));
        let mut op = inst.op;
        // Each step makes the operation simpler, so this ends; the bound is for mistakes.
        for _ in 0..8 {
            match self.step(&op) {
                None => break,
                Some(Outcome::Do(simpler)) => op = simpler,
                Some(Outcome::Is(operand)) => {
                    self.substitution.replace(inst.result, operand);
                    self.changes = self.changes.and(Changes::CODE);
                    return false;
                }
            }
        }
        if op != inst.op {
            self.changes = self.changes.and(Changes::CODE);
            inst.op = op;
        }
        self.bits.define(inst.result, &op);
        self.shapes[inst.result] = match op {
            Op::Bin { op: BinOp::Add, width, a: Operand::Value(a), b: Operand::Const(b) }
                if width == Width::W64 || self.bits.operand(inst.result.into()) < width.bits() =>
            {
                Shape::Sum(a, b)
            }
            Op::Bin { op: BinOp::And, width: Width::W64, a, b: Operand::Const(b) } => Shape::Masked(a, b),
            Op::NetSwap { size, a } => Shape::Swapped(size, a),
            _ => Shape::Other,
        };
        true
    }

    fn shape(&self, operand: Operand) -> Shape {
        operand.as_value().map_or(Shape::Other, |value| self.shapes[value])
    }

    fn step(&self, op: &Op) -> Option<Outcome> {
        match *op {
            Op::Bin { op, width, a, b } => self.bin(op, width, a, b),
            Op::NetSwap { size, a } => self.net_swap(size, a),
            Op::SignExtend { from, a: Operand::Const(a) } => {
                Some(Outcome::Is(Operand::Const(fold_sign_extend(from, a))))
            }
            Op::SignExtend { from, a } if self.bits.operand(a) < size_bits(from) => Some(Outcome::Is(a)),
            Op::Load { space, size, base, off } => {
                let (base, off) = self.address(base, off)?;
                Some(Outcome::Do(Op::Load { space, size, base, off }))
            }
            Op::Store { space, size, base, off, value } => {
                let (base, off) = self.address(base, off)?;
                Some(Outcome::Do(Op::Store { space, size, base, off, value }))
            }
            Op::AtomicAdd { space, size, base, off, value } => {
                let (base, off) = self.address(base, off)?;
                Some(Outcome::Do(Op::AtomicAdd { space, size, base, off, value }))
            }
            _ => None,
        }
    }

    /// An address without the sum in its pointer.
    fn address(&self, base: Operand, off: i16) -> Option<(Operand, i16)> {
        let Shape::Sum(inner, k) = self.shape(base) else { return None };
        let off = i16::try_from(k.cast_signed().checked_add(i64::from(off))?).ok()?;
        Some((Operand::Value(inner), off))
    }

    fn net_swap(&self, size: Size, a: Operand) -> Option<Outcome> {
        let (bits, fits) = (size_bits(size), self.bits.operand(a) <= size_bits(size));
        match (a, self.shape(a)) {
            (Operand::Const(a), _) => Some(Outcome::Is(Operand::Const(swap_for(self.endian, size, a)))),
            _ if self.endian == Endian::Big && fits => Some(Outcome::Is(a)),
            (_, Shape::Swapped(inner, b)) if inner == size => {
                if self.bits.operand(b) <= bits {
                    return Some(Outcome::Is(b));
                }
                let b = (b, Operand::Const(mask(u32::from(bits))));
                Some(Outcome::Do(Op::Bin { op: BinOp::And, width: Width::W64, a: b.0, b: b.1 }))
            }
            _ => None,
        }
    }

    fn bin(&self, op: BinOp, width: Width, a: Operand, b: Operand) -> Option<Outcome> {
        let bin = |op, a, b| Some(Outcome::Do(Op::Bin { op, width, a, b: Operand::Const(b) }));
        match (a, b) {
            (Operand::Const(a), Operand::Const(b)) => Some(Outcome::Is(Operand::Const(fold_bin(op, width, a, b)?))),
            (Operand::Const(_), b) if op.is_commutative() => Some(Outcome::Do(Op::Bin { op, width, a: b, b: a })),
            (_, Operand::Const(b)) => match (op, self.shape(a)) {
                _ if identity(op, width, b) => Some(self.extended(width, a)),
                _ if absorbing(op, width, b) => Some(Outcome::Is(Operand::Const(fold_bin(op, width, 0, b)?))),
                (BinOp::Sub, _) => bin(BinOp::Add, a, fold_bin(BinOp::Sub, width, 0, b)?),
                (BinOp::Mul, _) if b.is_power_of_two() => bin(BinOp::Lsh, a, u64::from(b.trailing_zeros())),
                (BinOp::Div, _) if b.is_power_of_two() => bin(BinOp::Rsh, a, u64::from(b.trailing_zeros())),
                (BinOp::Mod, _) if b.is_power_of_two() => bin(BinOp::And, a, b - 1),
                (BinOp::Add, Shape::Sum(inner, k)) => {
                    bin(BinOp::Add, Operand::Value(inner), fold_bin(op, width, k, b)?)
                }
                (BinOp::And, Shape::Masked(inner, m)) => bin(BinOp::And, inner, m & b),
                (BinOp::And, _) => self.and(width, a, b),
                _ => None,
            },
            (a, b) if a == b => match op {
                BinOp::Sub | BinOp::Xor => Some(Outcome::Is(Operand::Const(0))),
                BinOp::And | BinOp::Or => Some(self.extended(width, a)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The bits of `a` that `b` has, where that is less than it looks.
    fn and(&self, width: Width, a: Operand, b: u64) -> Option<Outcome> {
        let present = mask(u32::from(self.bits.operand(a))) & mask(width_bits(width));
        if present & !b == 0 && u32::from(self.bits.operand(a)) <= width_bits(width) {
            return Some(Outcome::Is(a));
        }
        // One form for all: 64 bits wide, with no bits in the mask that the width or the operand lacks.
        let plain = b & present;
        let and = Op::Bin { op: BinOp::And, width: Width::W64, a, b: Operand::Const(plain) };
        (width == Width::W32 || plain != b).then_some(Outcome::Do(and))
    }

    /// `a` cut to `width`.
    fn extended(&self, width: Width, a: Operand) -> Outcome {
        if u32::from(self.bits.operand(a)) <= width_bits(width) {
            return Outcome::Is(a);
        }
        let low = Operand::Const(mask(width_bits(width)));
        Outcome::Do(Op::Bin { op: BinOp::And, width: Width::W64, a, b: low })
    }

    fn terminator(&self, term: &Terminator) -> Option<Terminator> {
        let &Terminator::Branch { cond, width, a, b, then, otherwise } = term else { return None };
        let start = (cond, width, a, b);
        let (mut cond, mut width, mut a, mut b) = start;
        for _ in 0..8 {
            if let Some(holds) = self.known(cond, width, a, b) {
                return Some(Terminator::jump(if holds { then } else { otherwise }));
            }
            let Some(simpler) = self.comparison(cond, width, a, b) else { break };
            (cond, width, a, b) = simpler;
        }
        let changed = start != (cond, width, a, b);
        changed.then_some(Terminator::Branch { cond, width, a, b, then, otherwise })
    }

    /// Whether a condition always or never holds.
    fn known(&self, cond: Cond, width: Width, a: Operand, b: Operand) -> Option<bool> {
        match (a, b) {
            (Operand::Const(a), Operand::Const(b)) => Some(fold_cond(cond, width, a, b)),
            (a, b) if a == b => Some(fold_cond(cond, width, 0, 0)),
            (_, Operand::Const(b)) if !cond.is_signed() => {
                // An unsigned comparison that both the least and the greatest possible value answer alike is answered,
                // unless it is for equality with something between them.
                let greatest = mask(u32::from(self.bits.operand(a)).min(width_bits(width)));
                let b = b & mask(width_bits(width));
                let (low, high) = (fold_cond(cond, width, 0, b), fold_cond(cond, width, greatest, b));
                let between = matches!(cond, Cond::Eq | Cond::Ne) && b <= greatest;
                (low == high && !between).then_some(low)
            }
            _ => None,
        }
    }

    /// A simpler comparison that holds when this one does.
    fn comparison(&self, cond: Cond, width: Width, a: Operand, b: Operand) -> Option<(Cond, Width, Operand, Operand)> {
        let is_narrow = |operand| self.bits.operand(operand) <= 32;
        match (a, b) {
            (Operand::Const(_), b) => Some((cond.swapped(), width, b, a)),
            (a, b) if width == Width::W64 && !cond.is_signed() && is_narrow(a) && is_narrow(b) => {
                Some((cond, Width::W32, a, b))
            }
            (a, Operand::Const(k)) => {
                let cut = k & mask(width_bits(width));
                let against = |cond, a, k| Some((cond, width, a, Operand::Const(k)));
                match (cond, cut, self.shape(a)) {
                    _ if cut != k => against(cond, a, cut),
                    (Cond::Gt, 0, _) | (Cond::Ge, 1, _) => against(Cond::Ne, a, 0),
                    (Cond::Le, 0, _) | (Cond::Lt, 1, _) => against(Cond::Eq, a, 0),
                    (Cond::Eq | Cond::Ne, k, Shape::Swapped(size, inner))
                        if self.bits.operand(inner) <= size_bits(size) && size_bits(size) <= width.bits() =>
                    {
                        against(cond, inner, swap_for(self.endian, size, k))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Whether `x op b` is `x`, cut to the width.
fn identity(op: BinOp, width: Width, b: u64) -> bool {
    let b = b & mask(width_bits(width));
    match op {
        BinOp::Add | BinOp::Sub | BinOp::Or | BinOp::Xor => b == 0,
        BinOp::Lsh | BinOp::Rsh | BinOp::Arsh => b & u64::from(width_bits(width) - 1) == 0,
        BinOp::Mul | BinOp::Div | BinOp::SDiv => b == 1,
        BinOp::And => b == mask(width_bits(width)),
        BinOp::Mod | BinOp::SMod => b == 0,
    }
}

/// Whether `x op b` is the same for every `x`.
fn absorbing(op: BinOp, width: Width, b: u64) -> bool {
    let b = b & mask(width_bits(width));
    match op {
        BinOp::And | BinOp::Mul | BinOp::Div | BinOp::SDiv => b == 0,
        BinOp::Or => b == mask(width_bits(width)),
        BinOp::Mod | BinOp::SMod => b == 1,
        BinOp::Add | BinOp::Sub | BinOp::Xor | BinOp::Lsh | BinOp::Rsh | BinOp::Arsh => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    #[track_caller]
    fn little(before: &str, after: &str) {
        becomes(super::run, Endian::Little, before, after);
    }

    /// What an operation on `v0`, of 64 bits, and `v1`, of 16, becomes.
    #[track_caller]
    fn result(before: &str, after: &str) {
        let around = |text: &str, result: &str| {
            format!("block0:\n  v0 = context\n  v1 = load.h context v0 + 0\n{text}  return {result}\n")
        };
        let after = match after.split_once(' ') {
            Some(_) => around(&format!("  v2 = {after}\n"), "v2"),
            None => around("", after),
        };
        little(&around(&format!("  v2 = {before}\n"), "v2"), &after);
    }

    #[test]
    fn identities() {
        result("add64 v0, 0", "v0");
        result("add32 v0, 0", "and64 v0, 0xffffffff");
        result("or32 0, v1", "v1");
        result("lsh64 v0, 64", "v0");
        result("mod64 v0, 0", "v0");
        result("div64 v0, 0", "0");
        result("mul32 v0, 0x100000000", "0");
        result("and64 v1, 0xffff", "v1");
        result("and32 v1, 0xfffff00f", "and64 v1, 0xf00f");
        result("xor64 v0, v0", "0");
        result("sub64 v0, 1", "add64 v0, 0xffffffffffffffff");
        result("mul64 v0, 8", "lsh64 v0, 3");
        result("div32 v0, 16", "rsh32 v0, 4");
        result("mod64 v0, 16", "and64 v0, 15");
        result("sdiv64 v0, 16", "sdiv64 v0, 16");
        result("sign_extend.w v1", "v1");
        result("sign_extend.h v1", "sign_extend.h v1");
        result("sign_extend.b 0x80", "0xffffffffffffff80");
        result("net_swap.h 0x0800", "8");
        result("add64 net.h 0x0800, net.w 0x0a000001", "0x1000012");
    }

    #[test]
    fn sums_are_taken_together_and_into_addresses() {
        little(
            "
block0:
  v0 = context
  v1 = load.w context v0 + 76
  v2 = add64 v1, 14
  v3 = add64 v2, 20
  v4 = load.h packet v3 + 2
  v5 = add64 v1, 0x7fff
  v6 = load.b packet v5 + 1
  store.b packet v2 - 20, v6
  return v4",
            "
block0:
  v0 = context
  v1 = load.w context v0 + 76
  v2 = add64 v1, 14
  v3 = add64 v1, 34
  v4 = load.h packet v1 + 36
  v5 = add64 v1, 0x7fff
  v6 = load.b packet v5 + 1
  store.b packet v1 - 6, v6
  return v4",
        );
    }

    /// What a branch on `v0`, of 64 bits, and `v1`, of 16, becomes.
    #[track_caller]
    fn branch(endian: Endian, before: &str, after: &str) {
        let around = |term: &str| {
            format!(
                "block0:\n  v0 = context\n  v1 = load.h packet v0 + 0\n  v2 = net_swap.h v1\n  {term}\nblock1:\n  return 1\nblock2:\n  return v2"
            )
        };
        becomes(super::run, endian, &around(before), &around(after));
    }

    #[test]
    fn branches_that_are_known_or_simpler() {
        let cases = [
            ("branch.eq64 7, 7, block1, block2", "jump block1"),
            ("branch.lt32 v0, v0, block1, block2", "jump block2"),
            ("branch.gt32 v1, 0xffff, block1, block2", "jump block2"),
            ("branch.lt32 v1, 0x10000, block1, block2", "jump block1"),
            ("branch.ne32 v1, 0x10000, block1, block2", "jump block1"),
            ("branch.ge64 v0, 0, block1, block2", "jump block1"),
            ("branch.gt64 3, v0, block1, block2", "branch.lt64 v0, 3, block1, block2"),
            ("branch.gt64 v1, 3, block1, block2", "branch.gt32 v1, 3, block1, block2"),
            ("branch.sgt64 v1, 3, block1, block2", "branch.sgt64 v1, 3, block1, block2"),
            ("branch.gt64 v0, 0, block1, block2", "branch.ne64 v0, 0, block1, block2"),
            ("branch.eq32 v0, 0x100000002, block1, block2", "branch.eq32 v0, 2, block1, block2"),
            ("branch.eq64 v0, v1, block1, block2", "branch.eq64 v0, v1, block1, block2"),
            ("branch.eq64 v2, 0x0800, block1, block2", "branch.eq32 v1, 8, block1, block2"),
            // The verifier does not know how small a swapped number is: only a comparison of all bits tells it.
            ("branch.lt64 v2, 2048, block1, block2", "branch.lt64 v2, 2048, block1, block2"),
        ];
        for (before, after) in cases {
            branch(Endian::Little, before, after);
        }
    }

    #[test]
    fn big_endian_targets_have_nothing_to_swap() {
        becomes(
            super::run,
            Endian::Big,
            "
block0:
  v0 = context
  v1 = load.h packet v0 + 0
  v2 = net_swap.h v1
  branch.eq32 v2, net.h 0x0800, block1, block1
block1:
  return net.w 0x0a000001",
            "
block0:
  v0 = context
  v1 = load.h packet v0 + 0
  branch.eq32 v1, 2048, block1, block1
block1:
  return 0xa000001",
        );
    }
}
