//! Operand kinds: widths, sizes, operations and sources, each closed by the encoding.

use crate::Reg;

/// How many bits of its registers an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// The low 32 bits; the result is zero-extended (classes ALU and JMP32).
    W32,
    /// All 64 bits (classes ALU64 and JMP).
    W64,
}

impl Width {
    /// Bits: 32 or 64.
    pub const fn bits(self) -> u8 {
        match self {
            Width::W32 => 32,
            Width::W64 => 64,
        }
    }
}

/// Size of a memory access.
#[doc(alias("BPF_B", "BPF_H", "BPF_W", "BPF_DW"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// 1 byte.
    B,
    /// 2 bytes, a half word.
    H,
    /// 4 bytes, a word.
    W,
    /// 8 bytes, a double word.
    DW,
}

impl Size {
    /// Bytes: 1, 2, 4 or 8.
    pub const fn bytes(self) -> u8 {
        match self {
            Size::B => 1,
            Size::H => 2,
            Size::W => 4,
            Size::DW => 8,
        }
    }

    /// The size of this many bytes, or `None` unless 1, 2, 4 or 8.
    pub const fn from_bytes(bytes: u64) -> Option<Size> {
        match bytes {
            1 => Some(Size::B),
            2 => Some(Size::H),
            4 => Some(Size::W),
            8 => Some(Size::DW),
            _ => None,
        }
    }
}

/// The sizes that leave room to extend into a 64-bit register: all but a double word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Narrow {
    /// 1 byte.
    B,
    /// 2 bytes.
    H,
    /// 4 bytes.
    W,
}

impl Narrow {
    /// The narrow size that equals `size`; `None` for a double word.
    pub const fn new(size: Size) -> Option<Narrow> {
        match size {
            Size::B => Some(Narrow::B),
            Size::H => Some(Narrow::H),
            Size::W => Some(Narrow::W),
            Size::DW => None,
        }
    }

    /// The same size among all sizes.
    pub const fn size(self) -> Size {
        match self {
            Narrow::B => Size::B,
            Narrow::H => Size::H,
            Narrow::W => Size::W,
        }
    }
}

/// A sign extension from one register to another: the bits kept and the width filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extend {
    /// 8 to 32 bits.
    B32,
    /// 16 to 32 bits.
    H32,
    /// 8 to 64 bits.
    B64,
    /// 16 to 64 bits.
    H64,
    /// 32 to 64 bits.
    W64,
}

impl Extend {
    /// The extension of `from` to `width`, or `None` where nothing is left to fill.
    pub const fn new(width: Width, from: Size) -> Option<Extend> {
        match (width, from) {
            (Width::W32, Size::B) => Some(Extend::B32),
            (Width::W32, Size::H) => Some(Extend::H32),
            (Width::W64, Size::B) => Some(Extend::B64),
            (Width::W64, Size::H) => Some(Extend::H64),
            (Width::W64, Size::W) => Some(Extend::W64),
            (Width::W32, Size::W | Size::DW) | (Width::W64, Size::DW) => None,
        }
    }

    /// The width that is filled.
    pub const fn width(self) -> Width {
        match self {
            Extend::B32 | Extend::H32 => Width::W32,
            Extend::B64 | Extend::H64 | Extend::W64 => Width::W64,
        }
    }

    /// The size whose sign is extended.
    pub const fn from(self) -> Size {
        match self {
            Extend::B32 | Extend::B64 => Size::B,
            Extend::H32 | Extend::H64 => Size::H,
            Extend::W64 => Size::W,
        }
    }
}

/// Bits of a byte swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SwapBits {
    /// The low 16 bits.
    B16,
    /// The low 32 bits.
    B32,
    /// All 64 bits.
    B64,
}

impl SwapBits {
    /// The swap of this many bits, or `None` unless 16, 32 or 64.
    pub const fn from_bits(bits: u32) -> Option<SwapBits> {
        match bits {
            16 => Some(SwapBits::B16),
            32 => Some(SwapBits::B32),
            64 => Some(SwapBits::B64),
            _ => None,
        }
    }

