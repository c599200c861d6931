//! Tests that need a process of their own: no privileges, no standard streams.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use bpfasm_loader::attach::tc::{Attachment, Direction, Hook, Mode, Options, attach};
use bpfasm_loader::map::{PerCpu, maps, possible_cpus};
use bpfasm_loader::{Error, Map, Program, load, programs};
use bpfasm_object::kernel::MapType;
use libtest_mimic::{Completion, Failed, Trial};

use crate::harness::{Need, Outcome, test};
use crate::objects::{OK, SHOT, map, mapped, returning, typed};

const BOTH_HOOKS: &[Need] = &[Need::Privileges, Need::Tcx];

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
        test("process: no descriptor takes the place of a standard stream", BOTH_HOOKS, || child("streamless")),
        test("process: a child that is executed inherits nothing", BOTH_HOOKS, || child("holder")),
        test("process: 10,000 loads leave nothing behind", &[Need::Privileges], || child("churner")),
    ]
}

fn child(role: &str) -> Outcome {
    let output = Command::new(std::env::current_exe()?).arg(format!("--as={role}")).output()?;
    if output.status.success() { Ok(()) } else { Err(format!("{:?}", output.status).into()) }
}

/// The descriptors of this process.
fn descriptors() -> std::io::Result<Vec<i32>> {
    let paths = std::fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.path()));
    let paths = paths.collect::<std::io::Result<Vec<_>>>()?;
    // The listing's own descriptor is closed by now.
    let open = paths.iter().filter(|path| path.read_link().is_ok());
    Ok(open.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect())
}

/// Maps, programs, links and filters, all in use.
struct Everything {
    _loaded: bpfasm_loader::Loaded,
    _attached: [Attachment; 2],
    _by_id: (Map, Program),
}

fn everything() -> Result<Everything, Error> {
    let loaded = load(&mapped("inherited", map("inherited", MapType::PERCPU_HASH, 4, 8, 16), OK))?;
    let program = loaded.program("inherited")?;
    let attach = |mode, direction| attach(program, &Hook::new("lo", direction)?, &Options::new().mode(mode));
    let attached = [attach(Mode::Tcx, Direction::Ingress)?, attach(Mode::Clsact, Direction::Egress)?];
    let by_id = (Map::from_id(loaded.map("inherited")?.id())?, Program::from_id(program.id()?)?);
    by_id.0.typed::<u32, PerCpu<u64>>()?.update_batch([(1, vec![0; possible_cpus()?.len()])])?;
    Ok(Everything { _loaded: loaded, _attached: attached, _by_id: by_id })
}

/// Executes a child while everything is held, in a process that has inherited nothing itself.
fn hold() -> ExitCode {
    for inherited in descriptors().unwrap_or_default().into_iter().filter(|&descriptor| descriptor > 2) {
        if nix::unistd::close(inherited).is_err() {
            return ExitCode::from(30);
        }
    }
    let Ok(held) = everything() else { return ExitCode::from(31) };
    let own = descriptors().unwrap_or_default();
    let listed = child("inheritor");
    drop(held);
    match (own.len(), listed) {
        (..=3, _) => ExitCode::from(32),
        (_, Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::from(33),
    }
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
        "churner" => churn(),
        "sharer" => crate::map_share::share(),
        "holder" => hold(),
        "inheritor" if descriptors().is_ok_and(|own| own == [0, 1, 2]) => ExitCode::SUCCESS,
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
    let Ok(held) = everything() else { return ExitCode::from(11) };
    let taken = descriptors().unwrap_or_default().iter().any(|&descriptor| descriptor < 3);
    drop(held);
    if taken { ExitCode::from(12) } else { ExitCode::SUCCESS }
}

/// How many descriptors this process has, and how many programs and maps of [`churn`] the kernel.
fn alive() -> Result<(usize, usize, usize), Box<dyn std::error::Error>> {
    let descriptors = descriptors()?.len();
    let programs = programs().collect::<Result<Vec<_>, _>>()?;
    let maps = maps().collect::<Result<Vec<_>, _>>()?;
    let programs = programs.iter().filter(|info| info.name == "churned").count();
    Ok((descriptors, programs, maps.iter().filter(|info| info.name == "churned").count()))
}

/// Loads a program with a map and drops both, 10,000 times.
fn churn() -> ExitCode {
    let object = mapped("churned", map("churned", MapType::HASH, 4, 8, 16), OK);
    let start = alive().ok();
    if start.is_none_or(|(_, programs, maps)| (programs, maps) != (0, 0)) {
        return ExitCode::from(20);
    }
    for _ in 0..10_000 {
        let Ok(loaded) = load(&object) else { return ExitCode::from(21) };
        let map = loaded.map("churned").and_then(|map| map.typed::<u32, u64>());
        if map.and_then(|map| map.update_batch([(1, 2), (3, 4)])).is_err() {
            return ExitCode::from(22);
        }
    }
    // The kernel frees a program and a map a moment after the last descriptor.
    let flat = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        alive().ok() == start
    });
    if flat { ExitCode::SUCCESS } else { ExitCode::from(23) }
}
