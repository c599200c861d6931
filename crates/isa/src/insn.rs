//! One instruction, legal by construction, and its way into slots.

use crate::{
    HelperId,
    form::Form,
    level::CpuLevel,
    operand::{AluOp, AtomicOp, Extend, JmpOp, Narrow, Operand, PseudoSrc, Rmw, Size, Src, Swap, SwapBits, Width},
    reg::Reg,
    slot::{Encoded, Slot},
    table::{Op, Select},
};

/// An argument that no instruction can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsnError {
    /// A sign extension that has nothing to extend.
    #[error("no sign extension from {} to {} bits", u16::from(.from.bytes()) * 8, .to.bits())]
    SignExtend {
        /// Width to fill.
        to: Width,
        /// Size extended.
        from: Size,
    },
    /// A sign-extending load or a packet load of a double word.
    #[error("no sign-extending or packet load of {} bytes", .size.bytes())]
    LoadSize {
        /// The size asked for.
        size: Size,
    },
    /// An atomic read-modify-write that is neither of a word nor of a double word.
    #[error("no atomic {op:?} on {} bytes", .size.bytes())]
    AtomicSize {
        /// The operation.
        op: AtomicOp,
        /// The size asked for.
        size: Size,
    },
    /// An exchange that is told not to fetch: it always overwrites a register with the old value.
    #[error("atomic {op:?} always fetches the old value")]
    ExchangeFetches {
        /// The operation.
        op: AtomicOp,
    },
    /// A non-zero high half where it is reserved.
    #[error("the high half of LDDW {kind:?} is reserved, got {high:#x}")]
    ReservedHigh {
        /// What the immediate stands for.
        kind: PseudoSrc,
        /// The high half.
        high: i32,
    },
}

/// One instruction; LDDW is one instruction of two slots.
///
/// A value is a row of the opcode table with operands in the fields that the row leaves open, so every value encodes to
/// slots that decode to it again. Whether a program may *use* it (writing R10, dividing by a zero immediate) is the
/// verifier's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Insn {
    pub(crate) op: Op,
    pub(crate) dst: Reg,
    pub(crate) src: Reg,
    pub(crate) off: i16,
    pub(crate) imm: i32,
    pub(crate) high: i32,
}

/// Constructors.
impl Insn {
    const fn new(form: Form) -> Insn {
        Insn { op: form.op(), dst: Reg::R0, src: Reg::R0, off: 0, imm: 0, high: 0 }
    }

    const fn with_dst(mut self, dst: Reg) -> Insn {
        self.dst = dst;
        self
    }

    const fn with_src(mut self, src: Reg) -> Insn {
        self.src = src;
        self
    }

    const fn with_off(mut self, off: i16) -> Insn {
        self.off = off;
        self
    }

    const fn with_imm(mut self, imm: i32) -> Insn {
        self.imm = imm;
        self
    }

    /// The form for this kind of second operand, holding it.
    fn with_operand(src: Src, form: impl FnOnce(Operand) -> Form) -> Insn {
        match src {
            Src::Reg(reg) => Insn::new(form(Operand::X)).with_src(reg),
            Src::Imm(imm) => Insn::new(form(Operand::K)).with_imm(imm),
        }
    }

    /// `dst = dst OP src`.
    pub fn alu(width: Width, op: AluOp, dst: Reg, src: impl Into<Src>) -> Insn {
        Insn::with_operand(src.into(), |operand| Form::Alu(width, op, operand)).with_dst(dst)
    }

    /// `dst = src`. A 64-bit move sign-extends an immediate, a 32-bit move clears the high half.
    pub fn mov(width: Width, dst: Reg, src: impl Into<Src>) -> Insn {
        Insn::with_operand(src.into(), |operand| Form::Mov(width, operand)).with_dst(dst)
    }

    /// `dst = sign_extend(src)`: the low `from` of `src`, extended to `width`.
    ///
    /// # Errors
    ///
    /// [`InsnError::SignExtend`] unless `from` is narrower than `width`.
    pub const fn movsx(width: Width, from: Size, dst: Reg, src: Reg) -> Result<Insn, InsnError> {
        match Extend::new(width, from) {
            Some(extend) => Ok(Insn::new(Form::MovSx(extend)).with_dst(dst).with_src(src)),
            None => Err(InsnError::SignExtend { to: width, from }),
        }
    }

    /// `dst = -dst`.
    pub const fn neg(width: Width, dst: Reg) -> Insn {
        Insn::new(Form::Neg(width)).with_dst(dst)
    }