    /// Bits: 16, 32 or 64.
    pub const fn bits(self) -> u8 {
        match self {
            SwapBits::B16 => 16,
            SwapBits::B32 => 32,
            SwapBits::B64 => 64,
        }
    }
}

/// When a byte swap swaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Swap {
    /// Between host order and little endian: nothing but a truncation on little-endian machines.
    ToLe,
    /// Between host order and big endian: nothing but a truncation on big-endian machines.
    ToBe,
    /// Always.
    Always,
}

/// The two kinds of second operand: the source bit of an opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The immediate (`BPF_K`).
    K,
    /// The src register (`BPF_X`).
    X,
}

/// The second operand of an ALU operation, a store or a conditional jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Src {
    /// A register.
    Reg(Reg),
    /// A 32-bit immediate, sign-extended in 64-bit operations.
    Imm(i32),
}

impl From<Reg> for Src {
    fn from(reg: Reg) -> Src {
        Src::Reg(reg)
    }
}

impl From<i32> for Src {
    fn from(imm: i32) -> Src {
        Src::Imm(imm)
    }
}

/// A binary ALU operation, `dst = dst OP src`.
///
/// # References
///
/// RFC 9669 §4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AluOp {
    /// Addition.
    Add,
    /// Subtraction.
    Sub,
    /// Multiplication.
    Mul,
    /// Unsigned division; by zero gives zero.
    Div,
    /// Signed division; by zero gives zero.
    SDiv,
    /// Bitwise or.
    Or,
    /// Bitwise and.
    And,
    /// Shift left.
    Lsh,
    /// Logical shift right.
    Rsh,
    /// Unsigned remainder; by zero keeps dst.
    Mod,
    /// Signed remainder; by zero keeps dst.
    SMod,
    /// Bitwise exclusive or.
    Xor,
    /// Arithmetic shift right.
    Arsh,
}

/// The condition of a conditional jump.
///
/// # References
///
/// RFC 9669 §4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JmpOp {
    /// Equal.
    Eq,
    /// Unsigned greater.
    Gt,
    /// Unsigned greater or equal.
    Ge,
    /// Any bit of the second operand set in the first.
    Set,
    /// Not equal.
    Ne,
    /// Signed greater.
    SGt,
    /// Signed greater or equal.
    SGe,
    /// Unsigned less.
    Lt,
    /// Unsigned less or equal.
    Le,
    /// Signed less.
    SLt,
    /// Signed less or equal.
    SLe,
}

impl JmpOp {
    /// The condition that holds exactly when this one does not; [`JmpOp::Set`] has none.
    pub const fn negate(self) -> Option<JmpOp> {
        Some(match self {
            JmpOp::Eq => JmpOp::Ne,
            JmpOp::Ne => JmpOp::Eq,
            JmpOp::Gt => JmpOp::Le,
            JmpOp::Le => JmpOp::Gt,
            JmpOp::Ge => JmpOp::Lt,
            JmpOp::Lt => JmpOp::Ge,
            JmpOp::SGt => JmpOp::SLe,
            JmpOp::SLe => JmpOp::SGt,
            JmpOp::SGe => JmpOp::SLt,
            JmpOp::SLt => JmpOp::SGe,
            JmpOp::Set => return None,
        })
    }

    /// The condition that `b OP a` needs to mean `a SELF b`.
    #[must_use]
    pub const fn swap(self) -> JmpOp {
        match self {
            JmpOp::Eq => JmpOp::Eq,
            JmpOp::Ne => JmpOp::Ne,
            JmpOp::Set => JmpOp::Set,
            JmpOp::Gt => JmpOp::Lt,
            JmpOp::Lt => JmpOp::Gt,
            JmpOp::Ge => JmpOp::Le,
            JmpOp::Le => JmpOp::Ge,
            JmpOp::SGt => JmpOp::SLt,
            JmpOp::SLt => JmpOp::SGt,
            JmpOp::SGe => JmpOp::SLe,
            JmpOp::SLe => JmpOp::SGe,
        }
    }
}

/// An atomic read-modify-write operation, before it is said whether the old value is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    /// Addition.
    Add,
    /// Bitwise or.
    Or,
    /// Bitwise and.
    And,
    /// Bitwise exclusive or.
    Xor,
    /// Exchange with src; always fetches.
    Xchg,
    /// Store src if memory equals R0; always fetches, into R0.
    CmpXchg,
}

