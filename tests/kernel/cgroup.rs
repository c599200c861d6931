//! Control groups: a port that is blocked for a group's sockets, in every mode, and what each operation leaves attached, by
//! bpftool's word.

use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bpfasm::{
    loader::{
        ErrorKind, Program as Loaded,
        attach::cgroup::{self as loader, Entry, Mode, Options},
        sys,
    },
    object::{elf, kernel::AttachType},
    prelude::*,
};
use bpfasm_programs::cgroup_ingress::cgroup_ingress;
use bpfasm_tests::{
    Case, Need, Sandbox,
    cgroup::inside,
    cli,
    cli::bpfasm,
    command,
    command::{Running, finish, succeed},
    eventually,
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CARGO, CGROUP_REVISIONS, CGROUP2, CLI},
    net::link,
    sandbox, slowed,
    soak::rounds,
};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    fixture,
    hook::{assert_unloaded, number},
};

pub(crate) const NEEDS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &CGROUP2, &BPFFS, &BPFTOOL, &CLI];
pub(crate) const MODES: [Mode; 4] = [Mode::Link, Mode::None, Mode::Override, Mode::Multi];

/// The port that the program blocks, and one that it does not.
const BLOCKED: u16 = 8080;
const FREE: u16 = 8081;
/// A SYN that is dropped is sent again after a second; one that is not is answered at once.
const SOON: Duration = Duration::from_millis(500);

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in MODES {
        let name = |what: &str| format!("cgroup::{what}::{mode}");
        let built = [NEEDS, &[&CARGO]].concat();
        cases.push(Case::new(name("source_blocks_until_detached"), &built, move |sandbox| {
            blocks_until_detached(sandbox, mode);
        }));
        cases
            .push(Case::new(name("leaves_what_it_should"), NEEDS, move |sandbox| leaves_what_it_should(sandbox, mode)));
        cases.push(Case::new(name("holds"), NEEDS, move |sandbox| holds(sandbox, mode)));
        cases.push(Case::new(name("guards"), NEEDS, move |sandbox| guards(sandbox, mode)));
        cases.push(Case::new(name("a_swap_leaves_no_gap"), NEEDS, move |sandbox| a_swap_leaves_no_gap(sandbox, mode)));
        cases.push(Case::new(name("persists"), NEEDS, move |sandbox| persists(sandbox, mode)));
        let racing = [NEEDS, &[&CGROUP_REVISIONS]].concat();
        cases.push(Case::new(name("of_two_at_once_one_wins"), &racing, move |sandbox| {
            of_two_at_once_one_wins(sandbox, mode);
        }));
        for foreign in ["", "override", "multi"] {
            let name = name(&format!("foreign_stays::{}", if foreign.is_empty() { "none" } else { foreign }));
            cases.push(Case::new(name, NEEDS, move |sandbox| foreign_stays(sandbox, mode, foreign)));
        }
    }
    cases.push(Case::new("cgroup::a_swap_moves_from_link_to_multi", NEEDS, a_swap_moves_from_link_to_multi));
    cases.push(Case::new("cgroup::of_any_two_modes_one_stays", NEEDS, of_any_two_modes_one_stays));
    cases.push(Case::new("cgroup::a_group_above_allows_none", NEEDS, a_group_above_allows_none));
    cases.push(Case::new("cgroup::effective_lists_those_above", NEEDS, effective_lists_those_above));
    cases.push(Case::new("cgroup::what_is_no_group_is_refused", NEEDS, what_is_no_group_is_refused));
    cases.push(Case::new("cgroup::a_removed_group_is_gone", NEEDS, a_removed_group_is_gone));
    cases.push(Case::new("cgroup::half_done_is_undone", NEEDS, half_done_is_undone));
    cases
}

/// Servers of a group, on loopback.
pub(crate) struct Servers([TcpListener; 2]);

impl Servers {
    #[track_caller]
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        link::set_up("lo", &[]).unwrap();
        let listen = |port| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        Servers(inside(sandbox.cgroup(), || [BLOCKED, FREE].map(listen)))
    }

    /// Which of the two can be connected to.
    pub(crate) fn reachable(&self) -> [bool; 2] {
        let connects =
            |server: &TcpListener| TcpStream::connect_timeout(&server.local_addr().unwrap(), slowed(SOON)).is_ok();
        self.0.each_ref().map(connects)
    }
}

fn hook(group: &Path) -> String {
    format!("cgroup:{}:ingress", group.display())
}

