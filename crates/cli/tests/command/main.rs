//! The command as its users meet it: exit codes, what is on which stream, what the words say. Nothing here needs a kernel's
//! permission; the effects in the kernel are tested in the workspace's `tests`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod driver;
mod folder;
mod objects;

use std::process::{Command, Output};

/// The command, with words that no terminal's settings can change.
fn bpfasm() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bpfasm"));
    command.env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE").env_remove("SUDO_UID").env_remove("CARGO_TARGET_DIR");
    command
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn ended(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

impl Ended {
    /// The run failed with this code, said each of these on standard error, and gave no data.
    #[track_caller]
    fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:#?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
    }

    /// The run succeeded.
    #[track_caller]
    fn succeeded(&self) {
        assert_eq!(self.code, Some(0), "{self:#?}");
    }
}
