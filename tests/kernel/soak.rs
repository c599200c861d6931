//! Races, kills and floods, over and over: what is somebody else's stays, and nothing of ours is left.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use bpfasm::{
    Load as _,
    loader::{
        Error, ErrorKind,
        attach::{self, tc},
    },
    object::kernel::AttachType,
};
use bpfasm_tests::{
    Case, PATIENCE, Sandbox,
    cgroup::inside,
    command,
    command::{finish, succeed},
    need::{BPFFS, TC},
    net::{DEVICE, Direction, Wire, link, qdisc},
    soak::rounds,
};

use crate::{
    attach::needs_of,
    cgroup, fixture,
    hook::{self, Mode, Ours, PRIORITY, tc_add, tc_filters},
    loader,
    mine::{mine, pins},
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
        cases.push(Case::new(name("killed_at_any_moment"), &needs, move |sandbox| {
            let _wire = Wire::new(DIRECTION).unwrap();
            let (file, hook) = (fixture::tc_drop(sandbox.scratch()), loader::hook(DIRECTION));
            let ours = || tc::attached(&hook).unwrap().into_iter().filter(tc::Entry::is_ours).count();
            killed_at_any_moment(|| hook::attach(&file, mode, DIRECTION), ours, &[]);
        }));
        cases.extend(Direction::ALL.map(|direction| {
            let name = name(&format!("detach_is_synchronous::{}", direction.name()));
            Case::new(name, &needs, move |sandbox| detach_is_synchronous(sandbox, mode, direction))
        }));
    }
    let links = [cgroup::NEEDS, &needs_of(Mode::Tcx)].concat();
    cases.push(Case::new("soak::links_that_are_being_made_are_passed_over", &links, links_that_are_being_made));
    for mode in cgroup::MODES {
        let name = |what: &str| format!("soak::{what}::cgroup::{mode}");
        cases.push(Case::new(name("killed_at_any_moment"), cgroup::NEEDS, move |sandbox| {
            let (file, group) = (cgroup::object(sandbox), sandbox.cgroup());
            killed_at_any_moment(|| cgroup::attach(&file, group, mode), || cgroup::attached(group).len(), &[group]);
        }));
        cases.push(Case::new(name("detach_is_synchronous"), cgroup::NEEDS, move |sandbox| {
            detach_from_a_group_is_synchronous(sandbox, mode);
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
        let racers = [0, 1].map(|number| {
            scope.spawn({
                let racer = &racer;
                move || racer(number)
            })
        });
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

/// Kills `bpfasm attach`, alone, with `--hold` and with `--replace`, somewhere on its way. Of ours there is one program at
/// most then, of a replacement one exactly, and nothing once `--mine` has taken it away.
fn killed_at_any_moment(attach: impl Fn() -> Command, ours: impl Fn() -> usize, groups: &[&Path]) {
    let whole = (0..3).map(|_| {
        let start = Instant::now();
        succeed(attach().arg("--replace"));
        start.elapsed()
    });
    let whole = whole.min().unwrap();
    mine(groups).exits_with(0);
    for words in [&[][..], &["--hold"], &["--replace"]] {
        let replaces = words == ["--replace"];
        let mut left = [0; 2];
        for _ in 0..rounds(4, 100) {
            if replaces {
                succeed(&mut attach());
            }
            let mut command = attach();
            command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            thread::sleep(whole.mul_f64(1.2 * random()));
            child.kill().unwrap();
            child.wait().unwrap();

            let found = ours();
            assert!(found <= 1 && (!replaces || found == 1), "{words:?}: {found} programs attached");
            left[found] += 1;
            let taken = mine(groups);
            assert!(taken.succeeded() || taken.code() == 7 && found == 0, "{words:?}: {taken}");
            assert_eq!(ours(), 0, "{words:?}");
            assert_eq!(pins(), [""; 0].map(PathBuf::from), "{words:?}");
        }
        println!("killed {words:?}: nothing left {} times, one program {} times", left[0], left[1]);
    }
}

/// From 0 to 1.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap()) / f64::from(u32::MAX)
}

/// The first packet after a detach sees no program.
fn detach_is_synchronous(sandbox: &Sandbox, mode: Mode, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    let loaded = loader::load_file(&fixture::tc_drop(sandbox.scratch()));
    let program = loaded.program("tc_drop").unwrap();
    for _ in 0..rounds(10, 1000) {
        let attachment = loader::attach(program, mode, direction);
        wire.assert_first_dropped();
        attachment.detach().unwrap();
        wire.assert_all_received();
    }
}

fn detach_from_a_group_is_synchronous(sandbox: &Sandbox, mode: attach::cgroup::Mode) {
    link::set_up("lo", &[]).unwrap();
    let receiver = inside(sandbox.cgroup(), || UdpSocket::bind("127.0.0.1:0")).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let hook = attach::cgroup::Hook::new(sandbox.cgroup(), AttachType::CGROUP_INET_INGRESS).unwrap();
    let program = cgroup::no_udp.load().unwrap().into_program();
    let options = attach::cgroup::Options::new().mode(mode);
    for round in 0..rounds(20, 1000) {
        let attachment = attach::cgroup::attach(&program, &hook, &options).unwrap();
        sender.send(b"dropped").unwrap();
        attachment.detach().unwrap();
        let sent = round.to_be_bytes();
        sender.send(&sent).unwrap();
        let mut received = [0; 16];
        let length = receiver.recv(&mut received).unwrap();
        assert_eq!(received[..length], sent, "the first datagram after the detach, and none before it");
    }
}

/// A link has its id before it can be opened, and one to a device stays so for as long as attaching takes.
fn links_that_are_being_made(sandbox: &Sandbox) {
    let _wire = Wire::new(DIRECTION).unwrap();
    let loaded = loader::load_file(&fixture::tc_drop(sandbox.scratch()));
    let hook = attach::cgroup::Hook::new(sandbox.cgroup(), AttachType::CGROUP_INET_INGRESS).unwrap();
    let program = cgroup::no_udp.load().unwrap().into_program();
    let _held = attach::cgroup::attach(&program, &hook, &attach::cgroup::Options::new()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds(20, 200) {
                drop(loader::attach(loaded.program("tc_drop").unwrap(), Mode::Tcx, DIRECTION));
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let listed = attach::cgroup::attached(&hook).unwrap();
            assert_eq!(listed.len(), 1);
        }
    });
}
