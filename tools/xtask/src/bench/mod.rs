//! `cargo xtask bench`: figures as ratios, both sides measured in the same run.

#[cfg(feature = "bench")]
mod codegen;
#[cfg(feature = "bench")]
mod compiler;
#[cfg(feature = "bench")]
mod kernel;
#[cfg(feature = "bench")]
mod maps;
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

/// Measure the compiler against the kernel's loading of the same program, the rebuild of an edited program file, maps by
/// their types against the bare system call, and the code against that of clang.
///
/// It builds itself in release mode first. Without the right to load programs, the kernel's side is left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure [default: all, in this order]
    #[arg(value_enum, value_name = "WHAT")]
    subjects: Vec<Subject>,
    /// How many rounds of each measurement
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many edits of the program file
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    edits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Staging and compiling, against the kernel's loading
    Compiler,
    /// Building an edited program file
    Rebuild,
    /// Reading and writing maps
    Maps,
    /// The code, against that of clang for the same program: fails where ours is longer
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
        let subjects: Vec<_> = self.subjects.iter().filter_map(ValueEnum::to_possible_value).collect();
        let subjects = subjects.iter().map(|subject| subject.get_name());
        run(cargo().args(build).args(["--rounds", &rounds, "--edits", &edits]).args(subjects))
    }

    /// Measures and prints.
    ///
    /// # Errors
    ///
    /// Something that is measured does not work, or our code is longer than that of clang.
    #[cfg(feature = "bench")]
    pub fn run(self) -> Result<(), Error> {
        report::machine(self.rounds);
        let subjects = if self.subjects.is_empty() { Subject::value_variants() } else { &self.subjects };
        subjects.iter().try_for_each(|subject| match subject {
            Subject::Compiler => self.compiler(),
            Subject::Rebuild => rebuild::measure(self.edits).map(|figures| report::rebuild(&figures)),
            Subject::Maps => maps::measure(self.rounds).map(|figures| report::maps(figures.as_deref())),
            Subject::Codegen => codegen::compare(),
        })
    }

    #[cfg(feature = "bench")]
    fn compiler(&self) -> Result<(), Error> {
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
