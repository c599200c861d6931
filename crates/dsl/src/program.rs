//! Programs: what `#[program]` makes of a function.

use std::marker::PhantomData;

use bpfasm_codegen::ir;
use bpfasm_codegen::source::{Loc, SourceText};
use bpfasm_object::kernel::{self, ProgramType};

use crate::context::{Context, Verdict};
use crate::stage::{self, Graph, Limits, StageError, StageErrorKind, StaticUse};

/// A program that can be staged: the unit struct that `#[program]` makes of a function, or its `with(…)` where it has host arguments.
pub trait Program {
    /// What is known without staging it.
    fn declaration(&self) -> &Declaration;

    /// Runs the function once per path and gives its graph.
    ///
    /// # Errors
    /// [`StageError`] where the program breaks a rule of staging, or panics.
    fn stage(&self) -> Result<Staged, StageError>;
}

/// A staged program, with what it brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Staged {
    /// The program; it numbers maps and global variables from 0.
    pub program: ir::Program,
    /// The maps that it uses, by their numbers.
    pub maps: Vec<StaticUse<ir::MapDecl>>,
    /// The global variables that it uses, by their numbers.
    pub globals: Vec<StaticUse<ir::GlobalDecl>>,
    /// Its function's lines.
    pub source: SourceText,
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
struct Bound<F, C, V> {
    declaration: Declaration,
    function: F,
    types: PhantomData<fn(&mut C) -> V>,
}

/// Binds a function to its declaration.
#[doc(hidden)]
pub fn bind<C: Context, V: Verdict, F: Fn(&mut C) -> V>(declaration: Declaration, function: F) -> impl Program {
    Bound { declaration, function, types: PhantomData }
}

/// Stages a function that needs no binding.
///
/// # Errors
/// [`StageError`] where the program breaks a rule of staging, or panics.
#[doc(hidden)]
pub fn stage<C: Context, V: Verdict>(
    declaration: &Declaration,
    function: impl Fn(&mut C) -> V,
) -> Result<Staged, StageError> {
    let Declaration { name, section, loc, source } = *declaration;
    let named = |error| StageError { program: name.to_owned(), ..error };
    check_section(section, C::PROGRAM_TYPES, loc).map_err(named)?;
    let Graph { function, maps, globals } =
        stage::stage(Limits::default(), loc, &mut || function(&mut C::new()).result()).map_err(named)?;
    let program =
        ir::Program { name: name.to_owned(), section: section.to_owned(), signature: C::SIGNATURE, loc, function };
    Ok(Staged { program, maps, globals, source: source.into() })
}

impl<F: Fn(&mut C) -> V, C: Context, V: Verdict> Program for Bound<F, C, V> {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn stage(&self) -> Result<Staged, StageError> {
        stage(&self.declaration, &self.function)
    }
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
