//! `clsact` filters, on `lo` of a fresh namespace.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bpfasm_loader::attach::tc::{
    Attachment, Direction, Entry, Hook, Mode, Options, Place, attach, attached, detach_ours,
};
use bpfasm_loader::{Error, ErrorKind, Program};
use libtest_mimic::Trial;

use crate::harness::{Need, Outcome, command, tc_filters, test};
use crate::objects::{self, OK, SHOT};

const NEEDS: &[Need] = &[Need::Privileges, Need::Iproute2];

pub fn tests() -> Vec<Trial> {
    vec![
        test("clsact: tc shows what was attached", NEEDS, tc_agrees),
        test("clsact: a second attach is a conflict", NEEDS, conflict),
        test("clsact: a replacement keeps priority and handle", NEEDS, replacement),
        test("clsact: a replacement at another priority moves", NEEDS, moves),
        test("clsact: an old guard leaves the new program", NEEDS, old_guard),
        test("clsact: an ingress qdisc is a conflict", NEEDS, ingress_qdisc),
        test("clsact: foreign filters and the qdisc survive", NEEDS, foreign_survives),
        test("clsact: entries come in the order they run", NEEDS, order),
        test("clsact: what was forgotten is found and detached", NEEDS, forgotten),
        test("clsact: a guard detaches in its own namespace", NEEDS, own_namespace),
        test("clsact: a device that goes takes its filters along", NEEDS, device_goes),
        test("clsact: a long list is complete while it changes", NEEDS, many),
        test("clsact: the kernel's words are kept", NEEDS, kernels_words),
    ]
}

fn hook(direction: Direction) -> Result<Hook, Error> {
    Hook::new("lo", direction)
}

fn clsact() -> Options {
    Options::new().mode(Mode::Clsact)
}

fn attach_clsact(program: &Program) -> Result<Attachment, Error> {
    attach(program, &hook(Direction::Ingress)?, &clsact())
}

fn tc_agrees() -> Outcome {
    let program = objects::program("tc_drop", SHOT)?;
    for (direction, word) in [(Direction::Ingress, "ingress"), (Direction::Egress, "egress")] {
        let held = attach(&program, &hook(direction)?, &clsact())?;
        let Place::Clsact { priority, handle, .. } = held.place() else { return Err("no filter".into()) };
        let filters = tc_filters(word)?;
        assert_eq!(filters.len(), 1);
        let options = &filters[0]["options"];
        assert_eq!(filters[0]["protocol"], "all");
        assert_eq!(filters[0]["pref"], u64::from(priority));
        assert_eq!(filters[0]["kind"], "bpf");
        assert_eq!(options["handle"], format!("{handle:#x}"));
        assert_eq!(options["bpf_name"], "bpfasm:tc_drop");
        assert_eq!(options["direct-action"], true);
        assert_eq!(options["prog"]["id"], u64::from(program.id()?));
        assert_eq!(priority, 1000);

        let entries = attached(&hook(direction)?)?;
        assert_eq!(entries.len(), 1);
        assert!(entries[0].is_ours());
        assert_eq!((entries[0].program_name(), entries[0].program_id()), (Some("tc_drop"), Some(program.id()?)));
        assert_eq!(entries[0].place(), &held.place());
        held.detach()?;
        assert!(tc_filters(word)?.is_empty());
    }
    Ok(())
}

fn conflict() -> Outcome {
    let (first, second) = (objects::program("tc_drop", SHOT)?, objects::program("tc_drop", OK)?);
    let held = attach_clsact(&first)?;
    let error = attach_clsact(&second).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let Error::AlreadyAttached { existing, .. } = &error else { return Err(error.into()) };
    assert_eq!(*existing, held.place().to_string());
    let other = attach_clsact(&objects::program("tc_other", OK)?)?;
    assert_eq!(tc_filters("ingress")?.len(), 2);
    drop((held, other));
    assert!(tc_filters("ingress")?.is_empty());
    Ok(())
}

fn replacement() -> Outcome {
    let first = attach(&objects::program("tc_drop", SHOT)?, &hook(Direction::Ingress)?, &clsact().priority(7))?;
    let program = objects::program("tc_drop", OK)?;
    let second = attach(&program, &hook(Direction::Ingress)?, &clsact().replace(true))?;
    assert_eq!(first.place(), second.place());
    let filters = tc_filters("ingress")?;
    assert_eq!(filters.len(), 1);
    assert_eq!(filters[0]["options"]["prog"]["id"], u64::from(program.id()?));
    assert_eq!(filters[0]["pref"], 7);
    first.forget();
    second.detach()?;
    Ok(())
}

fn moves() -> Outcome {
    let first = attach_clsact(&objects::program("tc_drop", SHOT)?)?;
    let program = objects::program("tc_drop", OK)?;
    let second = attach(&program, &hook(Direction::Ingress)?, &clsact().replace(true).priority(5))?;
    let filters = tc_filters("ingress")?;
    assert_eq!((filters.len(), &filters[0]["pref"]), (1, &5.into()));
    drop((first, second));
    Ok(())
}

fn old_guard() -> Outcome {
    let first = attach_clsact(&objects::program("tc_drop", SHOT)?)?;
    let program = objects::program("tc_drop", OK)?;
    let second = attach(&program, &hook(Direction::Ingress)?, &clsact().replace(true))?;
    assert!(matches!(first.detach(), Err(Error::NothingAttached { .. })));
    assert_eq!(tc_filters("ingress")?.len(), 1);
    second.detach()?;
    Ok(())
}

