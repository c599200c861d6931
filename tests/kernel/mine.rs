//! `bpfasm detach --mine`: everything of ours goes, pins left over included, and nothing of anybody else.

use std::{
    fs,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use bpfasm::{
    loader::{
        attach::{cgroup::Mode as CgroupMode, tc},
        sys,
    },
    object::kernel::AttachType,
};
use bpfasm_tests::{
    Case, Need, Sandbox,
    cli::bpfasm,
    command,
    command::{Finished, Running, finish, succeed},
    eventually,
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CGROUP2, CLI, CLS_BPF, CLSACT, TC, TCX, VETH},
    net::{DEVICE, Direction, Namespace, Wire, link, qdisc},
    sandbox,
};
use serde_json::Value;

use crate::{
    cgroup, fixture,
    hook::{self, Mode, PRIORITY, tc_add, tc_filters},
};

const NEEDS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &VETH, &CLSACT, &CLS_BPF, &TCX, &BPFFS, &BPFTOOL, &CLI];

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let everywhere = [NEEDS, &[&TC, &CGROUP2]].concat();
    let groups = [NEEDS, &[&CGROUP2]].concat();
    let mut cases = vec![
        Case::new("mine::everything_goes_and_nothing_foreign", &everywhere, everything_goes),
        Case::new("mine::what_is_held_goes_too", NEEDS, what_is_held_goes_too),
        Case::new("mine::pins_of_detached_links_go", &groups, pins_of_detached_links_go),
        Case::new("mine::words_that_are_no_groups", &groups, words_that_are_no_groups),
    ];
    for mode in [CgroupMode::Link, CgroupMode::None, CgroupMode::Override, CgroupMode::Multi] {
        let name = format!("mine::pins_of_a_removed_group_go::{mode}");
        cases.push(Case::new(name, &groups, move |sandbox| pins_of_a_removed_group_go(sandbox, mode)));
    }
    for mode in [Mode::Clsact, Mode::Tcx] {
        let name = format!("mine::another_namespace_stays::{}", mode.name());
        cases.push(Case::new(name, NEEDS, move |sandbox| another_namespace_stays(sandbox, mode)));
    }
    cases
}

/// `bpfasm detach --mine GROUP...`.
pub(crate) fn mine(groups: &[&Path]) -> Finished {
    finish(bpfasm().args(["detach", "--mine"]).args(groups))
}

