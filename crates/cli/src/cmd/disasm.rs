//! `bpfasm disasm`: an object's code as text.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use crate::error::Error;
use crate::input::read_object;
use crate::output::Output;
use crate::text::{Disassembly, functions};

/// Print an object's code, laid out as llvm-objdump -d does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bpfasm build programs/tc_drop.rs && bpfasm disasm tc_drop.o --source
  bpfasm disasm tc_drop.o --json")]
pub struct Args {
    /// The ELF object
    object: PathBuf,
    /// Print the source lines that the object holds
    #[arg(short = 'S', long)]
    source: bool,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// Reads and prints.
    ///
    /// # Errors
    ///
    /// The object can't be read, or standard output can't be written.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let bytes = fs::read(&self.object).map_err(|source| Error::Read { path: self.object.clone(), source })?;
        let object = read_object(&self.object, &bytes)?;
        if self.output.is_json() {
            return self.output.print(out, &functions(&object));
        }
        writeln!(out, "\n{}:\tfile format elf64-bpf", self.object.display()).map_err(Error::Output)?;
        write!(out, "{}", Disassembly { object: &object, source: self.source }).map_err(Error::Output)
    }
}
