//! 32-bit operations for the levels that lack them (v1 and v2), made of 64-bit ones.
//!
//! Results are zero-extended as everywhere; operands are cut only where the high half would show.

use super::mir::{Inst, Src, VReg};
use super::{Select, immediate, low};
use crate::error::Error;
use crate::fold::mask;
use crate::ir::{BinOp, Cond, Operand, Size, Value, Width};
use bpfasm_isa::AluOp;

/// How far a sign of the low `from` bytes is from the top, in bits.
pub(super) fn sign_extension_shift(from: Size) -> u8 {
    64 - from.bytes() * 8
}

impl Select<'_> {
    /// A 32-bit operation in 64 bits.
    pub(super) fn bin_in_64(&mut self, result: Value, op: BinOp, a: Operand, b: Operand) -> Result<(), Error> {
        let alu = self.alu_op(op)?;
        let needs_cut = !self.is_narrow_result(op, a, b);
        let left = match op {
            BinOp::Div | BinOp::Mod | BinOp::Rsh => self.zero_extended(a),
            BinOp::Arsh => self.sign_extended(a),
            _ => self.reg(a),
        };
        let right = match op {
            BinOp::Lsh | BinOp::Rsh | BinOp::Arsh => self.shift_count(b),
            BinOp::Div | BinOp::Mod => match self.number(b) {
                Some(number) => self.positive(number),
                None => Src::Reg(self.zero_extended(b)),
            },
            _ => match self.number(b) {
                Some(number) => Src::Imm(low(number)),
                None => Src::Reg(self.reg(b)),
            },
        };
        let dst = self.vreg(result);
        if needs_cut {
            let wide = self.emit(|dst| Inst::Alu { op: alu, width: Width::W64, dst, a: left, b: right });
            self.shift_pair(AluOp::Rsh, 32, dst, wide);
        } else {
            self.push(Inst::Alu { op: alu, width: Width::W64, dst, a: left, b: right });
        }
        Ok(())
    }

    /// Whether the 64-bit operation on what the operands are extended to has a result of at most 32 bits.
    fn is_narrow_result(&self, op: BinOp, a: Operand, b: Operand) -> bool {
        match op {
            BinOp::Div | BinOp::Mod | BinOp::Rsh => true,
            // A mask is sign-extended; what it masks has to be short.
            BinOp::And => self.is_narrow(a) || self.number(b).is_none() && self.is_narrow(b),
            BinOp::Or | BinOp::Xor => {
                self.is_narrow(a) && self.is_narrow(b) && self.number(b).is_none_or(|n| low(n) >= 0)
            }
            _ => false,
        }
    }

    /// Whether an operand has at most 32 significant bits.
    fn is_narrow(&self, operand: Operand) -> bool {
        self.bits.as_ref().is_some_and(|bits| bits.operand(operand) <= 32)
    }

    fn zero_extended(&mut self, operand: Operand) -> VReg {
        if let Some(number) = self.number(operand) {
            return self.constant(number & mask(32));
        }
        let a = self.reg(operand);
        if self.is_narrow(operand) {
            return a;
        }
        self.extended(AluOp::Rsh, a)
    }

    fn sign_extended(&mut self, operand: Operand) -> VReg {
        let a = self.reg(operand);
        self.extended(AluOp::Arsh, a)
    }

    fn extended(&mut self, shift: AluOp, a: VReg) -> VReg {
        let dst = self.out.new_vreg();
        self.shift_pair(shift, 32, dst, a);
        dst
    }

    /// Shifts left and back.
    pub(super) fn shift_pair(&mut self, back: AluOp, count: u8, dst: VReg, a: VReg) {
        let count = Src::Imm(count.into());
        let up = self.emit(|dst| Inst::Alu { op: AluOp::Lsh, width: Width::W64, dst, a, b: count });
        self.push(Inst::Alu { op: back, width: Width::W64, dst, a: up, b: count });
    }

    /// A shift count modulo 32.
    fn shift_count(&mut self, operand: Operand) -> Src {
        match self.number(operand) {
            Some(number) => Src::Imm(low(number & 31)),
            None => {
                let a = self.reg(operand);
                Src::Reg(self.emit(|dst| Inst::Alu { op: AluOp::And, width: Width::W64, dst, a, b: Src::Imm(31) }))
            }
        }
    }

    /// The low 32 bits of a number, zero-extended.
    fn positive(&mut self, number: u64) -> Src {
        let number = number & mask(32);
        match immediate(Width::W64, number) {
            // The kernel's verifier refuses a division by an immediate zero.
            Some(imm) if imm != 0 => Src::Imm(imm),
            _ => Src::Reg(self.constant(number)),
        }
    }

    /// The operands of a 32-bit comparison, extended as the condition looks at them.
    pub(super) fn compared_in_64(&mut self, cond: Cond, a: Operand, b: Operand) -> (VReg, Src) {
        if cond.is_signed() {
            let a = self.sign_extended(a);
            return match self.number(b) {
                Some(number) => (a, Src::Imm(low(number))),
                None => (a, Src::Reg(self.sign_extended(b))),
            };
        }
        let a = self.zero_extended(a);
        match self.number(b) {
            Some(number) => match immediate(Width::W64, number & mask(32)) {
                Some(imm) => (a, Src::Imm(imm)),
                None => (a, Src::Reg(self.constant(number & mask(32)))),
            },
            None => (a, Src::Reg(self.zero_extended(b))),
        }
    }

    /// `a` and a mask of at most 32 bits that is no immediate of 64.
    pub(super) fn and_low_in_64(&mut self, dst: VReg, a: VReg, bits: u64) {
        if bits == mask(32) {
            self.shift_pair(AluOp::Rsh, 32, dst, a);
        } else {
            let b = Src::Reg(self.constant(bits));
            self.push(Inst::Alu { op: AluOp::And, width: Width::W64, dst, a, b });
        }
    }
}
