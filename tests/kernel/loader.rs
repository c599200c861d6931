//! The loader on objects made by hand: guards that detach, links and filters that persist, swaps without a gap.

use std::{fs, os::fd::AsFd as _, path::Path};

use bpfasm::{
    loader::{
        ErrorKind, Loaded, Program,
        attach::tc::{self, Attachment, Entry, Hook, Options, Place},
        sys,
    },
    object::{elf, kernel::AttachType},
};
use bpfasm_tests::{
    Case, Need, Sandbox, command,
    command::succeed,
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CLS_BPF, CLS_U32, CLSACT, TC, TCX, VETH},
    net::{DEVICE, Direction, Wire, filter},
    sandbox,
    soak::rounds,
};

use crate::{
    fixture,
    hook::{Mode, PRIORITY, tc_add, tc_add_object},
};

/// What a mode needs, without any tool.
pub(crate) fn needs_of(mode: Mode) -> Vec<&'static Need> {
    let own: &[&Need] = match mode {
        Mode::Tcx => &[&TCX],
        Mode::Auto | Mode::Clsact => &[&CLSACT, &CLS_BPF],
    };
    [&[&CAP_BPF, &CAP_NET_ADMIN, &VETH], own].concat()
}

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("loader::no_descriptor_is_left", &needs_of(Mode::Auto), no_descriptor_is_left),
        Case::new("loader::a_link_is_persistent", &[&needs_of(Mode::Tcx)[..], &[&BPFFS]].concat(), |sandbox| {
            persists(sandbox, Mode::Tcx);
        }),
        Case::new("loader::a_filter_is_persistent", &needs_of(Mode::Clsact), |sandbox| persists(sandbox, Mode::Clsact)),
    ];
    let link = [&needs_of(Mode::Tcx)[..], &[&BPFFS, &BPFTOOL]].concat();
    cases.push(Case::new("loader::a_link_of_others_is_not_ours", &link, a_link_of_others_is_not_ours));
    let filters = [&needs_of(Mode::Clsact)[..], &[&TCX, &BPFFS, &TC, &CLS_U32]].concat();
    cases.push(Case::new("loader::a_listing_is_in_run_order", &filters, a_listing_is_in_run_order));
    cases.push(Case::new("loader::a_rejected_program_has_its_log", &[&CAP_BPF, &CAP_NET_ADMIN], a_rejected_program));
    for mode in Mode::ALL {
        for direction in Direction::ALL {
            let case = |what: &str, body: fn(&Sandbox, Mode, Direction)| {
                let name = format!("loader::{what}::{}::{}", mode.name(), direction.name());
                Case::new(name, &needs_of(mode), move |sandbox| body(sandbox, mode, direction))
            };
            cases.push(case("a_dropped_guard_detaches", a_dropped_guard_detaches));
            cases.push(case("a_swap_leaves_no_gap", a_swap_leaves_no_gap));
            cases.push(case("a_conflict_is_an_error", a_conflict_is_an_error));
        }
    }
    cases
}

/// Loads a program `tc_drop` that drops packets of the first sender.
fn load(sandbox: &Sandbox) -> Loaded {
    load_file(&fixture::tc_drop(sandbox.scratch()))
}

pub(crate) fn load_file(file: &Path) -> Loaded {
    bpfasm::loader::load(&elf::read(&fs::read(file).unwrap()).unwrap()).unwrap()
}

pub(crate) fn hook(direction: Direction) -> Hook {
    let direction = match direction {
        Direction::Ingress => tc::Direction::Ingress,
        Direction::Egress => tc::Direction::Egress,
    };
    Hook::new(DEVICE, direction).unwrap()
}

pub(crate) fn options(mode: Mode) -> Options {
    Options::new().mode(match mode {
        Mode::Auto => tc::Mode::Auto,
        Mode::Clsact => tc::Mode::Clsact,
        Mode::Tcx => tc::Mode::Tcx,
    })
}

pub(crate) fn attach(program: &Program, mode: Mode, direction: Direction) -> Attachment {
    tc::attach(program, &hook(direction), &options(mode)).unwrap()
}

pub(crate) fn assert_bare(direction: Direction) {
    assert_eq!(tc::attached(&hook(direction)).unwrap(), []);
    assert_eq!(filter::list(DEVICE, direction).unwrap(), []);
}

fn a_dropped_guard_detaches(sandbox: &Sandbox, mode: Mode, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    let loaded = load(sandbox);
    let program = loaded.program("tc_drop").unwrap();
    for detach in [drop as fn(Attachment), |attachment| attachment.detach().unwrap()] {
        let attachment = attach(program, mode, direction);
        wire.assert_first_dropped();
        let entries = tc::attached(&hook(direction)).unwrap();
        let [entry] = &entries[..] else { panic!("one entry expected: {entries:?}") };
        assert!(entry.is_ours(), "{entry:?}");
        assert_eq!(entry.program_name(), Some("tc_drop"));
        assert_eq!(entry.program_id(), Some(program.id().unwrap()));
        assert_eq!(*entry.place(), attachment.place());
        detach(attachment);
        assert_bare(direction);
        wire.assert_all_received();
    }
}

