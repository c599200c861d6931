//! What callers, scripts and exit codes tell apart: one list for all layers.

/// What kind of failure an error is: what a caller, a script or an exit code tells apart.
///
/// Closed on purpose: every error of every layer is one of these, and each has one exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Something that is neither the input's fault nor the kernel's refusal: an I/O error, a bug.
    Unexpected,
    /// The request itself makes no sense, or is not complete.
    Usage,
    /// A verifier refused the program.
    Rejected,
    /// A capability, a system setting or a security module stands in the way.
    NotPermitted,
    /// The running kernel lacks it.
    Unsupported,
    /// The input is damaged, or is not what it should be: a source that does not compile, a truncated object.
    Malformed,
    /// What was named does not exist.
    NotFound,
    /// Something is there already, and it would be lost.
    Conflict,
}

impl ErrorKind {
    /// The exit code that the `bpfasm` command gives for this kind; 0 is success and never among them.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::NotPermitted => 4,
            Self::Unsupported => 5,
            Self::Malformed => 6,
            Self::NotFound => 7,
            Self::Conflict => 8,
        }
    }
}