/// An atomic read-modify-write as it is encoded: the operation and whether src (R0 for [`Rmw::CmpXchg`]) gets the
/// old value.
///
/// # References
///
/// RFC 9669 §5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rmw {
    /// Add.
    Add,
    /// Or.
    Or,
    /// And.
    And,
    /// Exclusive or.
    Xor,
    /// Add, old value into src.
    FetchAdd,
    /// Or, old value into src.
    FetchOr,
    /// And, old value into src.
    FetchAnd,
    /// Exclusive or, old value into src.
    FetchXor,
    /// Exchange, old value into src.
    Xchg,
    /// Compare R0 and exchange, old value into R0.
    CmpXchg,
}

impl Rmw {
    /// The operation with or without fetch, or `None` for an exchange that does not fetch.
    pub const fn new(op: AtomicOp, fetch: bool) -> Option<Rmw> {
        match (op, fetch) {
            (AtomicOp::Add, false) => Some(Rmw::Add),
            (AtomicOp::Or, false) => Some(Rmw::Or),
            (AtomicOp::And, false) => Some(Rmw::And),
            (AtomicOp::Xor, false) => Some(Rmw::Xor),
            (AtomicOp::Add, true) => Some(Rmw::FetchAdd),
            (AtomicOp::Or, true) => Some(Rmw::FetchOr),
            (AtomicOp::And, true) => Some(Rmw::FetchAnd),
            (AtomicOp::Xor, true) => Some(Rmw::FetchXor),
            (AtomicOp::Xchg, true) => Some(Rmw::Xchg),
            (AtomicOp::CmpXchg, true) => Some(Rmw::CmpXchg),
            (AtomicOp::Xchg | AtomicOp::CmpXchg, false) => None,
        }
    }

    /// The operation, whether or not it fetches.
    pub const fn op(self) -> AtomicOp {
        match self {
            Rmw::Add | Rmw::FetchAdd => AtomicOp::Add,
            Rmw::Or | Rmw::FetchOr => AtomicOp::Or,
            Rmw::And | Rmw::FetchAnd => AtomicOp::And,
            Rmw::Xor | Rmw::FetchXor => AtomicOp::Xor,
            Rmw::Xchg => AtomicOp::Xchg,
            Rmw::CmpXchg => AtomicOp::CmpXchg,
        }
    }

    /// Whether a register gets the old value.
    pub const fn fetches(self) -> bool {
        !matches!(self, Rmw::Add | Rmw::Or | Rmw::And | Rmw::Xor)
    }
}

/// What the 64 bits of an LDDW stand for, when they are not a plain number: the value of its src field.
///
/// # References
///
/// RFC 9669 §5.4; `BPF_PSEUDO_MAP_FD` and its siblings in `include/uapi/linux/bpf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PseudoSrc {
    /// Address of the map whose fd is in the low half (`BPF_PSEUDO_MAP_FD`, 1).
    MapFd,
    /// Address in the value of the map whose fd is in the low half, at the high half (`BPF_PSEUDO_MAP_VALUE`, 2).
    MapValue,
    /// Address of the kernel variable with this BTF id; the high half is the BTF's fd, 0 for vmlinux
    /// (`BPF_PSEUDO_BTF_ID`, 3).
    BtfId,
    /// Address of the subprogram at this distance, in slots from the next instruction (`BPF_PSEUDO_FUNC`, 4).
    Func,
    /// Like [`PseudoSrc::MapFd`], by index into the load command's `fd_array` (`BPF_PSEUDO_MAP_IDX`, 5).
    MapIdx,
    /// Like [`PseudoSrc::MapValue`], by index into the load command's `fd_array` (`BPF_PSEUDO_MAP_IDX_VALUE`, 6).
    MapIdxValue,
}

impl PseudoSrc {
    /// Whether the high half means something; it is reserved otherwise.
    pub const fn uses_high(self) -> bool {
        matches!(self, PseudoSrc::MapValue | PseudoSrc::BtfId | PseudoSrc::MapIdxValue)
    }
}
