//! The harness itself: that a sandbox is apart from the machine, and that traffic passes with nothing attached.

use std::{fs, time::Instant};

use bpfasm_tests::{
    Case, PATIENCE, Sandbox, command,
    command::{Running, succeed},
    eventually,
    need::{BPFFS, CAP_BPF, CAP_NET_ADMIN, CLS_BPF, CLS_U32, CLSACT, TC, VETH},
    net::{DEVICE, Direction, Namespace, Wire, filter, link, qdisc},
    sandbox, suite,
};

use crate::{fixture, hook::tc_add_object};

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("baseline::the_sandbox_is_apart", &[], the_sandbox_is_apart),
        Case::new("baseline::a_case_may_leave_processes", &[], a_case_may_leave_processes),
        Case::new("baseline::what_a_case_leaves_is_killed", &[], what_a_case_leaves_is_killed),
        Case::new("baseline::the_bpf_file_system_is_a_case_s_own", &[&BPFFS], the_bpf_file_system_is_a_case_s_own),
        Case::new("baseline::tc_and_the_harness_see_one_filter", &[&CAP_NET_ADMIN, &CLSACT, &CLS_U32, &TC], |_| {
            tc_and_the_harness_see_one_filter();
        }),
    ];
    cases.extend(Direction::ALL.map(|direction| {
        let name = format!("baseline::tc_drops_by_hand::{}", direction.name());
        Case::new(name, &[&CAP_BPF, &CAP_NET_ADMIN, &VETH, &CLSACT, &CLS_BPF, &BPFFS, &TC], move |sandbox| {
            tc_drops_by_hand(sandbox, direction);
        })
    }));
    cases.extend(Direction::ALL.map(|direction| {
        let name = format!("baseline::traffic_passes::{}", direction.name());
        Case::new(name, &[&CAP_NET_ADMIN, &VETH], move |_| traffic_passes(direction))
    }));
    cases
}

fn the_sandbox_is_apart(sandbox: &Sandbox) {
    assert_eq!(std::process::id(), 1, "the first process of its pid namespace");
    let fresh = Namespace::new().unwrap().run(link::names).unwrap();
    assert_eq!(link::names().unwrap(), fresh, "only the devices that each network namespace begins with");
    for device in fs::read_dir("/sys/class/net").unwrap() {
        let device = device.unwrap().file_name().into_string().unwrap();
        assert!(fresh.contains(&device), "/sys shows {device}, of another network namespace");
    }
    assert!(fs::read_dir(sandbox::BPFFS).unwrap().next().is_none());
    assert!(fs::read_dir(sandbox.scratch()).unwrap().next().is_none());
    fs::write(sandbox.scratch().join("file"), "removed with the folder").unwrap();
}

/// What [`a_case_may_leave_processes`] leaves.
const LEFT: &str = "sleep";

fn a_case_may_leave_processes(_: &Sandbox) {
    std::mem::forget(Running::start(&mut command!("setsid", LEFT, "600")));
    eventually("the process to be left runs", || (processes_called(LEFT) == 1).then_some(()));
}

/// Runs the case above in a sandbox within this one, whose processes can be seen from here.
fn what_a_case_leaves_is_killed(sandbox: &Sandbox) {
    let inner = "baseline::a_case_may_leave_processes";
    let run = Instant::now();
    succeed(&mut suite::supervised(inner, sandbox.scratch()).unwrap());
    assert!(run.elapsed() < PATIENCE, "nobody waited for the process that was left");
    assert_eq!(processes_called(LEFT), 0);
}

fn processes_called(name: &str) -> usize {
    let names =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

fn the_bpf_file_system_is_a_case_s_own(_: &Sandbox) {
    let kind = nix::sys::statfs::statfs(sandbox::BPFFS).unwrap().filesystem_type();
    assert_eq!(kind, nix::sys::statfs::BPF_FS_MAGIC);
    fs::create_dir(format!("{}/made", sandbox::BPFFS)).unwrap();
}

fn traffic_passes(direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    wire.assert_all_received();
    assert!(wire.first_passes());
    assert_eq!(filter::list(DEVICE, direction).unwrap(), []);
    assert!(qdisc::kinds(DEVICE).unwrap().iter().all(|kind| kind != "clsact"));
}

/// The fixture that other cases attach does what they expect of it, attached by iproute2.
fn tc_drops_by_hand(sandbox: &Sandbox, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    qdisc::add(DEVICE, qdisc::Kind::Clsact).unwrap();
    let no_opinion = fixture::no_opinion(sandbox.scratch(), "no_opinion");
    let tc_drop = fixture::tc_drop(sandbox.scratch());
    for (priority, object) in [(1, no_opinion), (2, tc_drop)] {
        wire.assert_all_received();
        succeed(&mut tc_add_object(direction, priority, &object));
    }
    wire.assert_first_dropped();
    assert_eq!(filter::list(DEVICE, direction).unwrap().len(), 2);
}

fn tc_and_the_harness_see_one_filter() {
    qdisc::add("lo", qdisc::Kind::Clsact).unwrap();
    let words = ["filter", "add", "dev", "lo", "egress", "prio", "7", "u32", "match", "u32", "0", "0", "flowid", "1:1"];
    succeed(command!("tc").args(words));
    let json = succeed(&mut command!("tc", "-j", "filter", "show", "dev", "lo", "egress")).json();
    let seen = filter::list("lo", Direction::Egress).unwrap();
    assert!(seen.iter().all(|filter| (filter.kind.as_str(), filter.priority) == ("u32", 7)), "{seen:?}");
    assert!(!seen.is_empty());
    assert!(json.as_array().unwrap().iter().all(|filter| filter["kind"] == "u32" && filter["pref"] == 7), "{json}");
    assert_eq!(filter::list("lo", Direction::Ingress).unwrap(), []);
}
