//! `bpfasm check`: does the kernel's verifier take it? Nothing is run or attached.

use std::io::Write;
use std::path::PathBuf;

use bpfasm::loader::ProgramInfo;
use bpfasm::object::Function;
use serde::Serialize;

use crate::error::Error;
use crate::input::{Input, Staging};
use crate::output::Output;
use crate::report;
use crate::table::Plain;

/// Let the running kernel verify programs, without running or attaching them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bpfasm check programs/tc_drop.rs
  bpfasm check tc_drop.o --json")]
pub struct Args {
    /// The program file, Rust source, or an ELF object
    #[arg(value_name = "FILE.rs|OBJ")]
    input: PathBuf,
    /// The program to check [default: all]
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    #[command(flatten)]
    output: Output,
    /// On a rejection, show the verifier's whole log
    #[arg(long)]
    log: bool,
    #[command(flatten)]
    staging: Staging,
}

/// What the kernel made of a program.
#[derive(Serialize)]
struct Checked<'a> {
    name: &'a str,
    section: &'a str,
    #[serde(rename = "type")]
    program_type: String,
    /// Instruction slots of the object.
    slots: usize,
    /// Bytes after the verifier's rewriting, and of machine code.
    bytes_xlated: u32,
    bytes_jited: u32,
    /// Instructions the verifier went through; 0 before Linux 5.16.
    verified_insns: u32,
    gpl_compatible: bool,
}

impl<'a> Checked<'a> {
    fn new(function: &'a Function, info: &ProgramInfo) -> Self {
        Self {
            name: &function.name,
            section: &function.section,
            program_type: info.program_type.to_string(),
            slots: function.code.len(),
            bytes_xlated: info.xlated_bytes,
            bytes_jited: info.jited_bytes,
            verified_insns: info.verified_insns,
            gpl_compatible: info.gpl_compatible,
        }
    }
}

impl Args {
    /// Loads, and prints what was loaded.
    ///
    /// # Errors
    ///
    /// The input can't be had, or the kernel refuses it.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let input = Input::open(&self.input, &self.staging)?;
        let functions = input.programs(self.program.as_deref())?;
        let loaded = input.load(&functions).inspect_err(|error| self.show_log(error))?;
        let mut checked = Vec::with_capacity(functions.len());
        for function in functions {
            checked.push(Checked::new(function, &loaded.program(&function.name)?.info()?));
        }
        if self.output.is_json() {
            return self.output.print(out, &checked);
        }
        writeln!(out, "{}", table(&checked)).map_err(Error::Output)
    }

    fn show_log(&self, error: &Error) {
        if let (true, Some(log)) = (self.log, error.verifier_log()) {
            report::say(format_args!("{log:#}"));
        }
    }
}

fn table(checked: &[Checked<'_>]) -> String {
    let mut table = Plain::new(["program", "type", "", "slots", "verified", "xlated", "jited"], 3);
    for program in checked {
        table.row([
            program.name.to_owned(),
            program.program_type.clone(),
            "ok".to_owned(),
            program.slots.to_string(),
            format!("{} insns", program.verified_insns),
            format!("{} B", program.bytes_xlated),
            format!("{} B", program.bytes_jited),
        ]);
    }
    table.text()
}
