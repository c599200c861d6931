//! Why a chore fails.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a chore fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start { command: String, source: io::Error },
    /// A command failed; what it had to say is on the terminal already.
    #[error("`{command}`: {status}")]
    Failed { command: String, status: ExitStatus },
    /// A README command that needs more rights than this process has.
    #[error("`{command}` needs root: run this step as root")]
    NeedsRoot { command: String },
    /// A file or folder.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    /// The README does not show what it should.
    #[error(
        "README.md: the first `sh` block holds {commands} commands and there are {code} `rust` blocks; both should be 2"
    )]
    Readme { commands: usize, code: usize },
    /// The fuzzer is not there.
    #[error(
        "cargo-fuzz with a nightly toolchain is needed:\n  rustup toolchain install nightly\n  cargo install cargo-fuzz --locked"
    )]
    NoCargoFuzz,
    /// No fuzz target has this name.
    #[error("no fuzz target `{name}`; there are: {}", .have.join(", "))]
    NoTarget { name: String, have: Vec<String> },
    /// Targets found something.
    #[error("findings in: {}", .targets.join(", "))]
    Findings { targets: Vec<String> },
    /// Neither `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("no place for the corpus: set HOME, XDG_CACHE_HOME or --corpus")]
    NoCache,
    /// The program file that is edited again and again has changed its look.
    #[cfg(feature = "bench")]
    #[error("{path}: no `{wanted}` to edit")]
    NothingToEdit { path: PathBuf, wanted: &'static str },
    /// What is measured does not suit the measurement.
    #[cfg(feature = "bench")]
    #[error("cannot be measured: {reason}")]
    Unfit { reason: String },
    /// There is no compiler to compare with.
    #[cfg(feature = "bench")]
    #[error("no clang to compare with: install {}", .commands.join(" or "))]
    NoClang { commands: &'static [&'static str] },
    /// Our code is longer than that of clang.
    #[cfg(feature = "bench")]
    #[error("longer than the code of clang: {}", .programs.join(", "))]
    LongerThanClang { programs: Vec<String> },
    /// Something that is measured does not work.
    #[cfg(feature = "bench")]
    #[error(transparent)]
    Bpfasm(#[from] bpfasm::Error),
}
