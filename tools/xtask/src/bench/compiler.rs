//! The compiler's share: staging, compiling, both.

use bpfasm::codegen::source::SourceMap;
use bpfasm::codegen::{self, Options};
use bpfasm::compile;
use bpfasm::dsl::{module, program::Program};

use super::kernel::Ready;
use super::times::Times;
use crate::error::Error;

/// How often to do what. In each round the compiler works, then the kernel, so that a noisy moment hits both.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Rounds.
    pub count: u32,
    /// Compilations a round.
    pub compiles: u32,
    /// Loads a round.
    pub loads: u32,
}

/// What was measured of one program.
#[derive(Debug)]
pub struct Figures {
    /// Its instruction slots.
    pub slots: usize,
    /// Running the function into a graph.
    pub stage: Times,
    /// From the graph to an object.
    pub compile: Times,
    /// Both, as a program does that loads what it was written with.
    pub both: Times,
    /// The kernel's loading of types and program; `None` where this process may not load any.
    pub load: Option<Times>,
}

/// Measures a program, warm: the first round does not count.
///
/// # Errors
///
/// The program can't be compiled or loaded.
pub fn measure(program: &dyn Program, rounds: Rounds) -> Result<Figures, Error> {
    let object = compile(&[program], &Options::default())?;
    let ready = Ready::new(&object)?;
    let fresh = || Figures {
        slots: object.programs().map(|function| function.code.len()).sum(),
        stage: Times::default(),
        compile: Times::default(),
        both: Times::default(),
        load: ready.as_ref().map(|_| Times::default()),
    };
    round(program, ready.as_ref(), rounds, &mut fresh())?;
    let mut figures = fresh();
    for _ in 0..rounds.count {
        round(program, ready.as_ref(), rounds, &mut figures)?;
    }
    Ok(figures)
}

fn round(program: &dyn Program, ready: Option<&Ready>, rounds: Rounds, figures: &mut Figures) -> Result<(), Error> {
    let options = Options::default();
    for _ in 0..rounds.compiles {
        figures.both.time(|| compile(&[program], &options))?;
    }
    for _ in 0..rounds.compiles {
        let staged = figures.stage.time(|| program.stage()).map_err(bpfasm::Error::from)?;
        let mut sources = SourceMap::new();
        let module = module([staged], &mut sources);
        figures.compile.time(|| codegen::compile(&module, &options, &sources)).map_err(bpfasm::Error::from)?;
    }
    if let (Some(ready), Some(times)) = (ready, &mut figures.load) {
        for _ in 0..rounds.loads {
            times.time(|| ready.load()).map_err(|errno| Error::Unfit { reason: errno.to_string() })?;
        }
    }
    Ok(())
}
