//! `cargo xtask matrix`: the kernel suite on every kernel of the matrix, and here.

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use bpfasm_guest::{Line, Record};
use clap::ValueEnum as _;

use super::Machines;
use super::here::{self, HERE};
use super::table::Table;
use crate::error::Error;
use crate::kernels::{From, Kernel};

/// How many guests run at a time.
const GUESTS: usize = 2;

/// Run the kernel suite on all kernels of the matrix and here, and show what ran where.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    from: From,
    /// The suite's arguments: a part of the names of the cases to be run
    #[arg(last = true, value_name = "FILTER")]
    suite: Vec<String>,
}

impl Args {
    /// Runs all, and prints the table.
    ///
    /// # Errors
    ///
    /// A kernel can't be had, a guest breaks, cases fail, or one is run nowhere.
    pub fn run(self) -> Result<(), Error> {
        for kernel in Kernel::value_variants() {
            kernel.ready(&self.from)?;
        }
        let machines = Machines::ready(self.from)?;
        let mut table = Table::default();
        let mut broken = Vec::new();
        for (kernel, outcome) in guests(&machines, &self.suite) {
            match outcome {
                Ok(record) => table.add(kernel.tag(), record),
                Err(error) => broken.push(error),
            }
        }
        match timed(HERE, || here::run(&machines, &self.suite)) {
            Ok(record) => table.add(HERE, record),
            Err(error) => broken.push(error),
        }
        println!("\n{table}");
        match (broken.into_iter().next(), table.failures(), table.never_run().len()) {
            (Some(error), ..) => Err(error),
            (None, 0, 0) => Ok(()),
            (None, 0, count) => Err(Error::NeverRun { count }),
            (None, count, _) => Err(Error::Cases { count }),
        }
    }
}

/// Boots all kernels, some at a time. What breaks is said at once.
fn guests(machines: &Machines, suite: &[String]) -> Vec<(Kernel, Result<Record, Error>)> {
    let waiting = Mutex::new(Kernel::value_variants().iter());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next().copied());
    let work = || {
        let mut done = Vec::new();
        while let Some(kernel) = next() {
            let run = || machines.run(kernel, suite, |line| complain(kernel.tag(), line));
            done.push((kernel, timed(kernel.tag(), run)));
        }
        done
    };
    let mut all: Vec<_> = thread::scope(|scope| {
        let workers = [(); GUESTS].map(|()| scope.spawn(work));
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    all.sort_by_key(|(kernel, _)| *kernel);
    all
}

/// Runs one machine, and tells how long it took and what came of it.
fn timed(machine: &str, run: impl FnOnce() -> Result<Record, Error>) -> Result<Record, Error> {
    let start = Instant::now();
    let outcome = run();
    let seconds = start.elapsed().as_secs();
    match &outcome {
        Ok(record) => eprintln!("{machine}: {}, {seconds} s", record.totals()),
        Err(error) => eprintln!("{machine}: {error}, {seconds} s"),
    }
    outcome
}

/// Says at once what fails.
pub(super) fn complain(machine: &str, line: &Line) {
    if let Line::Failed { name, text, .. } = line {
        eprintln!("{machine}: {name} FAILED\n{text}");
    }
}