pub(crate) fn attach(file: &Path, group: &Path, mode: Mode) -> Command {
    let mut command = bpfasm();
    command.arg("attach").arg(file).arg(hook(group)).args(["--mode", &mode.to_string()]);
    command
}

fn detach(group: &Path) -> Command {
    let mut command = bpfasm();
    command.arg("detach").arg(hook(group));
    command
}

/// The object of the program under test.
pub(crate) fn object(sandbox: &Sandbox) -> PathBuf {
    let file = sandbox.scratch().join("cgroup_ingress.o");
    fs::write(&file, elf::write(&cgroup_ingress.compile().unwrap()).unwrap()).unwrap();
    file
}

/// What is attached to a group, by bpftool's word: program ids and how.
#[track_caller]
pub(crate) fn attached(group: &Path) -> Vec<(u32, String)> {
    let shown = finish(command!("bpftool", "-j", "cgroup", "show").arg(group));
    if !shown.succeeded() {
        return queried(group);
    }
    // With nothing attached, bpftool prints nothing.
    let shown = if shown.stdout.trim().is_empty() { Value::Array(Vec::new()) } else { shown.json() };
    let row = |row: &Value| {
        assert_eq!(row["attach_type"], "cgroup_inet_ingress", "{row}");
        (number(&row["id"]), row["attach_flags"].as_str().unwrap_or_default().to_owned())
    };
    shown.as_array().unwrap().iter().map(row).collect()
}

/// The same by the kernel's word: bpftool asks for the flags of each program, which kernels before 6.0 refuse to tell.
#[track_caller]
fn queried(group: &Path) -> Vec<(u32, String)> {
    let folder = File::open(group).unwrap();
    let found = sys::prog_query_cgroup(folder.as_fd(), AttachType::CGROUP_INET_INGRESS.0, false).unwrap();
    let how = match found.attach_flags {
        sys::BPF_F_ALLOW_MULTI => "multi",
        sys::BPF_F_ALLOW_OVERRIDE => "override",
        _ => "",
    };
    found.prog_ids.into_iter().map(|id| (id, how.to_owned())).collect()
}

/// bpftool's word for a mode.
fn flags(mode: Mode) -> &'static str {
    match mode {
        Mode::Link | Mode::Multi => "multi",
        Mode::Override => "override",
        Mode::None => "",
    }
}

/// There must be exactly one program, attached so. Gives its id.
#[track_caller]
fn the_one(group: &Path, mode: Mode) -> u32 {
    let all = attached(group);
    let [(id, how)] = &all[..] else { panic!("one program expected: {all:?}") };
    assert_eq!(how, flags(mode));
    *id
}

/// What is pinned in our folder.
fn pins() -> usize {
    fs::read_dir(Path::new(sandbox::BPFFS).join("bpfasm")).map_or(0, Iterator::count)
}

fn blocks_until_detached(sandbox: &Sandbox, mode: Mode) {
    let (group, servers) = (sandbox.cgroup(), Servers::start(sandbox));
    assert_eq!(servers.reachable(), [true, true]);

    let done = succeed(&mut attach(&cli::workspace().join("programs/cgroup_ingress.rs"), group, mode));
    let undo = format!("detach cgroup:{}:cgroup_inet_ingress", group.display());
    assert!(done.stderr.contains(&undo), "should print its undo, {undo:?}: {done}");
    assert_eq!(servers.reachable(), [false, true]);
    let program = the_one(group, mode);
    assert_eq!(pins(), 1);

    succeed(&mut detach(group));
    assert_eq!(servers.reachable(), [true, true]);
    assert_eq!((attached(group), pins()), (vec![], 0));
    assert_unloaded(program);
}

fn leaves_what_it_should(sandbox: &Sandbox, mode: Mode) {
    let (group, file) = (sandbox.cgroup(), &object(sandbox));
    succeed(&mut attach(file, group, mode));
    let first = the_one(group, mode);
    finish(&mut attach(file, group, mode)).exits_with(8).says(&["error:", "--replace"]);
    assert_eq!((the_one(group, mode), pins()), (first, 1), "a conflict changes nothing");

    succeed(attach(file, group, mode).arg("--replace"));
    let second = the_one(group, mode);
    assert_ne!(second, first);
    assert_unloaded(first);
    assert_eq!(pins(), 1, "the pin of what was replaced goes, or stays with its link");

    succeed(&mut detach(group));
    assert_eq!((attached(group), pins()), (vec![], 0));
    assert_unloaded(second);
    finish(&mut detach(group)).exits_with(7).says(&["error:", "nothing of bpfasm"]);
    succeed(attach(file, group, mode).arg("--replace"));
    the_one(group, mode);
}

