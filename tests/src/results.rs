//! What becomes of the cases, for a program that reads it: lines of `bpfasm-guest`, in the file that a variable names.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    sync::Mutex,
    time::Duration,
};

use bpfasm_guest::{Line, RESULTS_VARIABLE, Totals};
use libtest_mimic::{Conclusion, Failed};

/// The file, if somebody wants to know.
pub(crate) struct Results(Option<Mutex<File>>);

impl Results {
    /// Opens the file that the environment names, and begins with the running kernel.
    pub(crate) fn open() -> io::Result<Self> {
        let Some(path) = env::var_os(RESULTS_VARIABLE) else { return Ok(Results(None)) };
        let results = Results(Some(Mutex::new(OpenOptions::new().append(true).open(path)?)));
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        results.say(&Line::Kernel(release.trim_end().to_owned()))?;
        Ok(results)
    }

    /// A case has run for so long.
    pub(crate) fn ran(&self, name: &str, time: Duration, outcome: &Result<(), Failed>) -> io::Result<()> {
        let name = name.to_owned();
        self.say(&match outcome {
            Ok(()) => Line::Passed { name, time },
            Err(failed) => Line::Failed { name, time, text: failed.message().unwrap_or_default().to_owned() },
        })
    }

    /// A case does not run, for these reasons.
    pub(crate) fn ignored(&self, name: &str, reasons: &[String]) -> io::Result<()> {
        self.say(&Line::Ignored { name: name.to_owned(), reasons: reasons.to_vec() })
    }

    /// All cases have run.
    pub(crate) fn done(&self, conclusion: &Conclusion) -> io::Result<()> {
        let Conclusion { num_passed: passed, num_ignored: ignored, num_failed: failed, .. } = *conclusion;
        self.say(&Line::Done(Totals { passed, ignored, failed }))
    }

    fn say(&self, line: &Line) -> io::Result<()> {
        let Some(file) = &self.0 else { return Ok(()) };
        // One write a line, so that nothing comes between.
        file.lock()
            .map_err(|_| io::Error::other("a thread that wrote results has panicked"))?
            .write_all(format!("{line}\n").as_bytes())
    }
}
