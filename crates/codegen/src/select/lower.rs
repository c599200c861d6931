//! Operations of the IR as instructions.

use super::mir::{Base, Inst, Src, Symbol, VReg};
use super::{Select, immediate, low, narrow};
use crate::error::Error;
use crate::fold::{mask, width_bits};
use crate::ir::{Args, BinOp, Block, Cond, Op, Operand, Size, Space, Terminator, Value, Width};
use bpfasm_isa::{AluOp, CpuLevel, JmpOp};

impl Select<'_> {
    /// Selects instructions for an operation; those that are made again at each use have none here.
    pub(super) fn op(&mut self, result: Value, op: &Op) -> Result<(), Error> {
        match *op {
            Op::Context | Op::StackAddr(_) | Op::MapAddr(_) => {}
            // Two slots long, so it is not made again at each use.
            Op::GlobalAddr(global) => {
                let dst = self.vreg(result);
                self.push(Inst::SymbolAddr { dst, symbol: Symbol::Global(global) });
            }
            Op::Bin { op, width, a, b } => self.bin(result, op, width, a, b)?,
            Op::NetSwap { size, a } => {
                let (a, dst) = (self.reg(a), self.vreg(result));
                self.push(Inst::NetSwap { size, dst, a });
            }
            Op::SignExtend { from, a } => {
                let (a, dst) = (self.reg(a), self.vreg(result));
                self.sign_extend(from, dst, a);
            }
            Op::Load { size, base, off, .. } => {
                let (base, off) = self.address(base, off);
                let dst = self.vreg(result);
                self.push(Inst::Load { size, dst, base, off });
            }
            Op::Store { space, size, base, off, value } => self.store(space, size, base, off, value),
            Op::AtomicAdd { size, base, off, value, .. } => {
                let (base, off) = self.address(base, off);
                let value = self.reg(value);
                self.push(Inst::AtomicAdd { size, base, off, value });
            }
            Op::Call { helper, ref args } => {
                let (args, count) = self.call_args(args);
                let dst = self.vreg(result);
                self.push(Inst::Call { helper, dst, args, count });
            }
        }
        Ok(())
    }

    fn call_args(&mut self, args: &Args) -> ([VReg; 5], u8) {
        let mut regs = [VReg(0); 5];
        let mut count = 0;
        for (reg, &arg) in regs.iter_mut().zip(args.as_slice()) {
            *reg = self.reg(arg);
            count += 1;
        }
        (regs, count)
    }

    fn store(&mut self, space: Space, size: Size, base: Operand, off: i16, value: Operand) {
        let (base, off) = self.address(base, off);
        let width = if size == Size::DW { Width::W64 } else { Width::W32 };
        // Before Linux 6.4 the verifier takes no stores of immediates to the context.
        let value = if space == Space::Context { Src::Reg(self.reg(value)) } else { self.src(width, value) };
        self.push(Inst::Store { size, base, off, value });
    }

    /// An address; stack slots are reached from R10.
    fn address(&mut self, base: Operand, off: i16) -> (Base, i16) {
        if let Some(&Op::StackAddr(slot)) = self.def_of(base)
            && let Ok(off) = i16::try_from(self.frame.offsets[slot] + i32::from(off))
        {
            return (Base::Frame, off);
        }
        (Base::Reg(self.reg(base)), off)
    }

    fn bin(&mut self, result: Value, op: BinOp, width: Width, a: Operand, b: Operand) -> Result<(), Error> {
        let (a, b) = if op.is_commutative() && self.belongs_right(a, b) { (b, a) } else { (a, b) };
        if width == Width::W32 && !self.has_32_bit() {
            return self.bin_in_64(result, op, a, b);
        }
        let alu = self.alu_op(op)?;
        let dst = self.vreg(result);
        match (op, width, self.number(a), self.number(b)) {
            (BinOp::Sub, _, Some(0), _) => {
                let a = self.reg(b);
                self.push(Inst::Neg { width, dst, a });
            }
            (BinOp::And, Width::W64, _, Some(bits)) if immediate(width, bits).is_none() && bits <= mask(32) => {
                let a = self.reg(a);
                self.and_low(dst, a, bits);
            }
            (BinOp::Lsh | BinOp::Rsh | BinOp::Arsh, _, _, Some(count)) => {
                let count = count & u64::from(width_bits(width) - 1);
                let a = self.reg(a);
                self.push(Inst::Alu { op: alu, width, dst, a, b: Src::Imm(low(count)) });
            }
            // The kernel's verifier refuses a division by an immediate zero.
            (BinOp::Div | BinOp::SDiv | BinOp::Mod | BinOp::SMod, _, _, Some(divisor)) if low(divisor) == 0 => {
                let (a, b) = (self.reg(a), self.reg(b));
                self.push(Inst::Alu { op: alu, width, dst, a, b: Src::Reg(b) });
            }
            _ => {
                let (a, b) = (self.reg(a), self.src(width, b));
                self.push(Inst::Alu { op: alu, width, dst, a, b });
            }
        }
        Ok(())
    }

    /// Whether a commutative operation is shorter with its left operand on the right: constants belong there, and of two values the
    /// one that is needed afterwards, for the left one's register is overwritten.
    fn belongs_right(&self, a: Operand, b: Operand) -> bool {
        match (a, b) {
            (Operand::Value(a), Operand::Value(b)) => self.uses.counts[a] > 1 && self.uses.counts[b] == 1,
            (Operand::Value(_), _) => false,
            (_, b) => b.as_value().is_some(),
        }
    }

    /// `a` and a mask of at most 32 bits that is no immediate of 64.
    fn and_low(&mut self, dst: VReg, a: VReg, bits: u64) {
        if !self.has_32_bit() {
            self.and_low_in_64(dst, a, bits);
        } else if bits == mask(32) {
            self.push(Inst::Low { dst, a });
        } else {
            self.push(Inst::Alu { op: AluOp::And, width: Width::W32, dst, a, b: Src::Imm(low(bits)) });
        }
    }

    pub(super) fn alu_op(&self, op: BinOp) -> Result<AluOp, Error> {
        let needs_v4 = |name| match self.options.cpu {
            CpuLevel::V4 => Ok(()),
            chosen => Err(Error::NeedsCpu { op: name, level: CpuLevel::V4, chosen, loc: self.loc }),
        };
        Ok(match op {
            BinOp::Add => AluOp::Add,
            BinOp::Sub => AluOp::Sub,
            BinOp::Mul => AluOp::Mul,
            BinOp::Div => AluOp::Div,
            BinOp::Mod => AluOp::Mod,
            BinOp::SDiv => {
                needs_v4("signed division")?;
                AluOp::SDiv
            }
            BinOp::SMod => {
                needs_v4("signed remainder")?;
                AluOp::SMod
            }
            BinOp::Or => AluOp::Or,
            BinOp::And => AluOp::And,
            BinOp::Xor => AluOp::Xor,
            BinOp::Lsh => AluOp::Lsh,
            BinOp::Rsh => AluOp::Rsh,
            BinOp::Arsh => AluOp::Arsh,
        })
    }

    fn sign_extend(&mut self, from: Size, dst: VReg, a: VReg) {
        if self.options.cpu >= CpuLevel::V4 {
            self.push(Inst::SignExtend { from, dst, a });
        } else {
            self.shift_pair(AluOp::Arsh, narrow::sign_extension_shift(from), dst, a);
        }
    }

    /// The instruction of a branch, and whether its successors change places.
    pub(super) fn branch(&mut self, cond: Cond, width: Width, a: Operand, b: Operand) -> (Inst, bool) {
        let (cond, a, b) =
            if a.as_value().is_none() && b.as_value().is_some() { (cond.swapped(), b, a) } else { (cond, a, b) };
        // v1 lacks the jumps on less; their opposites do.
        let is_less = matches!(cond, Cond::Lt | Cond::Le | Cond::SLt | Cond::SLe);
        let inverted = is_less && self.options.cpu < CpuLevel::V2;
        let cond = if inverted { cond.inverse() } else { cond };
        let op = jmp_op(cond);
        let branch = if width == Width::W32 && !self.has_32_bit() {
            let (a, b) = self.compared_in_64(cond, a, b);
            Inst::Branch { op, width: Width::W64, a, b }
        } else {
            let a = self.compared(width, a);
            let b = if b.as_value().is_some() { Src::Reg(self.compared(width, b)) } else { self.src(width, b) };
            Inst::Branch { op, width, a, b }
        };
        (branch, inverted)
    }

    /// An operand of a comparison in a register. A sum that several branches compare, such as the end of a header, is made
    /// again for each.
    ///
    /// The kernel's verifier notes at the register of a pointer that it was found behind the packet's end. Where ways meet,
    /// kernels without the mend of 2026 (`regsafe` in `kernel/bpf/verifier.c`) take a register with that note for one without,
    /// and decide its next comparison for both. What no instruction reads any more they do not look at.
    fn compared(&mut self, width: Width, operand: Operand) -> VReg {
        match operand.as_value().and_then(|value| self.compared_sum(value)) {
            Some((a, b)) if width == Width::W64 => {
                let (a, b) = (self.reg(a), self.src(Width::W64, b));
                self.emit(|dst| Inst::Alu { op: AluOp::Add, width: Width::W64, dst, a, b })
            }
            _ => self.reg(operand),
        }
    }

    /// What is added in a sum that several branches compare.
    fn compared_sum(&self, value: Value) -> Option<(Operand, Operand)> {
        match self.def(value) {
            Some(&Op::Bin { op: BinOp::Add, width: Width::W64, a, b }) if self.uses.branches[value] > 1 => Some((a, b)),
            _ => None,
        }
    }

    /// Whether a value is nothing but a sum that several branches compare.
    pub(super) fn is_only_compared(&self, value: Value) -> bool {
        self.uses.counts[value] == self.uses.branches[value] && self.compared_sum(value).is_some()
    }

    /// The conjunction that the branch at the end of `block` compares with zero, if nothing else uses it and a jump can do both.
    pub(super) fn fused_and(&self, block: Block) -> Option<Value> {
        let Terminator::Branch { cond: Cond::Eq | Cond::Ne, width, a: Operand::Value(value), b, then, otherwise } =
            self.function.blocks[block].term
        else {
            return None;
        };
        let is_alone = self.number(b) == Some(0) && self.uses.counts[value] == 1 && then != otherwise;
        let (home, _) = self.uses.defs[value]?;
        let &Op::Bin { op: BinOp::And, width: and_width, a, b } = self.def(value)? else { return None };
        let width = narrower(width, and_width);
        let one_jump = match (self.number(a), self.number(b)) {
            (None, None) => width == Width::W64 || self.has_32_bit(),
            (None, Some(bits)) => match immediate(width, bits) {
                Some(imm) => width == Width::W64 || self.has_32_bit() || imm >= 0,
                None => false,
            },
            _ => false,
        };
        (is_alone && home == block && one_jump).then_some(value)
    }

    /// The instruction of a branch on the conjunction that [`fused_and`](Select::fused_and) found.
    pub(super) fn branch_on_bits(&mut self, cond: Cond, width: Width, and: Operand) -> (Inst, bool) {
        let Some(&Op::Bin { width: and_width, a, b, .. }) = self.def_of(and) else {
            return self.branch(cond, width, and, Operand::Const(0));
        };
        let width = narrower(width, and_width);
        let (a, b) = (self.reg(a), self.src(width, b));
        let width = if self.has_32_bit() { width } else { Width::W64 };
        (Inst::Branch { op: JmpOp::Set, width, a, b }, cond == Cond::Eq)
    }
}

fn narrower(a: Width, b: Width) -> Width {
    if a == Width::W32 { a } else { b }
}

fn jmp_op(cond: Cond) -> JmpOp {
    match cond {
        Cond::Eq => JmpOp::Eq,
        Cond::Ne => JmpOp::Ne,
        Cond::Gt => JmpOp::Gt,
        Cond::Ge => JmpOp::Ge,
        Cond::Lt => JmpOp::Lt,
        Cond::Le => JmpOp::Le,
        Cond::SGt => JmpOp::SGt,
        Cond::SGe => JmpOp::SGe,
        Cond::SLt => JmpOp::SLt,
        Cond::SLe => JmpOp::SLe,
    }
}
