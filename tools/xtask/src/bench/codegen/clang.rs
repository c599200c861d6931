//! The compilers of C.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use bpfasm::codegen::CpuLevel;

use crate::chore::{command, run, workspace};
use crate::error::Error;
use crate::scratch::Scratch;

/// The commands to look for: the distribution's own and a newer one.
const COMMANDS: [&str; 2] = ["clang", "clang-19"];

/// The first version that knows cpu v4.
const FIRST_WITH_V4: u32 = 18;

/// Where Debian keeps `asm/types.h`, which the target `bpf` does not look for.
const ASM_HEADERS: &str = "-I/usr/include/x86_64-linux-gnu";

/// A clang on this machine.
#[derive(Debug)]
pub struct Clang {
    command: &'static str,
    version: u32,
}

impl fmt::Display for Clang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clang {}", self.version)
    }
}

impl Clang {
    /// Those that are there, each version once.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn all() -> Result<Vec<Self>, Error> {
        let mut all: Vec<Self> = Vec::new();
        for name in COMMANDS {
            if let Some(version) = version(name)?
                && all.iter().all(|known| known.version != version)
            {
                all.push(Self { command: name, version });
            }
        }
        if all.is_empty() { Err(Error::NoClang { commands: &COMMANDS }) } else { Ok(all) }
    }

    /// The newest instructions that it knows.
    pub fn level(&self) -> CpuLevel {
        if self.version >= FIRST_WITH_V4 { CpuLevel::V4 } else { CpuLevel::V3 }
    }

    /// The ELF object of a twin.
    ///
    /// # Errors
    ///
    /// It does not compile.
    pub fn compile(&self, twin: &str, level: CpuLevel, scratch: &Scratch) -> Result<Vec<u8>, Error> {
        let source = workspace().join("tools/xtask/src/bench/codegen/twins").join(twin).with_extension("c");
        let object = scratch.path().join("twin.o");
        let mut clang = command(self.command);
        clang.args(["-target", "bpf", "-O2", "-g", "-Wall", "-Werror", ASM_HEADERS]).arg(format!("-mcpu={level}"));
        run(clang.arg("-c").arg(source).arg("-o").arg(&object))?;
        read(&object)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// The major version of a clang; `None` if there is no such command.
fn version(name: &str) -> Result<Option<u32>, Error> {
    match command(name).arg("-dumpversion").output() {
        Ok(output) => Ok(major(&String::from_utf8_lossy(&output.stdout))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Start { command: name.to_owned(), source }),
    }
}

fn major(version: &str) -> Option<u32> {
    version.trim().split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_comes_first() {
        assert_eq!(["14.0.6\n", "19.1.7\n", ""].map(major), [Some(14), Some(19), None]);
    }
}