/// What is pinned in our folder.
pub(crate) fn pins() -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(sandbox::BPFFS).join("bpfasm"));
    entries.map_or_else(|_| Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

/// The ids of the programs at a TCX hook, by the kernel's word.
fn tcx(direction: Direction) -> Vec<u32> {
    let attach_type = match direction {
        Direction::Ingress => AttachType::TCX_INGRESS,
        Direction::Egress => AttachType::TCX_EGRESS,
    };
    let queried = sys::prog_query_tcx(link::index(DEVICE).unwrap(), attach_type.0).unwrap();
    queried.entries.iter().map(|entry| entry.prog_id).collect()
}

/// Everything that is attached in a namespace and to two groups, and pinned in our folder.
#[derive(Debug, PartialEq)]
struct State {
    filters: Vec<Value>,
    tcx: Vec<u32>,
    groups: Vec<Vec<(u32, String)>>,
    pins: Vec<PathBuf>,
}

impl State {
    fn of(groups: [&Path; 2]) -> Self {
        State {
            filters: Direction::ALL.iter().flat_map(|&direction| tc_filters(direction)).collect(),
            tcx: Direction::ALL.iter().flat_map(|&direction| tcx(direction)).collect(),
            groups: groups.iter().map(|group| cgroup::attached(group)).collect(),
            pins: pins(),
        }
    }
}

fn everything_goes(sandbox: &Sandbox) {
    let _wire = Wire::new(Direction::Ingress).unwrap();
    let (group, below) = (sandbox.cgroup(), sandbox.cgroup().join("below"));
    fs::create_dir(&below).unwrap();
    let groups = [group, &below];
    // Somebody else's: filters beside ours, a link of a program that is called as ours is, programs of the groups, and
    // things in our own folder under names like ours.
    qdisc::add(DEVICE, qdisc::Kind::Clsact).unwrap();
    for (direction, priority) in [(Direction::Ingress, PRIORITY), (Direction::Egress, 7)] {
        succeed(tc_add(direction, priority).args(["bpf", "bytecode", "1,6 0 0 0", "flowid", "1:1"]));
    }
    let folder = Path::new(sandbox::BPFFS).join("bpfasm");
    if !folder.exists() {
        fs::create_dir(&folder).unwrap();
    }
    let theirs = folder.join("theirs-7");
    succeed(command!("bpftool", "prog", "load", fixture::tc_drop(sandbox.scratch())).arg(&theirs));
    let program = sys::obj_get(&theirs).unwrap();
    let device = link::index(DEVICE).unwrap();
    let _link = sys::link_create_tcx(program.as_fd(), device, AttachType::TCX_INGRESS.0, 0).unwrap();
    for group in groups {
        cgroup::attach_foreign(sandbox, group, "multi");
    }
    let before = State::of(groups);
    assert_eq!((before.filters.len(), before.tcx.len(), before.pins.len()), (2, 1, 1));
    mine(&groups).exits_with(7).says(&["error:", "nothing of bpfasm", "network namespace"]);

    let file = fixture::tc_drop(sandbox.scratch());
    let attach = |words: &[&str]| succeed(bpfasm().arg("attach").arg(&file).args(words));
    attach(&["tc:v0:ingress", "--mode", "clsact"]);
    attach(&["tc:v0:egress", "--mode", "clsact", "--prio", "7"]);
    attach(&["tc:lo:ingress", "--mode", "tcx"]);
    attach(&["tc:lo:egress", "tc:v0:egress", "--mode", "tcx", "--replace"]);
    let object = cgroup::object(sandbox);
    succeed(&mut cgroup::attach(&object, group, CgroupMode::Link));
    succeed(&mut cgroup::attach(&object, &below, CgroupMode::Multi));
    let attached = State::of(groups);
    assert_eq!((attached.filters.len(), attached.tcx.len(), attached.pins.len()), (3, 2, 6), "{attached:?}");

    let planned = succeed(bpfasm().args(["detach", "--mine", "--dry-run"]).args(groups));
    assert_eq!(planned.stderr.matches("would detach ").count(), 6, "{planned}");
    assert_eq!(State::of(groups), attached, "a dry run changes nothing");

    // Without groups, those keep what they have.
    let taken = mine(&[]).exits_with(0).says(&["tc:v0:ingress", "tc:lo:ingress", "tc:lo:egress", "tc:v0:egress"]);
    assert_eq!(taken.stderr.matches("detached ").count(), 4, "{taken}");
    assert_eq!(taken.stderr.matches("removed pin ").count(), 3, "{taken}");
    let between = State::of(groups);
    assert_eq!((&between.filters, &between.tcx, &between.groups), (&before.filters, &before.tcx, &attached.groups));
    assert_eq!(between.pins.len(), before.pins.len() + 2);
    mine(&[]).exits_with(7);

    let taken = mine(&[group]).exits_with(0).says(&["below:cgroup_inet_ingress", "attached in mode multi"]);
    assert_eq!(taken.stderr.matches("detached ").count(), 2, "{taken}");
    assert_eq!(State::of(groups), before);
    mine(&groups).exits_with(7);
}

fn what_is_held_goes_too(sandbox: &Sandbox) {
    let wire = Wire::new(Direction::Ingress).unwrap();
    let file = fixture::tc_drop(sandbox.scratch());
    for mode in [Mode::Clsact, Mode::Tcx] {
        let mut holding = Running::start(hook::attach(&file, mode, Direction::Ingress).arg("--hold"));
        eventually("--hold drops packets", || (!wire.first_passes()).then_some(()));
        mine(&[]).exits_with(0);
        wire.assert_all_received();
        assert!(holding.ended().is_none());
        // It has nothing left to detach, and says so.
        holding.stop(nix::sys::signal::Signal::SIGTERM).exits_with(7).says(&["nothing of bpfasm"]);
    }
}

fn pins_of_detached_links_go(sandbox: &Sandbox) {
    let _wire = Wire::new(Direction::Ingress).unwrap();
    let group = sandbox.cgroup();
    let (file, object) = (fixture::tc_drop(sandbox.scratch()), cgroup::object(sandbox));
    succeed(&mut hook::attach(&file, Mode::Tcx, Direction::Ingress));
    succeed(&mut cgroup::attach(&object, group, CgroupMode::Link));
    for pin in pins() {
        succeed(command!("bpftool", "link", "detach", "pinned").arg(pin));
    }
    succeed(&mut cgroup::attach(&object, group, CgroupMode::Multi));
    let (program, _) = cgroup::attached(group)[0];
    succeed(command!("bpftool", "cgroup", "detach").arg(group).args(["ingress", "id", &program.to_string()]));
    // One that is in use.
    succeed(&mut cgroup::attach(&cgroup::object(sandbox), group, CgroupMode::Link));
    assert_eq!(pins().len(), 4);

    let taken = mine(&[]).exits_with(0);
    assert_eq!(taken.stderr.matches("removed pin ").count(), 3, "{taken}");
    assert_eq!((pins().len(), cgroup::attached(group).len()), (1, 1));
    mine(&[group]).exits_with(0);
    assert_eq!((pins().len(), cgroup::attached(group).len()), (0, 0));
}

fn pins_of_a_removed_group_go(sandbox: &Sandbox, mode: CgroupMode) {
    let object = cgroup::object(sandbox);
    let groups = ["one", "other"].map(|name| sandbox.cgroup().join(name));
    for group in &groups {
        fs::create_dir(group).unwrap();
        succeed(&mut cgroup::attach(&object, group, mode));
    }
    fs::remove_dir(&groups[0]).unwrap();
    assert_eq!(pins().len(), 2);
    // The kernel takes links off a removed group a moment later.
    let taken = eventually("a pin that keeps nothing attached", || Some(mine(&[])).filter(Finished::succeeded));
    taken.says(&["removed pin ", "kept nothing attached"]);
    assert_eq!((pins().len(), cgroup::attached(&groups[1]).len()), (1, 1));
}

/// Two namespaces whose devices have one name and one index, and one bpffs.
fn another_namespace_stays(sandbox: &Sandbox, mode: Mode) {
    let file = fixture::tc_drop(sandbox.scratch());
    let namespaces = [(), ()].map(|()| Namespace::new().unwrap());
    let device = |namespace: &Namespace| {
        namespace.run(|| {
            link::add_veth(DEVICE, "v1", None).unwrap();
            link::index(DEVICE).unwrap()
        })
    };
    let [one, other] = namespaces.each_ref().map(device);
    assert_eq!(one, other, "the devices should have the same index");
    let attach = || succeed(&mut hook::attach(&file, mode, Direction::Ingress));
    let programs = namespaces.each_ref().map(|namespace| {
        namespace.run(|| {
            attach();
            attached_programs()
        })
    });
    assert_eq!(programs.each_ref().map(Vec::len), [1, 1]);
    assert_ne!(programs[0], programs[1]);
    let links = pins().len();

    // By the hook, and by --mine.
    for detach in [|| finish(&mut hook::detach(Direction::Ingress)), || mine(&[])] {
        namespaces[0].run(detach).exits_with(0);
        assert!(namespaces[0].run(attached_programs).is_empty());
        assert_eq!(namespaces[1].run(attached_programs), programs[1], "what is in the other namespace stays");
        assert_eq!(pins().len(), links / 2);
        namespaces[0].run(detach).exits_with(7);
        namespaces[0].run(attach);
        assert_eq!(pins().len(), links);
    }
    for namespace in &namespaces {
        namespace.run(|| mine(&[])).exits_with(0);
        assert!(namespace.run(attached_programs).is_empty());
    }
    assert_eq!(pins().len(), 0);
}

/// The ids of what is attached at the device's ingress.
fn attached_programs() -> Vec<u32> {
    let hook = tc::Hook::new(DEVICE, tc::Direction::Ingress).unwrap();
    tc::attached(&hook).unwrap().iter().filter_map(tc::Entry::program_id).collect()
}

fn words_that_are_no_groups(sandbox: &Sandbox) {
    let group = sandbox.cgroup();
    succeed(&mut cgroup::attach(&cgroup::object(sandbox), group, CgroupMode::Link));
    mine(&[group, &group.join("missing")]).exits_with(7).says(&["no control group", "missing"]);
    mine(&[group, sandbox.scratch()]).exits_with(2).says(&["is no control group"]);
    mine(&[Path::new("tc:lo:ingress")]).exits_with(2).says(&["is a hook"]);
    finish(bpfasm().arg("detach")).exits_with(2);
    assert_eq!(cgroup::attached(group).len(), 1, "a wrong word keeps everything");
}