    /// `dst = htobe(dst)`, zero-extended.
    pub const fn to_be(bits: SwapBits, dst: Reg) -> Insn {
        Insn::new(Form::Swap(Swap::ToBe, bits)).with_dst(dst)
    }

    /// `dst = htole(dst)`, zero-extended.
    pub const fn to_le(bits: SwapBits, dst: Reg) -> Insn {
        Insn::new(Form::Swap(Swap::ToLe, bits)).with_dst(dst)
    }

    /// `dst = bswap(dst)` on every machine, zero-extended.
    pub const fn bswap(bits: SwapBits, dst: Reg) -> Insn {
        Insn::new(Form::Swap(Swap::Always, bits)).with_dst(dst)
    }

    /// `dst = src` moved from address space `from` to address space `to` (arenas).
    pub const fn addr_space_cast(dst: Reg, src: Reg, to: u16, from: u16) -> Insn {
        let [t0, t1] = to.to_le_bytes();
        let [f0, f1] = from.to_le_bytes();
        Insn::new(Form::AddrSpaceCast).with_dst(dst).with_src(src).with_imm(i32::from_le_bytes([f0, f1, t0, t1]))
    }

    /// `dst = *(base + off)`, zero-extended; `off` in bytes.
    pub const fn load(size: Size, dst: Reg, base: Reg, off: i16) -> Insn {
        Insn::new(Form::Load(size)).with_dst(dst).with_src(base).with_off(off)
    }

    /// `dst = *(base + off)`, sign-extended; `off` in bytes.
    ///
    /// # Errors
    ///
    /// [`InsnError::LoadSize`] for a double word.
    pub const fn load_sx(size: Size, dst: Reg, base: Reg, off: i16) -> Result<Insn, InsnError> {
        match Narrow::new(size) {
            Some(narrow) => Ok(Insn::new(Form::LoadSx(narrow)).with_dst(dst).with_src(base).with_off(off)),
            None => Err(InsnError::LoadSize { size }),
        }
    }

    /// `*(base + off) = src`; `off` in bytes.
    pub fn store(size: Size, base: Reg, off: i16, src: impl Into<Src>) -> Insn {
        Insn::with_operand(src.into(), |operand| Form::Store(size, operand)).with_dst(base).with_off(off)
    }

    /// `*(base + off) = OP(*(base + off), src)` in one step, the old value into `src` if `fetch`; `off` in bytes.
    /// [`AtomicOp::CmpXchg`] compares with R0 and puts the old value there.
    ///
    /// # Errors
    ///
    /// [`InsnError::AtomicSize`] unless `size` is a word or a double word, [`InsnError::ExchangeFetches`] for an
    /// exchange without `fetch`.
    pub const fn atomic(
        op: AtomicOp,
        fetch: bool,
        size: Size,
        base: Reg,
        off: i16,
        src: Reg,
    ) -> Result<Insn, InsnError> {
        let width = match size {
            Size::W => Width::W32,
            Size::DW => Width::W64,
            Size::B | Size::H => return Err(InsnError::AtomicSize { op, size }),
        };
        match Rmw::new(op, fetch) {
            Some(rmw) => Ok(Insn::new(Form::Atomic(width, rmw)).with_dst(base).with_off(off).with_src(src)),
            None => Err(InsnError::ExchangeFetches { op }),
        }
    }

    /// `dst = *(base + off)`, before all later accesses; `off` in bytes.
    pub const fn load_acquire(size: Size, dst: Reg, base: Reg, off: i16) -> Insn {
        Insn::new(Form::LoadAcquire(size)).with_dst(dst).with_src(base).with_off(off)
    }

    /// `*(base + off) = src`, after all earlier accesses; `off` in bytes.
    pub const fn store_release(size: Size, base: Reg, off: i16, src: Reg) -> Insn {
        Insn::new(Form::StoreRelease(size)).with_dst(base).with_src(src).with_off(off)
    }

    /// `R0 = packet[imm]` in host order: the legacy load at a fixed position, in bytes.
    ///
    /// # Errors
    ///
    /// [`InsnError::LoadSize`] for a double word.
    pub const fn ld_abs(size: Size, imm: i32) -> Result<Insn, InsnError> {
        match Narrow::new(size) {
            Some(narrow) => Ok(Insn::new(Form::LoadAbs(narrow)).with_imm(imm)),
            None => Err(InsnError::LoadSize { size }),
        }
    }

