//! What can go wrong, joined: one enum over the layers' own errors, and the one source of exit codes.

#[cfg(feature = "dsl")]
use bpfasm_codegen as codegen;
#[cfg(feature = "dsl")]
use bpfasm_dsl as dsl;
#[cfg(feature = "loader")]
use bpfasm_loader as loader;
use bpfasm_object as object;

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

/// An error of any layer: staging, compiling, reading and writing objects, loading and attaching.
///
/// The layer's own error is inside, to be matched on; [`Error::kind`] says what kind of failure it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program's function could not be run into a control-flow graph.
    #[cfg(feature = "dsl")]
    #[error(transparent)]
    Stage(#[from] dsl::StageError),
    /// The staged program could not be compiled.
    #[cfg(feature = "dsl")]
    #[error(transparent)]
    Compile(#[from] codegen::Error),
    /// An ELF object could not be read.
    #[error(transparent)]
    Read(#[from] object::elf::ReadError),
    /// An ELF object could not be written.
    #[error(transparent)]
    Write(#[from] object::elf::WriteError),
    /// The kernel did not take it, or does not have what was named.
    #[cfg(feature = "loader")]
    #[error(transparent)]
    Load(#[from] loader::Error),
}

impl Error {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            #[cfg(feature = "dsl")]
            Self::Stage(_) | Self::Compile(_) => ErrorKind::Malformed,
            Self::Read(_) => ErrorKind::Malformed,
            // A model that cannot be written down is a mistake of whoever made the model.
            Self::Write(_) => ErrorKind::Unexpected,
            #[cfg(feature = "loader")]
            Self::Load(error) => error.kind().into(),
        }
    }
}

#[cfg(feature = "loader")]
impl From<loader::ErrorKind> for ErrorKind {
    fn from(kind: loader::ErrorKind) -> Self {
        match kind {
            loader::ErrorKind::Usage => Self::Usage,
            loader::ErrorKind::Rejected => Self::Rejected,
            loader::ErrorKind::NotPermitted => Self::NotPermitted,
            loader::ErrorKind::Unsupported => Self::Unsupported,
            loader::ErrorKind::Malformed => Self::Malformed,
            loader::ErrorKind::NotFound => Self::NotFound,
            loader::ErrorKind::Conflict => Self::Conflict,
            // `Unexpected`, and whatever a later loader tells apart.
            _ => Self::Unexpected,
        }
    }
}
