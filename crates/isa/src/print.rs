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
    table::TABLE,
};

/// A piece that is known when this is compiled.
macro_rules! piece {
    ($text:literal) => {
        const { &$crate::print::Piece::new(&[$text]) }
    };
}
pub(crate) use piece;

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
        f.write_str(Text::<ROOM>::new().insn(insn).as_str())?;
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

/// A pointer to memory of a size, as load-acquire and store-release name it.
const fn pointer(size: Size) -> &'static Piece {
    match size {
        Size::B => piece!("(u8 *)("),
        Size::H => piece!("(u16 *)("),
        Size::W => piece!("(u32 *)("),
        Size::DW => piece!("(u64 *)("),
    }
}

/// A pointer to the memory of an atomic operation.
const fn atomic_pointer(width: Width) -> &'static Piece {
    match width {
        Width::W32 => pointer(Size::W),
        Width::W64 => pointer(Size::DW),
    }
}

/// Room for the longest statement with its labels, in bytes.
pub(crate) const ROOM: usize = 160;

/// A short text, filled up: it is written by moves of a fixed size, which cost less than a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    bytes: [u8; 16],
    len: usize,
}

impl Piece {
    /// What these texts make together.
    pub(crate) const fn new(parts: &[&str]) -> Piece {
        let mut piece = Piece { bytes: [0; 16], len: 0 };
        let mut part = 0;
        while part < parts.len() {
            let mut rest = parts[part].as_bytes();
            while let [byte, tail @ ..] = rest {
                piece.bytes[piece.len] = *byte;
                piece.len += 1;
                rest = tail;
            }
            part += 1;
        }
        piece
    }
}

/// Registers seen at 32 and at 64 bits.
static REGS: [[Piece; 11]; 2] = {
    const NUMBERS: [&str; 11] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    let mut regs = [[Piece::new(&[]); 11]; 2];
    let mut number = 0;
    while number < NUMBERS.len() {
        regs[0][number] = Piece::new(&["w", NUMBERS[number]]);
        regs[1][number] = Piece::new(&["r", NUMBERS[number]]);
        number += 1;
    }
    regs
};

/// The text of each row, with what always stands around it.
static TEXTS: [Piece; TABLE.len()] = {
    let mut texts = [Piece::new(&[]); TABLE.len()];
    let mut row = 0;
    while row < TABLE.len() {
        let text = TABLE[row].text;
        texts[row] = match TABLE[row].form {
            Form::Alu(..) | Form::Mov(..) | Form::JumpIf(..) => Piece::new(&[" ", text, " "]),
            Form::Load(_) | Form::LoadSx(_) => Piece::new(&[" = *(", text, " *)("]),
            Form::Store(..) => Piece::new(&["*(", text, " *)("]),
            _ => Piece::new(&[text]),
        };
        row += 1;
    }
    texts
};

/// Lines under way, of up to so many bytes: the formatting machinery of `core` costs more than all the rest of printing.
#[derive(Clone, Debug)]
pub(crate) struct Text<const SIZE: usize> {
    bytes: [u8; SIZE],
    len: usize,
}

