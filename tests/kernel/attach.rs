//! `bpfasm attach` and `detach`: each mode, each direction, from the program's source to packets that are dropped.

use std::path::Path;

use bpfasm_tests::{
    Case, Need, Sandbox, cli,
    command::{finish, succeed},
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CARGO, CLI, CLS_BPF, CLSACT, TC, TCX, VETH},
    net::{DEVICE, Direction, Wire, qdisc},
};

use crate::{
    fixture,
    hook::{Mode, Ours, PRIORITY, assert_unloaded, attach, detach, hook, tc_filters},
};

/// What every way to attach needs.
const NEEDS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &VETH, &BPFTOOL, &CLI];

/// What a mode needs beyond that.
pub(crate) fn needs_of(mode: Mode) -> Vec<&'static Need> {
    let own: &[&Need] = match mode {
        Mode::Auto => &[&CLSACT, &CLS_BPF, &BPFFS],
        Mode::Clsact => &[&CLSACT, &CLS_BPF],
        Mode::Tcx => &[&TCX, &BPFFS],
    };
    [NEEDS, own].concat()
}

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in Mode::ALL {
        for direction in Direction::ALL {
            let name = |what: &str| format!("attach::{what}::{}::{}", mode.name(), direction.name());
            let needs = needs_of(mode);
            let built = [&needs[..], &[&CARGO]].concat();
            cases.push(Case::new(name("source_drops_until_detached"), &built, move |_| {
                drops_until_detached(&cli::program(), mode, direction);
            }));
            cases.push(Case::new(name("object_drops_until_detached"), &needs, move |sandbox| {
                drops_until_detached(&fixture::tc_drop(sandbox.scratch()), mode, direction);
            }));
            cases.push(Case::new(name("conflicts_and_replaces"), &needs, move |sandbox| {
                conflicts_and_replaces(&fixture::tc_drop(sandbox.scratch()), mode, direction);
            }));
        }
    }
    cases.extend(Direction::ALL.map(|direction| {
        let name = format!("attach::tc_lists_it::{}", direction.name());
        Case::new(name, &[&needs_of(Mode::Clsact)[..], &[&TC]].concat(), move |sandbox| tc_lists_it(sandbox, direction))
    }));
    cases.push(Case::new(
        "attach::tcx_mounts_the_bpf_file_system",
        &[NEEDS, &[&TCX]].concat(),
        tcx_mounts_the_bpf_file_system,
    ));
    cases
}

fn drops_until_detached(file: &Path, mode: Mode, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    wire.assert_all_received();

    let attached = succeed(&mut attach(file, mode, direction));
    let undo = format!("detach {}", hook(direction));
    assert!(format!("{attached}").contains(&undo), "should print its undo, {undo:?}: {attached}");
    wire.assert_first_dropped();
    let program = Ours::at(direction).the_one(mode);
    let other_direction = if direction == Direction::Ingress { Direction::Egress } else { Direction::Ingress };
    assert_eq!(Ours::at(other_direction).filters, []);
    let has_clsact = || qdisc::kinds(DEVICE).unwrap().contains(&"clsact".to_owned());
    let for_a_filter = mode.picks() == Mode::Clsact;
    assert_eq!(has_clsact(), for_a_filter, "clsact is made for a filter, and only then");

    succeed(&mut detach(direction));
    wire.assert_all_received();
    Ours::at(direction).assert_nothing();
    assert_unloaded(program);
    assert_eq!(has_clsact(), for_a_filter, "detach leaves clsact as it is");

    finish(&mut detach(direction)).exits_with(7).says(&["error:", DEVICE]);
}

fn conflicts_and_replaces(file: &Path, mode: Mode, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    succeed(&mut attach(file, mode, direction));
    let first = Ours::at(direction).the_one(mode);

    let again = &mut attach(file, mode, direction);
    finish(again).exits_with(8).says(&["error:", "--replace"]);
    assert_eq!(Ours::at(direction).the_one(mode), first, "a conflict changes nothing");
    wire.assert_first_dropped();

    succeed(attach(file, mode, direction).arg("--replace"));
    let second = Ours::at(direction).the_one(mode);
    assert_ne!(second, first, "a replaced program is another one");
    assert_unloaded(first);
    wire.assert_first_dropped();

    succeed(&mut detach(direction));
    wire.assert_all_received();
    Ours::at(direction).assert_nothing();
    assert_unloaded(second);
}

fn tc_lists_it(sandbox: &Sandbox, direction: Direction) {
    let _wire = Wire::new(direction).unwrap();
    let file = &fixture::tc_drop(sandbox.scratch());
    succeed(&mut attach(file, Mode::Clsact, direction));
    let filters = tc_filters(direction);
    let [filter] = &filters[..] else { panic!("one filter expected: {filters:?}") };
    assert_eq!(filter["kind"], "bpf", "{filter}");
    assert_eq!(filter["protocol"], "all", "{filter}");
    assert_eq!(filter["pref"], PRIORITY, "{filter}");
    assert_eq!(filter["options"]["bpf_name"], "bpfasm:tc_drop", "{filter}");
    assert_eq!(filter["options"]["direct-action"], true, "{filter}");
    assert_eq!(filter["options"]["prog"]["name"], "tc_drop", "{filter}");

    succeed(&mut detach(direction));
    let priority = "77";
    succeed(attach(file, Mode::Clsact, direction).args(["--prio", priority]));
    let filters = tc_filters(direction);
    let [filter] = &filters[..] else { panic!("one filter expected: {filters:?}") };
    assert_eq!(filter["pref"].to_string(), priority, "{filter}");
}

fn tcx_mounts_the_bpf_file_system(sandbox: &Sandbox) {
    let wire = Wire::new(Direction::Ingress).unwrap();
    let file = &fixture::tc_drop(sandbox.scratch());
    succeed(&mut attach(file, Mode::Tcx, Direction::Ingress));
    wire.assert_first_dropped();
    Ours::at(Direction::Ingress).the_one(Mode::Tcx);
    succeed(&mut detach(Direction::Ingress));
    wire.assert_all_received();
    Ours::at(Direction::Ingress).assert_nothing();
}