fn holds(sandbox: &Sandbox, mode: Mode) {
    let (group, file) = (sandbox.cgroup(), &object(sandbox));
    let holding = Running::start(attach(file, group, mode).arg("--hold"));
    eventually("--hold attaches", || (attached(group).len() == 1).then_some(()));
    assert_eq!(pins(), 0, "what is held needs no pin");
    let stopped = holding.stop(Signal::SIGTERM);
    assert!(!stopped.stderr.contains("error:"), "{stopped}");
    assert_eq!(attached(group), []);

    // What a killed process leaves is found and can be removed.
    let holding = Running::start(attach(file, group, mode).arg("--hold"));
    eventually("--hold attaches", || (attached(group).len() == 1).then_some(()));
    holding.stop(Signal::SIGKILL);
    if mode == Mode::Link {
        eventually("the link goes with its process", || attached(group).is_empty().then_some(()));
    } else {
        the_one(group, mode);
        succeed(&mut detach(group));
        assert_eq!(attached(group), []);
    }
}

/// A program of somebody else, attached by bpftool: `mode` is its word, or empty. Gives the id.
pub(crate) fn attach_foreign(sandbox: &Sandbox, group: &Path, mode: &str) -> u32 {
    let pin = Path::new(sandbox::BPFFS).join("foreign");
    if !pin.exists() {
        succeed(command!("bpftool", "prog", "load", fixture::cgroup_pass(sandbox.scratch(), "foreign")).arg(&pin));
    }
    let mut command = command!("bpftool", "cgroup", "attach");
    command.arg(group).args(["ingress", "pinned"]).arg(&pin).args(Some(mode).filter(|mode| !mode.is_empty()));
    succeed(&mut command);
    attached(group).last().unwrap().0
}

fn foreign_stays(sandbox: &Sandbox, mode: Mode, theirs: &str) {
    let (group, file) = (sandbox.cgroup(), &object(sandbox));
    let foreign = (attach_foreign(sandbox, group, theirs), theirs.to_owned());
    finish(&mut detach(group)).exits_with(7);
    let go_together = theirs == "multi" && flags(mode) == "multi";
    for replace in [&[][..], &["--replace"]] {
        let tried = finish(attach(file, group, mode).args(replace));
        if go_together {
            tried.exits_with(0);
            assert_eq!(attached(group).len(), 2);
            succeed(&mut detach(group));
        } else {
            tried.exits_with(8).says(&["error:", "does not go together"]);
        }
        assert_eq!(attached(group), std::slice::from_ref(&foreign));
        assert_eq!(pins(), 0);
    }
}

fn a_swap_moves_from_link_to_multi(sandbox: &Sandbox) {
    let (group, file) = (sandbox.cgroup(), &object(sandbox));
    for mode in [Mode::Link, Mode::Multi, Mode::Link] {
        succeed(attach(file, group, mode).arg("--replace"));
        the_one(group, mode);
        assert_eq!(pins(), 1);
        let links = succeed(&mut command!("bpftool", "-j", "link", "show")).json();
        let here = |link: &&Value| link["attach_type"] == "cgroup_inet_ingress" && link["cgroup_id"] == id_of(group);
        let count = links.as_array().unwrap().iter().filter(here).count();
        assert_eq!(count, usize::from(mode == Mode::Link));
    }
    finish(attach(file, group, Mode::None).arg("--replace")).exits_with(8);
    the_one(group, Mode::Link);
}

/// One mode after the other, by `--replace`: the second takes the first one's place, or is refused. Never are there two.
fn of_any_two_modes_one_stays(sandbox: &Sandbox) {
    let (group, file) = (sandbox.cgroup(), &object(sandbox));
    for (first, second) in MODES.into_iter().flat_map(|first| MODES.map(|second| (first, second))) {
        succeed(&mut attach(file, group, first));
        let before = the_one(group, first);
        let replaced = finish(attach(file, group, second).arg("--replace"));
        if first == second || flags(first) == "multi" && flags(second) == "multi" {
            replaced.exits_with(0);
            assert_ne!(the_one(group, second), before, "{first}, {second}");
        } else {
            replaced.exits_with(8).says(&["does not go together"]);
            assert_eq!(the_one(group, first), before, "{first}, {second}");
        }
        assert_eq!(pins(), 1, "{first}, {second}");
        succeed(&mut detach(group));
        assert_eq!((attached(group), pins()), (vec![], 0), "{first}, {second}");
    }
}

