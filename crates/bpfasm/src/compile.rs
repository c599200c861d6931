//! From staged programs to an object.

use bpfasm_codegen::ir::{Module, Table};
use bpfasm_codegen::source::SourceMap;
use bpfasm_codegen::{self as codegen, Options};
use bpfasm_dsl::program::Program;
use bpfasm_object::Object;

use crate::Error;

/// The licence that programs have unless they say otherwise: most helpers ask for it.
const LICENSE: &str = "GPL";

/// Stages programs and compiles them to one object.
///
/// # Errors
/// [`Error::Stage`] where a program breaks a rule of staging, [`Error::Compile`] where it cannot be compiled for the target.
pub fn compile(programs: &[&dyn Program], options: &Options) -> Result<Object, Error> {
    let mut sources = SourceMap::new();
    let mut staged = Vec::new();
    for program in programs {
        sources.add(program.declaration().source.into());
        staged.push(program.stage()?);
    }
    Ok(codegen::compile(&module(staged), options, &sources)?)
}

/// Programs as what the compiler takes.
pub(crate) fn module(programs: Vec<codegen::ir::Program>) -> Module {
    Module { license: LICENSE.to_owned(), programs, maps: Table::new() }
}

/// Compiling a program where it stands.
pub trait Compile: Program {
    /// Stages the program and compiles it for this machine's byte order.
    ///
    /// # Errors
    /// [`Error::Stage`] where the program breaks a rule of staging, [`Error::Compile`] where it cannot be compiled.
    fn compile(&self) -> Result<Object, Error>;
}

impl<P: Program> Compile for P {
    fn compile(&self) -> Result<Object, Error> {
        compile(&[self], &Options::default())
    }
}
