//! A guest's only file system: the suite, the programs that its cases use, the kernel's modules.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use bpfasm_guest::{CLI, MODULE_LIST, MODULES, PROGRAMS};

use super::binaries::Binaries;
use super::cpio::Archive;
use crate::chore::{command, output};
use crate::error::Error;
use crate::kernels::Ready;

/// Programs of this machine that cases use. Where one is missing, cases that need it are ignored.
const TOOLS: [&str; 4] = ["bpftool", "tc", "setsid", "sleep"];
/// Where file systems are mounted.
const MOUNTS: [&str; 4] = ["/proc", "/sys", "/dev", "/tmp"];

/// What is the same for all kernels.
#[derive(Debug)]
pub struct Base {
    files: Vec<(String, Vec<u8>)>,
}

impl Base {
    /// Reads the binaries, and this machine's programs with their libraries.
    ///
    /// # Errors
    ///
    /// A file can't be read.
    pub fn read(binaries: &Binaries) -> Result<Self, Error> {
        let mut files = vec![("/init".to_owned(), read(&binaries.suite)?), (CLI.to_owned(), read(&binaries.cli)?)];
        let mut libraries = BTreeSet::new();
        for tool in TOOLS {
            let Some(path) = on_path(tool) else { continue };
            files.push((format!("{PROGRAMS}/{tool}"), read(&path)?));
            libraries.extend(needed(&output(command("ldd").arg(&path))?));
        }
        for library in libraries {
            let bytes = read(Path::new(&library))?;
            files.push((library, bytes));
        }
        Ok(Self { files })
    }

    /// The archive for one kernel.
    ///
    /// # Errors
    ///
    /// A module can't be read.
    pub fn with_modules_of(&self, kernel: &Ready) -> Result<Vec<u8>, Error> {
        let mut list = String::new();
        let mut modules = Vec::new();
        for module in &kernel.modules {
            list = list + &module.name + "\n";
            modules.push((format!("{MODULES}/{}.ko", module.name), read(&module.path)?));
        }
        let mut archive = Archive::default();
        for folder in MOUNTS.map(str::to_owned).into_iter().chain(folders(self.files.iter().chain(&modules))) {
            archive.folder(&folder)?;
        }
        // What the first process has as its input and outputs.
        archive.device("/dev/console", 5, 1)?;
        archive.file(MODULE_LIST, list.as_bytes())?;
        self.files.iter().try_for_each(|(path, bytes)| archive.program(path, bytes))?;
        modules.iter().try_for_each(|(path, bytes)| archive.file(path, bytes))?;
        archive.finish()
    }
}

/// The folders of files, those above first.
fn folders<'a>(files: impl Iterator<Item = &'a (String, Vec<u8>)>) -> BTreeSet<String> {
    let above = |path: &'a str| Path::new(path).ancestors().skip(1).filter(|folder| folder.parent().is_some());
    files.flat_map(|(path, _)| above(path)).map(|folder| folder.to_string_lossy().into_owned()).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// The file of a program.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The files that `ldd` names: `NAME => FILE (ADDRESS)`, or `FILE (ADDRESS)` alone.
fn needed(listed: &str) -> Vec<String> {
    let file = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    listed.lines().filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_ldd_s_list() {
        let listed = "\tlinux-vdso.so.1 (0x00007f66f6ec1000)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f66f6cc7000)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f66f6ec1000)\n";
        assert_eq!(needed(listed), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        assert_eq!(needed("\tnot a dynamic executable\n"), [""; 0]);
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let files = ["/lib/x/libc.so", "/bin/tc", "/init"].map(|path| (path.to_owned(), Vec::new()));
        assert_eq!(Vec::from_iter(folders(files.iter())), ["/bin", "/lib", "/lib/x"]);
    }
}
