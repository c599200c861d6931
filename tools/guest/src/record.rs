//! All that a suite has said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::Line;

/// How many cases did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Cases that ran and passed.
    pub passed: u64,
    /// Cases with a need that is not met.
    pub ignored: u64,
    /// Cases that ran and failed.
    pub failed: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} ignored, {} failed", self.passed, self.ignored, self.failed)
    }
}

/// What a suite has said, line by line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: Option<String>,
    /// The cases that passed, and how long each took.
    pub passed: BTreeMap<String, Duration>,
    /// The cases that were ignored, and each need that was not met.
    pub ignored: BTreeMap<String, Vec<String>>,
    /// The cases that failed, and what each said.
    pub failed: BTreeMap<String, String>,
    done: Option<Totals>,
    exited: Option<i32>,
    broken: Option<String>,
}

/// Why a record can't be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The suite could not run.
    #[error("the suite could not run: {reason}")]
    Broken {
        /// Why.
        reason: String,
    },
    /// It has no beginning or no end.
    #[error("the suite did not come to its end: {seen} until then")]
    Cut {
        /// What it had done.
        seen: Totals,
    },
    /// The last line does not agree with those before.
    #[error("the suite speaks of {said}, its lines are of {seen}")]
    Counts {
        /// By the last line.
        said: Totals,
        /// By the others.
        seen: Totals,
    },
    /// The exit code does not agree with what was said before.
    #[error("the suite's exit code is {code:?} after {seen}")]
    Exit {
        /// The code, if there was one.
        code: Option<i32>,
        /// What the suite said.
        seen: Totals,
    },
    /// A case was reported twice.
    #[error("the case {name} was reported twice")]
    Twice {
        /// The case.
        name: String,
    },
}

impl Record {
    /// Takes the next line.
    ///
    /// # Errors
    ///
    /// [`RecordError::Twice`].
    pub fn take(&mut self, line: Line) -> Result<(), RecordError> {
        if let Line::Passed { name, .. } | Line::Failed { name, .. } | Line::Ignored { name, .. } = &line
            && self.names().contains(name.as_str())
        {
            return Err(RecordError::Twice { name: name.clone() });
        }
        match line {
            Line::Kernel(release) => self.kernel = Some(release),
            Line::Ignored { name, reasons } => drop(self.ignored.insert(name, reasons)),
            Line::Passed { name, time } => drop(self.passed.insert(name, time)),
            Line::Failed { name, text, .. } => drop(self.failed.insert(name, text)),
            Line::Done(totals) => self.done = Some(totals),
            Line::Exited(code) => self.exited = Some(code),
            Line::Broken(reason) => self.broken = Some(reason),
        }
        Ok(())
    }

    /// How many cases did what, so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let count = |cases: usize| u64::try_from(cases).unwrap_or(u64::MAX);
        Totals {
            passed: count(self.passed.len()),
            ignored: count(self.ignored.len()),
            failed: count(self.failed.len()),
        }
    }

    /// The names of all cases.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.passed.keys().chain(self.ignored.keys()).chain(self.failed.keys()).map(String::as_str).collect()
    }

    /// Checks that this is all of it: the suite has come to its end, and has counted as many as have come here.
    ///
    /// # Errors
    ///
    /// [`RecordError::Broken`], `Cut` or `Counts`.
    pub fn check(&self) -> Result<Totals, RecordError> {
        let seen = self.totals();
        match (&self.broken, &self.kernel, self.done) {
            (Some(reason), _, _) => Err(RecordError::Broken { reason: reason.clone() }),
            (None, Some(_), Some(said)) if said == seen => Ok(seen),
            (None, Some(_), Some(said)) => Err(RecordError::Counts { said, seen }),
            (None, ..) => Err(RecordError::Cut { seen }),
        }
    }

    /// Checks that this is all that a guest has to say: the same, and that it came to its end after the suite.
    ///
    /// # Errors
    ///
    /// [`RecordError::Exit`], or those of [`Self::check`].
    pub fn check_guest(&self) -> Result<Totals, RecordError> {
        let seen = self.check()?;
        match self.exited {
            Some(code) if (code == 0) == (seen.failed == 0) => Ok(seen),
            code => Err(RecordError::Exit { code, seen }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "kernel\t6.1.0\npassed\ta\t10\nignored\tb\tTCX: none\tCLI: none\nfailed\tc\t5\twhy\ndone\t1\t1\t1\nexited\t101\n";

    fn record<'a>(lines: impl IntoIterator<Item = &'a str>) -> Record {
        let mut record = Record::default();
        for line in lines {
            record.take(line.parse().unwrap()).unwrap();
        }
        record
    }

    #[test]
    fn a_whole_record_is_taken_apart() {
        let record = record(LINES.lines());
        assert_eq!(record.check(), Ok(Totals { passed: 1, ignored: 1, failed: 1 }));
        assert_eq!(record.check_guest(), record.check());
        assert_eq!(record.kernel.as_deref(), Some("6.1.0"));
        assert_eq!(record.passed["a"], Duration::from_millis(10));
        assert_eq!(record.ignored["b"], ["TCX: none", "CLI: none"]);
        assert_eq!(record.failed["c"], "why");
        assert_eq!(record.names(), ["a", "b", "c"].into());
    }

    #[test]
    fn no_line_can_be_missing() {
        for missing in 0..LINES.lines().count() {
            let lines = LINES.lines().enumerate().filter(|(at, _)| *at != missing).map(|(_, line)| line);
            assert!(record(lines).check_guest().is_err(), "without line {missing}");
        }
    }

    #[test]
    fn the_exit_code_must_agree() {
        let lines = LINES.replace("101", "0");
        let seen = Totals { passed: 1, ignored: 1, failed: 1 };
        assert_eq!(record(lines.lines()).check_guest(), Err(RecordError::Exit { code: Some(0), seen }));
    }

    #[test]
    fn a_case_counts_once() {
        let mut record = record(LINES.lines());
        let again = "passed\tc\t1".parse().unwrap();
        assert_eq!(record.take(again), Err(RecordError::Twice { name: "c".into() }));
    }

    #[test]
    fn a_suite_that_could_not_run_says_why() {
        let record = record(["broken\tno module veth"]);
        assert_eq!(record.check(), Err(RecordError::Broken { reason: "no module veth".into() }));
    }
}
