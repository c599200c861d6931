//! What to compile for.

use bpfasm_isa::{CpuLevel, Endian};

/// What to compile for, and how hard to try. The default is what this machine's kernel takes: its byte order, cpu v3, optimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The target's byte order.
    pub endian: Endian,
    /// The instructions that may be used, as compilers' `-mcpu` names them.
    pub cpu: CpuLevel,
    /// Whether the passes run; without them the code is right and longer.
    pub optimize: bool,
}

impl Options {
    /// The default options.
    pub const fn new() -> Options {
        Options { endian: Endian::NATIVE, cpu: CpuLevel::V3, optimize: true }
    }

    /// The same for a target of this byte order.
    #[must_use]
    pub const fn endian(self, endian: Endian) -> Options {
        Options { endian, ..self }
    }

    /// The same with the instructions of this level.
    #[must_use]
    pub const fn cpu(self, cpu: CpuLevel) -> Options {
        Options { cpu, ..self }
    }

    /// The same with or without the passes.
    #[must_use]
    pub const fn optimize(self, optimize: bool) -> Options {
        Options { optimize, ..self }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}
