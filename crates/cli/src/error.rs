//! What can go wrong in a verb, and what to do about it.

use std::io;
use std::path::PathBuf;

use bpfasm::ErrorKind;
use bpfasm::loader::{self, VerifierLog};
use bpfasm::object::elf::{ReadError, WriteError};

use crate::build::{self, io_kind};
use crate::diagnostic::count;
use crate::hex::Digits;
use crate::invocation;
use crate::show::joined;
use crate::words::Handle;

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
        /// The word that one is named with.
        word: &'static str,
    },
    /// Another tool's words, used as its documentation does not say.
    #[error("{line}: {reason}")]
    WrongForm {
        /// What was written.
        line: String,
        /// Why it is wrong.
        reason: &'static str,
        /// What is right.
        right: String,
    },
    /// A section that no program lies in.
    #[error("no program of {} lies in section `{section}`; there is {}", path.display(), list(have))]
    NoSuchSection {
        /// The input.
        path: PathBuf,
        /// The section asked for.
        section: String,
        /// The programs there are.
        have: Vec<String>,
    },
    /// A program's name where a section's is wanted.
    #[error("`{program}` is a program of {}, and no section: it lies in section `{section}`", path.display())]
    SectionIsProgram {
        /// The input.
        path: PathBuf,
        /// The program.
        program: String,
        /// Its section.
        section: String,
    },
    /// A filter has no clsact qdisc to hang in.
    #[error("{device} has no clsact qdisc")]
    WantsClsact {
        /// The device.
        device: String,
    },
    /// A device has such a qdisc already.
    #[error("{device} has a {kind} qdisc already")]
    QdiscExists {
        /// The device.
        device: String,
        /// The qdisc's kind.
        kind: &'static str,
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
    /// Words that are not what a verb takes.
    #[error("{problem}")]
    Words {
        /// What is wrong with them.
        problem: String,
        /// How they are written.
        usage: &'static str,
    },
    /// Nothing in the kernel is named so.
    #[error("no {what} {}", handle_words(handle))]
    NothingNamed {
        /// `program` or the like.
        what: &'static str,
        /// How it was named.
        handle: Handle,
    },
    /// A map has no such key, which as JSON is `null`.
    #[error(transparent)]
    NoSuchKey(loader::Error),
    /// Several things in the kernel are named so.
    #[error("which one? There are those with id {}", joined(ids))]
    SeveralNamed {
        /// Their ids.
        ids: Vec<u32>,
    },
    /// An object's bytes would go to a terminal.
    #[error("an object's bytes make no sense on a terminal")]
    BinaryToTerminal,
}

/// How something was named, for a sentence.
fn handle_words(handle: &Handle) -> String {
    match handle {
        Handle::Id(id) => format!("with id {id}"),
        Handle::Pinned(path) => format!("is pinned at {}", path.display()),
        Handle::Tag(tag) => format!("with tag {}", Digits(tag)),
        Handle::Name(name) => format!("with name `{name}`"),
    }
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
            Self::NoSuchKey(error) => error.kind(),
            Self::NoSuchProgram { .. }
            | Self::NothingNamed { .. }
            | Self::NoSuchSection { .. }
            | Self::WantsClsact { .. } => ErrorKind::NotFound,
            Self::QdiscExists { .. } => ErrorKind::Conflict,
            Self::WrongForm { .. }
            | Self::SectionIsProgram { .. }
            | Self::DoesNotFit { .. }
            | Self::NothingFits { .. }
            | Self::SeveralPrograms { .. }
            | Self::HooksDiffer { .. }
            | Self::NoSamples { .. }
            | Self::Words { .. }
            | Self::SeveralNamed { .. }
            | Self::OneSection { .. }
            | Self::NeedsObject { .. }
            | Self::BinaryToTerminal => ErrorKind::Usage,
        }
    }

    /// The same where the command line is in words of tc or bpftool.
    #[must_use]
    pub fn in_words(self) -> Self {
        match self {
            Self::SeveralPrograms { have, .. } => Self::SeveralPrograms { have, word: "program" },
            other => other,
        }
    }

    /// Whether the reader has been told already.
    pub fn is_reported(&self) -> bool {
        matches!(self, Self::Build(error) if error.is_reported())
    }

    /// Whether standard output has its JSON already.
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::NoSuchKey(_))
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
            Self::SeveralPrograms { word, .. } => vec![format!("name one with {word} NAME")],
            Self::WantsClsact { device } => {
                let words = ["tc", "qdisc", "add", "dev", device, "clsact"].map(str::to_owned);
                vec![format!("to make one:  {}", invocation::privileged(&words))]
            }
            Self::WrongForm { right, .. } => vec![right.clone()],
            Self::SectionIsProgram { program, section, .. } => {
                vec![format!("write `program {program}`, or `sec {section}` for the first program there")]
            }
            Self::Words { usage, .. } => vec![format!("it is written  {usage}")],
            Self::SeveralNamed { .. } => vec!["name one with id N".to_owned()],
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
