//! `cargo xtask ci`: everything that must hold before a change lands.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use clap::ValueEnum;

use crate::chore::{cargo, command, run, workspace};
use crate::error::Error;
use crate::readme::Readme;
use crate::scratch::Scratch;

/// Check everything that must hold before a change lands.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The steps to take [default: all, in this order]
    #[arg(value_enum, value_name = "STEP")]
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// Clippy, warnings denied
    Clippy,
    /// The documentation, warnings denied
    Doc,
    /// The fuzz targets compile
    Fuzz,
    /// The README's first command and its code, in a fresh clone of HEAD
    Readme,
    /// The README's second command: the tests
    Test,
}

impl Args {
    /// Takes the steps, and stops at the first that fails.
    ///
    /// # Errors
    ///
    /// The failure of that step.
    pub fn run(self) -> Result<(), Error> {
        let steps = if self.steps.is_empty() { Step::value_variants() } else { &self.steps };
        for step in steps {
            let name = step.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            eprintln!("== {name}");
            let start = Instant::now();
            let done = step.take();
            let (seconds, outcome) = (start.elapsed().as_secs_f64(), if done.is_ok() { "ok" } else { "failed" });
            eprintln!("== {name}: {outcome}, {seconds:.1} s");
            done?;
        }
        Ok(())
    }
}

impl Step {
    fn take(self) -> Result<(), Error> {
        match self {
            Self::Fmt => fmt(),
            Self::Clippy => run(cargo()
                .args(["clippy", "--workspace", "--all-targets", "--all-features", "--quiet", "--"])
                .args(["-D", "warnings"])),
            Self::Doc => run(cargo()
                .args(["doc", "--workspace", "--no-deps", "--all-features", "--quiet"])
                .env("RUSTDOCFLAGS", "-D warnings")),
            // Without the fuzzer's own C++, which takes longer to compile than everything else.
            Self::Fuzz => {
                run(cargo().args(["check", "--quiet", "--all-targets", "--no-default-features"]).args(FUZZ_MANIFEST))
            }
            Self::Readme => readme(),
            Self::Test => run(&mut shell(&Readme::read()?.test)),
        }
    }
}

const FUZZ_MANIFEST: [&str; 2] = ["--manifest-path", "fuzz/Cargo.toml"];

fn fmt() -> Result<(), Error> {
    run(cargo().args(["fmt", "--all", "--", "--check"]))?;
    run(cargo().args(["fmt"]).args(FUZZ_MANIFEST).args(["--", "--check"]))
}

/// The exit code of `bpfasm` without the rights it needs.
const NOT_PERMITTED: i32 = 4;

/// Does what a reader does first: clones, runs the README's first command, tries its code.
fn readme() -> Result<(), Error> {
    let readme = Readme::read()?;
    let scratch = Scratch::new("clone")?;
    let clone = scratch.path().join("bpfasm");
    run(command("git").args(["clone", "--quiet"]).arg(workspace()).arg(&clone))?;
    in_clone(&clone, &readme.main_job)?;
    write(&clone.join("programs/readme.rs"), &readme.program)?;
    in_clone(&clone, "cargo run --quiet -- run programs/readme.rs")?;
    let binary = format!("//! The README's binary.\n{}", readme.binary);
    write(&clone.join("crates/bpfasm/examples/readme.rs"), &binary)?;
    in_clone(&clone, "cargo build --quiet --package bpfasm-rs --example readme")
}

fn in_clone(clone: &Path, line: &str) -> Result<(), Error> {
    eprintln!("$ {line}");
    match run(shell(line).current_dir(clone).env_remove("CARGO_TARGET_DIR")) {
        Err(Error::Failed { status, .. }) if status.code() == Some(NOT_PERMITTED) => {
            Err(Error::NeedsRoot { command: line.to_owned() })
        }
        done => done,
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

/// A line of the README, as a shell takes it.
fn shell(line: &str) -> Command {
    let mut shell = command("sh");
    shell.args(["-c", line]);
    shell
}
