//! The opcode table: every instruction is one row here, and nowhere else.
//!
//! A row reads
//!
//! ```text
//! SDiv64K = "s/=", Alu64, 0x37[Off 1], Alu(W64, AluOp::SDiv, K), V4, DivMul64, (6, 6);
//! ^ Op      ^ text ^ class ^ opcode byte, and the field that  ^ form   ^ level ^ group  ^ first kernel, or none
//!                            selects the row among those that share the byte
//! ```
//!
//! Rows that share an opcode byte stand together. The enum [`Op`], [`Op::row`] and the way from a [`Form`] to its `Op`
//! expand from the table; encoder, decoder and printer are driven by it. The expansion of the row above is
//!
//! ```text
//! pub enum Op { … SDiv64K, … }
//! static TABLE: [Row; …] = [ … Row { op: Op::SDiv64K, name: "SDiv64K", text: "s/=", class: Class::Alu64, code: 0x37,
//!     select: Some(Select::Off(1)), form: Form::Alu(W64, AluOp::SDiv, K), … }, … ];
//! impl Form { pub const fn op(self) -> Op { match self { … Form::Alu(W64, AluOp::SDiv, K) => Op::SDiv64K, … } } }
//! ```
//!
//! That `match` has no wildcard: a form without a row, or with two, does not compile.

use crate::{
    form::{Form, Operands},
    level::{Class, CpuLevel, Group, KernelVersion},
    operand::{
        AluOp, Extend, JmpOp, Narrow,
        Operand::{K, X},
        PseudoSrc, Rmw, Size, Swap, SwapBits,
        Width::{W32, W64},
    },
};

/// One row of the opcode table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The instruction.
    pub op: Op,
    /// Its name, as [`Op`] spells it.
    pub name: &'static str,
    /// The operator or word that LLVM prints for it.
    pub text: &'static str,
    /// Its class, the low 3 bits of `code`.
    pub class: Class,
    /// Its opcode byte.
    pub code: u8,
    /// The field, and its value, that tells it from the rows with the same opcode byte.
    pub select: Option<Select>,
    /// What it does.
    pub form: Form,
    /// First compiler level that emits it.
    pub level: CpuLevel,
    /// Conformance group.
    pub group: Group,
    /// First kernel whose verifier takes it; `None` while none does.
    pub since: Option<KernelVersion>,
}

/// The field, and its value, that tells a row from the others with its opcode byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The src field.
    Src(u8),
    /// The offset.
    Off(i16),
    /// The immediate.
    Imm(i32),
}

macro_rules! select {
    () => {
        None
    };
    ($field:ident $value:literal) => {
        Some(Select::$field($value))
    };
}

macro_rules! since {
    (none) => {
        None
    };
    (($major:literal, $minor:literal)) => {
        Some(KernelVersion::new($major, $minor))
    };
}

macro_rules! opcodes {
    ($($op:ident = $text:literal, $class:ident, $code:literal $([$($select:tt)+])?,
       $form:ident $(($($part:path),+))?, $level:ident, $group:ident, $since:tt;)+) => {
        /// Every instruction, one variant for each row of the opcode table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Op {
            $(#[doc = concat!(
                "`", $text, "`, [`Form::", stringify!($form $(($($part),+))?), "`](Form::", stringify!($form),
                "), opcode byte `", stringify!($code), "`", $(", selected by `", stringify!($($select)+), "`",)? "."
            )] $op,)+
        }

        pub(crate) static TABLE: [Row; Op::ALL.len()] = [$(Row {
            op: Op::$op,
            name: stringify!($op),
            text: $text,
            class: Class::$class,
            code: $code,
            select: select!($($($select)+)?),
            form: Form::$form $(($($part),+))?,
            level: CpuLevel::$level,
            group: Group::$group,
            since: since!($since),
        }),+];

        impl Op {
            /// Every instruction, in the table's order.
            pub const ALL: &'static [Op] = &[$(Op::$op),+];
        }

        impl Form {
            /// The instruction that has this form.
            pub const fn op(self) -> Op {
                match self {
                    $(Form::$form $(($($part),+))? => Op::$op,)+
                }
            }
        }
    };
}

