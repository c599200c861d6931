//! Running programs in a sandbox: their exit codes and outputs, and those that stay.

use std::{
    fmt,
    io::{self, Read as _},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    command: String,
    status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A command line of words: `command!("tc", "qdisc", "add", "dev", device, "clsact")`.
#[macro_export]
macro_rules! command {
    ($program:expr $(, $argument:expr)* $(,)?) => {{
        let mut command = ::std::process::Command::new($program);
        $(command.arg($argument);)*
        command
    }};
}

/// Runs a program to its end.
///
/// # Panics
///
/// When it cannot be started.
#[track_caller]
pub fn finish(command: &mut Command) -> Finished {
    let line = format!("{command:?}");
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Finished {
            command: line,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) => panic!("{line}: {error}"),
    }
}

/// Runs a program that must succeed.
///
/// # Panics
///
/// When it does not, showing all it said.
#[track_caller]
pub fn succeed(command: &mut Command) -> Finished {
    finish(command).exits_with(0)
}

impl Finished {
    /// Its exit code must be this.
    ///
    /// # Panics
    ///
    /// When it is not, showing all it said.
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        assert!(self.status.code() == Some(code), "should exit with {code}: {self}");
        self
    }

    /// Each of these words must be in its standard error, and no panic message.
    ///
    /// # Panics
    ///
    /// When one is not.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "should say {word:?}: {self}");
        }
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }

    /// Its exit code.
    ///
    /// # Panics
    ///
    /// When a signal has ended it.
    #[track_caller]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("should exit by itself: {self}"))
    }

    /// Whether it exited with 0.
    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// Its standard output as JSON.
    ///
    /// # Panics
    ///
    /// When it is something else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("should be JSON ({error}): {self}"))
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n--- stdout\n{}\n--- stderr\n{}", self.command, self.status, self.stdout, self.stderr)
    }
}

/// A program that runs until it is told to stop. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    line: String,
    words: Option<JoinHandle<io::Result<String>>>,
}

impl Running {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let line = format!("{command:?}");
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{line}: {error}"));
        let words = child.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut words = String::new();
                stderr.read_to_string(&mut words).map(|_| words)
            })
        });
        Running { child, line, words }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended by itself.
    ///
    /// # Panics
    ///
    /// When the system cannot say.
    #[track_caller]
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("wait for a child process")
    }

    /// Sends it a signal and waits for its end.
    ///
    /// # Panics
    ///
    /// When it has ended before.
    #[track_caller]
    pub fn stop(mut self, signal: Signal) -> Finished {
        assert!(self.ended().is_none(), "ended by itself: {}", self.finished());
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid is an i32"));
        kill(pid, signal).expect("signal a child process");
        self.finished()
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When the system cannot say.
    pub fn finished(&mut self) -> Finished {
        let status = self.child.wait().expect("wait for a child process");
        let words = self.words.take().and_then(|reader| reader.join().ok()).and_then(Result::ok);
        Finished { command: self.line.clone(), status, stdout: String::new(), stderr: words.unwrap_or_default() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // It may end just now; then there is nothing left to kill.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_program_shows_its_outputs_and_code() {
        let finished = finish(&mut command!("sh", "-c", "echo '{\"a\":1}'; echo words >&2; exit 8"));
        assert_eq!(finished.json()["a"], 1);
        assert!(!finished.succeeded());
        let finished = finished.exits_with(8).says(&["words"]);
        assert!(finished.to_string().contains("words"), "{finished}");
    }

    #[test]
    #[should_panic(expected = "should exit with 0")]
    fn a_wrong_exit_code_is_a_failure() {
        succeed(&mut command!("sh", "-c", "exit 1"));
    }

    #[test]
    #[should_panic(expected = "should say")]
    fn a_missing_word_is_a_failure() {
        succeed(&mut command!("sh", "-c", "echo other >&2")).says(&["word"]);
    }

    #[test]
    fn a_running_program_gets_the_signal() {
        let mut running = Running::start(&mut command!("sleep", "600"));
        assert!(running.ended().is_none());
        let finished = running.stop(Signal::SIGTERM);
        assert!(!finished.succeeded());
        assert_eq!(finished.status.code(), None);
    }

    #[test]
    fn dropping_kills() {
        let running = Running::start(&mut command!("sleep", "600"));
        let proc = format!("/proc/{}", running.child.id());
        assert!(std::fs::exists(&proc).unwrap());
        drop(running);
        assert!(!std::fs::exists(&proc).unwrap());
    }
}
