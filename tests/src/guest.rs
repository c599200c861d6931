//! The first process of a guest: it makes the machine ready, runs the suite, and ends the machine.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    process::{Command, ExitCode},
};

use bpfasm_guest::{CLI, INIT, Line, MODULE_LIST, MODULES, PROGRAMS, RESULTS_PORT, RESULTS_VARIABLE};
use nix::{
    errno::Errno,
    kmod::{ModuleInitFlags, finit_module},
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        termios::tcdrain,
    },
};

use crate::{SLOWDOWN_VARIABLE, cli};

/// The file systems that a guest needs, in the order in which they are mounted.
const MOUNTS: [(&str, &str); 7] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("tracefs", "/sys/kernel/tracing"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// The processor of a guest is emulated.
const SLOWDOWN: &str = "5";

/// Whether this process was started as the first of a guest; then, the suite's arguments.
pub(crate) fn arguments(arguments: &[String]) -> Option<&[String]> {
    let (first, rest) = arguments.split_first()?;
    (first == INIT && std::process::id() == 1).then_some(rest)
}

/// Runs the suite with these arguments, as the only purpose of the machine, and turns it off.
///
/// Returns only when that fails: then the kernel panics, since its first process is gone.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let end = make_ready().and_then(|()| suite(arguments));
    let last = end.map_or_else(|error| Line::Broken(error.to_string()), Line::Exited);
    let Err(error) = say(&last).and_then(|()| Ok(reboot(RebootMode::RB_POWER_OFF)?));
    eprintln!("the machine does not end: {error}");
    ExitCode::FAILURE
}

fn make_ready() -> io::Result<()> {
    for (kind, at) in MOUNTS {
        mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>)
            .map_err(|error| io::Error::other(format!("mount {kind} at {at}: {error}")))?;
    }
    let modules =
        fs::read_to_string(MODULE_LIST).map_err(|error| io::Error::other(format!("{MODULE_LIST}: {error}")))?;
    modules.lines().try_for_each(load_module)
}

fn load_module(name: &str) -> io::Result<()> {
    let path = Path::new(MODULES).join(format!("{name}.ko"));
    let failed = |error: &dyn std::error::Error| io::Error::other(format!("{}: {error}", path.display()));
    let file = File::open(&path).map_err(|error| failed(&error))?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(failed(&error)),
    }
}

/// Runs the suite in a process of its own, whatever becomes of that. Gives its exit code.
fn suite(arguments: &[String]) -> io::Result<i32> {
    let mut suite = Command::new(env::current_exe()?);
    suite
        .args(arguments)
        .env(SLOWDOWN_VARIABLE, SLOWDOWN)
        .env("PATH", PROGRAMS)
        .env(cli::VARIABLE, CLI)
        .env(RESULTS_VARIABLE, RESULTS_PORT);
    let status = suite.status()?;
    status.code().ok_or_else(|| io::Error::other(format!("the suite: {status}")))
}

/// Says something on the port of results, and waits until it is out.
fn say(line: &Line) -> io::Result<()> {
    let mut port = OpenOptions::new().write(true).open(RESULTS_PORT)?;
    writeln!(port, "{line}")?;
    Ok(tcdrain(&port)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_process_of_a_machine_is_one() {
        assert_ne!(std::process::id(), 1);
        assert_eq!(arguments(&[INIT.to_owned()]), None);
        assert_eq!(arguments(&[]), None);
    }
}
