//! `cargo xtask bench`: figures as ratios, both sides measured in the same run.

#[cfg(feature = "bench")]
mod codegen;
#[cfg(feature = "bench")]
mod compiler;
#[cfg(feature = "bench")]
mod kernel;
#[cfg(feature = "bench")]
mod programs;
#[cfg(feature = "bench")]
mod rebuild;
#[cfg(feature = "bench")]
mod report;
#[cfg(feature = "bench")]
mod times;

use clap::ValueEnum;

use crate::error::Error;

/// Measure the compiler against the kernel's loading of the same program, the rebuild of an edited program file, and the code
/// against clang's.
///
/// It builds itself in release mode first. Without the right to load programs, the kernel's side is left out where it can be.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure [default: all, in this order]
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<Part>,
    /// How many rounds of each measurement of the compiler
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many edits of the program file
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    edits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// How long staging, compiling and loading take
    Compile,
    /// How long an author waits after an edit
    Rebuild,
    /// Our code beside that of clang for the same program: never longer, or it fails
    Codegen,
}

impl Args {
    /// Measures and prints, in a build of this chore that is worth measuring.
    ///
    /// # Errors
    ///
    /// It can't be built.
    #[cfg(not(feature = "bench"))]
    pub fn run(self) -> Result<(), Error> {
        use crate::chore::{cargo, run};

        let build = ["run", "--quiet", "--release", "--package", "xtask", "--features", "bench", "--", "bench"];
        let (rounds, edits) = (self.rounds.to_string(), self.edits.to_string());
        let parts = self.parts.iter().filter_map(ValueEnum::to_possible_value);
        let parts = parts.map(|part| part.get_name().to_owned());
        run(cargo().args(build).args(["--rounds", &rounds, "--edits", &edits]).args(parts))
    }

    /// Measures and prints.
    ///
    /// # Errors
    ///
    /// Something that is measured does not work, or our code is longer than that of clang.
    #[cfg(feature = "bench")]
    pub fn run(self) -> Result<(), Error> {
        let parts = if self.parts.is_empty() { Part::value_variants() } else { &self.parts };
        report::machine(self.rounds);
        for part in parts {
            match part {
                Part::Compile => self.compile()?,
                Part::Rebuild => {
                    report::rebuild(&rebuild::measure(self.edits)?, std::time::Duration::from_secs(1));
                }
                Part::Codegen => codegen::compare()?,
            }
        }
        Ok(())
    }

    #[cfg(feature = "bench")]
    fn compile(&self) -> Result<(), Error> {
        use std::time::Duration;

        use bpfasm_programs::tc_drop::tc_drop;

        use self::compiler::{Rounds, measure};

        let small = measure(&tc_drop, Rounds { count: self.rounds, compiles: 50, loads: 10 })?;
        report::program("tc_drop", &small, Duration::from_micros(50));
        let blocked = programs::addresses(500);
        let large = measure(&programs::blocklist.with(&blocked), Rounds { count: self.rounds, compiles: 3, loads: 2 })?;
        report::program("500 host addresses, each with an early exit", &large, Duration::from_millis(5));
        Ok(())
    }
}
