//! What an instruction does, with everything that its opcode says and nothing of its operands.

use crate::operand::{AluOp, Extend, JmpOp, Narrow, Operand, PseudoSrc, Rmw, Size, Swap, SwapBits, Width};

/// The form of an instruction: its meaning without register numbers, offset and immediate.
///
/// Every value is one row of the opcode table, so a `match` on it is a `match` on all of BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `dst = dst OP operand`.
    Alu(Width, AluOp, Operand),
    /// `dst = operand`.
    Mov(Width, Operand),
    /// `dst = sign_extend(src)`.
    MovSx(Extend),
    /// `dst = -dst`.
    Neg(Width),
    /// `dst = swap(dst)`.
    Swap(Swap, SwapBits),
    /// `dst = src`, moved between address spaces; the immediate is the new one in its high 16 bits, the old one in its
    /// low 16.
    AddrSpaceCast,
    /// `dst = *(src + off)`.
    Load(Size),
    /// `dst = sign_extend(*(src + off))`.
    LoadSx(Narrow),
    /// `*(dst + off) = operand`.
    Store(Size, Operand),
    /// `*(dst + off) = OP(*(dst + off), src)`, in one step.
    Atomic(Width, Rmw),
    /// `dst = *(src + off)`, and later accesses stay later.
    LoadAcquire(Size),
    /// `*(dst + off) = src`, and earlier accesses stay earlier.
    StoreRelease(Size),
    /// `R0 = packet[imm]`, in host order; leaves the program when out of bounds. Needs the context in R6, clobbers R1
    /// to R5.
    LoadAbs(Narrow),
    /// `R0 = packet[src + imm]`; otherwise like [`Form::LoadAbs`].
    LoadInd(Narrow),
    /// `dst = ` a 64-bit immediate, in two slots.
    Lddw,
    /// `dst = ` what the 64-bit immediate stands for, in two slots.
    LddwPseudo(PseudoSrc),
    /// Jump by `off` when `dst OP operand`.
    JumpIf(Width, JmpOp, Operand),
    /// Jump by `off`.
    Ja,
    /// Jump by `imm`.
    Gotol,
    /// Jump to the address in dst.
    Gotox,
    /// Jump by `off` once the loop has run long enough.
    MayGoto,
    /// Call the helper whose id is `imm`.
    CallHelper,
    /// Call the subprogram at `imm` slots from the next instruction.
    CallLocal,
    /// Call the kernel function whose BTF id is `imm`; `off` is the index of its module's BTF in `fd_array`, or 0.
    CallKfunc,
    /// Call the subprogram whose address is in dst.
    Callx,
    /// Return R0.
    Exit,
}

/// A field of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The dst register's 4 bits.
    Dst,
    /// The src register's 4 bits.
    Src,
    /// The 16-bit offset.
    Off,
    /// The 32-bit immediate.
    Imm,
    /// Any field of the second slot of LDDW but its immediate.
    SecondSlot,
    /// The immediate of the second slot of LDDW: the high half.
    High,
}

impl core::fmt::Display for Field {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Field::Dst => "dst",
            Field::Src => "src",
            Field::Off => "off",
            Field::Imm => "imm",
            Field::SecondSlot => "second slot",
            Field::High => "high half",
        })
    }
}

/// The fields that carry operands; the others are reserved or select the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operands {
    pub(crate) dst: bool,
    pub(crate) src: bool,
    pub(crate) off: bool,
    pub(crate) imm: bool,
}

impl Operands {
    const fn new(fields: &str) -> Operands {
        let mut operands = Operands { dst: false, src: false, off: false, imm: false };
        let mut letters = fields.as_bytes();
        while let [letter, rest @ ..] = letters {
            match letter {
                b'd' => operands.dst = true,
                b's' => operands.src = true,
                b'o' => operands.off = true,
                _ => operands.imm = true,
            }
            letters = rest;
        }
        operands
    }
}

impl Form {
    /// Which fields are operands: `d`st, `s`rc, `o`ff, `i`mm.
    /// It is read from the table by `Op::operands`.
    pub(crate) const fn operands(self) -> Operands {
        use Operand::{K, X};
        Operands::new(match self {
            Form::Alu(_, _, K) | Form::Mov(_, K) | Form::Lddw | Form::LddwPseudo(_) => "di",
            Form::Alu(_, _, X) | Form::Mov(_, X) | Form::MovSx(_) => "ds",
            Form::AddrSpaceCast => "dsi",
            Form::Neg(_) | Form::Swap(..) | Form::Gotox | Form::Callx => "d",
            Form::Load(_) | Form::LoadSx(_) | Form::LoadAcquire(_) => "dso",
            Form::Store(_, X) | Form::Atomic(..) | Form::StoreRelease(_) | Form::JumpIf(_, _, X) => "dso",
            Form::Store(_, K) | Form::JumpIf(_, _, K) => "doi",
            Form::LoadAbs(_) | Form::Gotol | Form::CallHelper | Form::CallLocal => "i",
            Form::LoadInd(_) => "si",
            Form::CallKfunc => "oi",
            Form::Ja | Form::MayGoto => "o",
            Form::Exit => "",
        })
    }

    /// Whether the instruction takes two slots.
    pub const fn is_wide(self) -> bool {
        matches!(self, Form::Lddw | Form::LddwPseudo(_))
    }
}
