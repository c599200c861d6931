//! Instructions as text: the kernel's own, as in the verifier's log and in `bpftool prog dump xlated`.
//!
//! It says less than LLVM's ([`print`](crate::print)) about the types of operands, and more about the encoding: the
//! opcode byte stands in front, offsets and most immediates are decimal.
//!
//! # References
//!
//! `print_bpf_insn` in `kernel/bpf/disasm.c` of Linux 6.18.

use core::fmt::{self, Display, Formatter};

use crate::{
    form::Form,
    helper::HelperId,
    insn::Insn,
    operand::{Operand, Rmw, Size, Width},
    reg::Reg,
};

/// An instruction to print in the kernel's words; see [`Insn::kernel_text`].
#[derive(Clone, Copy, Debug)]
pub struct KernelText<'a> {
    insn: &'a Insn,
    symbol: Option<&'a str>,
}

impl Insn {
    /// The instruction in the kernel's words, such as `(61) r0 = *(u32 *)(r1 +4)`.
    ///
    /// `symbol` is what a call calls or what a load of 64 bits loads, where the caller knows it by name: its immediate
    /// alone does not always tell.
    ///
    /// ```
    /// use bpfasm_isa::{HelperId, Insn, Reg, Size};
    ///
    /// assert_eq!(Insn::load(Size::W, Reg::R0, Reg::R1, 4).kernel_text(None).to_string(), "(61) r0 = *(u32 *)(r1 +4)");
    /// let call = Insn::call_helper(HelperId::REDIRECT);
    /// assert_eq!(call.kernel_text(None).to_string(), "(85) call bpf_redirect#23");
    /// let load = Insn::lddw(Reg::R1, 0);
    /// assert_eq!(load.kernel_text(Some("map[id:7]")).to_string(), "(18) r1 = map[id:7]");
    /// ```
    pub const fn kernel_text<'a>(&'a self, symbol: Option<&'a str>) -> KernelText<'a> {
        KernelText { insn: self, symbol }
    }
}

/// A register, as wide as the operation sees it: `w1` or `r1`.
struct Seen(Width, Reg);

impl Display for Seen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let letter = match self.0 {
            Width::W32 => 'w',
            Width::W64 => 'r',
        };
        write!(f, "{letter}{}", self.1.index())
    }
}

/// A place in memory, as a pointer to so many bits: `(u32 *)(r10 -4)`.
struct Pointer(u16, Reg, i16);

impl Display for Pointer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "(u{} *)({} {:+})", self.0, self.1, self.2)
    }
}

fn bits(size: Size) -> u16 {
    u16::from(size.bytes()) * 8
}

impl Display for KernelText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let KernelText { insn, .. } = *self;
        let row = insn.op.row();
        write!(f, "({:02x}) ", row.code)?;
        let (text, dst, src, off, imm) = (row.text, insn.dst, insn.src, insn.off, insn.imm);
        match row.form {
            Form::Alu(width, _, Operand::K) | Form::Mov(width, Operand::K) => {
                write!(f, "{} {text} {imm}", Seen(width, dst))
            }
            Form::Alu(width, _, Operand::X) | Form::Mov(width, Operand::X) => {
                write!(f, "{} {text} {}", Seen(width, dst), Seen(width, src))
            }
            Form::MovSx(extend) => {
                let width = extend.width();
                write!(f, "{} = ({text}){}", Seen(width, dst), Seen(width, src))
            }
            Form::Neg(width) => write!(f, "{0} = {text}{0}", Seen(width, dst)),
            Form::Swap(..) => write!(f, "{dst} = {text} {dst}"),
            Form::AddrSpaceCast => {
                let [f0, f1, t0, t1] = imm.to_le_bytes();
                let (to, from) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([f0, f1]));
                write!(f, "{dst} = {text}({src}, {to}, {from})")
            }
            Form::Load(_) | Form::LoadSx(_) => write!(f, "{dst} = *({text} *)({src} {off:+})"),
            Form::Store(size, Operand::K) => write!(f, "*{} = {imm}", Pointer(bits(size), dst, off)),
            Form::Store(size, Operand::X) => write!(f, "*{} = {src}", Pointer(bits(size), dst, off)),
            Form::Atomic(width, rmw) => self.write_atomic(width, rmw, text, f),
            Form::LoadAcquire(size) => write!(f, "{dst} = {text}({})", Pointer(bits(size), src, off)),
            Form::StoreRelease(size) => write!(f, "{text}({}, {src})", Pointer(bits(size), dst, off)),
            Form::LoadAbs(_) => write!(f, "r0 = *({text} *)skb[{imm}]"),
            Form::LoadInd(_) => write!(f, "r0 = *({text} *)skb[{src} + {imm}]"),
            Form::Lddw | Form::LddwPseudo(_) => match self.symbol {
                Some(symbol) => write!(f, "{dst} = {symbol}"),
                None => write!(f, "{dst} = {:#x}", insn.imm64()),
            },
            Form::JumpIf(width, _, Operand::K) => {
                write!(f, "if {} {text} {imm:#x} goto pc{off:+}", Seen(width, dst))
            }
            Form::JumpIf(width, _, Operand::X) => {
                write!(f, "if {} {text} {} goto pc{off:+}", Seen(width, dst), Seen(width, src))
            }
            Form::Ja | Form::MayGoto => write!(f, "{text} pc{off:+}"),
            Form::Gotol => write!(f, "{text} pc{imm:+}"),
            Form::Gotox | Form::Callx => write!(f, "{text} {dst}"),
            Form::CallLocal => match self.symbol {
                Some(symbol) => write!(f, "{text} pc{imm:+}#{symbol}"),
                None => write!(f, "{text} pc{imm:+}"),
            },
            Form::CallHelper | Form::CallKfunc => {
                let helper = insn.helper().and_then(HelperId::name);
                match (self.symbol, helper) {
                    (Some(symbol), _) => write!(f, "{text} {symbol}#{imm}"),
                    (None, Some(helper)) => write!(f, "{text} bpf_{helper}#{imm}"),
                    (None, None) => write!(f, "{text} unknown#{imm}"),
                }
            }
            Form::Exit => f.write_str(text),
        }
    }
}

