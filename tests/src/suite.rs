//! The whole `main` of a test binary: it lists and schedules the cases, and runs each in a process of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{self, Read as _},
    path::Path,
    process::{Command, ExitCode, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{
    Case,
    cgroup::Group,
    guest, need,
    results::Results,
    sandbox::{Sandbox, Scratch, Supervisor, group_name},
    slowed,
};

/// First argument of the process that makes a case's namespaces.
const SUPERVISE: &str = "--supervise-case";
/// First argument of the process that runs a case in them.
const RUN: &str = "--run-case";
/// `BPFASM_REQUIRE=kernel`: a missing need is a failure.
const REQUIRE: &str = "BPFASM_REQUIRE";
/// How long a killed case may take to disappear.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a suite, with libtest's arguments.
///
/// # Panics
///
/// When two cases have one name.
pub fn main(cases: Vec<Case>) -> ExitCode {
    let mut names = BTreeSet::new();
    for case in &cases {
        assert!(names.insert(case.name()), "two cases are called {}", case.name());
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [SUPERVISE, name, scratch] => supervise(&[RUN, name, scratch]),
        [RUN, name, scratch] => run(&cases, name, Path::new(scratch)),
        _ => match guest::arguments(&arguments) {
            Some(arguments) => guest::run(arguments),
            None => schedule(cases).unwrap_or_else(|error| {
                eprintln!("no results: {error}");
                ExitCode::FAILURE
            }),
        },
    }
}

/// The supervisor's part: new namespaces, then this binary again as their first process.
fn supervise(arguments: &[&str]) -> ExitCode {
    let status = Supervisor::unshare().and_then(|supervisor| supervisor.run(this_binary()?.args(arguments)));
    match status.map(|status| status.code()) {
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(None) => {
            eprintln!("the case was killed by a signal");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("no sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The case's part.
fn run(cases: &[Case], name: &str, scratch: &Path) -> ExitCode {
    let Some(case) = cases.iter().find(|case| case.name() == name) else {
        eprintln!("no case is called {name}");
        return ExitCode::FAILURE;
    };
    match Sandbox::enter(case, scratch) {
        Ok(sandbox) => {
            case.run(&sandbox);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("no sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The suite's part.
fn schedule(cases: Vec<Case>) -> io::Result<ExitCode> {
    let arguments = Arguments::from_args();
    let required = env::var_os(REQUIRE).is_some_and(|what| what == "kernel");
    let results = Arc::new(Results::open()?);
    let mut ignored = BTreeMap::<String, Vec<String>>::new();
    let mut trials = Vec::new();
    for case in cases {
        let missing = case.missing();
        let name = case.name().to_owned();
        let ignore = !missing.is_empty() && !required;
        let trial = trial(case, missing.clone(), arguments.nocapture, Arc::clone(&results)).with_ignored_flag(ignore);
        if arguments.is_ignored(&trial) && !arguments.is_filtered_out(&trial) && !arguments.list {
            results.ignored(&name, &missing)?;
            for reason in missing {
                ignored.entry(reason).or_default().push(name.clone());
            }
        }
        trials.push(trial);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !ignored.is_empty() {
        eprintln!("ignored, by missing need ({REQUIRE}=kernel makes these failures):");
        for (reason, names) in ignored {
            eprintln!("  {reason}\n    {}", names.join("\n    "));
        }
    }
    results.done(&conclusion)?;
    Ok(conclusion.exit_code())
}

/// What libtest runs: the case, if nothing is missing.
fn trial(case: Case, missing: Vec<String>, show: bool, results: Arc<Results>) -> Trial {
    Trial::test(case.name().to_owned(), move || {
        let start = Instant::now();
        let outcome = if missing.is_empty() { execute(&case, show) } else { Err(missing.join("; ").into()) };
        results.ran(case.name(), start.elapsed(), &outcome)?;
        outcome
    })
}

/// The command that runs one case, in a sandbox with this folder, without what the suite would prepare for it.
///
/// # Errors
///
/// This binary's path is not to be had.
pub fn supervised(name: &str, scratch: &Path) -> io::Result<Command> {
    let mut command = this_binary()?;
    command.args([SUPERVISE, name]).arg(scratch);
    Ok(command)
}

/// Runs one case under a supervisor; its output, if it fails or when asked, is shown.
fn execute(case: &Case, show: bool) -> Result<(), Failed> {
    let mut variables = Vec::new();
    for supply in case.supplies() {
        variables.push((supply.variable(), supply.value()?));
    }
    let scratch = Scratch::new()?;
    // Removed after the case, also after one that has failed or was killed.
    let _group = match case.needs(&need::CGROUP2) {
        true => Some(Group::new(&group_name(scratch.path()))?),
        false => None,
    };
    let mut command = supervised(case.name(), scratch.path())?;
    command.envs(variables);
    let limit = slowed(case.limit());
    let (end, output) = run_within(command, limit)?;
    if show {
        print!("{output}");
    }
    match end {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{status}\n{output}").into()),
        None => Err(format!("killed: not done after {limit:?}\n{output}").into()),
    }
}

/// Runs a command, at most so long, with its two outputs joined into one text.
fn run_within(mut command: Command, limit: Duration) -> io::Result<(Option<ExitStatus>, String)> {
    let (mut reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    drop(command); // and with it our writing ends: the text ends when the last process of the case does

    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let end = reader.read_to_end(&mut text);
        sender.send(end.map(|_| text))
    });
    let text = receiver.recv_timeout(limit);
    if text.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    let status = text.is_ok().then_some(status);
    let text = text.or_else(|_| receiver.recv_timeout(GRACE)).unwrap_or_else(|_| Ok(Vec::new()))?;
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

fn this_binary() -> io::Result<Command> {
    Ok(Command::new(env::current_exe()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_and_the_exit_code_come_back() {
        let (status, output) = run_within(shell("echo out; echo err >&2; exit 3"), Duration::from_secs(20)).unwrap();
        assert_eq!(status.and_then(|status| status.code()), Some(3));
        assert_eq!(output, "out\nerr\n");
    }

    #[test]
    fn what_takes_too_long_is_killed_and_its_output_kept() {
        let (status, output) = run_within(shell("echo begun; exec sleep 600"), Duration::from_millis(300)).unwrap();
        assert_eq!(status, None);
        assert_eq!(output, "begun\n");
    }
}
