//! A legal instruction for every form, from any operands.

use bpfasm_isa::{Form, HelperId, Insn, Operand, PseudoSrc, Reg, Size, Src, Swap, Width};

/// Values for all operand fields; a form takes what it has room for.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    pub dst: Reg,
    pub src: Reg,
    pub off: i16,
    pub imm: i32,
    pub high: i32,
}

impl Operands {
    fn operand(self, kind: Operand) -> Src {
        match kind {
            Operand::K => Src::Imm(self.imm),
            Operand::X => Src::Reg(self.src),
        }
    }
}

fn size_of(width: Width) -> Size {
    match width {
        Width::W32 => Size::W,
        Width::W64 => Size::DW,
    }
}

const LEGAL: &str = "every form is legal";

/// The instruction of this form with these operands, made by its public constructor.
pub fn insn(form: Form, with: Operands) -> Insn {
    let Operands { dst, src, off, imm, high } = with;
    match form {
        Form::Alu(width, op, kind) => Insn::alu(width, op, dst, with.operand(kind)),
        Form::Mov(width, kind) => Insn::mov(width, dst, with.operand(kind)),
        Form::MovSx(extend) => Insn::movsx(extend.width(), extend.from(), dst, src).expect(LEGAL),
        Form::Neg(width) => Insn::neg(width, dst),
        Form::Swap(Swap::ToLe, bits) => Insn::to_le(bits, dst),
        Form::Swap(Swap::ToBe, bits) => Insn::to_be(bits, dst),
        Form::Swap(Swap::Always, bits) => Insn::bswap(bits, dst),
        Form::AddrSpaceCast => {
            let [f0, f1, t0, t1] = imm.to_le_bytes();
            Insn::addr_space_cast(dst, src, u16::from_le_bytes([t0, t1]), u16::from_le_bytes([f0, f1]))
        }
        Form::Load(size) => Insn::load(size, dst, src, off),
        Form::LoadSx(narrow) => Insn::load_sx(narrow.size(), dst, src, off).expect(LEGAL),
        Form::Store(size, kind) => Insn::store(size, dst, off, with.operand(kind)),
        Form::Atomic(width, rmw) => Insn::atomic(rmw.op(), rmw.fetches(), size_of(width), dst, off, src).expect(LEGAL),
        Form::LoadAcquire(size) => Insn::load_acquire(size, dst, src, off),
        Form::StoreRelease(size) => Insn::store_release(size, dst, off, src),
        Form::LoadAbs(narrow) => Insn::ld_abs(narrow.size(), imm).expect(LEGAL),
        Form::LoadInd(narrow) => Insn::ld_ind(narrow.size(), src, imm).expect(LEGAL),
        Form::Lddw => Insn::lddw(dst, u64::from(imm.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32),
        Form::LddwPseudo(PseudoSrc::Func) => Insn::lddw_function(dst, imm),
        Form::LddwPseudo(kind) => {
            Insn::lddw_pseudo(dst, kind, imm, if kind.uses_high() { high } else { 0 }).expect(LEGAL)
        }
        Form::JumpIf(width, op, kind) => Insn::jump_if(width, op, dst, with.operand(kind), off),
        Form::Ja => Insn::ja(off),
        Form::Gotol => Insn::gotol(imm),
        Form::Gotox => Insn::gotox(dst),
        Form::MayGoto => Insn::may_goto(off),
        Form::CallHelper => Insn::call_helper(HelperId(imm.cast_unsigned())),
        Form::CallLocal => Insn::call_local(imm),
        Form::CallKfunc => Insn::call_kfunc(imm, off),
        Form::Callx => Insn::callx(dst),
        Form::Exit => Insn::exit(),
    }
}
