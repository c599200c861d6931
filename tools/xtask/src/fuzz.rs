//! `cargo xtask fuzz`: the targets of `fuzz/` in turn, on a corpus that grows from run to run.

mod totals;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::totals::{Run, Totals};
use crate::cache;
use crate::chore::{cargo, command, line, run, workspace};
use crate::error::Error;
use crate::scratch::{files, make};

/// Run the fuzz targets in turn.
///
/// The corpus grows in the user's cache folder, so that a later run goes on where this one ends. What is found lies
/// in `fuzz/artifacts`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The targets to run [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long to run each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Where the corpus and the totals are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
}

impl Args {
    /// Runs the targets, and prints what they executed, now and in all runs so far.
    ///
    /// # Errors
    ///
    /// The fuzzer is not there, or targets found something.
    pub fn run(self) -> Result<(), Error> {
        let targets = self.chosen()?;
        check_fuzzer()?;
        let home = self.corpus.clone().map_or_else(|| cache::folder("fuzz"), Ok)?;
        make(&home)?;
        seed(&home)?;
        let mut totals = Totals::read(&home)?;
        let mut found = Vec::new();
        for target in targets {
            let done = fuzz(&target, &home, self.minutes)?;
            let total = totals.add(&target, done)?;
            println!(
                "{target}: {} executions, {} edges, {}; in all {} executions, {} findings",
                done.executions,
                done.coverage,
                if done.findings == 0 { "no finding" } else { "a finding" },
                total.executions,
                total.findings,
            );
            if done.findings != 0 {
                found.push(target);
            }
        }
        if found.is_empty() { Ok(()) } else { Err(Error::Findings { targets: found }) }
    }

    fn chosen(&self) -> Result<Vec<String>, Error> {
        let have = targets()?;
        match self.targets.iter().find(|name| !have.contains(name)) {
            Some(name) => Err(Error::NoTarget { name: name.clone(), have }),
            None if self.targets.is_empty() => Ok(have),
            None => Ok(self.targets.clone()),
        }
    }
}

/// The names of the files that are targets.
fn targets() -> Result<Vec<String>, Error> {
    let files = files(&workspace().join("fuzz/fuzz_targets"))?;
    Ok(files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect())
}

fn cargo_fuzz() -> Command {
    // By the name that rustup's proxy answers to, for `+nightly`; the variables name the toolchain that runs this.
    let mut cargo = command("cargo");
    cargo.args(["+nightly", "fuzz"]).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    cargo
}

fn check_fuzzer() -> Result<(), Error> {
    let version = cargo_fuzz().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if version.is_ok_and(|status| status.success()) { Ok(()) } else { Err(Error::NoCargoFuzz) }
}

/// Puts into the corpus what no fuzzer guesses soon: a whole object and its parts.
fn seed(home: &Path) -> Result<(), Error> {
    let example =
        ["--quiet", "--no-default-features", "--manifest-path", "fuzz/Cargo.toml", "--example", "seeds", "--"];
    run(cargo().arg("run").args(example).arg(home))
}

/// Runs one target for some minutes. All that the fuzzer says goes to a file.
fn fuzz(target: &str, home: &Path, minutes: u32) -> Result<Run, Error> {
    let (corpus, log) = (home.join(target), home.join(format!("{target}.log")));
    make(&corpus)?;
    eprintln!("{target}: fuzzing for {minutes} min, all of it in {}", log.display());
    let mut command = cargo_fuzz();
    command.args(["run", target]).arg(&corpus).arg("--");
    command.arg(format!("-max_total_time={}", u64::from(minutes) * 60)).arg("-print_final_stats=1");
    command.stderr(Stdio::piped());
    let unreadable = |source| Error::File { path: log.clone(), source };
    let mut out = File::create(&log).map_err(unreadable)?;
    let words = line(&command);
    let failed = |source| Error::Start { command: words.clone(), source };
    let mut child = command.spawn().map_err(failed)?;
    let mut done = Run::default();
    let mut started = false;
    for text in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()).map_while(Result::ok)
    {
        done.take(&text);
        started |= text.starts_with("INFO: Seed:");
        writeln!(out, "{text}").map_err(unreadable)?;
    }
    let status = child.wait().map_err(failed)?;
    match (status.success(), started) {
        (true, _) => Ok(done),
        // The fuzzer ran and says no: that is a finding.
        (false, true) => Ok(Run { findings: 1, ..done }),
        (false, false) => {
            eprintln!("{target}: does not build or start, see {}", log.display());
            Err(Error::Failed { command: words, status })
        }
    }
}
