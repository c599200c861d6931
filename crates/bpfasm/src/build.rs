//! The build driver: what the program does that `bpfasm build FILE.rs` generates, compiles and runs.
//!
//! It stages every program of the file, compiles them to one object and writes into a folder:
//! - `object.o`, the ELF object;
//! - `samples.tsv`, a row a sample: program, sample, number and name of the expected verdict, packet in hexadecimal digits;
//! - `ir.txt`, the staged programs in text, where `--emit-ir` asks for it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use bpfasm_codegen::ir::Program;
use bpfasm_codegen::source::{SourceMap, SourceText};
use bpfasm_codegen::{self as codegen, CpuLevel, Endian, Options};
use bpfasm_dsl::build::{Entry, EntryError, Settings};
use bpfasm_dsl::module;
use bpfasm_object::elf;
use bpfasm_object::kernel::section;

use crate::{Error, ErrorKind};

/// The file that is built.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path, as the compiler was given it.
    pub path: &'static str,
    /// Its path from the package root, with which the object names it.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The driver's arguments.
#[derive(Debug)]
struct Arguments {
    out: PathBuf,
    options: Options,
    emit_ir: bool,
    settings: Settings,
}

/// Why the driver failed.
#[derive(Debug, thiserror::Error)]
enum DriverError {
    #[error("bad arguments of the build driver: {0}")]
    Arguments(String),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Build(#[from] Error),
    #[error("cannot write {path}: {error}")]
    Output { path: PathBuf, error: io::Error },
}

impl DriverError {
    fn kind(&self) -> ErrorKind {
        match self {
            DriverError::Arguments(_) => ErrorKind::Usage,
            DriverError::Entry(EntryError::Stage(_)) => ErrorKind::Malformed,
            DriverError::Entry(_) => ErrorKind::Usage,
            DriverError::Build(error) => error.kind(),
            DriverError::Output { .. } => ErrorKind::Unexpected,
        }
    }
}

/// Builds the programs of a file. Errors go to standard error, and their kind into the exit code.
#[doc(hidden)]
pub fn main(file: File, entries: &[&Entry]) -> ExitCode {
    match arguments(std::env::args_os().skip(1)).and_then(|arguments| run(&file, entries, &arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The object's own name for the file, as everywhere.
            eprintln!("error: {}", error.to_string().replace(file.path, file.name));
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn arguments(mut words: impl Iterator<Item = OsString>) -> Result<Arguments, DriverError> {
    let mut arguments =
        Arguments { out: PathBuf::new(), options: Options::default(), emit_ir: false, settings: Settings::default() };
    while let Some(word) = words.next() {
        let word = word.to_string_lossy().into_owned();
        if word == "--emit-ir" {
            arguments.emit_ir = true;
            continue;
        }
        let value = words.next().ok_or_else(|| DriverError::Arguments(format!("{word} needs a value")))?;
        let text = value.to_string_lossy().into_owned();
        let bad = || DriverError::Arguments(format!("{word} {text}"));
        match word.as_str() {
            "--out" => arguments.out = value.into(),
            "--target" => arguments.options.endian = target(&text).ok_or_else(bad)?,
            "--cpu" => arguments.options.cpu = CpuLevel::from_name(&text).ok_or_else(bad)?,
            "--set" => {
                let (name, setting) = text.split_once('=').ok_or_else(bad)?;
                arguments.settings.add(name, setting);
            }
            _ => return Err(bad()),
        }
    }
    Ok(arguments)
}

fn target(name: &str) -> Option<Endian> {
    match name {
        "bpfel" => Some(Endian::Little),
        "bpfeb" => Some(Endian::Big),
        _ => None,
    }
}

fn run(file: &File, entries: &[&Entry], arguments: &Arguments) -> Result<(), DriverError> {
    arguments.settings.check(entries)?;
    let staged = entries.iter().map(|entry| (entry.stage)(&arguments.settings)).collect::<Result<Vec<_>, _>>()?;
    // The first that has a line wins: this one knows the file's name.
    let mut sources = SourceMap::new();
    sources.add(SourceText { path: file.path.into(), name: file.name.into(), first_line: 1, text: file.text.into() });
    let module = module(staged, &mut sources);
    if arguments.emit_ir {
        write(arguments, "ir.txt", module.to_string().as_bytes())?;
    }
    let object = codegen::compile(&module, &arguments.options, &sources).map_err(Error::from)?;
    let bytes = elf::write(&object).map_err(Error::from)?;
    write(arguments, "samples.tsv", samples(entries, &module.programs).as_bytes())?;
    write(arguments, "object.o", &bytes)
}

fn write(arguments: &Arguments, name: &str, bytes: &[u8]) -> Result<(), DriverError> {
    let path = arguments.out.join(name);
    fs::write(&path, bytes).map_err(|error| DriverError::Output { path, error })
}

/// The rows of the samples. The programs are those of the entries, in their order.
fn samples(entries: &[&Entry], programs: &[Program]) -> String {
    let mut rows = String::new();
    for (entry, program) in entries.iter().zip(programs) {
        let program_type = section(&program.section).map(|kind| kind.program_type);
        for sample in entry.samples.map(|samples| samples()).unwrap_or_default() {
            let Some(number) = sample.expected() else { continue };
            let verdict = program_type.and_then(|known| known.verdict_name(number)).unwrap_or_default();
            let _ = write!(rows, "{}\t{}\t{number}\t{verdict}\t", entry.name, sample.name());
            for byte in sample.packet() {
                let _ = write!(rows, "{byte:02x}");
            }
            rows.push('\n');
        }
    }
    rows
}