fn id_of(group: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(group).unwrap().ino()
}

fn a_group_above_allows_none(sandbox: &Sandbox) {
    let (group, file) = (sandbox.cgroup(), &object(sandbox));
    let below = group.join("below");
    fs::create_dir(&below).unwrap();
    attach_foreign(sandbox, group, "");
    for mode in MODES {
        let words = ["error:", "allows none below", "does not go together"];
        finish(&mut attach(file, &below, mode)).exits_with(8).says(&words);
        assert_eq!((attached(&below), pins()), (vec![], 0));
    }
}

fn effective_lists_those_above(sandbox: &Sandbox) {
    let group = sandbox.cgroup();
    let below = group.join("below");
    fs::create_dir(&below).unwrap();
    let foreign = attach_foreign(sandbox, group, "multi");
    let program = program();
    let at = |group: &Path| loader::Hook::new(group, AttachType::CGROUP_INET_INGRESS).unwrap();
    let attachment = loader::attach(&program, &at(&below), &Options::new()).unwrap();
    let mut effective = loader::effective(&at(&below)).unwrap();
    effective.sort_unstable();
    let mut expected = [foreign, attachment.program_id()];
    expected.sort_unstable();
    assert_eq!(effective, expected);
    assert_eq!(loader::attached(&at(&below)).unwrap().len(), 1);
}

fn program() -> Loaded {
    cgroup_ingress.load().unwrap().into_program()
}

fn guards(sandbox: &Sandbox, mode: Mode) {
    let group = sandbox.cgroup();
    let hook = loader::Hook::new(group, AttachType::CGROUP_INET_INGRESS).unwrap();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for _ in 0..10 {
        let program = program();
        let options = Options::new().mode(mode);
        drop(loader::attach(&program, &hook, &options).unwrap());
        assert_eq!(attached(group), []);

        let first = loader::attach(&program, &hook, &options).unwrap();
        let error = loader::attach(&program, &hook, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let newer = self::program();
        let second = loader::attach(&newer, &hook, &options.replace(true)).unwrap();
        assert_eq!(the_one(group, mode), newer.id().unwrap());
        let error = first.detach().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "what was replaced detaches nothing: {error}");
        assert_eq!(the_one(group, mode), newer.id().unwrap());
        second.detach().unwrap();
        assert_eq!(attached(group), []);
    }
    assert_eq!(descriptors(), before);
}

/// Drops all datagrams.
#[program(cgroup_skb/ingress)]
pub(crate) fn no_udp(skb: &mut CgroupSkb) -> Cgroup {
    let Some(ip) = skb.header::<Ipv4Hdr>(0) else { return Cgroup::PASS };
    if ip.protocol() == IPPROTO_UDP { Cgroup::DROP } else { Cgroup::PASS }
}

fn a_swap_leaves_no_gap(sandbox: &Sandbox, mode: Mode) {
    link::set_up("lo", &[]).unwrap();
    let receiver = inside(sandbox.cgroup(), || UdpSocket::bind("127.0.0.1:0")).unwrap();
    receiver.set_nonblocking(true).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let hook = loader::Hook::new(sandbox.cgroup(), AttachType::CGROUP_INET_INGRESS).unwrap();
    let attach = || loader::attach(&no_udp.load().unwrap(), &hook, &Options::new().mode(mode).replace(true)).unwrap();

    let mut held = attach();
    let stop = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut sent = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                sent += u64::from(sender.send(b"x").is_ok());
            }
            sent
        });
        for _ in 0..rounds(100, 1000) {
            drop(std::mem::replace(&mut held, attach()));
        }
        stop.store(true, Ordering::Relaxed);
        flood.join().unwrap()
    });
    assert!(sent > 1000, "{sent}");
    let received = receiver.recv(&mut [0; 8]);
    assert_eq!(received.unwrap_err().kind(), io::ErrorKind::WouldBlock, "a packet passed between two programs");
    held.detach().unwrap();
    sender.send(b"x").unwrap();
    eventually("a datagram arrives once nothing is attached", || receiver.recv(&mut [0; 8]).ok());
}