fn ingress_qdisc() -> Outcome {
    command("tc qdisc add dev lo ingress")?;
    let error = attach_clsact(&objects::program("tc_drop", SHOT)?).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        "lo has an `ingress` qdisc, which takes the place of clsact: tc qdisc del dev lo ingress"
    );
    foreign("parent ffff:", 3)?;
    assert_eq!(attached(&hook(Direction::Ingress)?)?.len(), 1);
    assert_eq!(attached(&hook(Direction::Egress)?)?, []);
    Ok(())
}

/// Adds a classic BPF filter of somebody else.
fn foreign(place: &str, priority: u16) -> Outcome {
    // The program is one word with blanks in it.
    let words = format!("filter add dev lo {place} prio {priority} bpf bytecode");
    let output = Command::new("tc").args(words.split_whitespace()).arg("1,6 0 0 0").output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

fn foreign_survives() -> Outcome {
    command("tc qdisc add dev lo clsact")?;
    foreign("ingress", 1000)?;
    foreign("ingress", 5)?;
    let before = tc_filters("ingress")?;
    assert_eq!(before.len(), 2);
    let program = objects::program("tc_drop", SHOT)?;
    for round in 0..100 {
        let held = attach_clsact(&program)?;
        assert_eq!(tc_filters("ingress")?.len(), 3);
        if round % 2 == 0 {
            held.detach()?;
        } else {
            held.forget();
            detach_ours(&hook(Direction::Ingress)?)?;
        }
    }
    assert_eq!(tc_filters("ingress")?, before);
    assert!(matches!(detach_ours(&hook(Direction::Ingress)?), Err(Error::NothingAttached { .. })));
    assert!(command("tc qdisc show dev lo")?.contains("clsact"));
    Ok(())
}

fn order() -> Outcome {
    let names = ["last", "first", "before_last"];
    let priorities = [20, 10, 20];
    let mut held = Vec::new();
    for (name, priority) in names.into_iter().zip(priorities) {
        held.push(attach(&objects::program(name, OK)?, &hook(Direction::Ingress)?, &clsact().priority(priority))?);
    }
    let entries = attached(&hook(Direction::Ingress)?)?;
    let order: Vec<_> = entries.iter().filter_map(Entry::program_name).collect();
    assert_eq!(order, ["first", "before_last", "last"]);
    Ok(())
}

fn forgotten() -> Outcome {
    let ids: Vec<u32> = ["one", "two"]
        .into_iter()
        .map(|name| {
            let program = objects::program(name, OK)?;
            attach_clsact(&program)?.forget();
            program.id()
        })
        .collect::<Result<_, _>>()?;
    // The filters hold the programs, although their descriptors are closed.
    let detached = detach_ours(&hook(Direction::Ingress)?)?;
    let mut found: Vec<u32> = detached.iter().filter_map(Entry::program_id).collect();
    found.sort_unstable();
    assert_eq!(found, ids);
    assert!(tc_filters("ingress")?.is_empty());
    Ok(())
}

fn own_namespace() -> Outcome {
    let here = std::fs::File::open("/proc/thread-self/ns/net")?;
    let held = attach_clsact(&objects::program("tc_drop", SHOT)?)?;
    bpfasm_loader::sys::unshare_net()?;
    held.detach()?;
    nix::sched::setns(&here, nix::sched::CloneFlags::CLONE_NEWNET)?;
    assert!(tc_filters("ingress")?.is_empty());
    Ok(())
}

fn device_goes() -> Outcome {
    command("ip link add a0 type veth peer name a1")?;
    let hook = Hook::new("a0", Direction::Ingress)?;
    let program = objects::program("tc_drop", SHOT)?;
    let held = attach(&program, &hook, &clsact())?;
    command("ip link del a0")?;
    assert_eq!(held.detach().expect_err("it is refused").kind(), ErrorKind::NotFound);
    assert!(matches!(attach(&program, &hook, &clsact()), Err(Error::DeviceGone { .. })));
    assert!(matches!(Hook::new("a0", Direction::Ingress), Err(Error::NoSuchDevice { .. })));
    Ok(())
}

fn kernels_words() -> Outcome {
    command("tc qdisc add dev lo clsact")?;
    foreign("ingress protocol ip", 1000)?;
    let error = attach_clsact(&objects::program("tc_drop", SHOT)?).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        "tc:lo:ingress: priority 1000 belongs to `bpf` filters of protocol 0x0800 \
         (Protocol mismatch for filter with specified priority: Invalid argument (EINVAL))"
    );
    Ok(())
}

fn many() -> Outcome {
    let names: Vec<String> = (0..200).map(|number| format!("program_{number}")).collect();
    for (name, priority) in names.iter().zip(1..) {
        attach(&objects::program(name, OK)?, &hook(Direction::Ingress)?, &clsact().priority(priority))?.forget();
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| -> Outcome {
        let churn = scope.spawn(|| -> Result<u32, Error> {
            let mut rounds = 0;
            let program = objects::program("churn", OK)?;
            while !stop.load(Ordering::Relaxed) {
                attach(&program, &hook(Direction::Ingress)?, &clsact().priority(100))?.detach()?;
                rounds += 1;
            }
            Ok(rounds)
        });
        let listed = (0..50).try_for_each(|_| -> Outcome {
            let entries = attached(&hook(Direction::Ingress)?)?;
            let found: Vec<&str> = entries.iter().filter_map(Entry::program_name).filter(|n| *n != "churn").collect();
            assert_eq!(found, names);
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        assert!(churn.join().map_err(|_| "panicked")?? > 10);
        listed
    })
}
