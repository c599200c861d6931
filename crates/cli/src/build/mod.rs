//! Makes an object from a program file, by a generated crate that takes the file as a module.
//!
//! manifest (where the file belongs) → scan (its programs) → generate (the crate) → cargo (its executable) → run it.
//! The executable is the author's code with the eDSL linked in: it stages, compiles and writes the object.

mod cargo;
mod error;
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
use bpfasm_isa::CpuLevel;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use self::error::{Error, io_kind};
use self::manifest::Home;
pub use self::outcome::{Built, Sample};
pub use self::user::{STAGE, stage};
use crate::report;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Cpu {
    /// The first set.
    V1,
    /// Adds the jumps on less-than.
    V2,
    /// Adds 32-bit jumps (Linux 5.1).
    #[default]
    V3,
    /// Adds sign-extending loads and moves, byte swaps, signed division, long jumps (Linux 6.6).
    V4,
}

impl Cpu {
    /// The level, as the instruction table has it.
    pub const fn level(self) -> CpuLevel {
        match self {
            Self::V1 => CpuLevel::V1,
            Self::V2 => CpuLevel::V2,
            Self::V3 => CpuLevel::V3,
            Self::V4 => CpuLevel::V4,
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level().fmt(f)
    }
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
        Ok(scan) => {
            for hidden in &scan.hidden {
                report::note(format_args!("program {hidden} is left out: its module is private"));
            }
            scan.programs.as_slice()
        }
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
        None => Err(Error::Died { status }),
        code => Err(Error::Staging { kind: exit_kind(code) }),
    }
}

/// The kind whose exit code this is.
fn exit_kind(code: Option<i32>) -> ErrorKind {
    use ErrorKind::{Conflict, Malformed, NotFound, NotPermitted, Rejected, Unexpected, Unsupported, Usage};
    [Usage, Rejected, NotPermitted, Unsupported, Malformed, NotFound, Conflict]
        .into_iter()
        .find(|kind| Some(i32::from(kind.exit_code())) == code)
        .unwrap_or(Unexpected)
}

/// A folder for one run's results, gone with the value.
struct OutFolder(PathBuf);

impl OutFolder {
    /// A folder that was not there before: process ids repeat over time and between containers that share a target folder.
    fn new(folder: &Path) -> Result<Self, Error> {
        let process = process::id();
        for attempt in 0.. {
            let path = folder.join(format!("out-{process}-{attempt}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => {}
                Err(source) => return Err(Error::Write { path, source }),
            }
        }
        unreachable!("the loop returns by its thousandth attempt")
    }
}

impl Drop for OutFolder {
    fn drop(&mut self) {
        // What stays behind is a few kilobytes below the target folder, which `cargo clean` removes.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_read_back_as_its_kind() {
        for kind in [ErrorKind::Usage, ErrorKind::Malformed, ErrorKind::NotFound, ErrorKind::Unexpected] {
            assert_eq!(exit_kind(Some(i32::from(kind.exit_code()))), kind);
        }
        assert_eq!(exit_kind(None), ErrorKind::Unexpected);
    }
}
