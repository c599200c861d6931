//! TCX links, and the choice between the mechanisms, on `lo` of a fresh namespace.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bpfasm_loader::attach::tc::{Direction, Entry, Hook, Mode, Options, Place, attach, attached, detach_ours};
use bpfasm_loader::{Error, ErrorKind, sys};
use libtest_mimic::Trial;

use crate::harness::{Need, Outcome, command, tc_filters, test, without_bpffs};
use crate::objects::{self, OK, SHOT};

const NEEDS: &[Need] = &[Need::Privileges, Need::Tcx, Need::Iproute2];

pub fn tests() -> Vec<Trial> {
    vec![
        test("tcx: a link and its end", NEEDS, link),
        test("tcx: auto prefers a link", NEEDS, auto),
        test("tcx: a second attach is a conflict, by either mechanism", NEEDS, conflict),
        test("tcx: a replacement keeps the link", NEEDS, replacement),
        test("tcx: a replacement moves to the other mechanism", NEEDS, moves),
        test("tcx: what is persistent is found, detached and unpinned", NEEDS, persistent),
        test("tcx: nothing is pinned where others may remove it", NEEDS, open_folder),
        test("tcx: a pinned program of others counts as ours", NEEDS, pinned_foreign),
        test("tcx: foreign links stay", NEEDS, foreign_stays),
        test("tcx: of two that attach at once, one wins", NEEDS, race),
        test("tc: packets are dropped while attached", NEEDS, packets),
        test("tc: no packet passes while a program is replaced", NEEDS, no_gap),
        test("tc: only programs of the type are taken", NEEDS, wrong_program),
    ]
}

fn ingress() -> Result<Hook, Error> {
    Hook::new("lo", Direction::Ingress)
}

fn tcx() -> Options {
    Options::new().mode(Mode::Tcx)
}

fn link() -> Outcome {
    let program = objects::program("a_name_longer_than_15_bytes", SHOT)?;
    for direction in [Direction::Ingress, Direction::Egress] {
        let hook = Hook::new("lo", direction)?;
        let held = attach(&program, &hook, &tcx())?;
        let entries = attached(&hook)?;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].program_name(), Some("a_name_longer_than_15_bytes"));
        assert_eq!((entries[0].is_ours(), entries[0].place()), (true, &held.place()));
        held.detach()?;
        assert_eq!(attached(&hook)?, []);
        drop(attach(&program, &hook, &tcx())?);
        assert_eq!(attached(&hook)?, []);
    }
    Ok(())
}

fn auto() -> Outcome {
    let held = attach(&objects::program("tc_drop", SHOT)?, &ingress()?, &Options::default())?;
    assert_eq!(held.mode(), Mode::Tcx);
    // A link needs no qdisc.
    assert!(!command("tc qdisc show dev lo")?.contains("clsact"));
    Ok(())
}

fn conflict() -> Outcome {
    let program = objects::program("tc_drop", SHOT)?;
    for (first, second) in [(Mode::Tcx, Mode::Clsact), (Mode::Clsact, Mode::Auto), (Mode::Tcx, Mode::Tcx)] {
        let held = attach(&program, &ingress()?, &Options::new().mode(first))?;
        let error = attach(&program, &ingress()?, &Options::new().mode(second)).expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        held.detach()?;
    }
    Ok(())
}

fn replacement() -> Outcome {
    let first = attach(&objects::program("tc_drop", SHOT)?, &ingress()?, &tcx())?;
    let program = objects::program("tc_drop", OK)?;
    let second = attach(&program, &ingress()?, &Options::new().replace(true))?;
    assert_eq!(first.place(), second.place());
    assert!(matches!(first.detach(), Err(Error::NothingAttached { .. })));
    let entries = attached(&ingress()?)?;
    assert_eq!(entries.iter().filter_map(Entry::program_id).collect::<Vec<_>>(), [program.id()?]);
    second.detach()?;
    assert_eq!(attached(&ingress()?)?, []);
    Ok(())
}

