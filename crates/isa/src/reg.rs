//! The eleven registers.

use core::fmt;

/// A register, R0 to R10.
///
/// # References
///
/// `BPF_REG_0` to `BPF_REG_10` in `include/uapi/linux/bpf.h`; the roles are those of
/// `Documentation/bpf/standardization/abi.rst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reg {
    /// Return value of calls and of the program.
    R0,
    /// First argument; at entry the context.
    R1,
    /// Second argument.
    R2,
    /// Third argument.
    R3,
    /// Fourth argument.
    R4,
    /// Fifth argument.
    R5,
    /// Kept by calls.
    R6,
    /// Kept by calls.
    R7,
    /// Kept by calls.
    R8,
    /// Kept by calls.
    R9,
    /// The frame pointer, read only.
    R10,
}

impl Reg {
    /// The frame pointer, R10.
    pub const FP: Reg = Reg::R10;

    /// All registers, in order of their number.
    pub const ALL: [Reg; 11] =
        [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R6, Reg::R7, Reg::R8, Reg::R9, Reg::R10];

    /// The register of this number, or `None` above 10.
    pub fn from_index(index: u8) -> Option<Reg> {
        Reg::ALL.get(usize::from(index)).copied()
    }

    /// The register's number, 0 to 10.
    pub const fn index(self) -> u8 {
        self as u8
    }
}

/// Prints `r0` to `r10`, the 64-bit name.
impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.index())
    }
}
