//! Why a program file gave no object, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use bpfasm::ErrorKind;

use super::FACADE;
use super::generate::Toml;

/// Why a program file gave no object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Whoever failed has said so on standard error: rustc, cargo, the staged program.
    #[error("the program file did not build")]
    Reported,
    /// The built program ended in its own way.
    #[error("the program file did not build")]
    Staging {
        /// What its exit code says.
        kind: ErrorKind,
    },
    /// A file that can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder of the generated crate that can't be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A path that Rust source can't hold.
    #[error("the path {} is not UTF-8, so no Rust source can name it", path.display())]
    PathNotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// No manifest in the file's folder or above.
    #[error("{} belongs to no package: there is no Cargo.toml in its folder, nor above it", file.display())]
    NoPackage {
        /// The program file.
        file: PathBuf,
    },
    /// The nearest manifest is a workspace's, not a package's.
    #[error("{} belongs to no package: {} is a workspace's manifest without one", file.display(), manifest.display())]
    VirtualManifest {
        /// The program file.
        file: PathBuf,
        /// The nearest manifest.
        manifest: PathBuf,
    },
    /// The package can't name `bpfasm`.
    #[error("package `{package}` does not depend on {FACADE} ({})", manifest.display())]
    NoFacade {
        /// The package.
        package: String,
        /// Its manifest.
        manifest: PathBuf,
    },
    /// What cargo printed about the workspace makes no sense.
    #[error("cargo's description of {} is unreadable: {source}", manifest.display())]
    Metadata {
        /// The manifest asked about.
        manifest: PathBuf,
        /// Why.
        source: cargo_metadata::Error,
    },
    /// No `#[program]` in the file.
    #[error("no #[program] function in {}", file.display())]
    NoProgram {
        /// The program file.
        file: PathBuf,
        /// The programs that stand in private modules.
        hidden: Vec<String>,
    },
    /// rustc takes the file, but the scan for programs could not read it.
    #[error("cannot look for programs in {}: {source}", file.display())]
    Unreadable {
        /// The program file.
        file: PathBuf,
        /// Where and why.
        source: syn::Error,
    },
    /// Cargo can't be started.
    #[error("cannot run cargo: {source}")]
    Cargo {
        /// Why.
        source: io::Error,
    },
    /// Cargo succeeded without an executable.
    #[error("cargo built no executable")]
    NoExecutable,
    /// The executable can't be started.
    #[error("cannot run {}: {source}", path.display())]
    Run {
        /// The executable.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The executable was ended by a signal.
    #[error("the program file's code ended by {status} while it was staged")]
    Died {
        /// The signal.
        status: ExitStatus,
    },
    /// What the executable left behind can't be understood.
    #[error("the built program's {what} is unreadable: {reason}")]
    Outcome {
        /// Which of the things it leaves.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Staging { kind } => *kind,
            Self::Reported
            | Self::Died { .. }
            | Self::NoPackage { .. }
            | Self::VirtualManifest { .. }
            | Self::NoFacade { .. }
            | Self::NoProgram { .. }
            | Self::Unreadable { .. } => ErrorKind::Malformed,
            Self::PathNotUtf8 { .. } => ErrorKind::Usage,
            Self::Read { source, .. }
            | Self::Write { source, .. }
            | Self::Cargo { source }
            | Self::Run { source, .. } => io_kind(source),
            Self::Metadata { .. } | Self::NoExecutable | Self::Outcome { .. } => ErrorKind::Unexpected,
        }
    }

    /// Whether the reader has been told already.
    pub fn is_reported(&self) -> bool {
        matches!(self, Self::Reported | Self::Staging { .. })
    }

    /// What to do about it, a line each; an empty list where the error says it all.
    pub fn help(&self) -> Vec<String> {
        match self {
            Self::NoPackage { file } | Self::VirtualManifest { file, .. } => vec![manifest_to_write(file)],
            Self::NoFacade { .. } => vec![format!("add this line under [dependencies]: {}", facade_to_add())],
            Self::NoProgram { hidden, .. } if hidden.is_empty() => {
                vec!["mark each program as in  #[program(tc)] pub fn NAME(ctx: &mut Tc) -> TcAction { … }".to_owned()]
            }
            Self::NoProgram { hidden, .. } => {
                vec![format!("{} in a private module: make that `pub(crate) mod`", hidden.join(", "))]
            }
            Self::Cargo { source } if source.kind() == io::ErrorKind::NotFound => {
                vec!["building a program file takes Rust's `cargo`: install it, or set CARGO to its path".to_owned()]
            }
            Self::Died { .. } => vec!["endless recursion does this, or too little memory".to_owned()],
            _ => Vec::new(),
        }
    }
}

/// The kind of failure of an operation on a file.
pub fn io_kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::NotPermitted,
        io::ErrorKind::IsADirectory => ErrorKind::Usage,
        io::ErrorKind::InvalidData => ErrorKind::Malformed,
        _ => ErrorKind::Unexpected,
    }
}

/// The dependency that a package of program files needs.
fn facade_to_add() -> String {
    let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../bpfasm"));
    let path = here.canonicalize().unwrap_or_else(|_| PathBuf::from("PATH/TO/bpfasm/crates/bpfasm"));
    format!("bpfasm = {{ package = \"{FACADE}\", path = {} }}", Toml(&path.to_string_lossy()))
}

/// The manifest that makes a package of the file's folder.
fn manifest_to_write(file: &Path) -> String {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "write this as {}:\n\n\
         [package]\nname = \"programs\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [lib]\npath = {}\n\n\
         [dependencies]\n{}\n\n\
         [workspace]\n",
        folder.join("Cargo.toml").display(),
        Toml(&name),
        facade_to_add()
    )
}