opcodes! {
    // 64-bit arithmetic: RFC 9669 section 4.1. Signed division shares its byte with the unsigned one.
    Add64K = "+=", Alu64, 0x07, Alu(W64, AluOp::Add, K), V1, Base64, (3, 18);
    Add64X = "+=", Alu64, 0x0f, Alu(W64, AluOp::Add, X), V1, Base64, (3, 18);
    Sub64K = "-=", Alu64, 0x17, Alu(W64, AluOp::Sub, K), V1, Base64, (3, 18);
    Sub64X = "-=", Alu64, 0x1f, Alu(W64, AluOp::Sub, X), V1, Base64, (3, 18);
    Mul64K = "*=", Alu64, 0x27, Alu(W64, AluOp::Mul, K), V1, DivMul64, (3, 18);
    Mul64X = "*=", Alu64, 0x2f, Alu(W64, AluOp::Mul, X), V1, DivMul64, (3, 18);
    Or64K = "|=", Alu64, 0x47, Alu(W64, AluOp::Or, K), V1, Base64, (3, 18);
    Or64X = "|=", Alu64, 0x4f, Alu(W64, AluOp::Or, X), V1, Base64, (3, 18);
    And64K = "&=", Alu64, 0x57, Alu(W64, AluOp::And, K), V1, Base64, (3, 18);
    And64X = "&=", Alu64, 0x5f, Alu(W64, AluOp::And, X), V1, Base64, (3, 18);
    Lsh64K = "<<=", Alu64, 0x67, Alu(W64, AluOp::Lsh, K), V1, Base64, (3, 18);
    Lsh64X = "<<=", Alu64, 0x6f, Alu(W64, AluOp::Lsh, X), V1, Base64, (3, 18);
    Rsh64K = ">>=", Alu64, 0x77, Alu(W64, AluOp::Rsh, K), V1, Base64, (3, 18);
    Rsh64X = ">>=", Alu64, 0x7f, Alu(W64, AluOp::Rsh, X), V1, Base64, (3, 18);
    Xor64K = "^=", Alu64, 0xa7, Alu(W64, AluOp::Xor, K), V1, Base64, (3, 18);
    Xor64X = "^=", Alu64, 0xaf, Alu(W64, AluOp::Xor, X), V1, Base64, (3, 18);
    Arsh64K = "s>>=", Alu64, 0xc7, Alu(W64, AluOp::Arsh, K), V1, Base64, (3, 18);
    Arsh64X = "s>>=", Alu64, 0xcf, Alu(W64, AluOp::Arsh, X), V1, Base64, (3, 18);
    Div64K = "/=", Alu64, 0x37[Off 0], Alu(W64, AluOp::Div, K), V1, DivMul64, (3, 18);
    SDiv64K = "s/=", Alu64, 0x37[Off 1], Alu(W64, AluOp::SDiv, K), V4, DivMul64, (6, 6);
    Div64X = "/=", Alu64, 0x3f[Off 0], Alu(W64, AluOp::Div, X), V1, DivMul64, (3, 18);
    SDiv64X = "s/=", Alu64, 0x3f[Off 1], Alu(W64, AluOp::SDiv, X), V4, DivMul64, (6, 6);
    Mod64K = "%=", Alu64, 0x97[Off 0], Alu(W64, AluOp::Mod, K), V1, DivMul64, (3, 18);
    SMod64K = "s%=", Alu64, 0x97[Off 1], Alu(W64, AluOp::SMod, K), V4, DivMul64, (6, 6);
    Mod64X = "%=", Alu64, 0x9f[Off 0], Alu(W64, AluOp::Mod, X), V1, DivMul64, (3, 18);
    SMod64X = "s%=", Alu64, 0x9f[Off 1], Alu(W64, AluOp::SMod, X), V4, DivMul64, (6, 6);
    Neg64 = "-", Alu64, 0x87, Neg(W64), V1, Base64, (3, 18);
    Mov64K = "=", Alu64, 0xb7, Mov(W64, K), V1, Base64, (3, 18);
    Mov64X = "=", Alu64, 0xbf[Off 0], Mov(W64, X), V1, Base64, (3, 18);
    AddrSpaceCast = "addr_space_cast", Alu64, 0xbf[Off 1], AddrSpaceCast, V1, Linux, (6, 9);
    MovSx64B = "s8", Alu64, 0xbf[Off 8], MovSx(Extend::B64), V4, Base64, (6, 6);
    MovSx64H = "s16", Alu64, 0xbf[Off 16], MovSx(Extend::H64), V4, Base64, (6, 6);
    MovSx64W = "s32", Alu64, 0xbf[Off 32], MovSx(Extend::W64), V4, Base64, (6, 6);

    // 32-bit arithmetic: RFC 9669 section 4.1. Signed division shares its byte with the unsigned one.
    Add32K = "+=", Alu, 0x04, Alu(W32, AluOp::Add, K), V3, Base32, (3, 18);
    Add32X = "+=", Alu, 0x0c, Alu(W32, AluOp::Add, X), V3, Base32, (3, 18);
    Sub32K = "-=", Alu, 0x14, Alu(W32, AluOp::Sub, K), V3, Base32, (3, 18);
    Sub32X = "-=", Alu, 0x1c, Alu(W32, AluOp::Sub, X), V3, Base32, (3, 18);
    Mul32K = "*=", Alu, 0x24, Alu(W32, AluOp::Mul, K), V3, DivMul32, (3, 18);
    Mul32X = "*=", Alu, 0x2c, Alu(W32, AluOp::Mul, X), V3, DivMul32, (3, 18);
    Or32K = "|=", Alu, 0x44, Alu(W32, AluOp::Or, K), V3, Base32, (3, 18);
    Or32X = "|=", Alu, 0x4c, Alu(W32, AluOp::Or, X), V3, Base32, (3, 18);
    And32K = "&=", Alu, 0x54, Alu(W32, AluOp::And, K), V3, Base32, (3, 18);
    And32X = "&=", Alu, 0x5c, Alu(W32, AluOp::And, X), V3, Base32, (3, 18);
    Lsh32K = "<<=", Alu, 0x64, Alu(W32, AluOp::Lsh, K), V3, Base32, (3, 18);
    Lsh32X = "<<=", Alu, 0x6c, Alu(W32, AluOp::Lsh, X), V3, Base32, (3, 18);
    Rsh32K = ">>=", Alu, 0x74, Alu(W32, AluOp::Rsh, K), V3, Base32, (3, 18);
    Rsh32X = ">>=", Alu, 0x7c, Alu(W32, AluOp::Rsh, X), V3, Base32, (3, 18);
    Xor32K = "^=", Alu, 0xa4, Alu(W32, AluOp::Xor, K), V3, Base32, (3, 18);
    Xor32X = "^=", Alu, 0xac, Alu(W32, AluOp::Xor, X), V3, Base32, (3, 18);
    Arsh32K = "s>>=", Alu, 0xc4, Alu(W32, AluOp::Arsh, K), V3, Base32, (3, 18);
    Arsh32X = "s>>=", Alu, 0xcc, Alu(W32, AluOp::Arsh, X), V3, Base32, (3, 18);
    Div32K = "/=", Alu, 0x34[Off 0], Alu(W32, AluOp::Div, K), V3, DivMul32, (3, 18);
    SDiv32K = "s/=", Alu, 0x34[Off 1], Alu(W32, AluOp::SDiv, K), V4, DivMul32, (6, 6);
    Div32X = "/=", Alu, 0x3c[Off 0], Alu(W32, AluOp::Div, X), V3, DivMul32, (3, 18);
    SDiv32X = "s/=", Alu, 0x3c[Off 1], Alu(W32, AluOp::SDiv, X), V4, DivMul32, (6, 6);
    Mod32K = "%=", Alu, 0x94[Off 0], Alu(W32, AluOp::Mod, K), V3, DivMul32, (3, 18);
    SMod32K = "s%=", Alu, 0x94[Off 1], Alu(W32, AluOp::SMod, K), V4, DivMul32, (6, 6);
    Mod32X = "%=", Alu, 0x9c[Off 0], Alu(W32, AluOp::Mod, X), V3, DivMul32, (3, 18);
    SMod32X = "s%=", Alu, 0x9c[Off 1], Alu(W32, AluOp::SMod, X), V4, DivMul32, (6, 6);
    Neg32 = "-", Alu, 0x84, Neg(W32), V3, Base32, (3, 18);
    Mov32K = "=", Alu, 0xb4, Mov(W32, K), V3, Base32, (3, 18);
    Mov32X = "=", Alu, 0xbc[Off 0], Mov(W32, X), V3, Base32, (3, 18);
    MovSx32B = "s8", Alu, 0xbc[Off 8], MovSx(Extend::B32), V4, Base32, (6, 6);
    MovSx32H = "s16", Alu, 0xbc[Off 16], MovSx(Extend::H32), V4, Base32, (6, 6);

    // Byte swaps: RFC 9669 section 4.2.
    ToLe16 = "le16", Alu, 0xd4[Imm 16], Swap(Swap::ToLe, SwapBits::B16), V1, Base32, (3, 18);
    ToLe32 = "le32", Alu, 0xd4[Imm 32], Swap(Swap::ToLe, SwapBits::B32), V1, Base32, (3, 18);
    ToLe64 = "le64", Alu, 0xd4[Imm 64], Swap(Swap::ToLe, SwapBits::B64), V1, Base64, (3, 18);
    ToBe16 = "be16", Alu, 0xdc[Imm 16], Swap(Swap::ToBe, SwapBits::B16), V1, Base32, (3, 18);
    ToBe32 = "be32", Alu, 0xdc[Imm 32], Swap(Swap::ToBe, SwapBits::B32), V1, Base32, (3, 18);
    ToBe64 = "be64", Alu, 0xdc[Imm 64], Swap(Swap::ToBe, SwapBits::B64), V1, Base64, (3, 18);
    Bswap16 = "bswap16", Alu64, 0xd7[Imm 16], Swap(Swap::Always, SwapBits::B16), V4, Base32, (6, 6);
    Bswap32 = "bswap32", Alu64, 0xd7[Imm 32], Swap(Swap::Always, SwapBits::B32), V4, Base32, (6, 6);
    Bswap64 = "bswap64", Alu64, 0xd7[Imm 64], Swap(Swap::Always, SwapBits::B64), V4, Base64, (6, 6);

    // Loads and stores: RFC 9669 sections 5.1 and 5.2.
    LoadB = "u8", Ldx, 0x71, Load(Size::B), V1, Base32, (3, 18);
    LoadH = "u16", Ldx, 0x69, Load(Size::H), V1, Base32, (3, 18);
    LoadW = "u32", Ldx, 0x61, Load(Size::W), V1, Base32, (3, 18);
    LoadDW = "u64", Ldx, 0x79, Load(Size::DW), V1, Base64, (3, 18);
    LoadSxB = "s8", Ldx, 0x91, LoadSx(Narrow::B), V4, Base32, (6, 6);
    LoadSxH = "s16", Ldx, 0x89, LoadSx(Narrow::H), V4, Base32, (6, 6);
    LoadSxW = "s32", Ldx, 0x81, LoadSx(Narrow::W), V4, Base32, (6, 6);
    StoreBK = "u8", St, 0x72, Store(Size::B, K), V4, Base32, (3, 18);
    StoreHK = "u16", St, 0x6a, Store(Size::H, K), V4, Base32, (3, 18);
    StoreWK = "u32", St, 0x62, Store(Size::W, K), V4, Base32, (3, 18);
    StoreDWK = "u64", St, 0x7a, Store(Size::DW, K), V4, Base64, (3, 18);
    StoreBX = "u8", Stx, 0x73, Store(Size::B, X), V1, Base32, (3, 18);
    StoreHX = "u16", Stx, 0x6b, Store(Size::H, X), V1, Base32, (3, 18);
    StoreWX = "u32", Stx, 0x63, Store(Size::W, X), V1, Base32, (3, 18);
    StoreDWX = "u64", Stx, 0x7b, Store(Size::DW, X), V1, Base64, (3, 18);

    // Atomics: RFC 9669 section 5.3; the last two are Linux, `BPF_LOAD_ACQ` and `BPF_STORE_REL`.
    LoadAcquireB = "load_acquire", Stx, 0xd3[Imm 0x100], LoadAcquire(Size::B), V4, Linux, (6, 15);
    StoreReleaseB = "store_release", Stx, 0xd3[Imm 0x110], StoreRelease(Size::B), V4, Linux, (6, 15);
    LoadAcquireH = "load_acquire", Stx, 0xcb[Imm 0x100], LoadAcquire(Size::H), V4, Linux, (6, 15);
    StoreReleaseH = "store_release", Stx, 0xcb[Imm 0x110], StoreRelease(Size::H), V4, Linux, (6, 15);
    AtomicAdd32 = "+=", Stx, 0xc3[Imm 0x00], Atomic(W32, Rmw::Add), V1, Atomic32, (3, 18);
    AtomicOr32 = "|=", Stx, 0xc3[Imm 0x40], Atomic(W32, Rmw::Or), V3, Atomic32, (5, 12);
    AtomicAnd32 = "&=", Stx, 0xc3[Imm 0x50], Atomic(W32, Rmw::And), V3, Atomic32, (5, 12);
    AtomicXor32 = "^=", Stx, 0xc3[Imm 0xa0], Atomic(W32, Rmw::Xor), V3, Atomic32, (5, 12);
    AtomicFetchAdd32 = "atomic_fetch_add", Stx, 0xc3[Imm 0x01], Atomic(W32, Rmw::FetchAdd), V3, Atomic32, (5, 12);
    AtomicFetchOr32 = "atomic_fetch_or", Stx, 0xc3[Imm 0x41], Atomic(W32, Rmw::FetchOr), V3, Atomic32, (5, 12);
    AtomicFetchAnd32 = "atomic_fetch_and", Stx, 0xc3[Imm 0x51], Atomic(W32, Rmw::FetchAnd), V3, Atomic32, (5, 12);
    AtomicFetchXor32 = "atomic_fetch_xor", Stx, 0xc3[Imm 0xa1], Atomic(W32, Rmw::FetchXor), V3, Atomic32, (5, 12);
    AtomicXchg32 = "xchg32_32", Stx, 0xc3[Imm 0xe1], Atomic(W32, Rmw::Xchg), V3, Atomic32, (5, 12);
    AtomicCmpXchg32 = "cmpxchg32_32", Stx, 0xc3[Imm 0xf1], Atomic(W32, Rmw::CmpXchg), V3, Atomic32, (5, 12);
    LoadAcquireW = "load_acquire", Stx, 0xc3[Imm 0x100], LoadAcquire(Size::W), V4, Linux, (6, 15);
    StoreReleaseW = "store_release", Stx, 0xc3[Imm 0x110], StoreRelease(Size::W), V4, Linux, (6, 15);
    AtomicAdd64 = "+=", Stx, 0xdb[Imm 0x00], Atomic(W64, Rmw::Add), V1, Atomic64, (3, 18);
    AtomicOr64 = "|=", Stx, 0xdb[Imm 0x40], Atomic(W64, Rmw::Or), V3, Atomic64, (5, 12);
    AtomicAnd64 = "&=", Stx, 0xdb[Imm 0x50], Atomic(W64, Rmw::And), V3, Atomic64, (5, 12);
    AtomicXor64 = "^=", Stx, 0xdb[Imm 0xa0], Atomic(W64, Rmw::Xor), V3, Atomic64, (5, 12);
    AtomicFetchAdd64 = "atomic_fetch_add", Stx, 0xdb[Imm 0x01], Atomic(W64, Rmw::FetchAdd), V3, Atomic64, (5, 12);
    AtomicFetchOr64 = "atomic_fetch_or", Stx, 0xdb[Imm 0x41], Atomic(W64, Rmw::FetchOr), V3, Atomic64, (5, 12);
    AtomicFetchAnd64 = "atomic_fetch_and", Stx, 0xdb[Imm 0x51], Atomic(W64, Rmw::FetchAnd), V3, Atomic64, (5, 12);
    AtomicFetchXor64 = "atomic_fetch_xor", Stx, 0xdb[Imm 0xa1], Atomic(W64, Rmw::FetchXor), V3, Atomic64, (5, 12);
    AtomicXchg64 = "xchg_64", Stx, 0xdb[Imm 0xe1], Atomic(W64, Rmw::Xchg), V3, Atomic64, (5, 12);
    AtomicCmpXchg64 = "cmpxchg_64", Stx, 0xdb[Imm 0xf1], Atomic(W64, Rmw::CmpXchg), V3, Atomic64, (5, 12);
    LoadAcquireDW = "load_acquire", Stx, 0xdb[Imm 0x100], LoadAcquire(Size::DW), V4, Linux, (6, 15);
    StoreReleaseDW = "store_release", Stx, 0xdb[Imm 0x110], StoreRelease(Size::DW), V4, Linux, (6, 15);

    // Packet loads: RFC 9669 section 5.5, legacy.
    LoadAbsB = "u8", Ld, 0x30, LoadAbs(Narrow::B), V1, Packet, (3, 18);
    LoadAbsH = "u16", Ld, 0x28, LoadAbs(Narrow::H), V1, Packet, (3, 18);
    LoadAbsW = "u32", Ld, 0x20, LoadAbs(Narrow::W), V1, Packet, (3, 18);
    LoadIndB = "u8", Ld, 0x50, LoadInd(Narrow::B), V1, Packet, (3, 18);
    LoadIndH = "u16", Ld, 0x48, LoadInd(Narrow::H), V1, Packet, (3, 18);
    LoadIndW = "u32", Ld, 0x40, LoadInd(Narrow::W), V1, Packet, (3, 18);

    // 64-bit immediates: RFC 9669 section 5.4.
    Lddw = "ll", Ld, 0x18[Src 0], Lddw, V1, Base64, (3, 18);
    LddwMapFd = "ld_pseudo", Ld, 0x18[Src 1], LddwPseudo(PseudoSrc::MapFd), V1, Base64, (3, 18);
    LddwMapValue = "ld_pseudo", Ld, 0x18[Src 2], LddwPseudo(PseudoSrc::MapValue), V1, Base64, (5, 2);
    LddwBtfId = "ld_pseudo", Ld, 0x18[Src 3], LddwPseudo(PseudoSrc::BtfId), V1, Base64, (5, 10);
    LddwFunc = "ld_pseudo", Ld, 0x18[Src 4], LddwPseudo(PseudoSrc::Func), V1, Base64, (5, 13);
    LddwMapIdx = "ld_pseudo", Ld, 0x18[Src 5], LddwPseudo(PseudoSrc::MapIdx), V1, Base64, (5, 14);
    LddwMapIdxValue = "ld_pseudo", Ld, 0x18[Src 6], LddwPseudo(PseudoSrc::MapIdxValue), V1, Base64, (5, 14);

    // 64-bit conditional jumps: RFC 9669 section 4.3.
    JEq64K = "==", Jmp, 0x15, JumpIf(W64, JmpOp::Eq, K), V1, Base64, (3, 18);
    JEq64X = "==", Jmp, 0x1d, JumpIf(W64, JmpOp::Eq, X), V1, Base64, (3, 18);
    JGt64K = ">", Jmp, 0x25, JumpIf(W64, JmpOp::Gt, K), V1, Base64, (3, 18);
    JGt64X = ">", Jmp, 0x2d, JumpIf(W64, JmpOp::Gt, X), V1, Base64, (3, 18);
    JGe64K = ">=", Jmp, 0x35, JumpIf(W64, JmpOp::Ge, K), V1, Base64, (3, 18);
    JGe64X = ">=", Jmp, 0x3d, JumpIf(W64, JmpOp::Ge, X), V1, Base64, (3, 18);
    JSet64K = "&", Jmp, 0x45, JumpIf(W64, JmpOp::Set, K), V1, Base64, (3, 18);
    JSet64X = "&", Jmp, 0x4d, JumpIf(W64, JmpOp::Set, X), V1, Base64, (3, 18);
    JNe64K = "!=", Jmp, 0x55, JumpIf(W64, JmpOp::Ne, K), V1, Base64, (3, 18);
    JNe64X = "!=", Jmp, 0x5d, JumpIf(W64, JmpOp::Ne, X), V1, Base64, (3, 18);
    JSGt64K = "s>", Jmp, 0x65, JumpIf(W64, JmpOp::SGt, K), V1, Base64, (3, 18);
    JSGt64X = "s>", Jmp, 0x6d, JumpIf(W64, JmpOp::SGt, X), V1, Base64, (3, 18);
    JSGe64K = "s>=", Jmp, 0x75, JumpIf(W64, JmpOp::SGe, K), V1, Base64, (3, 18);
    JSGe64X = "s>=", Jmp, 0x7d, JumpIf(W64, JmpOp::SGe, X), V1, Base64, (3, 18);
    JLt64K = "<", Jmp, 0xa5, JumpIf(W64, JmpOp::Lt, K), V2, Base64, (4, 14);
    JLt64X = "<", Jmp, 0xad, JumpIf(W64, JmpOp::Lt, X), V2, Base64, (4, 14);
    JLe64K = "<=", Jmp, 0xb5, JumpIf(W64, JmpOp::Le, K), V2, Base64, (4, 14);
    JLe64X = "<=", Jmp, 0xbd, JumpIf(W64, JmpOp::Le, X), V2, Base64, (4, 14);
    JSLt64K = "s<", Jmp, 0xc5, JumpIf(W64, JmpOp::SLt, K), V2, Base64, (4, 14);
    JSLt64X = "s<", Jmp, 0xcd, JumpIf(W64, JmpOp::SLt, X), V2, Base64, (4, 14);
    JSLe64K = "s<=", Jmp, 0xd5, JumpIf(W64, JmpOp::SLe, K), V2, Base64, (4, 14);
    JSLe64X = "s<=", Jmp, 0xdd, JumpIf(W64, JmpOp::SLe, X), V2, Base64, (4, 14);

    // 32-bit conditional jumps: RFC 9669 section 4.3.
    JEq32K = "==", Jmp32, 0x16, JumpIf(W32, JmpOp::Eq, K), V3, Base32, (5, 1);
    JEq32X = "==", Jmp32, 0x1e, JumpIf(W32, JmpOp::Eq, X), V3, Base32, (5, 1);
    JGt32K = ">", Jmp32, 0x26, JumpIf(W32, JmpOp::Gt, K), V3, Base32, (5, 1);
    JGt32X = ">", Jmp32, 0x2e, JumpIf(W32, JmpOp::Gt, X), V3, Base32, (5, 1);
    JGe32K = ">=", Jmp32, 0x36, JumpIf(W32, JmpOp::Ge, K), V3, Base32, (5, 1);
    JGe32X = ">=", Jmp32, 0x3e, JumpIf(W32, JmpOp::Ge, X), V3, Base32, (5, 1);
    JSet32K = "&", Jmp32, 0x46, JumpIf(W32, JmpOp::Set, K), V3, Base32, (5, 1);
    JSet32X = "&", Jmp32, 0x4e, JumpIf(W32, JmpOp::Set, X), V3, Base32, (5, 1);
    JNe32K = "!=", Jmp32, 0x56, JumpIf(W32, JmpOp::Ne, K), V3, Base32, (5, 1);
    JNe32X = "!=", Jmp32, 0x5e, JumpIf(W32, JmpOp::Ne, X), V3, Base32, (5, 1);
    JSGt32K = "s>", Jmp32, 0x66, JumpIf(W32, JmpOp::SGt, K), V3, Base32, (5, 1);
    JSGt32X = "s>", Jmp32, 0x6e, JumpIf(W32, JmpOp::SGt, X), V3, Base32, (5, 1);
    JSGe32K = "s>=", Jmp32, 0x76, JumpIf(W32, JmpOp::SGe, K), V3, Base32, (5, 1);
    JSGe32X = "s>=", Jmp32, 0x7e, JumpIf(W32, JmpOp::SGe, X), V3, Base32, (5, 1);
    JLt32K = "<", Jmp32, 0xa6, JumpIf(W32, JmpOp::Lt, K), V3, Base32, (5, 1);
    JLt32X = "<", Jmp32, 0xae, JumpIf(W32, JmpOp::Lt, X), V3, Base32, (5, 1);
    JLe32K = "<=", Jmp32, 0xb6, JumpIf(W32, JmpOp::Le, K), V3, Base32, (5, 1);
    JLe32X = "<=", Jmp32, 0xbe, JumpIf(W32, JmpOp::Le, X), V3, Base32, (5, 1);
    JSLt32K = "s<", Jmp32, 0xc6, JumpIf(W32, JmpOp::SLt, K), V3, Base32, (5, 1);
    JSLt32X = "s<", Jmp32, 0xce, JumpIf(W32, JmpOp::SLt, X), V3, Base32, (5, 1);
    JSLe32K = "s<=", Jmp32, 0xd6, JumpIf(W32, JmpOp::SLe, K), V3, Base32, (5, 1);
    JSLe32X = "s<=", Jmp32, 0xde, JumpIf(W32, JmpOp::SLe, X), V3, Base32, (5, 1);

    // Other jumps, calls, exit: RFC 9669 section 4.3. Linux adds `BPF_JCOND` and the jump and call through a register.
    Ja = "goto", Jmp, 0x05, Ja, V1, Base32, (3, 18);
    Gotol = "gotol", Jmp32, 0x06, Gotol, V4, Base32, (6, 6);
    Gotox = "gotox", Jmp, 0x0d, Gotox, V4, Linux, (6, 19);
    MayGoto = "may_goto", Jmp, 0xe5[Src 0], MayGoto, V1, Linux, (6, 9);
    CallHelper = "call", Jmp, 0x85[Src 0], CallHelper, V1, Base32, (3, 18);
    CallLocal = "call", Jmp, 0x85[Src 1], CallLocal, V1, Base32, (4, 16);
    CallKfunc = "call", Jmp, 0x85[Src 2], CallKfunc, V1, Base32, (5, 13);
    Callx = "callx", Jmp, 0x8d, Callx, V1, Linux, none;
    Exit = "exit", Jmp, 0x95, Exit, V1, Base32, (3, 18);
}