    /// `R0 = packet[src + imm]` in host order: the legacy load at a computed position, in bytes.
    ///
    /// # Errors
    ///
    /// [`InsnError::LoadSize`] for a double word.
    pub const fn ld_ind(size: Size, src: Reg, imm: i32) -> Result<Insn, InsnError> {
        match Narrow::new(size) {
            Some(narrow) => Ok(Insn::new(Form::LoadInd(narrow)).with_src(src).with_imm(imm)),
            None => Err(InsnError::LoadSize { size }),
        }
    }

    /// `dst = imm`, 64 bits in two slots.
    pub const fn lddw(dst: Reg, imm: u64) -> Insn {
        let [a, b, c, d, e, f, g, h] = imm.to_le_bytes();
        let mut insn = Insn::new(Form::Lddw).with_dst(dst).with_imm(i32::from_le_bytes([a, b, c, d]));
        insn.high = i32::from_le_bytes([e, f, g, h]);
        insn
    }

    /// `dst = ` what `low` and `high` stand for: a map, a variable, a function.
    ///
    /// # Errors
    ///
    /// [`InsnError::ReservedHigh`] when `high` is not zero and `kind` has no use for it.
    pub const fn lddw_pseudo(dst: Reg, kind: PseudoSrc, low: i32, high: i32) -> Result<Insn, InsnError> {
        if high != 0 && !kind.uses_high() {
            return Err(InsnError::ReservedHigh { kind, high });
        }
        let mut insn = Insn::new(Form::LddwPseudo(kind)).with_dst(dst).with_imm(low);
        insn.high = high;
        Ok(insn)
    }

    /// `dst = ` the address of the subprogram `distance` slots after the slot that follows this instruction's first.
    #[doc(alias = "BPF_PSEUDO_FUNC")]
    pub const fn lddw_function(dst: Reg, distance: i32) -> Insn {
        Insn::new(Form::LddwPseudo(PseudoSrc::Func)).with_dst(dst).with_imm(distance)
    }

    /// Call a helper: arguments in R1 to R5, result in R0.
    pub const fn call_helper(helper: HelperId) -> Insn {
        Insn::new(Form::CallHelper).with_imm(helper.0.cast_signed())
    }

    /// Call the subprogram `distance` slots after the next instruction.
    #[doc(alias = "BPF_PSEUDO_CALL")]
    pub const fn call_local(distance: i32) -> Insn {
        Insn::new(Form::CallLocal).with_imm(distance)
    }

    /// Call the kernel function of this BTF id; `fd_index` is the place in `fd_array` of its module's BTF, 0 for
    /// vmlinux.
    #[doc(alias = "BPF_PSEUDO_KFUNC_CALL")]
    pub const fn call_kfunc(btf_id: i32, fd_index: i16) -> Insn {
        Insn::new(Form::CallKfunc).with_imm(btf_id).with_off(fd_index)
    }

    /// Call the function whose address is in `target`.
    pub const fn callx(target: Reg) -> Insn {
        Insn::new(Form::Callx).with_dst(target)
    }

    /// Return R0.
    pub const fn exit() -> Insn {
        Insn::new(Form::Exit)
    }

    /// Jump `off` slots from the next instruction.
    pub const fn ja(off: i16) -> Insn {
        Insn::new(Form::Ja).with_off(off)
    }

    /// Jump `distance` slots from the next instruction, far.
    pub const fn gotol(distance: i32) -> Insn {
        Insn::new(Form::Gotol).with_imm(distance)
    }

    /// Jump to the address in `target`.
    pub const fn gotox(target: Reg) -> Insn {
        Insn::new(Form::Gotox).with_dst(target)
    }

    /// Jump `off` slots from the next instruction once the kernel has enough of the loop.
    #[doc(alias("BPF_JCOND", "BPF_MAY_GOTO"))]
    pub const fn may_goto(off: i16) -> Insn {
        Insn::new(Form::MayGoto).with_off(off)
    }

    /// Jump `off` slots from the next instruction when `dst OP src`.
    pub fn jump_if(width: Width, op: JmpOp, dst: Reg, src: impl Into<Src>, off: i16) -> Insn {
        Insn::with_operand(src.into(), |operand| Form::JumpIf(width, op, operand)).with_dst(dst).with_off(off)
    }
}

/// What an instruction is.
impl Insn {
    /// Its row of the opcode table.
    pub const fn op(&self) -> Op {
        self.op
    }

