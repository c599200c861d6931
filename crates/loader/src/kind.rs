//! Classes of errors.

/// What class an [`Error`](crate::Error) belongs to.
///
/// The classes are those of the command line's exit codes: [`exit_code`](ErrorKind::exit_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// None of the others.
    Unexpected,
    /// An argument is wrong.
    Usage,
    /// A verifier refused a program.
    Rejected,
    /// The process lacks a privilege.
    NotPermitted,
    /// The kernel lacks a feature.
    Unsupported,
    /// The input is malformed.
    Malformed,
    /// What was asked for is not there.
    NotFound,
    /// Something is in the way.
    Conflict,
}

impl ErrorKind {
    /// The exit code of the command line.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Unexpected => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Rejected => 3,
            ErrorKind::NotPermitted => 4,
            ErrorKind::Unsupported => 5,
            ErrorKind::Malformed => 6,
            ErrorKind::NotFound => 7,
            ErrorKind::Conflict => 8,
        }
    }
}