/// For each opcode byte, where its rows begin in the table and where they end.
static BY_CODE: [(usize, usize); 256] = by_code();

const fn by_code() -> [(usize, usize); 256] {
    let mut spans = [(0, 0); 256];
    let mut at = 0;
    while at < TABLE.len() {
        let (start, end) = &mut spans[TABLE[at].code as usize];
        if *end == 0 {
            *start = at;
        }
        assert!(*end == 0 || *end == at, "rows that share an opcode byte stand together");
        at += 1;
        *end = at;
    }
    spans
}

/// The fields of each row that carry operands, and those that carry operands or select it: the others are reserved.
static OPERANDS: [(Operands, Operands); Op::ALL.len()] = {
    let mut operands = [(Form::Exit.operands(), Form::Exit.operands()); Op::ALL.len()];
    let mut row = 0;
    while row < TABLE.len() {
        let open = TABLE[row].form.operands();
        let mut used = open;
        match TABLE[row].select {
            Some(Select::Src(_)) => used.src = true,
            Some(Select::Off(_)) => used.off = true,
            Some(Select::Imm(_)) => used.imm = true,
            None => {}
        }
        operands[row] = (open, used);
        row += 1;
    }
    operands
};

impl Op {
    /// Which of its fields carry operands.
    pub(crate) fn operands(self) -> Operands {
        OPERANDS[self as usize].0
    }

    /// Which of its fields are not reserved.
    pub(crate) fn used(self) -> Operands {
        OPERANDS[self as usize].1
    }

    /// The table's row for this instruction.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The rows with this opcode byte; empty when it is not one of BPF.
    pub fn rows_of(code: u8) -> &'static [Row] {
        let (start, end) = BY_CODE[usize::from(code)];
        TABLE.get(start..end).unwrap_or_default()
    }

    /// What the instruction does.
    pub fn form(self) -> Form {
        self.row().form
    }

    /// First compiler level that emits it.
    pub fn level(self) -> CpuLevel {
        self.row().level
    }

    /// Conformance group.
    pub fn group(self) -> Group {
        self.row().group
    }

    /// First kernel whose verifier takes it; `None` while none does.
    pub fn since(self) -> Option<KernelVersion> {
        self.row().since
    }
}