    /// What it does, to match on.
    pub fn form(&self) -> Form {
        self.op.form()
    }

    /// The first compiler level that emits it.
    pub fn level(&self) -> CpuLevel {
        self.op.level()
    }

    /// The register in the dst field, if the form has one there: written by arithmetic and loads, the address of stores
    /// and atomics, the first operand of jumps.
    pub fn dst(&self) -> Option<Reg> {
        self.op.operands().dst.then_some(self.dst)
    }

    /// The register in the src field, if the form has one there: the second operand, the address of loads, the value of
    /// stores.
    pub fn src(&self) -> Option<Reg> {
        self.op.operands().src.then_some(self.src)
    }

    /// The offset: bytes in loads and stores, slots in jumps, 0 where the form has none.
    pub const fn off(&self) -> i16 {
        self.off
    }

    /// The immediate, 0 where the form has none; the low half for LDDW.
    pub const fn imm(&self) -> i32 {
        self.imm
    }

    /// The 64 bits of an LDDW; the sign-extended immediate of others.
    pub fn imm64(&self) -> i64 {
        if self.form().is_wide() {
            i64::from(self.high) << 32 | i64::from(self.imm.cast_unsigned())
        } else {
            i64::from(self.imm)
        }
    }

    /// The second operand of a binary operation, store or conditional jump; `None` for all other forms.
    pub fn operand(&self) -> Option<Src> {
        match self.form() {
            Form::Alu(_, _, operand)
            | Form::Mov(_, operand)
            | Form::Store(_, operand)
            | Form::JumpIf(_, _, operand) => Some(match operand {
                Operand::K => Src::Imm(self.imm),
                Operand::X => Src::Reg(self.src),
            }),
            _ => None,
        }
    }

    /// The helper that it calls.
    pub fn helper(&self) -> Option<HelperId> {
        matches!(self.form(), Form::CallHelper).then(|| HelperId(self.imm.cast_unsigned()))
    }

    /// Where it may jump, in slots from the next instruction. Calls and [`Form::Gotox`] have no such target.
    pub fn jump_target(&self) -> Option<i32> {
        match self.form() {
            Form::Ja | Form::MayGoto | Form::JumpIf(..) => Some(i32::from(self.off)),
            Form::Gotol => Some(self.imm),
            _ => None,
        }
    }

    /// The subprogram that it calls, or whose address it loads, in slots from the slot after its first.
    pub fn call_target(&self) -> Option<i32> {
        match self.form() {
            Form::CallLocal | Form::LddwPseudo(PseudoSrc::Func) => Some(self.imm),
            _ => None,
        }
    }

    /// The same instruction with another distance ([`Insn::jump_target`] or [`Insn::call_target`]), or `None` when it
    /// has none or no room for this one.
    #[must_use]
    pub fn with_distance(self, distance: i32) -> Option<Insn> {
        match self.form() {
            Form::Ja | Form::MayGoto | Form::JumpIf(..) => i16::try_from(distance).ok().map(|off| self.with_off(off)),
            Form::Gotol | Form::CallLocal | Form::LddwPseudo(PseudoSrc::Func) => Some(self.with_imm(distance)),
            _ => None,
        }
    }

    /// Whether the next instruction may run after it: false for exit and unconditional jumps.
    pub fn falls_through(&self) -> bool {
        !matches!(self.form(), Form::Exit | Form::Ja | Form::Gotol | Form::Gotox)
    }

    /// Slots that it takes: 1, or 2 for LDDW.
    pub fn slot_count(&self) -> usize {
        if self.form().is_wide() { 2 } else { 1 }
    }

    /// Its slots.
    pub fn encode(&self) -> Encoded {
        match self.slots() {
            (slot, None) => Encoded::one(slot),
            (first, Some(second)) => Encoded::two(first, second),
        }
    }

    /// Its slot, and the second one of LDDW.
    #[inline]
    pub(crate) fn slots(&self) -> (Slot, Option<Slot>) {
        let row = self.op.row();
        let mut slot =
            Slot { code: row.code, dst: self.dst.index(), src: self.src.index(), off: self.off, imm: self.imm };
        match row.select {
            Some(Select::Src(value)) => slot.src = value,
            Some(Select::Off(value)) => slot.off = value,
            Some(Select::Imm(value)) => slot.imm = value,
            None => {}
        }
        (slot, row.form.is_wide().then(|| Slot { imm: self.high, ..Slot::default() }))
    }
}