fn moves() -> Outcome {
    let hook = ingress()?;
    let first = attach(&objects::program("tc_drop", SHOT)?, &hook, &Options::new().mode(Mode::Clsact))?;
    // Where it is, unless asked to move.
    let second = attach(&objects::program("tc_drop", SHOT)?, &hook, &Options::new().replace(true))?;
    assert_eq!(second.mode(), Mode::Clsact);
    let third = attach(&objects::program("tc_drop", SHOT)?, &hook, &tcx().replace(true))?;
    assert_eq!((third.mode(), tc_filters("ingress")?.len(), attached(&hook)?.len()), (Mode::Tcx, 0, 1));
    let back = attach(&objects::program("tc_drop", SHOT)?, &hook, &Options::new().mode(Mode::Clsact).replace(true))?;
    assert_eq!((back.mode(), attached(&hook)?.len()), (Mode::Clsact, 1));
    drop((first, second, third));
    assert_eq!(attached(&hook)?.len(), 1);
    Ok(())
}

fn open_folder() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    without_bpffs()?;
    let folder = bpfasm_loader::bpffs::ensure()?.join(bpfasm_loader::bpffs::DIRECTORY);
    std::fs::create_dir(&folder)?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))?;
    let hook = ingress()?;
    let held = attach(&objects::program("tc_drop", SHOT)?, &hook, &tcx())?;
    let error = held.persist().expect_err("a folder that everybody may write to");
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert_eq!(std::fs::read_dir(&folder)?.count(), 0);
    assert_eq!(attached(&hook)?, [], "what could not be kept is not left behind");
    Ok(())
}

fn persistent() -> Outcome {
    without_bpffs()?;
    let hook = ingress()?;
    let held = attach(&objects::program("tc_drop", SHOT)?, &hook, &tcx())?;
    let Place::Tcx { link_id: Some(id) } = held.place() else { return Err("no link".into()) };
    let path = held.persist()?.ok_or("no pin")?;
    assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(format!("tc_drop-{id}").as_str()));
    assert!(attached(&hook)?[0].is_ours());
    // Replacing it keeps the pin.
    let again = attach(&objects::program("tc_drop", OK)?, &hook, &Options::new().replace(true))?;
    assert_eq!(again.persist()?, Some(path.clone()));
    assert_eq!(detach_ours(&hook)?.len(), 1);
    assert!(!path.exists());
    assert_eq!(attached(&hook)?, []);
    // A filter stays by itself.
    let filter = attach(&objects::program("tc_drop", OK)?, &hook, &Options::new().mode(Mode::Clsact))?;
    assert_eq!(filter.persist()?, None);
    assert_eq!(detach_ours(&hook)?.len(), 1);
    Ok(())
}

/// A program that another loader has loaded: no BTF, no mark.
fn of_others() -> Result<std::os::fd::OwnedFd, Box<dyn std::error::Error + Send + Sync>> {
    let insns = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut load = sys::ProgLoad {
        prog_type: 3,
        expected_attach_type: 0,
        code: &insns,
        license: c"GPL",
        name: "others",
        flags: 0,
        btf: None,
        func_info: &[],
        line_info: &[],
        log_level: 0,
        log: &mut [],
    };
    sys::prog_load(&mut load).map_err(|failure| failure.errno.to_string().into())
}

fn pinned_foreign() -> Outcome {
    use std::os::fd::AsFd;
    without_bpffs()?;
    let fd = of_others()?;
    let program = bpfasm_loader::Program::from_id(sys::prog_info(fd.as_fd())?.id)?;
    let held = attach(&program, &ingress()?, &tcx())?;
    assert!(!attached(&ingress()?)?[0].is_ours());
    let path = held.persist()?.ok_or("no pin")?;
    assert!(attached(&ingress()?)?[0].is_ours());
    detach_ours(&ingress()?)?;
    assert!(!path.exists());
    Ok(())
}

