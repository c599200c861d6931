//! What the fuzzer has done: in one run, and in all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What one target did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Inputs that were tried.
    pub executions: u64,
    /// Edges of the control-flow graph that the corpus reaches.
    pub coverage: u64,
    /// Inputs that broke a law.
    pub findings: u64,
}

impl Run {
    /// Takes what a line of libFuzzer's output tells: `#4096 pulse  cov: 61 ft: 93 …` while it runs, and
    /// `stat::number_of_executed_units: 8192` at its end.
    pub fn take(&mut self, line: &str) {
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:").and_then(number) {
            self.executions = count;
        } else if let Some(count) = line.strip_prefix('#').and_then(number) {
            self.executions = self.executions.max(count);
            if let Some(edges) = line.split_once("cov:").and_then(|(_, rest)| number(rest)) {
                self.coverage = edges;
            }
        }
    }
}

/// The first word, as a number.
fn number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The sums over all runs, one line a target: `TARGET EXECUTIONS COVERAGE FINDINGS`.
#[derive(Debug)]
pub struct Totals {
    path: PathBuf,
    rows: BTreeMap<String, Run>,
}

impl Totals {
    /// Reads the sums that are kept in this folder.
    ///
    /// # Errors
    ///
    /// The file is there and can't be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("totals");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self { rows: text.lines().filter_map(row).collect(), path }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self { path, rows: BTreeMap::new() }),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    /// Adds a run, and gives the sum.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub fn add(&mut self, target: &str, run: Run) -> Result<Run, Error> {
        let total = self.rows.entry(target.to_owned()).or_default();
        total.executions += run.executions;
        total.findings += run.findings;
        total.coverage = run.coverage;
        let total = *total;
        let line =
            |(name, run): (&String, &Run)| format!("{name} {} {} {}\n", run.executions, run.coverage, run.findings);
        let text: String = self.rows.iter().map(line).collect();
        fs::write(&self.path, text).map_err(|source| Error::File { path: self.path.clone(), source })?;
        Ok(total)
    }
}

fn row(line: &str) -> Option<(String, Run)> {
    let mut words = line.split_whitespace();
    let name = words.next()?.to_owned();
    let mut next = || words.next()?.parse().ok();
    Some((name, Run { executions: next()?, coverage: next()?, findings: next()? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_run_is_read_from_what_the_fuzzer_says() {
        let mut run = Run::default();
        for line in [
            "INFO: Seed: 1234",
            "#2\tINITED cov: 12 ft: 12 corp: 1/1b exec/s: 0 rss: 30Mb",
            "#65536\tpulse  cov: 61 ft: 93 corp: 7/40b lim: 652 exec/s: 32768 rss: 31Mb",
            "Done 70000 runs in 2 second(s)",
            "stat::number_of_executed_units: 70000",
            "stat::average_exec_per_sec:     35000",
        ] {
            run.take(line);
        }
        assert_eq!(run, Run { executions: 70000, coverage: 61, findings: 0 });
    }

    #[test]
    fn totals_sum_up_over_runs() {
        let scratch = Scratch::new("totals").unwrap();
        let run = Run { executions: 10, coverage: 3, findings: 0 };
        let mut totals = Totals::read(scratch.path()).unwrap();
        totals.add("a", run).unwrap();
        totals.add("b", Run { findings: 1, ..run }).unwrap();
        let mut later = Totals::read(scratch.path()).unwrap();
        let total = later.add("a", Run { executions: 5, coverage: 4, findings: 0 }).unwrap();
        assert_eq!(total, Run { executions: 15, coverage: 4, findings: 0 });
        assert_eq!(later.add("b", Run::default()).unwrap(), Run { coverage: 0, findings: 1, executions: 10 });
    }
}
