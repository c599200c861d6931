//! The loader on objects made by hand: guards that detach, links and filters that persist, swaps without a gap.

use std::fs;

use bpfasm::{
    loader::{
        ErrorKind, Loaded, Program,
        attach::tc::{self, Attachment, Hook, Options},
    },
    object::elf,
};
use bpfasm_tests::{
    Case, Need, Sandbox,
    need::{BPFFS, CAP_BPF, CAP_NET_ADMIN, CLS_BPF, CLSACT, TCX, VETH},
    net::{DEVICE, Direction, Wire, filter},
};

use crate::{fixture, hook::Mode};

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
    let object = elf::read(&fs::read(fixture::tc_drop(sandbox.scratch())).unwrap()).unwrap();
    bpfasm::loader::load(&object).unwrap()
}

pub(crate) fn hook(direction: Direction) -> Hook {
    let direction = match direction {
        Direction::Ingress => tc::Direction::Ingress,
        Direction::Egress => tc::Direction::Egress,
    };
    Hook::new(DEVICE, direction).unwrap()
}

fn options(mode: Mode) -> Options {
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
    const SWAPS: usize = 50;
    let wire = Wire::new(direction).unwrap();
    let loaded = load(sandbox);
    let program = loaded.program("tc_drop").unwrap();
    let mut attachment = attach(program, mode, direction);
    wire.assert_first_dropped_while(|| {
        for _ in 0..SWAPS {
            let next = load(sandbox);
            let swapped =
                tc::attach(next.program("tc_drop").unwrap(), &hook(direction), &options(mode).replace(true)).unwrap();
            // What it guarded is the other's now.
            attachment.forget();
            attachment = swapped;
        }
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
