//! `FILE.rs|OBJ`: what a verb works on, either built from source or read as it is.

use std::fs;
use std::path::{Path, PathBuf};

use bpfasm::loader::{LoadOptions, Loaded};
use bpfasm::object::kernel::ProgramType;
use bpfasm::object::{Function, Object, TEXT, elf};

use crate::build::{self, Cpu, Request, Sample, Target};
use crate::error::Error;

/// The first bytes of an ELF file.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// How a program file is to be built, where the verb is given one.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Staging {
    /// The newest instructions to use in building FILE.rs
    #[arg(long, value_enum, default_value_t = Cpu::default())]
    pub cpu: Cpu,
    /// A value for a host argument of the program
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub set: Vec<String>,
}

/// Takes `NAME=VALUE` as it is, once it has both.
///
/// # Errors
///
/// No `=`, or nothing before it.
pub fn name_and_value(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("a host argument is set as NAME=VALUE".to_owned()),
    }
}

impl Staging {
    /// The request that builds `file` for a target.
    pub fn request(&self, file: &Path, target: Target, ir: bool) -> Request {
        Request { file: file.to_owned(), target, cpu: self.cpu, set: self.set.clone(), ir }
    }
}

/// An object to work on, and what came with it.
#[derive(Debug)]
pub struct Input {
    /// The path it was named by.
    pub path: PathBuf,
    /// The object.
    pub object: Object,
    /// The samples of its source; `None` for an object file, which can't hold any.
    pub samples: Option<Vec<Sample>>,
}

impl Input {
    /// Builds a program file for this machine's kernel, or reads an object.
    ///
    /// # Errors
    ///
    /// The file can't be read, does not build, or is neither.
    pub fn open(path: &Path, staging: &Staging) -> Result<Self, Error> {
        if is_source(path) {
            let built = build::build(&staging.request(path, Target::NATIVE, false))?;
            let object = read_object(path, &built.object)?;
            return Ok(Self { path: path.to_owned(), object, samples: Some(built.samples) });
        }
        let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), object: read_object(path, &bytes)?, samples: None })
    }

    /// The one program that is meant: the one named, or the only one that `fits`.
    ///
    /// # Errors
    ///
    /// No program is named so, none fits, or several do and none is named.
    pub fn pick(
        &self,
        name: Option<&str>,
        what: &'static str,
        fits: impl Fn(&Function) -> bool,
    ) -> Result<&Function, Error> {
        match name {
            Some(name) => {
                let function = self.object.program(name);
                let function = function.ok_or_else(|| self.no_such(name))?;
                if fits(function) { Ok(function) } else { Err(Error::DoesNotFit { program: describe(function), what }) }
            }
            None => {
                let fitting: Vec<&Function> = self.object.programs().filter(|function| fits(function)).collect();
                match fitting[..] {
                    [only] => Ok(only),
                    [] => Err(Error::NothingFits { path: self.path.clone(), what, have: self.descriptions() }),
                    [..] => {
                        let have = fitting.into_iter().map(describe).collect();
                        Err(Error::SeveralPrograms { have, word: "--program" })
                    }
                }
            }
        }
    }

    fn no_such(&self, name: &str) -> Error {
        Error::NoSuchProgram { name: name.to_owned(), have: self.descriptions() }
    }

    fn descriptions(&self) -> Vec<String> {
        self.object.programs().map(describe).collect()
    }

    /// Gives all programs another section, and with it another type.
    pub fn set_section(&mut self, section: &str) {
        let programs = self.object.functions.iter_mut().filter(|function| function.section != TEXT);
        programs.for_each(|function| section.clone_into(&mut function.section));
    }

    /// Loads some of its programs into the kernel.
    ///
    /// # Errors
    ///
    /// The kernel refuses one, or this process may not load any.
    pub fn load(&self, functions: &[&Function]) -> Result<Loaded, Error> {
        let options = LoadOptions::new();
        let options = functions.iter().fold(options, |options, function| options.program(&function.name));
        Ok(options.load(&self.object)?)
    }

    /// The programs meant: the one named, or all.
    ///
    /// # Errors
    ///
    /// No program is named so, or there is none.
    pub fn programs(&self, name: Option<&str>) -> Result<Vec<&Function>, Error> {
        match name {
            Some(_) => self.pick(name, "program", |_| true).map(|function| vec![function]),
            None if self.object.programs().next().is_none() => {
                Err(Error::NothingFits { path: self.path.clone(), what: "program", have: Vec::new() })
            }
            None => Ok(self.object.programs().collect()),
        }
    }
}

/// Whether a path is a program file's.
pub fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Reads an ELF object; `path` is for the error alone.
///
/// # Errors
///
/// The bytes are not those of an object that can be read.
pub fn read_object(path: &Path, bytes: &[u8]) -> Result<Object, Error> {
    if !bytes.starts_with(ELF_MAGIC) {
        return Err(Error::NotAnObject { path: path.to_owned() });
    }
    elf::read(bytes).map_err(|source| Error::Object { path: path.to_owned(), source })
}

/// A program as a list of them names it: `tc_ingress (tc)`.
pub fn describe(function: &Function) -> String {
    format!("{} ({})", function.name, function.section)
}

/// The type that a program's section gives it.
pub fn program_type(function: &Function) -> Option<ProgramType> {
    function.section_kind().map(|kind| kind.program_type)
}
