//! Programs: what `#[program]` makes of a function.

use bpfasm_codegen::ir;
use bpfasm_codegen::source::{Loc, SourceText};
use bpfasm_object::kernel::{self, ProgramType};

use crate::context::{Context, Verdict};
use crate::stage::{self, Limits, StageError, StageErrorKind};

/// A program that can be staged: the unit struct that `#[program]` makes of a function, or its `with(…)` where it has host arguments.
pub trait Program {
    /// What is known without staging it.
    fn declaration(&self) -> &Declaration;

    /// Runs the function once per path and gives its graph.
    ///
    /// # Errors
    /// [`StageError`] where the program breaks a rule of staging, or panics.
    fn stage(&self) -> Result<ir::Program, StageError>;
}

/// What is known of a program without staging it.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The function's name, which is the ELF symbol.
    pub name: &'static str,
    /// libbpf's section name, which tells the program type.
    pub section: &'static str,
    /// Where it is declared.
    pub loc: Loc,
    /// The function's source: its file as the compiler names it, as the package names it, the first line's number, the lines.
    pub source: Source,
}

/// A piece of a source file.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The file as the compiler names it.
    pub path: &'static str,
    /// The file relative to the package root.
    pub name: &'static str,
    /// The number of the first line of `text`, from 1.
    pub first_line: u32,
    /// The lines.
    pub text: &'static str,
}

impl From<Source> for SourceText {
    fn from(source: Source) -> SourceText {
        SourceText {
            path: source.path.into(),
            name: source.name.into(),
            first_line: source.first_line,
            text: source.text.into(),
        }
    }
}

/// A program function with its host arguments.
#[derive(Clone, Debug)]
pub struct Bound<F> {
    declaration: Declaration,
    body: F,
}

/// A function from a context to a verdict, whatever their types.
#[doc(hidden)]
pub trait Body {
    fn signature(&self) -> ir::Signature;
    fn program_types(&self) -> &'static [ProgramType];
    fn run(&self) -> ir::Operand;
}

/// Ties the types of a program function to [`Body`].
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Typed<F, C, V> {
    function: F,
    types: std::marker::PhantomData<fn(&mut C) -> V>,
}

/// The function with its types.
#[doc(hidden)]
pub fn typed<C: Context, V: Verdict, F: Fn(&mut C) -> V>(function: F) -> Typed<F, C, V> {
    Typed { function, types: std::marker::PhantomData }
}

impl<F: Fn(&mut C) -> V, C: Context, V: Verdict> Body for Typed<F, C, V> {
    fn signature(&self) -> ir::Signature {
        C::SIGNATURE
    }
    fn program_types(&self) -> &'static [ProgramType] {
        C::PROGRAM_TYPES
    }
    fn run(&self) -> ir::Operand {
        (self.function)(&mut C::new()).result()
    }
}

impl<F: Body> Bound<F> {
    /// Binds a function.
    #[doc(hidden)]
    pub fn new(declaration: Declaration, body: F) -> Self {
        Bound { declaration, body }
    }
}

impl<F: Body> Program for Bound<F> {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn stage(&self) -> Result<ir::Program, StageError> {
        stage_within(Limits::default(), &self.declaration, &self.body)
    }
}

/// Stages a function within `limits`.
///
/// # Errors
/// [`StageError`] where the program breaks a rule of staging, or panics.
pub(crate) fn stage_within(
    limits: Limits,
    declaration: &Declaration,
    body: &impl Body,
) -> Result<ir::Program, StageError> {
    let Declaration { name, section, loc, .. } = *declaration;
    check_section(section, body.program_types(), loc)
        .map_err(|error| StageError { program: name.to_owned(), ..error })?;
    let function = stage::stage(limits, loc, &mut || body.run())
        .map_err(|error| StageError { program: name.to_owned(), ..error })?;
    Ok(ir::Program { name: name.to_owned(), section: section.to_owned(), signature: body.signature(), loc, function })
}

/// Checks that the section's programs are given the function's context.
fn check_section(section: &str, fitting: &[ProgramType], loc: Loc) -> Result<(), StageError> {
    let program_type = kernel::section(section).map(|kind| kind.program_type);
    if program_type.is_some_and(|known| fitting.contains(&known)) {
        return Ok(());
    }
    let fits = |kind: &&kernel::SectionKind| fitting.contains(&kind.program_type);
    let known = kernel::sections().iter().filter(fits).map(|kind| kind.pattern).collect::<Vec<_>>().join(", ");
    Err(StageErrorKind::Section { section: section.to_owned(), known }.at(loc))
}

/// Marks that a program is about to return: the place that the line table shows.
#[doc(hidden)]
#[track_caller]
pub fn returning() {
    let loc = Loc::from(core::panic::Location::caller());
    stage::with(|session| session.returns_at(loc));
}
