//! From staged programs to an object.

use bpfasm_codegen::source::SourceMap;
use bpfasm_codegen::{self as codegen, Options};
use bpfasm_dsl::module;
use bpfasm_dsl::program::Program;
use bpfasm_object::Object;

use crate::Error;

/// Stages programs and compiles them to one object. Those that use the same map share it.
///
/// # Errors
/// [`Error::Stage`] where a program breaks a rule of staging, [`Error::Compile`] where it cannot be compiled for the target.
pub fn compile(programs: &[&dyn Program], options: &Options) -> Result<Object, Error> {
    let staged = programs.iter().map(|program| program.stage()).collect::<Result<Vec<_>, _>>()?;
    let mut sources = SourceMap::new();
    let module = module(staged, &mut sources);
    Ok(codegen::compile(&module, options, &sources)?)
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
