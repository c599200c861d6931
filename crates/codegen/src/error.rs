//! What can keep a module from becoming an object.

use crate::ir::verify;
use crate::source::Loc;
use bpfasm_isa::{CpuLevel, LabelError};
use bpfasm_object::btf;

/// Why a module could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The front end broke an invariant of the IR: a mistake in it, not in the program.
    #[error("program {program}: invalid IR: {source}")]
    InvalidIr {
        /// The program.
        program: String,
        /// The invariant, and where.
        source: verify::Error,
    },
    /// The frame is larger than the kernel allows (`MAX_BPF_STACK` in `include/linux/filter.h`).
    #[error("program {program} needs {bytes} bytes of stack, and there are {limit}")]
    StackTooLarge {
        /// The program.
        program: String,
        /// Bytes that it needs.
        bytes: u32,
        /// Bytes that it may have.
        limit: u32,
    },
    /// An operation that the chosen instruction set lacks and that has no short equivalent in it.
    #[error("{}:{}:{}: {op} needs cpu {level}, and the program is compiled for {chosen}", loc.file(), loc.line(), loc.column())]
    NeedsCpu {
        /// The operation.
        op: &'static str,
        /// The first level that has it.
        level: CpuLevel,
        /// The level that is compiled for.
        chosen: CpuLevel,
        /// Where it was written.
        loc: Loc,
    },
    /// A jump that no instruction of the level can make.
    #[error("program {program}: {source}")]
    JumpTooFar {
        /// The program.
        program: String,
        /// The jump.
        source: LabelError,
    },
    /// The register allocator gave up, or gave what the checker refutes: a mistake in this crate.
    #[error("program {program}: register allocation: {reason}")]
    Registers {
        /// The program.
        program: String,
        /// What went wrong.
        reason: String,
    },
    /// Two programs, maps or global variables of one name: an object tells them apart by it.
    #[error("two programs, maps or global variables of one object are named {name}")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A name or a type that BTF cannot hold.
    #[error("types of {what}: {source}")]
    Btf {
        /// The program or map.
        what: String,
        /// What is wrong.
        source: btf::Error,
    },
}
