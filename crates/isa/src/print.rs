//! Instructions as text: LLVM's pseudo-C, as `llvm-objdump -d` prints it.
//!
//! The spelling is that of LLVM 19 without `--mcpu`: loads and stores narrower than 64 bits name their register `r2`,
//! 32-bit arithmetic `w2`. Where `llvm-objdump` prints `<unknown>` without `--mcpu=v4` (32-bit atomics) the text is
//! that of `--mcpu=v4`; `gotox`, `load_acquire` and `store_release` are spelled as later LLVMs do. Two texts say more
//! than LLVM's: the immediate of an indexed packet load, and the high half of a pseudo LDDW, which LLVM both leaves out.

use core::fmt::{self, Display, Formatter};

use crate::{
    HelperId,
    form::Form,
    insn::Insn,
    operand::{Operand, PseudoSrc, Rmw, Size, Width},
    reg::Reg,
};

/// What a listing knows beyond an instruction: names for where it goes. Each method may write words that follow the
/// instruction's text; the defaults write none.
pub trait Annotate {
    /// After a jump by `distance` slots from the next instruction; `llvm-objdump` has ` <label>` here.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn jump(&self, distance: i32, f: &mut Formatter<'_>) -> fmt::Result {
        let _ = (distance, f);
        Ok(())
    }

    /// After a call of the subprogram at `distance` slots from the next instruction.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn call(&self, distance: i32, f: &mut Formatter<'_>) -> fmt::Result {
        let _ = (distance, f);
        Ok(())
    }

    /// After a call of a helper.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn helper(&self, helper: HelperId, f: &mut Formatter<'_>) -> fmt::Result {
        let _ = (helper, f);
        Ok(())
    }
}

/// Annotates nothing: what `llvm-objdump -d` prints without symbols.
impl Annotate for () {}

/// An instruction and its annotations, to print.
#[derive(Clone, Copy)]
pub struct DisplayWith<'a, A: ?Sized> {
    insn: &'a Insn,
    annotate: &'a A,
}

impl Insn {
    /// The instruction as text, followed by what `annotate` knows of its targets.
    pub const fn display_with<'a, A: Annotate + ?Sized>(&'a self, annotate: &'a A) -> DisplayWith<'a, A> {
        DisplayWith { insn: self, annotate }
    }
}

/// Prints LLVM's pseudo-C, such as `r0 = *(u32 *)(r1 + 0x4)`.
impl Display for Insn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.display_with(&()).fmt(f)
    }
}

impl<A: Annotate + ?Sized> Display for DisplayWith<'_, A> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let insn = self.insn;
        insn.write_text(f)?;
        if let Some(distance) = insn.jump_target() {
            return self.annotate.jump(distance, f);
        }
        match (insn.form(), insn.helper()) {
            (Form::CallLocal, _) => self.annotate.call(insn.imm(), f),
            (_, Some(helper)) => self.annotate.helper(helper, f),
            _ => Ok(()),
        }
    }
}

/// A number as LLVM writes it: hexadecimal, its sign in front.
struct Hex(i64);

impl Display for Hex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}

/// A distance as LLVM writes it: a number that always has its sign.
struct Distance(i32);

impl Display for Distance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}

/// A register and a distance from it, in bytes: `r1 + 0x8`.
struct Address(Reg, i32);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.1 < 0 { '-' } else { '+' };
        write!(f, "{} {sign} {:#x}", self.0, self.1.unsigned_abs())
    }
}

/// A register seen at a width: `w1` or `r1`.
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

/// The width of the registers that a load-acquire or store-release of this size names.
const fn ordered_width(size: Size) -> Width {
    match size {
        Size::B | Size::H | Size::W => Width::W32,
        Size::DW => Width::W64,
    }
}

impl Insn {
    /// The second operand, seen at a width.
    fn write_operand(&self, width: Width, operand: Operand, f: &mut Formatter<'_>) -> fmt::Result {
        match operand {
            Operand::K => Hex(i64::from(self.imm)).fmt(f),
            Operand::X => Seen(width, self.src).fmt(f),
        }
    }

