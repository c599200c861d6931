//! Races, kills and floods, over and over: what is somebody else's stays, and nothing of ours is left.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use bpfasm::loader::{Error, ErrorKind, attach::tc};
use bpfasm_tests::{
    Case, Sandbox, command,
    command::{finish, succeed},
    need::{BPFFS, TC},
    net::{DEVICE, Direction, Wire, qdisc},
    soak::rounds,
};

use crate::{
    attach::needs_of,
    fixture,
    hook::{self, Mode, Ours, PRIORITY, tc_add, tc_filters},
    loader,
};

const DIRECTION: Direction = Direction::Ingress;

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in [Mode::Clsact, Mode::Tcx] {
        let needs = [&needs_of(mode)[..], &[&TC, &BPFFS]].concat();
        let name = |what: &str| format!("soak::{what}::{}", mode.name());
        cases.push(Case::new(name("two_processes_beside_foreign_filters"), &needs, move |sandbox| {
            two_processes(sandbox, mode);
        }));
        cases.push(Case::new(name("two_threads_beside_foreign_filters"), &needs, move |sandbox| {
            two_threads(sandbox, mode);
        }));
    }
    cases
}

/// A filter of somebody else, of our priority, that comes and goes: nobody else may take it away.
fn foreign_filter_comes_and_goes(stop: &AtomicBool) -> usize {
    let place = |word: &str| {
        let priority = PRIORITY.to_string();
        let mut command = command!("tc", "filter", word, "dev", DEVICE, DIRECTION.name(), "prio", priority);
        // The handle that the kernel gives to the first filter of a priority.
        command.args(["handle", "1", "bpf"]);
        command
    };
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        if finish(place("add").args(["bytecode", "1,6 0 0 0", "flowid", "1:1"])).succeeded() {
            succeed(&mut place("del"));
            rounds += 1;
        }
    }
    rounds
}

/// Runs both at once, beside filters of others that stay and one that comes and goes.
fn beside_foreign_filters(racer: impl Fn(usize) + Sync) {
    qdisc::add(DEVICE, qdisc::Kind::Clsact).unwrap();
    for priority in [10, PRIORITY, 2000] {
        let words = ["handle", "7", "bpf", "bytecode", "1,6 0 0 0", "flowid", "1:1"];
        succeed(tc_add(DIRECTION, priority).args(words));
    }
    let before = tc_filters(DIRECTION);
    let stop = AtomicBool::new(false);
    let foreign = thread::scope(|scope| {
        let foreign = scope.spawn(|| foreign_filter_comes_and_goes(&stop));
        let racers = [0, 1].map(|number| scope.spawn({ let racer = &racer; move || racer(number) }));
        let ends = racers.map(|racer| racer.join());
        stop.store(true, Ordering::Relaxed);
        let foreign = foreign.join();
        ends.into_iter().for_each(|end| end.unwrap());
        foreign.unwrap()
    });
    println!("{foreign} filters of others came and went");
    assert!(foreign > 0);
    assert_eq!(tc_filters(DIRECTION), before);
    Ours::at(DIRECTION).assert_nothing();
    let hook = loader::hook(DIRECTION);
    assert!(tc::attached(&hook).unwrap().iter().all(|entry| !entry.is_ours()));
}

fn two_processes(sandbox: &Sandbox, mode: Mode) {
    let _wire = Wire::new(DIRECTION).unwrap();
    let file = fixture::tc_drop(sandbox.scratch());
    let outcomes = [const { AtomicUsize::new(0) }; 9];
    let run = |mut command: Command, allowed: &[i32]| {
        let done = finish(&mut command);
        let code = done.code();
        assert!(allowed.contains(&code), "{done}");
        outcomes[usize::try_from(code).unwrap()].fetch_add(1, Ordering::Relaxed);
    };
    beside_foreign_filters(|_| {
        for _ in 0..rounds(10, 1000) {
            run(hook::attach(&file, mode, DIRECTION), &[0, 8]);
            run(hook::detach(DIRECTION), &[0, 7]);
        }
    });
    println!("exit codes: {outcomes:?}");
}

fn two_threads(sandbox: &Sandbox, mode: Mode) {
    let _wire = Wire::new(DIRECTION).unwrap();
    let file = fixture::tc_drop(sandbox.scratch());
    let hook = loader::hook(DIRECTION);
    // A TCX link takes some 25 ms to come and go.
    let rounds = if mode == Mode::Tcx { rounds(20, 1000) } else { rounds(500, 20_000) };
    let won = AtomicUsize::new(0);
    beside_foreign_filters(|_| {
        let loaded = loader::load_file(&file);
        let program = loaded.program("tc_drop").unwrap();
        for round in 0..rounds {
            let detached = tc::attach(program, &hook, &loader::options(mode)).and_then(|attachment| {
                won.fetch_add(1, Ordering::Relaxed);
                if round % 2 == 0 {
                    attachment.detach()
                } else {
                    attachment.persist()?;
                    tc::detach_ours(&hook).map(drop)
                }
            });
            // The other one has attached first, or has detached both.
            let lost = |error: &Error| [ErrorKind::Conflict, ErrorKind::NotFound].contains(&error.kind());
            assert!(detached.as_ref().err().is_none_or(lost), "{detached:?}");
        }
    });
    println!("{won:?} of {} attached", 2 * rounds);
}
