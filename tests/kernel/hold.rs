//! `bpfasm attach --hold`: what a signal leaves behind.

use std::{fs, io};

use bpfasm_tests::{
    Case, Sandbox,
    command::{Running, succeed},
    eventually,
    net::{Direction, Wire},
};
use nix::sys::signal::Signal;

use crate::{
    attach::needs_of,
    fixture,
    hook::{Mode, Ours, assert_unloaded, attach, detach},
};

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in [Mode::Clsact, Mode::Tcx] {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            let name = format!("hold::detaches_on::{}::{}", signal.as_str(), mode.name());
            cases.push(Case::new(name, &needs_of(mode), move |sandbox| detaches_on(sandbox, signal, mode)));
        }
        let name = format!("hold::killed::{}", mode.name());
        cases.push(Case::new(name, &needs_of(mode), move |sandbox| killed(sandbox, mode)));
    }
    cases
}

const DIRECTION: Direction = Direction::Ingress;

/// Holds, and waits until the first sender's packets are dropped.
fn hold(sandbox: &Sandbox, wire: &Wire, mode: Mode) -> (Running, u32) {
    let mut holding = Running::start(attach(&fixture::tc_drop(sandbox.scratch()), mode, DIRECTION).arg("--hold"));
    eventually("--hold drops packets", || {
        assert!(holding.ended().is_none(), "ended by itself: {}", holding.finished());
        (!wire.first_passes()).then_some(())
    });
    let program = eventually("the program held", || programs_of(holding.id()).ok()?.first().copied());
    (holding, program)
}

fn detaches_on(sandbox: &Sandbox, signal: Signal, mode: Mode) {
    let wire = Wire::new(DIRECTION).unwrap();
    let (holding, program) = hold(sandbox, &wire, mode);
    let stopped = holding.stop(signal);
    assert!(!stopped.stderr.contains("error:"), "{stopped}");
    Ours::at(DIRECTION).assert_nothing();
    wire.assert_all_received();
    assert_unloaded(program);
}

fn killed(sandbox: &Sandbox, mode: Mode) {
    let wire = Wire::new(DIRECTION).unwrap();
    let (holding, program) = hold(sandbox, &wire, mode);
    holding.stop(Signal::SIGKILL);
    let left = Ours::at(DIRECTION);
    if mode == Mode::Tcx {
        // A link lives as long as its descriptors.
        left.assert_nothing();
        eventually("packets pass", || wire.first_passes().then_some(()));
    } else {
        // A filter lives in the kernel, under our name, so that it can be found.
        assert_eq!(left.the_one(mode), program);
        wire.assert_first_dropped();
        succeed(&mut detach(DIRECTION));
        Ours::at(DIRECTION).assert_nothing();
        wire.assert_all_received();
    }
    assert_unloaded(program);
}

/// The ids of the BPF programs that a process has descriptors of, directly or through links.
fn programs_of(process: u32) -> io::Result<Vec<u32>> {
    let mut programs = Vec::new();
    for descriptor in fs::read_dir(format!("/proc/{process}/fdinfo"))? {
        let text = fs::read_to_string(descriptor?.path())?;
        programs.extend(text.lines().filter_map(|line| line.strip_prefix("prog_id:")?.trim().parse::<u32>().ok()));
    }
    Ok(programs)
}