fn persists(sandbox: &Sandbox, mode: Mode) {
    let group = sandbox.cgroup();
    let hook = loader::Hook::new(group, AttachType::CGROUP_INET_INGRESS).unwrap();
    // Loaded by somebody else, so that nothing but the pin tells that we have attached it.
    let pin = Path::new(sandbox::BPFFS).join("theirs");
    succeed(command!("bpftool", "prog", "load", fixture::cgroup_pass(sandbox.scratch(), "theirs")).arg(&pin));
    let theirs = Loaded::from_pin(&pin).unwrap();
    let attachment = loader::attach(&theirs, &hook, &Options::new().mode(mode)).unwrap();
    let owners = || loader::attached(&hook).unwrap().iter().map(Entry::is_ours).collect::<Vec<_>>();
    assert_eq!(owners(), [false]);
    let kept = attachment.keep().unwrap();
    assert_eq!(owners(), [true]);
    drop(attachment);
    assert_eq!((owners(), kept.exists()), (vec![], false), "a guard takes its pin along");

    let kept = loader::attach(&theirs, &hook, &Options::new().mode(mode)).unwrap().persist().unwrap();
    assert_eq!((owners(), kept.exists()), (vec![true], true));
    assert_eq!(loader::detach_ours(&hook).unwrap().len(), 1);
    assert_eq!((owners(), kept.exists()), (vec![], false));
    let error = loader::detach_ours(&hook).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

fn what_is_no_group_is_refused(sandbox: &Sandbox) {
    let file = &object(sandbox);
    let group = sandbox.cgroup();
    finish(&mut attach(file, sandbox.scratch(), Mode::Link))
        .exits_with(2)
        .says(&["no control group", "/sys/fs/cgroup"]);
    finish(&mut attach(file, &group.join("missing"), Mode::Link)).exits_with(7).says(&["no control group", "missing"]);
    finish(&mut attach(&fixture::tc_drop(sandbox.scratch()), group, Mode::Link)).exits_with(2).says(&["tc_drop (tc)"]);
    finish(bpfasm().arg("attach").arg(file).args([&hook(group), "--mode", "tcx"])).exits_with(2).says(&["--mode link"]);
    finish(bpfasm().arg("attach").arg(file).args([&hook(group), "tc:lo:ingress"]))
        .exits_with(2)
        .says(&["tc:lo:ingress"]);
    finish(bpfasm().arg("attach").arg(file).args([&hook(group), "--prio", "7"])).exits_with(2).says(&["--prio"]);
    assert_eq!(attached(group), []);
}

/// Of two hooks, the second refuses: nothing stays at the first, and no pin.
fn half_done_is_undone(sandbox: &Sandbox) {
    let (group, file) = (sandbox.cgroup(), &object(sandbox));
    let taken = group.join("taken");
    fs::create_dir(&taken).unwrap();
    attach_foreign(sandbox, &taken, "override");
    for mode in [Mode::Link, Mode::Multi] {
        finish(attach(file, group, mode).arg(hook(&taken))).exits_with(8).says(&["undoing"]);
        assert_eq!((attached(group), pins()), (vec![], 0));
        assert_eq!(attached(&taken).len(), 1);
    }
}

fn a_removed_group_is_gone(sandbox: &Sandbox) {
    let below = sandbox.cgroup().join("below");
    let program = program();
    for mode in MODES {
        fs::create_dir(&below).unwrap();
        let hook = loader::Hook::new(&below, AttachType::CGROUP_INET_INGRESS).unwrap();
        let attachment = loader::attach(&program, &hook, &Options::new().mode(mode)).unwrap();
        fs::remove_dir(&below).unwrap();
        let error = loader::attached(&hook).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        // The kernel takes links off a removed group a moment later: until then there is one to detach.
        if let Err(error) = attachment.detach() {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
        finish(&mut detach(&below)).exits_with(7);
    }
}

fn of_two_at_once_one_wins(sandbox: &Sandbox, mode: Mode) {
    let hook = loader::Hook::new(sandbox.cgroup(), AttachType::CGROUP_INET_INGRESS).unwrap();
    let programs = [program(), program()];
    for _ in 0..rounds(50, 1000) {
        let start = Barrier::new(programs.len());
        let attach = |program| {
            start.wait();
            loader::attach(program, &hook, &Options::new().mode(mode))
        };
        let results = thread::scope(|scope| {
            let attach = &attach;
            let threads = programs.each_ref().map(|program| scope.spawn(move || attach(program)));
            threads.map(|thread| thread.join().unwrap())
        });
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 1), "{won:?} {lost:?}");
        for error in lost.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
        let [Ok(attachment)] = &won[..] else { panic!("{won:?}") };
        assert_eq!(the_one(sandbox.cgroup(), mode), attachment.program_id());
    }
}
