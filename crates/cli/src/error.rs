//! What can go wrong in a verb, and what to do about it.

use std::io;
use std::path::PathBuf;

use bpfasm::ErrorKind;
use bpfasm::loader::{self, VerifierLog};
use bpfasm::object::elf::{ReadError, WriteError};

use crate::build::{self, io_kind};
use crate::diagnostic::count;
use crate::invocation;

/// Why a verb did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that can't be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output can't be written.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// Waiting for signals failed.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// A program file gave no object.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// Neither a program file nor an object.
    #[error("{} is neither Rust source (.rs) nor an ELF object", path.display())]
    NotAnObject {
        /// Its path.
        path: PathBuf,
    },
    /// An object that can't be read.
    #[error("{}: {source}", path.display())]
    Object {
        /// Its path.
        path: PathBuf,
        /// Where and why.
        source: ReadError,
    },
    /// A text that is no program; what is wrong with it has been shown.
    #[error("{}", count(*.errors))]
    Text {
        /// How many errors it has.
        errors: usize,
    },
    /// An object that cannot be put into a file.
    #[error("cannot write {}: {source}", path.display())]
    NotWritable {
        /// The file's path.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
    /// Bytes of several sections, or of none.
    #[error("bytes are those of one section with code; there is {}", list(sections))]
    OneSection {
        /// The sections with code.
        sections: Vec<String>,
    },
    /// Bytes of code that refers to something outside of it.
    #[error("`{symbol}` has a place in an object alone; write one with --format elf")]
    NeedsObject {
        /// The symbol.
        symbol: String,
    },
    /// The library said no.
    #[error(transparent)]
    Bpfasm(#[from] bpfasm::Error),
    /// No program is named so.
    #[error("no program `{name}`; there is {}", list(have))]
    NoSuchProgram {
        /// The name.
        name: String,
        /// The programs there are.
        have: Vec<String>,
    },
    /// The program named is of a type that can't do what was asked.
    #[error("program {program} is not a {what}")]
    DoesNotFit {
        /// The program.
        program: String,
        /// What was wanted.
        what: &'static str,
    },
    /// No program is of a type that can do what was asked.
    #[error("{} has no {what}; there is {}", path.display(), list(have))]
    NothingFits {
        /// The input.
        path: PathBuf,
        /// What was wanted.
        what: &'static str,
        /// The programs there are.
        have: Vec<String>,
    },
    /// More than one program could be meant.
    #[error("which program? There is {}", list(have))]
    SeveralPrograms {
        /// Those that could be meant.
        have: Vec<String>,
    },
    /// Hooks that no one program can be attached to.
    #[error("{hook} takes another type of program than the first hook")]
    HooksDiffer {
        /// The hook that differs.
        hook: String,
    },
    /// An object file holds no samples to run.
    #[error("{} is an object, which holds no samples", path.display())]
    NoSamples {
        /// Its path.
        path: PathBuf,
    },
    /// Samples got another verdict than they must.
    #[error("{wrong} of {total} samples got a wrong verdict")]
    WrongVerdicts {
        /// How many.
        wrong: usize,
        /// Of how many.
        total: usize,
    },
    /// An object's bytes would go to a terminal.
    #[error("an object's bytes make no sense on a terminal")]
    BinaryToTerminal,
}

/// Names joined for a sentence.
fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

impl Error {
    /// What kind of failure this is: the one source of the exit code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => io_kind(source),
            Self::Output(_) | Self::Signals(_) | Self::WrongVerdicts { .. } => ErrorKind::Unexpected,
            Self::Build(error) => error.kind(),
            Self::NotAnObject { .. } | Self::Object { .. } | Self::Text { .. } | Self::NotWritable { .. } => {
                ErrorKind::Malformed
            }
            Self::Bpfasm(error) => error.kind(),
            Self::NoSuchProgram { .. } => ErrorKind::NotFound,
            Self::DoesNotFit { .. }
            | Self::NothingFits { .. }
            | Self::SeveralPrograms { .. }
            | Self::HooksDiffer { .. }
            | Self::NoSamples { .. }
            | Self::OneSection { .. }
            | Self::NeedsObject { .. }
            | Self::BinaryToTerminal => ErrorKind::Usage,
        }
    }

    /// Whether the reader has been told already.
    pub fn is_reported(&self) -> bool {
        matches!(self, Self::Build(error) if error.is_reported())
    }

    /// The verifier's log, where a verifier refused.
    pub fn verifier_log(&self) -> Option<&VerifierLog> {
        match self {
            Self::Bpfasm(bpfasm::Error::Load(error)) => error.verifier_log(),
            _ => None,
        }
    }

    /// What to do about it, a line each.
    pub fn help(&self) -> Vec<String> {
        match self {
            Self::Build(error) => error.help(),
            Self::Bpfasm(bpfasm::Error::Load(error)) => load_help(error),
            Self::SeveralPrograms { .. } => vec!["name one with --program NAME".to_owned()],
            Self::BinaryToTerminal => vec!["name a file with -o FILE".to_owned()],
            Self::NoSamples { .. } => vec!["give a packet with --packet HEX, or run the source, FILE.rs".to_owned()],
            _ => Vec::new(),
        }
    }
}

/// What to do about an error of loading or attaching.
fn load_help(error: &loader::Error) -> Vec<String> {
    let text = match error {
        loader::Error::NotPermitted(refusal) if !refusal.missing.is_empty() => {
            format!("run it with those capabilities, or as root:  {}", invocation::again_with_sudo())
        }
        loader::Error::NoBpffs { .. } => {
            "or attach with --hold, or at a tc hook with --mode clsact; neither needs a bpffs".to_owned()
        }
        loader::Error::AlreadyAttached { hook, .. } => {
            let detach = invocation::privileged(&["detach".to_owned(), hook.clone()]);
            format!("--replace swaps it without a gap; to take it away:  {detach}")
        }
        loader::Error::ModeTaken { .. } => {
            "link and multi go together, on groups above and below too; none and override want the group alone"
                .to_owned()
        }
        loader::Error::Rejected { .. } => "`bpfasm check --log` shows the verifier's whole log".to_owned(),
        loader::Error::Unsupported { what, .. } if what.starts_with("tcx") => {
            "--mode clsact works on every kernel from 4.5 on, and --mode auto picks what there is".to_owned()
        }
        _ => return Vec::new(),
    };
    vec![text]
}

impl From<loader::Error> for Error {
    fn from(error: loader::Error) -> Self {
        Self::Bpfasm(error.into())
    }
}
