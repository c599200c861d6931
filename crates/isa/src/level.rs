//! Where an instruction or a helper can be used: compiler level, conformance group, first kernel.

use core::fmt;

/// The compilers' name for a set of instructions (`-mcpu=v1` to `v4`), each containing the ones before it.
///
/// The level of an instruction is the first at which LLVM emits it, which may be later than the kernel takes it: every
/// kernel stores immediates and has 32-bit ALU instructions, but LLVM uses them only from v4 and v3 on.
/// [`Op::since`](crate::Op::since) says what kernels take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CpuLevel {
    /// The first instruction set.
    V1,
    /// Adds jumps on less.
    V2,
    /// Adds 32-bit ALU, 32-bit jumps and atomics that fetch.
    #[default]
    V3,
    /// Adds sign-extending moves and loads, signed division, unconditional byte swap, stores of immediates, long jumps.
    V4,
}

impl CpuLevel {
    /// All levels, the smallest first.
    pub const ALL: [CpuLevel; 4] = [CpuLevel::V1, CpuLevel::V2, CpuLevel::V3, CpuLevel::V4];

    /// The name that `-mcpu` takes: `v1` to `v4`.
    pub const fn name(self) -> &'static str {
        match self {
            CpuLevel::V1 => "v1",
            CpuLevel::V2 => "v2",
            CpuLevel::V3 => "v3",
            CpuLevel::V4 => "v4",
        }
    }

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<CpuLevel> {
        CpuLevel::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// Prints the name.
impl fmt::Display for CpuLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The set of instructions that an implementation must have whole.
///
/// # References
///
/// RFC 9669 §2.4 and appendix A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// All that need no other group.
    Base32,
    /// 64-bit arithmetic, jumps and loads.
    Base64,
    /// 32-bit multiplication, division and remainder.
    DivMul32,
    /// 64-bit multiplication, division and remainder.
    DivMul64,
    /// 32-bit atomics.
    Atomic32,
    /// 64-bit atomics.
    Atomic64,
    /// The legacy packet loads.
    Packet,
    /// None: Linux has it, RFC 9669 does not.
    Linux,
}

/// Instruction class: the low three bits of an opcode byte.
///
/// # References
///
/// RFC 9669 §3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Loads that are not from registers' addresses: LDDW and the packet loads.
    Ld,
    /// Loads into a register.
    Ldx,
    /// Stores of an immediate.
    St,
    /// Stores of a register, and atomics.
    Stx,
    /// 32-bit arithmetic.
    Alu,
    /// 64-bit jumps, calls, exit.
    Jmp,
    /// 32-bit jumps.
    Jmp32,
    /// 64-bit arithmetic.
    Alu64,
}

impl Class {
    /// The class of an opcode byte.
    pub const fn of(code: u8) -> Class {
        match code & 0x07 {
            0 => Class::Ld,
            1 => Class::Ldx,
            2 => Class::St,
            3 => Class::Stx,
            4 => Class::Alu,
            5 => Class::Jmp,
            6 => Class::Jmp32,
            _ => Class::Alu64,
        }
    }
}

/// A kernel version, as far as features go: `6.6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The first number.
    pub major: u8,
    /// The second number.
    pub minor: u8,
}

impl KernelVersion {
    /// The version `major.minor`.
    pub const fn new(major: u8, minor: u8) -> KernelVersion {
        KernelVersion { major, minor }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
