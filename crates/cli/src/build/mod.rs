//! Makes an object from a program file, by a generated crate that takes the file as a module.
//!
//! manifest (where the file belongs) → scan (its programs) → generate (the crate) → cargo (its executable) → run it.
//! The executable is the author's code with the eDSL linked in: it stages, compiles and writes the object.

mod cargo;
mod generate;
mod manifest;
mod outcome;
mod scan;
mod user;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use bpfasm::ErrorKind;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use outcome::{Built, Sample};
pub use user::{STAGE, stage};
use generate::Toml;
use manifest::Home;

/// The facade's package name; its library's name is `bpfasm`.
const FACADE: &str = "bpfasm-rs";

/// What to make of a program file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The program file.
    pub file: PathBuf,
    /// The byte order to compile for.
    pub target: Target,
    /// The newest instructions to use.
    pub cpu: Cpu,
    /// `NAME=VALUE` for host arguments.
    pub set: Vec<String>,
    /// Whether the IR's text is wanted too.
    pub ir: bool,
}

/// The byte order of an object, by LLVM's target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Target {
    /// Little endian.
    Bpfel,
    /// Big endian.
    Bpfeb,
}

impl Target {
    /// The target whose objects this machine's kernel takes.
    pub const NATIVE: Self = if cfg!(target_endian = "big") { Self::Bpfeb } else { Self::Bpfel };
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bpfel => "bpfel",
            Self::Bpfeb => "bpfeb",
        })
    }
}

/// A level of the instruction set, by LLVM's `-mcpu` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Cpu {
    /// The first set.
    V1,
    /// Adds the jumps on less-than.
    V2,
    /// Adds 32-bit jumps (Linux 5.1).
    V3,
    /// Adds sign-extending loads and moves, byte swaps, signed division, long jumps (Linux 6.6).
    V4,
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
            Self::V4 => "v4",
        })
    }
}

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
            | Self::NoPackage { .. }
            | Self::VirtualManifest { .. }
            | Self::NoFacade { .. }
            | Self::NoProgram { .. }
            | Self::Unreadable { .. } => ErrorKind::Malformed,
            Self::PathNotUtf8 { .. } => ErrorKind::Usage,
            Self::Read { source, .. } | Self::Write { source, .. } | Self::Cargo { source } | Self::Run { source, .. } => {
                io_kind(source)
            }
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
            Self::NoProgram { hidden, .. } if hidden.is_empty() => vec![
                "mark each program as in  #[program(tc)] pub fn NAME(ctx: &mut Tc) -> TcAction { … }".to_owned(),
            ],
            Self::NoProgram { hidden, .. } => {
                vec![format!("{} in a private module: make that `pub(crate) mod`", hidden.join(", "))]
            }
            Self::Cargo { source } if source.kind() == io::ErrorKind::NotFound => {
                vec!["building a program file takes Rust's `cargo`: install it, or set CARGO to its path".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// The kind of failure of an operation on a file.
pub fn io_kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::NotPermitted,
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

/// Builds the object of a program file; under sudo, as the user who called sudo.
///
/// # Errors
///
/// Whatever keeps the file from becoming an object; what rustc, cargo and the staged program had to say is on
/// standard error already.
pub fn build(request: &Request) -> Result<Built, Error> {
    match user::invoking() {
        Some(user) => user::build_as(&user, request),
        None => build_here(request),
    }
}

/// Builds with the rights this process has.
fn build_here(request: &Request) -> Result<Built, Error> {
    let read = |source| Error::Read { path: request.file.clone(), source };
    let file = request.file.canonicalize().map_err(read)?;
    let text = fs::read_to_string(&file).map_err(read)?;
    let home = Home::of(&file)?;
    // A text that can't be scanned goes to rustc all the same: it shows what is wrong with it.
    let scanned = scan::scan(&text);
    let programs = match &scanned {
        Ok(scan) if scan.programs.is_empty() => {
            return Err(Error::NoProgram { file: request.file.clone(), hidden: scan.hidden.clone() });
        }
        Ok(scan) => scan.programs.as_slice(),
        Err(_) => &[],
    };
    let generated = generate::generate(&home, &file, programs)?;
    let executable = cargo::build(&generated, &home.root)?;
    scanned.map_err(|source| Error::Unreadable { file: request.file.clone(), source })?;
    run(request, &executable, &generated.folder)
}

/// Runs the built program, which stages and compiles, and takes what it made.
fn run(request: &Request, executable: &Path, folder: &Path) -> Result<Built, Error> {
    let out = OutFolder::new(folder)?;
    let mut command = Command::new(executable);
    command.arg("--out").arg(&out.0);
    command.args(["--target", &request.target.to_string(), "--cpu", &request.cpu.to_string()]);
    if request.ir {
        command.arg("--emit-ir");
    }
    for set in &request.set {
        command.args(["--set", set]);
    }
    // What the author's code prints while it stages is words, not our data.
    command.stdin(Stdio::null()).stdout(io::stderr());
    let status = command.status().map_err(|source| Error::Run { path: executable.to_owned(), source })?;
    match status.code() {
        Some(0) => Built::read(&out.0, request.ir),
        Some(2) => Err(Error::Staging { kind: ErrorKind::Usage }),
        Some(_) => Err(Error::Staging { kind: ErrorKind::Malformed }),
        None => {
            Err(Error::Outcome { what: "end", reason: format!("{status}; it ran out of stack or memory, or was killed") })
        }
    }
}

/// A folder for one run's results, gone with the value.
struct OutFolder(PathBuf);

impl OutFolder {
    fn new(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(format!("out-{}", process::id()));
        fs::create_dir_all(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for OutFolder {
    fn drop(&mut self) {
        // What stays behind is overwritten by the next run of the same process id.
        let _ = fs::remove_dir_all(&self.0);
    }
}
