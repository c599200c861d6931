//! `cargo xtask bench`: figures as ratios, both sides measured in the same run.

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

use crate::error::Error;

/// Measure the compiler against the kernel's loading of the same program, and the rebuild of an edited program file.
///
/// It builds itself in release mode first. Without the right to load programs, the kernel's side is left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many rounds of each measurement
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many edits of the program file; 0 leaves that part out
    #[arg(long, value_name = "N", default_value_t = 8)]
    edits: u32,
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
        run(cargo().args(build).args(["--rounds", &rounds, "--edits", &edits]))
    }

    /// Measures and prints.
    ///
    /// # Errors
    ///
    /// Something that is measured does not work.
    #[cfg(feature = "bench")]
    pub fn run(self) -> Result<(), Error> {
        use std::time::Duration;

        use bpfasm_programs::tc_drop::tc_drop;

        use self::compiler::{Rounds, measure};

        report::machine(self.rounds);
        let small = measure(&tc_drop, Rounds { count: self.rounds, compiles: 50, loads: 10 })?;
        report::program("tc_drop", &small, Duration::from_micros(50));
        let blocked = programs::addresses(500);
        let large = measure(&programs::blocklist.with(&blocked), Rounds { count: self.rounds, compiles: 3, loads: 2 })?;
        report::program("500 host addresses, each with an early exit", &large, Duration::from_millis(5));
        if self.edits > 0 {
            let figures = rebuild::measure(self.edits)?;
            report::rebuild(&figures, Duration::from_secs(1));
        }
        Ok(())
    }
}