fn foreign_stays() -> Outcome {
    use std::os::fd::AsFd;
    let hook = ingress()?;
    let fd = of_others()?;
    let _link = sys::link_create_tcx(fd.as_fd(), hook.ifindex(), 46, 0)?;
    let held = attach(&objects::program("tc_drop", SHOT)?, &hook, &tcx())?;
    let entries = attached(&hook)?;
    assert_eq!(entries.iter().map(Entry::is_ours).collect::<Vec<_>>(), [false, true]);
    assert_eq!(entries[0].program_name(), Some("others"));
    assert_eq!(detach_ours(&hook)?.len(), 1);
    assert_eq!(attached(&hook)?.len(), 1);
    assert!(held.detach().is_err());
    Ok(())
}

fn race() -> Outcome {
    let hook = ingress()?;
    for _ in 0..10 {
        let program = objects::program("tc_drop", SHOT)?;
        let results: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| attach(&program, &hook, &tcx()))).collect();
            threads.into_iter().map(|thread| thread.join().map_err(|_| "panicked")).collect::<Result<_, _>>()
        })?;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let lost = results.iter().filter(|result| matches!(result, Err(Error::AlreadyAttached { .. })));
        assert_eq!(lost.count(), 3);
    }
    Ok(())
}

/// A sender and a receiver on `lo`.
fn sockets() -> Result<(UdpSocket, UdpSocket), Box<dyn std::error::Error + Send + Sync>> {
    command("ip link set lo up")?;
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.connect(receiver.local_addr()?)?;
    Ok((sender, receiver))
}

fn packets() -> Outcome {
    let (sender, receiver) = sockets()?;
    // What is sent over lo is there, or dropped, when send returns.
    receiver.set_read_timeout(Some(Duration::from_millis(50)))?;
    let passes = || sender.send(b"x").is_ok() && receiver.recv(&mut [0; 8]).is_ok();
    let program = objects::program("tc_drop", SHOT)?;
    for mode in [Mode::Clsact, Mode::Tcx] {
        for direction in [Direction::Ingress, Direction::Egress] {
            assert!(passes());
            let held = attach(&program, &Hook::new("lo", direction)?, &Options::new().mode(mode))?;
            assert!(!passes(), "{held}");
            held.detach()?;
            assert!(passes());
        }
    }
    Ok(())
}

fn no_gap() -> Outcome {
    let (sender, receiver) = sockets()?;
    receiver.set_nonblocking(true)?;
    for mode in [Mode::Clsact, Mode::Tcx] {
        let options = Options::new().mode(mode).replace(true);
        let mut held = attach(&objects::program("tc_drop", SHOT)?, &ingress()?, &options)?;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| -> Outcome {
            let traffic = scope.spawn(|| {
                let mut sent = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    sent += u64::from(sender.send(b"x").is_ok());
                }
                sent
            });
            let swaps = (0..100).try_for_each(|_| -> Outcome {
                let program = objects::program("tc_drop", SHOT)?;
                let next = attach(&program, &ingress()?, &options)?;
                drop(std::mem::replace(&mut held, next));
                Ok(())
            });
            stop.store(true, Ordering::Relaxed);
            let sent = traffic.join().map_err(|_| "panicked")?;
            swaps?;
            assert!(sent > 100, "{sent}");
            Ok(())
        })?;
        assert!(receiver.recv(&mut [0; 8]).is_err(), "a packet passed between two programs ({mode})");
        held.detach()?;
    }
    Ok(())
}

fn wrong_program() -> Outcome {
    let mut loaded = bpfasm_loader::load(&objects::untyped("xdp_pass", "xdp", &objects::returning(2)))?;
    let error = attach(&loaded.take_program("xdp_pass")?, &ingress()?, &tcx()).expect_err("it is refused");
    assert_eq!(error.to_string(), "`xdp_pass` is a xdp program, and a tc hook takes sched_cls only");
    let program = objects::program("tc_drop", OK)?;
    assert_eq!(attach(&program, &ingress()?, &tcx().priority(0)).expect_err("it is refused").kind(), ErrorKind::Usage);
    Ok(())
}
