//! `bpfasm build`: a program file becomes an object, or a text that shows one.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use bpfasm::object::Object;
use clap::ValueEnum;

use crate::build::{self, Target};
use crate::error::Error;
use crate::input::{Staging, read_object};
use crate::report;
use crate::text::{Disassembly, Slots};

/// Build a program file into an ELF object that tc, bpftool and libbpf load.
///
/// FILE belongs to the package of its nearest Cargo.toml, which depends on `bpfasm-rs`. Cargo runs offline if it can;
/// under sudo it runs as the user who called sudo.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bpfasm build programs/tc_drop.rs
  bpfasm build programs/tc_drop.rs -o /tmp/tc_drop.o --target bpfeb
  bpfasm build programs/tc_drop.rs --emit asm")]
pub struct Args {
    /// The program file, Rust source
    file: PathBuf,
    /// Where to write; `-` is standard output [default: FILE's name with .o, texts to standard output]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The byte order [default: this machine's]
    #[arg(long, value_enum)]
    target: Option<Target>,
    #[command(flatten)]
    staging: Staging,
    /// What to write
    #[arg(long, value_enum, default_value_t = Emit::Obj)]
    emit: Emit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// The ELF object
    Obj,
    /// Its disassembly, with the source lines
    Asm,
    /// Its instruction slots, 8 bytes a line
    Hex,
    /// The compiler's intermediate code
    Ir,
}

impl Args {
    /// Builds and writes.
    ///
    /// # Errors
    ///
    /// The file does not build, or the result can't be written.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let target = self.target.unwrap_or(Target::NATIVE);
        let built = build::build(&self.staging.request(&self.file, target, self.emit == Emit::Ir))?;
        let object = read_object(&self.file, &built.object)?;
        match self.emit {
            Emit::Obj => {
                let output = self.output.clone().unwrap_or_else(|| default_output(&self.file));
                write(&output, &built.object, out)?;
                self.tell(&output, target, &object);
                Ok(())
            }
            Emit::Asm => self.text(Disassembly { object: &object, source: true }, out),
            Emit::Hex => self.text(Slots(&object), out),
            Emit::Ir => self.text(built.ir.unwrap_or_default(), out),
        }
    }

    fn text(&self, text: impl Display, out: &mut impl Write) -> Result<(), Error> {
        let output = self.output.as_deref().unwrap_or(Path::new("-"));
        write(output, text.to_string().as_bytes(), out)
    }

    /// Says what was made.
    fn tell(&self, output: &Path, target: Target, object: &Object) {
        for function in object.programs() {
            report::say(format_args!(
                "{}: {}, section {}, {} instruction slots, licence {}, {target} {}",
                output.display(),
                function.name,
                function.section,
                function.code.len(),
                object.license,
                self.staging.cpu,
            ));
        }
    }
}

/// The file's name with `.o` for its extension, in the current folder, as `cc -c` does.
pub(super) fn default_output(file: &Path) -> PathBuf {
    Path::new(file.file_name().unwrap_or(OsStr::new("out"))).with_extension("o")
}

/// Writes to a path, or to standard output for `-`.
///
/// # Errors
///
/// It can't be written, or would put an object's bytes on a terminal.
pub(super) fn write(path: &Path, bytes: &[u8], out: &mut impl Write) -> Result<(), Error> {
    if path != Path::new("-") {
        return fs::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source });
    }
    if bytes.contains(&0) && io::stdout().is_terminal() {
        return Err(Error::BinaryToTerminal);
    }
    out.write_all(bytes).map_err(Error::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_goes_to_the_current_folder() {
        assert_eq!(default_output(Path::new("/a/b.c/tc_drop.rs")), Path::new("tc_drop.o"));
    }
}
