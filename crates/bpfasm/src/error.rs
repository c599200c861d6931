//! What can go wrong, joined: one enum over the layers' own errors.

#[cfg(feature = "dsl")]
use bpfasm_codegen as codegen;
#[cfg(feature = "dsl")]
use bpfasm_dsl as dsl;
#[cfg(feature = "loader")]
use bpfasm_loader as loader;
use bpfasm_object::{self as object, ErrorKind};

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
            Self::Stage(_) => ErrorKind::Malformed,
            // Broken IR and failed allocation are mistakes of ours, not of the program.
            #[cfg(feature = "dsl")]
            Self::Compile(codegen::Error::InvalidIr { .. } | codegen::Error::Registers { .. }) => ErrorKind::Unexpected,
            #[cfg(feature = "dsl")]
            Self::Compile(_) => ErrorKind::Malformed,
            Self::Read(_) => ErrorKind::Malformed,
            // A model that cannot be written down is a mistake of whoever made the model.
            Self::Write(_) => ErrorKind::Unexpected,
            #[cfg(feature = "loader")]
            Self::Load(error) => error.kind(),
        }
    }
}