    fn write_text(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.op.row().text;
        let (dst, src, off, imm) = (self.dst, self.src, i32::from(self.off), Hex(self.imm64()));
        match self.form() {
            Form::Alu(width, _, operand) | Form::Mov(width, operand) => {
                write!(f, "{} {text} ", Seen(width, dst))?;
                self.write_operand(width, operand, f)
            }
            Form::MovSx(extend) => {
                let width = extend.width();
                write!(f, "{} = ({text}){}", Seen(width, dst), Seen(width, src))
            }
            Form::Neg(width) => write!(f, "{0} = {text}{0}", Seen(width, dst)),
            Form::Swap(..) => write!(f, "{dst} = {text} {dst}"),
            Form::AddrSpaceCast => {
                let [f0, f1, t0, t1] = self.imm.to_le_bytes();
                let (to, from) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([f0, f1]));
                write!(f, "{dst} = {text}({src}, {to:#x}, {from:#x})")
            }
            Form::Load(_) | Form::LoadSx(_) => write!(f, "{dst} = *({text} *)({})", Address(src, off)),
            Form::Store(_, operand) => {
                write!(f, "*({text} *)({}) = ", Address(dst, off))?;
                self.write_operand(Width::W64, operand, f)
            }
            Form::Atomic(width, rmw) => self.write_atomic(width, rmw, text, f),
            Form::LoadAcquire(size) => {
                let bits = u16::from(size.bytes()) * 8;
                write!(f, "{} = {text}((u{bits} *)({}))", Seen(ordered_width(size), dst), Address(src, off))
            }
            Form::StoreRelease(size) => {
                let bits = u16::from(size.bytes()) * 8;
                write!(f, "{text}((u{bits} *)({}), {})", Address(dst, off), Seen(ordered_width(size), src))
            }
            Form::LoadAbs(_) => write!(f, "r0 = *({text} *)skb[{imm}]"),
            Form::LoadInd(_) if self.imm == 0 => write!(f, "r0 = *({text} *)skb[{src}]"),
            Form::LoadInd(_) => write!(f, "r0 = *({text} *)skb[{}]", Address(src, self.imm)),
            Form::Lddw => write!(f, "{dst} = {imm} {text}"),
            Form::LddwPseudo(kind) => write!(f, "{text}\t{dst}, {:#x}, {:#x}", pseudo_number(kind), self.imm64()),
            Form::JumpIf(width, _, operand) => {
                write!(f, "if {} {text} ", Seen(width, dst))?;
                self.write_operand(width, operand, f)?;
                write!(f, " goto {}", Distance(off))
            }
            Form::Ja | Form::MayGoto => write!(f, "{text} {}", Distance(off)),
            Form::Gotol => write!(f, "{text} {}", Distance(self.imm)),
            Form::Gotox | Form::Callx => write!(f, "{text} {dst}"),
            Form::CallHelper | Form::CallLocal | Form::CallKfunc => write!(f, "{text} {imm}"),
            Form::Exit => f.write_str(text),
        }
    }

    fn write_atomic(&self, width: Width, rmw: Rmw, text: &str, f: &mut Formatter<'_>) -> fmt::Result {
        let (address, value, bits) = (Address(self.dst, i32::from(self.off)), Seen(width, self.src), width.bits());
        match rmw {
            // Without `--mcpu`, LLVM knows no 32-bit atomic but this one, as of v1, and names its register in full.
            Rmw::Add => write!(f, "lock *(u{bits} *)({address}) {text} {}", self.src),
            Rmw::Or | Rmw::And | Rmw::Xor => write!(f, "lock *(u{bits} *)({address}) {text} {value}"),
            Rmw::FetchAdd | Rmw::FetchOr | Rmw::FetchAnd | Rmw::FetchXor => {
                write!(f, "{value} = {text}((u{bits} *)({address}), {value})")
            }
            Rmw::Xchg => write!(f, "{value} = {text}({address}, {value})"),
            Rmw::CmpXchg => write!(f, "{0} = {text}({address}, {0}, {value})", Seen(width, Reg::R0)),
        }
    }
}

/// The src field of a pseudo LDDW, which LLVM prints as it is.
fn pseudo_number(kind: PseudoSrc) -> u8 {
    match Form::LddwPseudo(kind).op().row().select {
        Some(crate::Select::Src(number)) => number,
        _ => 0,
    }
}
