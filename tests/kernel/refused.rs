//! What `bpfasm attach` refuses: the exit code, the words, and that nothing is left attached.

use std::{fs, os::unix::process::CommandExt as _, process::Command};

use bpfasm_tests::{
    Case, Need, Sandbox, cli,
    command::{finish, succeed},
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CLI, CLS_BPF, CLS_U32, CLSACT, ROOT, TC, VETH},
    net::{DEVICE, Direction, Wire, filter, qdisc},
};

use crate::{
    fixture,
    hook::{Mode, Ours, PRIORITY, attach, detach, hook, tc_add, tc_filters},
};

const NEEDS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &BPFFS, &BPFTOOL, &CLI, &VETH, &CLSACT, &CLS_BPF];
const DIRECTION: Direction = Direction::Ingress;

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("refused::a_truncated_object", NEEDS, a_truncated_object),
        Case::new("refused::a_program_that_is_not_there", NEEDS, a_program_that_is_not_there),
        Case::new("refused::an_ingress_qdisc_for_clsact", NEEDS, an_ingress_qdisc_for_clsact),
        Case::new("refused::nothing_to_detach", NEEDS, nothing_to_detach),
        Case::new(
            "refused::a_priority_of_another_classifier",
            &[NEEDS, &[&TC, &CLS_U32]].concat(),
            a_priority_of_another_classifier,
        ),
    ];
    for mode in Mode::ALL {
        let name = |what: &str| format!("refused::{what}::{}", mode.name());
        cases.push(Case::new(name("no_such_device"), NEEDS, move |sandbox| no_such_device(sandbox, mode)));
        let needs = [NEEDS, &[&ROOT]].concat();
        cases.push(Case::new(name("without_a_capability"), &needs, move |sandbox| without_a_capability(sandbox, mode)));
    }
    cases
}

/// Runs what must be refused, on a wire where it then must have changed nothing.
#[track_caller]
fn assert_refused(command: &mut Command, code: i32, words: &[&str]) {
    finish(command).exits_with(code).says(&["error:"]).says(words);
    Ours::at(DIRECTION).assert_nothing();
}

fn a_truncated_object(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    let whole = fs::read(fixture::tc_drop(sandbox.scratch())).unwrap();
    let cut = sandbox.scratch().join("cut.o");
    for length in [0, 1, 4, 16, 63, 64, whole.len() / 4, whole.len() / 2, whole.len() - 1] {
        fs::write(&cut, &whole[..length]).unwrap();
        assert_refused(&mut attach(&cut, Mode::Auto, DIRECTION), 6, &["cut.o"]);
    }
    wire.assert_all_received();
}

fn a_program_that_is_not_there(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    let object = fixture::tc_drop(sandbox.scratch());
    for mode in Mode::ALL {
        let mut command = attach(&object, mode, DIRECTION);
        assert_refused(command.args(["--program", "absent"]), 7, &["absent", "tc_drop"]);
    }
    wire.assert_all_received();
}

fn an_ingress_qdisc_for_clsact(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    let object = fixture::tc_drop(sandbox.scratch());
    qdisc::add(DEVICE, qdisc::Kind::Ingress).unwrap();
    let before = qdisc::kinds(DEVICE).unwrap();
    assert_refused(&mut attach(&object, Mode::Clsact, DIRECTION), 8, &["ingress", DEVICE]);
    assert_eq!(qdisc::kinds(DEVICE).unwrap(), before);
    wire.assert_all_received();
}

fn nothing_to_detach(_: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    assert_refused(&mut detach(DIRECTION), 7, &[DEVICE]);
    qdisc::add(DEVICE, qdisc::Kind::Clsact).unwrap();
    assert_refused(&mut detach(DIRECTION), 7, &[DEVICE]);
    wire.assert_all_received();
}

/// A priority belongs to one classifier: the kernel takes no second one there.
fn a_priority_of_another_classifier(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    let object = fixture::tc_drop(sandbox.scratch());
    qdisc::add(DEVICE, qdisc::Kind::Clsact).unwrap();
    let words = ["protocol", "ip", "u32", "match", "u32", "0", "0", "flowid", "1:1"];
    succeed(tc_add(DIRECTION, PRIORITY).args(words));
    let before = tc_filters(DIRECTION);
    assert_refused(&mut attach(&object, Mode::Clsact, DIRECTION), 8, &["priority 1000", "u32"]);
    assert_eq!(tc_filters(DIRECTION), before);
    wire.assert_all_received();
}

fn no_such_device(sandbox: &Sandbox, mode: Mode) {
    let _wire = Wire::new(DIRECTION).unwrap();
    let object = fixture::tc_drop(sandbox.scratch());
    let mut command = cli::bpfasm();
    command.arg("attach").arg(object).args(["tc:absent0:ingress", "--mode", mode.name()]);
    assert_refused(&mut command, 7, &["absent0"]);
}

/// As a user with no capability at all; the files lie where everybody may read them.
fn without_a_capability(sandbox: &Sandbox, mode: Mode) {
    const NOBODY: u32 = 65534;
    let wire = Wire::new(DIRECTION).unwrap();
    let object = fixture::tc_drop(sandbox.scratch());
    let bpfasm = sandbox.scratch().join("bpfasm");
    fs::copy(cli::path(), &bpfasm).unwrap();
    let as_nobody = || {
        let mut command = Command::new(&bpfasm);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        command
    };
    let mut attach = as_nobody();
    attach.arg("attach").arg(object).arg(hook(DIRECTION)).args(["--mode", mode.name()]);
    assert_refused(&mut attach, 4, &["CAP_"]);
    assert_refused(as_nobody().args(["detach", "--mine"]), 4, &["CAP_NET_ADMIN"]);
    assert_eq!(filter::list(DEVICE, DIRECTION).unwrap(), []);
    assert!(!qdisc::kinds(DEVICE).unwrap().contains(&"clsact".to_owned()));
    wire.assert_all_received();
}