fn a_conflict_is_an_error(sandbox: &Sandbox, mode: Mode, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    let loaded = load(sandbox);
    let program = loaded.program("tc_drop").unwrap();
    let attachment = attach(program, mode, direction);
    let error = tc::attach(program, &hook(direction), &options(mode)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    wire.assert_first_dropped();
    attachment.detach().unwrap();
    assert_bare(direction);
}

/// Packets that come all the time find a program to drop them, also while it is swapped.
fn a_swap_leaves_no_gap(sandbox: &Sandbox, mode: Mode, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    let loaded = load(sandbox);
    let program = loaded.program("tc_drop").unwrap();
    let first = attach(program, mode, direction);
    let attachment = wire.assert_first_dropped_while(|| {
        (0..rounds(50, 1000)).fold(first, |_, _| {
            let loaded = load(sandbox);
            let program = loaded.program("tc_drop").unwrap();
            // The guard of the one before is dropped here: what it guarded is this one's now.
            tc::attach(program, &hook(direction), &options(mode).replace(true)).unwrap()
        })
    });
    assert_eq!(tc::attached(&hook(direction)).unwrap().len(), 1);
    attachment.detach().unwrap();
    assert_bare(direction);
    wire.assert_all_received();
}

fn persists(sandbox: &Sandbox, mode: Mode) {
    let direction = Direction::Ingress;
    let wire = Wire::new(direction).unwrap();
    let loaded = load(sandbox);
    let program = loaded.program("tc_drop").unwrap();
    let attachment = attach(program, mode, direction);
    drop(loaded);
    let pin = attachment.persist().unwrap();
    assert_eq!(pin.is_some(), mode == Mode::Tcx);
    wire.assert_first_dropped();
    let detached = tc::detach_ours(&hook(direction)).unwrap();
    assert_eq!(detached.len(), 1);
    assert_eq!(pin.filter(|pin| pin.exists()), None);
    assert_bare(direction);
    wire.assert_all_received();
    let error = tc::detach_ours(&hook(direction)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

fn no_descriptor_is_left(sandbox: &Sandbox) {
    let direction = Direction::Ingress;
    let _wire = Wire::new(direction).unwrap();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for _ in 0..10 {
        let loaded = load(sandbox);
        let program = loaded.program("tc_drop").unwrap();
        for mode in [Mode::Auto, Mode::Clsact] {
            attach(program, mode, direction).detach().unwrap();
            drop(attach(program, mode, direction));
            assert_bare(direction);
        }
    }
    assert_eq!(descriptors(), before);
}

/// A link that somebody else has made, of a program of the same name.
fn a_link_of_others_is_not_ours(sandbox: &Sandbox) {
    let direction = Direction::Ingress;
    let wire = Wire::new(direction).unwrap();
    let pin = Path::new(sandbox::BPFFS).join("foreign");
    succeed(command!("bpftool", "prog", "load", fixture::tc_drop(sandbox.scratch())).arg(&pin));
    let theirs = sys::obj_get(&pin).unwrap();
    let tcx_ingress = AttachType::TCX_INGRESS.0;
    let link = sys::link_create_tcx(theirs.as_fd(), hook(direction).ifindex(), tcx_ingress, 0).unwrap();
    wire.assert_first_dropped();

    let error = tc::detach_ours(&hook(direction)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let loaded = load(sandbox);
    let ours = attach(loaded.program("tc_drop").unwrap(), Mode::Tcx, direction);
    let owners = || tc::attached(&hook(direction)).unwrap().iter().map(Entry::is_ours).collect::<Vec<_>>();
    assert_eq!(owners(), [false, true]);
    ours.forget();
    assert_eq!(tc::detach_ours(&hook(direction)).unwrap().len(), 1);
    assert_eq!(owners(), [false]);
    wire.assert_first_dropped();

    drop(link);
    assert_bare(direction);
    wire.assert_all_received();
}

fn a_listing_is_in_run_order(sandbox: &Sandbox) {
    let direction = Direction::Egress;
    let _wire = Wire::new(direction).unwrap();
    let no_opinion = fixture::no_opinion(sandbox.scratch(), "no_opinion");
    let (dropping, passing) = (load(sandbox), load_file(&no_opinion));
    let filter = attach(dropping.program("tc_drop").unwrap(), Mode::Clsact, direction);
    let link = attach(passing.program("no_opinion").unwrap(), Mode::Tcx, direction);
    let words = ["protocol", "ip", "u32", "match", "u32", "0", "0", "flowid", "1:1"];
    succeed(tc_add(direction, PRIORITY + 1).args(words));
    succeed(&mut tc_add_object(direction, 1, &no_opinion));

    let entries = tc::attached(&hook(direction)).unwrap();
    let ours: Vec<Place> = entries.iter().filter(|entry| entry.is_ours()).map(|entry| entry.place().clone()).collect();
    assert_eq!(ours, [link.place(), filter.place()], "links run first: {entries:?}");
    let priorities: Vec<u16> = entries
        .iter()
        .filter_map(|entry| match entry.place() {
            Place::Clsact { priority, .. } => Some(*priority),
            _ => None,
        })
        .collect();
    assert!(priorities.is_sorted(), "{entries:?}");
    assert_eq!((priorities[0], priorities[1]), (1, PRIORITY), "{entries:?}");
    assert!(priorities.contains(&(PRIORITY + 1)), "{entries:?}");
}

fn a_rejected_program(sandbox: &Sandbox) {
    let object = elf::read(&fs::read(fixture::no_verdict(sandbox.scratch())).unwrap()).unwrap();
    let error = bpfasm::loader::load(&object).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    let log = error.verifier_log().unwrap().to_string();
    assert!(log.contains("R0 !read_ok"), "{log}");
}