impl<const SIZE: usize> Text<SIZE> {
    pub(crate) const fn new() -> Text<SIZE> {
        Text { bytes: [0; SIZE], len: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Whether there may be no room for a statement and its labels.
    pub(crate) const fn is_full(&self) -> bool {
        self.len + ROOM > SIZE
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole strings were put in.
        self.bytes.get(..self.len).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn put(&mut self, piece: &Piece) -> &mut Self {
        if let Some(room) = self.bytes.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            *room = piece.bytes;
            self.len += piece.len;
        }
        self
    }

    pub(crate) fn decimal(&mut self, number: u32) -> &mut Self {
        let (mut piece, mut rest) = (Piece::new(&[]), number);
        piece.len = 1 + usize::try_from(number.checked_ilog10().unwrap_or(0)).unwrap_or(0);
        for digit in piece.bytes[..piece.len].iter_mut().rev() {
            *digit = b'0' + (rest % 10).to_le_bytes()[0];
            rest /= 10;
        }
        self.put(&piece)
    }

    pub(crate) fn unsigned_hex(&mut self, number: u64) -> &mut Self {
        let digits = (16 - number.leading_zeros() / 4).max(1);
        let [a, b, c, d, e, f, g, h] = (number << (64 - 4 * digits)).to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&hex_digits([a, b, c, d]));
        if digits > 8 {
            bytes[8..].copy_from_slice(&hex_digits([e, f, g, h]));
        }
        self.put(piece!("0x")).put(&Piece { bytes, len: usize::try_from(digits).unwrap_or(0) })
    }

    /// A number as LLVM writes it: hexadecimal, its sign in front.
    pub(crate) fn hex(&mut self, number: i64) -> &mut Self {
        if number < 0 {
            self.put(piece!("-"));
        }
        self.unsigned_hex(number.unsigned_abs())
    }

    /// A distance as LLVM writes it: a number that always has its sign.
    pub(crate) fn distance(&mut self, distance: i32) -> &mut Self {
        self.put(if distance < 0 { piece!("-") } else { piece!("+") }).unsigned_hex(distance.unsigned_abs().into())
    }

    /// A register seen at a width: `w1` or `r1`.
    pub(crate) fn reg(&mut self, width: Width, reg: Reg) -> &mut Self {
        let seen = match width {
            Width::W32 => &REGS[0],
            Width::W64 => &REGS[1],
        };
        self.put(&seen[usize::from(reg.index())])
    }

    /// A register and a distance from it, in bytes: `r1 + 0x8`.
    fn address(&mut self, base: Reg, distance: i32) -> &mut Self {
        self.reg(Width::W64, base).put(if distance < 0 { piece!(" - ") } else { piece!(" + ") });
        self.unsigned_hex(distance.unsigned_abs().into())
    }

    /// Memory of a type behind a register: `(u8 *)(r1 + 0x8)`.
    fn memory(&mut self, of: &Piece, base: Reg, off: i32) -> &mut Self {
        self.put(of).address(base, off).put(piece!(")"))
    }

    /// The second operand, seen at a width.
    fn operand(&mut self, insn: &Insn, width: Width, operand: Operand) -> &mut Self {
        match operand {
            Operand::K => self.hex(insn.imm.into()),
            Operand::X => self.reg(width, insn.src),
        }
    }

    /// An instruction.
    pub(crate) fn insn(&mut self, insn: &Insn) -> &mut Self {
        self.insn_until_target(insn);
        match insn.jump_target() {
            Some(distance) => self.distance(distance),
            None => self,
        }
    }

    /// An instruction, of a jump everything before its target.
    pub(crate) fn insn_until_target(&mut self, insn: &Insn) -> &mut Self {
        let text = &TEXTS[insn.op as usize];
        let (dst, src, off) = (insn.dst, insn.src, i32::from(insn.off));
        match insn.form() {
            Form::Alu(width, _, operand) | Form::Mov(width, operand) => {
                self.reg(width, dst).put(text).operand(insn, width, operand)
            }
            Form::MovSx(extend) => {
                let width = extend.width();
                self.reg(width, dst).put(piece!(" = (")).put(text).put(piece!(")")).reg(width, src)
            }
            Form::Neg(width) => self.reg(width, dst).put(piece!(" = ")).put(text).reg(width, dst),
            Form::Swap(..) => {
                self.reg(Width::W64, dst).put(piece!(" = ")).put(text).put(piece!(" ")).reg(Width::W64, dst)
            }
            Form::AddrSpaceCast => {
                let [f0, f1, t0, t1] = insn.imm.to_le_bytes();
                let (to, from) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([f0, f1]));
                self.reg(Width::W64, dst)
                    .put(piece!(" = "))
                    .put(text)
                    .put(piece!("("))
                    .reg(Width::W64, src)
                    .put(piece!(", "));
                self.unsigned_hex(to.into()).put(piece!(", ")).unsigned_hex(from.into()).put(piece!(")"))
            }
            Form::Load(_) | Form::LoadSx(_) => self.reg(Width::W64, dst).put(text).address(src, off).put(piece!(")")),
            Form::Store(_, operand) => {
                self.put(text).address(dst, off).put(piece!(") = ")).operand(insn, Width::W64, operand)
            }
            Form::Atomic(width, rmw) => self.atomic(insn, width, rmw, text),
            Form::LoadAcquire(size) => {
                self.reg(ordered_width(size), dst).put(piece!(" = ")).put(text).put(piece!("("));
                self.memory(pointer(size), src, off).put(piece!(")"))
            }
            Form::StoreRelease(size) => {
                self.put(text).put(piece!("(")).memory(pointer(size), dst, off).put(piece!(", "));
                self.reg(ordered_width(size), src).put(piece!(")"))
            }
            Form::LoadAbs(_) | Form::LoadInd(_) => self.packet_load(insn, text),
            Form::Lddw => self.reg(Width::W64, dst).put(piece!(" = ")).hex(insn.imm64()).put(piece!(" ")).put(text),
            Form::LddwPseudo(kind) => {
                self.put(text)
                    .put(piece!("\t"))
                    .reg(Width::W64, dst)
                    .put(piece!(", "))
                    .unsigned_hex(pseudo_number(kind).into());
                self.put(piece!(", ")).unsigned_hex(insn.imm64().cast_unsigned())
            }
            Form::JumpIf(width, _, operand) => {
                self.put(piece!("if ")).reg(width, dst).put(text);
                self.operand(insn, width, operand).put(piece!(" goto "))
            }
            Form::Ja | Form::MayGoto | Form::Gotol => self.put(text).put(piece!(" ")),
            Form::Gotox | Form::Callx => self.put(text).put(piece!(" ")).reg(Width::W64, dst),
            Form::CallHelper | Form::CallLocal | Form::CallKfunc => {
                self.put(text).put(piece!(" ")).hex(insn.imm.into())
            }
            Form::Exit => self.put(text),
        }
    }

