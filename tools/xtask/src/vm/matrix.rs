//! `cargo xtask matrix`: the kernel suite on every kernel of the matrix, and here.

use std::fs::{self, File};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use bpfasm_guest::{CLI_VARIABLE, Line, RESULTS_VARIABLE, Record};
use clap::ValueEnum as _;

use super::Machines;
use super::table::Table;
use crate::chore::command;
use crate::error::Error;
use crate::kernels::{From, Kernel};

/// How many guests run at a time.
const GUESTS: usize = 2;
/// The row of this machine.
const HERE: &str = "here";

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
        match timed(HERE, || here(&machines, &self.suite)) {
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

fn complain(machine: &str, line: &Line) {
    if let Line::Failed { name, text, .. } = line {
        eprintln!("{machine}: {name} FAILED\n{text}");
    }
}

/// Runs the suite on this machine, with the same binaries.
fn here(machines: &Machines, suite: &[String]) -> Result<Record, Error> {
    let results = machines.scratch.path().join("results");
    let console = machines.consoles.join(format!("{HERE}.log"));
    let failed = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    File::create(&results).map_err(failed(&results))?;
    let output = File::create(&console).map_err(failed(&console))?;
    let errors = output.try_clone().map_err(failed(&console))?;
    let status = command(&machines.binaries.suite)
        .args(suite)
        .env(RESULTS_VARIABLE, &results)
        .env(CLI_VARIABLE, &machines.binaries.cli)
        .stdout(output)
        .stderr(errors)
        .status()
        .map_err(failed(&machines.binaries.suite))?;
    let text = fs::read_to_string(&results).map_err(failed(&results))?;
    let broken = |what: String| Error::Guest { tag: HERE, what, tail: String::new(), console: console.clone() };
    let mut record = Record::default();
    for line in text.lines() {
        let line: Line = line.parse().map_err(|error| broken(format!("{error}")))?;
        complain(HERE, &line);
        record.take(line).map_err(|error| broken(error.to_string()))?;
    }
    if let Some(code) = status.code() {
        record.take(Line::Exited(code)).map_err(|error| broken(error.to_string()))?;
    }
    record.check_guest().map_err(|error| broken(error.to_string()))?;
    Ok(record)
}
