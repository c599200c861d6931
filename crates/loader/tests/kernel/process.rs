//! Tests that need a process of their own: no privileges, no standard streams.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use bpfasm_loader::{Error, load};
use libtest_mimic::{Completion, Failed, Trial};

use crate::harness::{Need, Outcome, test};
use crate::objects::{SHOT, returning, typed};

pub fn tests() -> Vec<Trial> {
    vec![
        Trial::ignorable_test("process: what is missing is named", || {
            let child = Command::new(std::env::current_exe()?).arg("--as=nobody").uid(65534).gid(65534).output();
            match child {
                Err(error) => Ok(Completion::ignored_with(format!("no child process as nobody: {error}"))),
                Ok(output) if output.status.success() => Ok(Completion::Completed),
                Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
            }
        }),
        Trial::ignorable_test("process: a good program takes two bpf() calls", counted),
        test("process: no descriptor takes the place of a standard stream", &[Need::Privileges], || {
            child("streamless")
        }),
        test("process: a child that is executed inherits nothing", &[Need::Privileges], inherits_nothing),
    ]
}

fn child(role: &str) -> Outcome {
    let output = Command::new(std::env::current_exe()?).arg(format!("--as={role}")).output()?;
    if output.status.success() { Ok(()) } else { Err(format!("{:?}", output.status).into()) }
}

fn inherits_nothing() -> Outcome {
    use bpfasm_loader::attach::tc::{Direction, Hook, Mode, Options, attach};
    let program = crate::objects::program("inherited", SHOT)?;
    let hook = Hook::new("lo", Direction::Ingress)?;
    let held = attach(&program, &hook, &Options::new().mode(Mode::Clsact))?;
    let listing = crate::harness::command("ls -l /proc/self/fd")?;
    held.detach()?;
    // Other tests share the process; none of theirs may show either.
    assert!(!listing.contains("bpf") && !listing.contains("socket"), "{listing}");
    Ok(())
}

fn counted() -> Result<Completion, Failed> {
    let child = std::env::current_exe()?;
    let traced = Command::new("strace").args(["-f", "-e", "trace=bpf"]).arg(child).arg("--as=loader").output();
    let Ok(traced) = traced else { return Ok(Completion::ignored_with("strace is not installed")) };
    if traced.status.code() == Some(NOT_PERMITTED) {
        return Ok(Completion::ignored_with("not permitted to load a program"));
    }
    let calls = String::from_utf8_lossy(&traced.stderr).into_owned();
    let names: Vec<&str> =
        calls.lines().filter_map(|line| line.split_once("bpf(")?.1.split_once(',')).map(|c| c.0).collect();
    if names == ["BPF_BTF_LOAD", "BPF_PROG_LOAD"] { Ok(Completion::Completed) } else { Err(calls.into()) }
}

/// What a child exits with when it lacks privileges.
const NOT_PERMITTED: i32 = 4;

/// What a child process does.
pub fn play(role: &str) -> ExitCode {
    match role {
        "nobody" => nobody(),
        "streamless" => streamless(),
        "loader" => match load(&typed("f", &returning(SHOT))) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => ExitCode::from(error.kind().exit_code()),
        },
        _ => ExitCode::from(99),
    }
}

fn nobody() -> ExitCode {
    match load(&typed("f", &returning(SHOT))) {
        Err(Error::NotPermitted(why)) if why.missing.iter().any(|c| c.to_string() == "CAP_BPF") => ExitCode::SUCCESS,
        other => {
            eprintln!("{other:?}");
            ExitCode::FAILURE
        }
    }
}

fn streamless() -> ExitCode {
    for stream in 0..3 {
        if nix::unistd::close(stream).is_err() {
            return ExitCode::from(10);
        }
    }
    let Ok(loaded) = load(&typed("f", &returning(SHOT))) else { return ExitCode::from(11) };
    match loaded.program("f") {
        Ok(program) if program.as_fd().as_raw_fd() > 2 => ExitCode::SUCCESS,
        _ => ExitCode::from(12),
    }
}