impl KernelText<'_> {
    fn write_atomic(&self, width: Width, rmw: Rmw, text: &str, f: &mut Formatter<'_>) -> fmt::Result {
        let Insn { dst, src, off, .. } = *self.insn;
        let place = Pointer(width.bits().into(), dst, off);
        let atomic = match width {
            Width::W32 => "atomic",
            Width::W64 => "atomic64",
        };
        match rmw {
            Rmw::Add | Rmw::Or | Rmw::And | Rmw::Xor => write!(f, "lock *{place} {text} {src}"),
            Rmw::FetchAdd | Rmw::FetchOr | Rmw::FetchAnd | Rmw::FetchXor => {
                let operation = text.trim_start_matches("atomic_");
                write!(f, "{src} = {atomic}_{operation}({place}, {src})")
            }
            Rmw::Xchg => write!(f, "{src} = {atomic}_xchg({place}, {src})"),
            Rmw::CmpXchg => write!(f, "r0 = {atomic}_cmpxchg({place}, r0, {src})"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use crate::{AluOp, AtomicOp, HelperId, Insn, JmpOp, PseudoSrc, Reg, Size, SwapBits, Width};

    /// Lines as `bpftool prog dump xlated` prints them, of programs that were loaded on Linux 6.18.
    #[test]
    fn words_are_the_kernels() {
        use Reg::{R0, R1, R2, R10};
        let add = |fetch| Insn::atomic(AtomicOp::Add, fetch, Size::DW, R0, 0, R1).expect("an atomic");
        let exchange = |op, size| Insn::atomic(op, true, size, R10, -8, R1).expect("an atomic");
        let rows = [
            (Insn::alu(Width::W64, AluOp::Add, R2, -8), "(07) r2 += -8"),
            (Insn::alu(Width::W32, AluOp::Arsh, R0, R1), "(cc) w0 s>>= w1"),
            (Insn::mov(Width::W64, R0, R1), "(bf) r0 = r1"),
            (Insn::neg(Width::W32, R0), "(84) w0 = -w0"),
            (Insn::to_be(SwapBits::B16, R1), "(dc) r1 = be16 r1"),
            (Insn::store(Size::W, R10, -4, R1), "(63) *(u32 *)(r10 -4) = r1"),
            (Insn::store(Size::B, R10, -4, 7), "(72) *(u8 *)(r10 -4) = 7"),
            (Insn::load(Size::H, R0, R1, 0), "(69) r0 = *(u16 *)(r1 +0)"),
            (add(false), "(db) lock *(u64 *)(r0 +0) += r1"),
            (add(true), "(db) r1 = atomic64_fetch_add((u64 *)(r0 +0), r1)"),
            (exchange(AtomicOp::Xchg, Size::W), "(c3) r1 = atomic_xchg((u32 *)(r10 -8), r1)"),
            (exchange(AtomicOp::CmpXchg, Size::DW), "(db) r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r1)"),
            (Insn::ld_abs(Size::H, 12).expect("a packet load"), "(28) r0 = *(u16 *)skb[12]"),
            (Insn::jump_if(Width::W32, JmpOp::SGt, R1, R0, 1), "(6e) if w1 s> w0 goto pc+1"),
            (Insn::jump_if(Width::W64, JmpOp::Eq, R0, -1, -3), "(15) if r0 == 0xffffffff goto pc-3"),
            (Insn::ja(5), "(05) goto pc+5"),
            (Insn::call_helper(HelperId::TAIL_CALL), "(85) call bpf_tail_call#12"),
            (Insn::call_local(10), "(85) call pc+10"),
            (Insn::lddw(R1, 0x1_0000_0000), "(18) r1 = 0x100000000"),
            (Insn::exit(), "(95) exit"),
        ];
        for (insn, text) in rows {
            assert_eq!(insn.kernel_text(None).to_string(), text);
        }
    }

    #[test]
    fn names_that_the_caller_knows_come_first() {
        let call = Insn::call_helper(HelperId(338_048));
        assert_eq!(call.kernel_text(None).to_string(), "(85) call unknown#338048");
        let found = call.kernel_text(Some("__htab_map_lookup_elem")).to_string();
        assert_eq!(found, "(85) call __htab_map_lookup_elem#338048");
        let local = Insn::call_local(10).kernel_text(Some("bpf_prog_bae070912fb96978_sub")).to_string();
        assert_eq!(local, "(85) call pc+10#bpf_prog_bae070912fb96978_sub");
        let map = Insn::lddw_pseudo(Reg::R1, PseudoSrc::MapValue, 164, 8).expect("a map's value");
        assert_eq!(map.kernel_text(Some("map[id:164][0]+8")).to_string(), "(18) r1 = map[id:164][0]+8");
    }
}
