//! What can go wrong while a program is staged.

use std::fmt;

use bpfasm_codegen::ir::Loc;

/// A place in the program's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the compiler was given it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl From<&core::panic::Location<'_>> for Place {
    fn from(loc: &core::panic::Location<'_>) -> Place {
        Place { file: loc.file().to_owned(), line: loc.line(), column: loc.column() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a program could not be staged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}\n  --> {at}")]
#[non_exhaustive]
pub struct StageError {
    /// The program's name.
    pub program: String,
    /// What happened.
    pub kind: StageErrorKind,
    /// Where.
    pub at: Place,
}

/// The rule that a program broke while it was staged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StageErrorKind {
    /// The section is none of those whose programs get this context.
    #[error("no program with this context belongs into section `{section}`; its sections are: {known}")]
    Section {
        /// The section.
        section: String,
        /// The sections that would fit; a `+` at the end stands for nothing, or for `/` and more.
        known: String,
    },
    /// The function forked into too many paths.
    #[error(
        "staging explored {limit} paths and is not done; this line splits the path most often ({forks} times)\n  \
         help: mark helper functions that branch with `#[staged]`, so that their paths join again"
    )]
    PathLimit {
        /// The limit.
        limit: u32,
        /// How often the line forked.
        forks: usize,
    },
    /// A path is longer than the kernel would ever take.
    #[error(
        "the program has more than {limit} operations or blocks and does not end\n  \
         help: mark a function that loops on a kernel value with `#[staged]`; a loop over host values must end"
    )]
    TooLong {
        /// The limit.
        limit: u32,
    },
    /// User code panicked.
    #[error(
        "the program panicked while it was staged: {message}\n  help: every path runs once at staging time, the ones that fail too; handle `None` with `let … else`"
    )]
    Panic {
        /// The panic's message.
        message: String,
    },
    /// A second run of the same path did something else.
    #[error("staging is not deterministic: {}", .0.describe("an earlier run of the same path did"))]
    NotDeterministic(Box<Mismatch>),
    /// Two paths that join went on differently.
    #[error(
        "host state differs between two paths that join: {}\n  \
         help: a `Cell`, a `RefCell` or a static changed under a condition on a kernel value; use a `mut` variable instead",
        .0.describe("the other path did")
    )]
    HostStateDiffers(Box<Mismatch>),
    /// An offset known while staging lies outside of any packet.
    #[error("offset {offset} lies outside of any packet; offsets go from 0 to 65535")]
    Offset {
        /// The offset in bytes.
        offset: i64,
    },
    /// A map or a global variable without a name.
    #[error(
        "a map or global variable without a name\n  help: put `#[map]` or `#[global]` on the static, which names it after the static"
    )]
    UnnamedStatic,
    /// A loop over a kernel value never met its own start again.
    #[error(
        "a loop on a kernel value does not end while staging\n  help: mark the function that holds it with `#[staged]`, so that its paths join again"
    )]
    EndlessLoop,
}

/// A step that should have been another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What this run does.
    pub now: String,
    /// What the recorded run did.
    pub before: String,
    /// Where the recorded run did it.
    pub earlier: Place,
}

impl Mismatch {
    fn describe(&self, who: &str) -> String {
        format!("{} here, but {who} {} at {}", self.now, self.before, self.earlier)
    }
}

impl StageErrorKind {
    /// The error at a place, of a program that is named later.
    pub(crate) fn at(self, loc: Loc) -> StageError {
        StageError { program: String::new(), kind: self, at: loc.into() }
    }
}
