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
    #[error("no place for what is kept: set HOME or XDG_CACHE_HOME, or name a folder")]
    NoCache,
    /// A kernel of the matrix is not to be had.
    #[error("kernel {tag}: {reason}")]
    Kernel { tag: &'static str, reason: Box<Error> },
    /// The system's sources have no archive of Debian.
    #[error("no archive of Debian among apt's sources")]
    NoArchive,
    /// The archive does not have a package.
    #[error("the archive has no package {package}")]
    NoPackage { package: String },
    /// A kernel's packages have no modules, or those of several kernels.
    #[error("{path}: the modules of one kernel expected")]
    NoModules { path: PathBuf },
    /// A kernel's packages have no image.
    #[error("{path}: no vmlinuz")]
    NoImage { path: PathBuf },
    /// A kernel does not have a module that guests need.
    #[error("no module {name}")]
    NoModule { name: String },
    /// A kernel's folder was made for other modules than those that guests load now.
    #[error("{path}: made for other modules, `cargo xtask kernels` makes it anew")]
    StaleKernel { path: PathBuf },
    /// A file does not fit into a file system of the kernel's first kind.
    #[error("{path}: too big")]
    TooBig { path: String },
    /// Cargo did not build what it was asked to.
    #[error("cargo has built no `{name}`")]
    NotBuilt { name: &'static str },
    /// There is no QEMU.
    #[error("qemu-system-x86_64 is needed: apt-get install --no-install-recommends qemu-system-x86")]
    NoQemu,
    /// A guest did not come to its end.
    #[error("guest {tag}: {what}\n{tail}\n(all of it in {})", .console.display())]
    Guest { tag: &'static str, what: String, console: PathBuf, tail: String },
    /// Cases of the kernel suite fail.
    #[error("{count} cases of the kernel suite failed")]
    Cases { count: usize },
    /// Cases of the kernel suite run on no machine at all.
    #[error("{count} cases of the kernel suite were ignored everywhere")]
    NeverRun { count: usize },
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