    fn packet_load(&mut self, insn: &Insn, text: &Piece) -> &mut Self {
        self.put(piece!("r0 = *(")).put(text).put(piece!(" *)skb["));
        match insn.form() {
            Form::LoadAbs(_) => self.hex(insn.imm.into()),
            _ if insn.imm == 0 => self.reg(Width::W64, insn.src),
            _ => self.address(insn.src, insn.imm),
        }
        .put(piece!("]"))
    }

    fn atomic(&mut self, insn: &Insn, width: Width, rmw: Rmw, text: &Piece) -> &mut Self {
        let (base, off, src) = (insn.dst, i32::from(insn.off), insn.src);
        match rmw {
            Rmw::Add | Rmw::Or | Rmw::And | Rmw::Xor => {
                // Without `--mcpu`, LLVM knows no 32-bit atomic but the addition, as of v1, and names its register in full.
                let seen = if rmw == Rmw::Add { Width::W64 } else { width };
                self.put(piece!("lock *"))
                    .memory(atomic_pointer(width), base, off)
                    .put(piece!(" "))
                    .put(text)
                    .put(piece!(" "))
                    .reg(seen, src)
            }
            Rmw::FetchAdd | Rmw::FetchOr | Rmw::FetchAnd | Rmw::FetchXor => {
                self.reg(width, src).put(piece!(" = ")).put(text).put(piece!("(")).memory(
                    atomic_pointer(width),
                    base,
                    off,
                );
                self.put(piece!(", ")).reg(width, src).put(piece!(")"))
            }
            Rmw::Xchg => {
                self.reg(width, src).put(piece!(" = ")).put(text).put(piece!("(")).address(base, off);
                self.put(piece!(", ")).reg(width, src).put(piece!(")"))
            }
            Rmw::CmpXchg => {
                self.reg(width, Reg::R0).put(piece!(" = ")).put(text).put(piece!("(")).address(base, off);
                self.put(piece!(", ")).reg(width, Reg::R0).put(piece!(", ")).reg(width, src).put(piece!(")"))
            }
        }
    }
}

/// The eight digits of four bytes.
fn hex_digits(bytes: [u8; 4]) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Half a byte a byte; then what is above 9 goes from behind `9` to `a`.
    let mut halves = u64::from(u32::from_be_bytes(bytes));
    halves = (halves | halves << 16) & 0x0000_ffff_0000_ffff;
    halves = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    halves = (halves | halves << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (halves + 6 * ONES) >> 4 & ONES;
    (halves + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// The src field of a pseudo LDDW, which LLVM prints as it is.
fn pseudo_number(kind: PseudoSrc) -> u8 {
    match Form::LddwPseudo(kind).op().row().select {
        Some(crate::Select::Src(number)) => number,
        _ => 0,
    }
}
