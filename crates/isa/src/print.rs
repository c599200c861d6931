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
        f.write_str(Text::new().insn(insn).as_str())?;
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

/// The width of the registers that a load-acquire or store-release of this size names.
const fn ordered_width(size: Size) -> Width {
    match size {
        Size::B | Size::H | Size::W => Width::W32,
        Size::DW => Width::W64,
    }
}

/// The type of memory of a size, as load-acquire and store-release name it.
const fn unsigned_type(size: Size) -> &'static str {
    match size {
        Size::B => "u8",
        Size::H => "u16",
        Size::W => "u32",
        Size::DW => "u64",
    }
}

/// The type of memory of an atomic operation.
const fn atomic_type(width: Width) -> &'static str {
    match width {
        Width::W32 => "u32",
        Width::W64 => "u64",
    }
}

/// Room for the longest statement and its labels, in bytes.
const ROOM: usize = 128;

/// A line under way: the formatting machinery of `core` costs more than all the rest of printing.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    bytes: [u8; ROOM],
    len: usize,
}

impl Text {
    pub(crate) const fn new() -> Text {
        Text { bytes: [0; ROOM], len: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole strings were pushed.
        self.bytes.get(..self.len).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    pub(crate) fn str(&mut self, text: &str) -> &mut Text {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + text.len()) {
            room.copy_from_slice(text.as_bytes());
            self.len += text.len();
        }
        self
    }

    fn byte(&mut self, byte: u8) -> &mut Text {
        if let Some(room) = self.bytes.get_mut(self.len) {
            *room = byte;
            self.len += 1;
        }
        self
    }

    pub(crate) fn decimal(&mut self, number: u32) -> &mut Text {
        let (mut digits, mut rest, mut at) = ([0; 10], number, 10);
        loop {
            at -= 1;
            digits[at] = DIGITS[usize::from((rest % 10).to_le_bytes()[0])];
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for digit in &digits[at..] {
            self.byte(*digit);
        }
        self
    }

    pub(crate) fn unsigned_hex(&mut self, number: u64) -> &mut Text {
        self.str("0x");
        let digits = (16 - number.leading_zeros() / 4).max(1);
        for digit in (0..digits).rev() {
            let nibble = (number >> (4 * digit)).to_le_bytes()[0] & 0xf;
            self.byte(DIGITS[usize::from(nibble)]);
        }
        self
    }

    /// A number as LLVM writes it: hexadecimal, its sign in front.
    pub(crate) fn hex(&mut self, number: i64) -> &mut Text {
        if number < 0 {
            self.byte(b'-');
        }
        self.unsigned_hex(number.unsigned_abs())
    }

    /// A distance as LLVM writes it: a number that always has its sign.
    pub(crate) fn distance(&mut self, distance: i32) -> &mut Text {
        self.byte(if distance < 0 { b'-' } else { b'+' }).unsigned_hex(distance.unsigned_abs().into())
    }

    /// A register seen at a width: `w1` or `r1`.
    pub(crate) fn reg(&mut self, width: Width, reg: Reg) -> &mut Text {
        let names = match width {
            Width::W32 => ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9", "w10"],
            Width::W64 => ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10"],
        };
        self.str(names[usize::from(reg.index())])
    }

    /// A register and a distance from it, in bytes: `r1 + 0x8`.
    fn address(&mut self, base: Reg, distance: i32) -> &mut Text {
        self.reg(Width::W64, base).str(if distance < 0 { " - " } else { " + " });
        self.unsigned_hex(distance.unsigned_abs().into())
    }

    /// Memory of a type behind a register: `(u8 *)(r1 + 0x8)`.
    fn memory(&mut self, of: &str, base: Reg, off: i32) -> &mut Text {
        self.str("(").str(of).str(" *)(").address(base, off).str(")")
    }

    /// The second operand, seen at a width.
    fn operand(&mut self, insn: &Insn, width: Width, operand: Operand) -> &mut Text {
        match operand {
            Operand::K => self.hex(insn.imm.into()),
            Operand::X => self.reg(width, insn.src),
        }
    }

    /// An instruction.
    pub(crate) fn insn(&mut self, insn: &Insn) -> &mut Text {
        self.insn_until_target(insn);
        match insn.jump_target() {
            Some(distance) => self.distance(distance),
            None => self,
        }
    }

    /// An instruction, of a jump everything before its target.
    pub(crate) fn insn_until_target(&mut self, insn: &Insn) -> &mut Text {
        let text = insn.op.row().text;
        let (dst, src, off) = (insn.dst, insn.src, i32::from(insn.off));
        match insn.form() {
            Form::Alu(width, _, operand) | Form::Mov(width, operand) => {
                self.reg(width, dst).str(" ").str(text).str(" ").operand(insn, width, operand)
            }
            Form::MovSx(extend) => {
                let width = extend.width();
                self.reg(width, dst).str(" = (").str(text).str(")").reg(width, src)
            }
            Form::Neg(width) => self.reg(width, dst).str(" = ").str(text).reg(width, dst),
            Form::Swap(..) => self.reg(Width::W64, dst).str(" = ").str(text).str(" ").reg(Width::W64, dst),
            Form::AddrSpaceCast => {
                let [f0, f1, t0, t1] = insn.imm.to_le_bytes();
                let (to, from) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([f0, f1]));
                self.reg(Width::W64, dst).str(" = ").str(text).str("(").reg(Width::W64, src).str(", ");
                self.unsigned_hex(to.into()).str(", ").unsigned_hex(from.into()).str(")")
            }
            Form::Load(_) | Form::LoadSx(_) => self.reg(Width::W64, dst).str(" = *").memory(text, src, off),
            Form::Store(_, operand) => {
                self.str("*").memory(text, dst, off).str(" = ").operand(insn, Width::W64, operand)
            }
            Form::Atomic(width, rmw) => self.atomic(insn, width, rmw, text),
            Form::LoadAcquire(size) => {
                self.reg(ordered_width(size), dst).str(" = ").str(text).str("(");
                self.memory(unsigned_type(size), src, off).str(")")
            }
            Form::StoreRelease(size) => {
                self.str(text).str("(").memory(unsigned_type(size), dst, off).str(", ");
                self.reg(ordered_width(size), src).str(")")
            }
            Form::LoadAbs(_) | Form::LoadInd(_) => self.packet_load(insn, text),
            Form::Lddw => self.reg(Width::W64, dst).str(" = ").hex(insn.imm64()).str(" ").str(text),
            Form::LddwPseudo(kind) => {
                self.str(text).str("\t").reg(Width::W64, dst).str(", ").unsigned_hex(pseudo_number(kind).into());
                self.str(", ").unsigned_hex(insn.imm64().cast_unsigned())
            }
            Form::JumpIf(width, _, operand) => {
                self.str("if ").reg(width, dst).str(" ").str(text).str(" ");
                self.operand(insn, width, operand).str(" goto ")
            }
            Form::Ja | Form::MayGoto | Form::Gotol => self.str(text).str(" "),
            Form::Gotox | Form::Callx => self.str(text).str(" ").reg(Width::W64, dst),
            Form::CallHelper | Form::CallLocal | Form::CallKfunc => self.str(text).str(" ").hex(insn.imm.into()),
            Form::Exit => self.str(text),
        }
    }

    fn packet_load(&mut self, insn: &Insn, text: &str) -> &mut Text {
        self.str("r0 = *(").str(text).str(" *)skb[");
        match insn.form() {
            Form::LoadAbs(_) => self.hex(insn.imm.into()),
            _ if insn.imm == 0 => self.reg(Width::W64, insn.src),
            _ => self.address(insn.src, insn.imm),
        }
        .str("]")
    }

    fn atomic(&mut self, insn: &Insn, width: Width, rmw: Rmw, text: &str) -> &mut Text {
        let (base, off, src) = (insn.dst, i32::from(insn.off), insn.src);
        match rmw {
            Rmw::Add | Rmw::Or | Rmw::And | Rmw::Xor => {
                // Without `--mcpu`, LLVM knows no 32-bit atomic but the addition, as of v1, and names its register in full.
                let seen = if rmw == Rmw::Add { Width::W64 } else { width };
                self.str("lock *").memory(atomic_type(width), base, off).str(" ").str(text).str(" ").reg(seen, src)
            }
            Rmw::FetchAdd | Rmw::FetchOr | Rmw::FetchAnd | Rmw::FetchXor => {
                self.reg(width, src).str(" = ").str(text).str("(").memory(atomic_type(width), base, off);
                self.str(", ").reg(width, src).str(")")
            }
            Rmw::Xchg => {
                self.reg(width, src).str(" = ").str(text).str("(").address(base, off);
                self.str(", ").reg(width, src).str(")")
            }
            Rmw::CmpXchg => {
                self.reg(width, Reg::R0).str(" = ").str(text).str("(").address(base, off);
                self.str(", ").reg(width, Reg::R0).str(", ").reg(width, src).str(")")
            }
        }
    }
}

/// The digits of numbers.
const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// The src field of a pseudo LDDW, which LLVM prints as it is.
fn pseudo_number(kind: PseudoSrc) -> u8 {
    match Form::LddwPseudo(kind).op().row().select {
        Some(crate::Select::Src(number)) => number,
        _ => 0,
    }
}
