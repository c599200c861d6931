//! `bpfasm link`.

use std::{fs, os::unix::process::CommandExt as _, process::Command};

use bpfasm::{
    loader::{
        Loaded,
        attach::{cgroup, tc},
        load,
        observe::Link,
    },
    object::{elf, kernel::AttachType},
};
use bpfasm_tests::{
    Case, Sandbox, cli, command,
    command::{finish, succeed},
    need::{CGROUP2, ROOT, TCX, VETH},
    net::{Direction, Wire},
};
use serde_json::{Value, json};

use super::{NEEDS, assert_same_json, assert_same_text, both_json, prog::pin, run, with_words};
use crate::{
    fixture,
    hook::{Mode, number},
    loader::{attach, hook},
};

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let tcx = [NEEDS, &[&TCX, &VETH]].concat();
    vec![
        Case::new("observe::link::of_a_control_group_is_bpftools", &[NEEDS, &[&CGROUP2]].concat(), of_a_control_group),
        Case::new("observe::link::of_a_device_is_that_and_more", &tcx, of_a_device),
        Case::new("observe::link::detach_stops_the_program", &tcx, detach_stops_the_program),
        Case::new("observe::link::pin_keeps_the_program_attached", &tcx, pin_keeps_the_program_attached),
        Case::new("observe::link::what_is_wrong_says_so", NEEDS, |_| what_is_wrong_says_so()),
        Case::new("observe::without_a_capability", &[NEEDS, &[&ROOT]].concat(), without_a_capability),
    ]
}

fn dropping(sandbox: &Sandbox) -> Loaded {
    load(&elf::read(&fs::read(fixture::tc_drop(sandbox.scratch())).unwrap()).unwrap()).unwrap()
}

fn of_a_control_group(sandbox: &Sandbox) {
    let file = fixture::cgroup_pass(sandbox.scratch(), "passing");
    let loaded = load(&elf::read(&fs::read(file).unwrap()).unwrap()).unwrap();
    let hook = cgroup::Hook::new(sandbox.cgroup(), AttachType::CGROUP_INET_INGRESS).unwrap();
    let attached = cgroup::attach(loaded.program("passing").unwrap(), &hook, &cgroup::Options::new()).unwrap();
    let pin = attached.persist().unwrap();
    let link = Link::from_pin(&pin).unwrap();
    let id = link.id().to_string();
    for words in [&["link", "show", "id", &id][..], &["-f", "link", "show", "pinned", pin.to_str().unwrap()]] {
        let shown = assert_same_json(words);
        assert_eq!((&shown["type"], &shown["attach_type"]), (&json!("cgroup"), &json!("cgroup_inet_ingress")));
        assert_same_text(words);
    }
    let [ours, theirs] = both_json(&["-f", "link", "list"]);
    let own = |list: &Value| list.as_array().unwrap().iter().find(|row| number(&row["id"]) == link.id()).cloned();
    assert_eq!(own(&ours).unwrap()["pinned"], json!([pin]));
    assert_eq!(own(&ours), own(&theirs));
    // Once it is detached, the group is no more told.
    run(&["link", "detach", "id", &id]);
    assert_eq!(assert_same_json(&["link", "show", "id", &id])["cgroup_id"], 0);
}

/// bpftool 7.1 does not know these links: it prints the number of the type, and nothing of the device. Newer ones print
/// what we do.
fn of_a_device(sandbox: &Sandbox) {
    let _wire = Wire::new(Direction::Ingress).unwrap();
    let loaded = dropping(sandbox);
    let attached = attach(loaded.program("tc_drop").unwrap(), Mode::Tcx, Direction::Ingress);
    let path = attached.persist().unwrap().expect("a link is pinned");
    let [mut ours, mut theirs] = both_json(&["-f", "link", "show", "pinned", path.to_str().unwrap()]);
    let more = ["type", "devname", "ifindex", "attach_type"].map(|key| ours.as_object_mut().unwrap().remove(key));
    let ifindex = hook(Direction::Ingress).ifindex();
    assert_eq!(more, [json!("tcx"), json!("v0"), json!(ifindex), json!("tcx_ingress")].map(Some));
    let known = theirs.as_object_mut().unwrap();
    known.remove("type");
    // Those that know them print these too.
    for key in ["devname", "ifindex", "attach_type"] {
        known.remove(key);
    }
    assert_eq!(ours, theirs);
    let program = loaded.program("tc_drop").unwrap().id().unwrap();
    let id = number(&ours["id"]);
    let text = run(&["link", "show", "id", &id.to_string(), "-f"]);
    let expected = format!(
        "{id}: tcx  prog {program}  \n\tifindex v0({ifindex})  attach_type tcx_ingress  \n\tpinned {}\n",
        path.display()
    );
    assert_eq!(text, expected);
}

fn detach_stops_the_program(sandbox: &Sandbox) {
    let wire = Wire::new(Direction::Ingress).unwrap();
    let loaded = dropping(sandbox);
    let program = loaded.program("tc_drop").unwrap();
    for named_by_pin in [false, true] {
        let attached = attach(program, Mode::Tcx, Direction::Ingress);
        let path = attached.persist().unwrap().expect("a link is pinned");
        wire.assert_first_dropped();
        let id = Link::from_pin(&path).unwrap().id().to_string();
        let path = path.to_str().unwrap().to_owned();
        let handle = if named_by_pin { ["pinned", &path] } else { ["id", &id] };
        let done = run(&[&["-j", "link", "detach"], &handle[..]].concat());
        assert_eq!(done, "null\n");
        wire.assert_all_received();
        assert_eq!(tc::attached(&hook(Direction::Ingress)).unwrap(), []);
        // Nothing is left of it, not even its pin.
        finish(&mut with_words(cli::bpfasm(), &["link", "show", "pinned", &path])).exits_with(7);
    }
}

fn pin_keeps_the_program_attached(sandbox: &Sandbox) {
    let wire = Wire::new(Direction::Ingress).unwrap();
    let loaded = dropping(sandbox);
    let attached = attach(loaded.program("tc_drop").unwrap(), Mode::Tcx, Direction::Ingress);
    let entries = tc::attached(&hook(Direction::Ingress)).unwrap();
    let tc::Place::Tcx { link_id: Some(id), .. } = entries[0].place() else { panic!("a link: {entries:?}") };
    let path = pin("mine");
    run(&["link", "pin", "id", &id.to_string(), &path]);
    finish(&mut with_words(cli::bpfasm(), &["link", "pin", "id", &id.to_string(), &path])).exits_with(8).says(&[&path]);
    attached.forget();
    drop(loaded);
    wire.assert_first_dropped();
    let shown = succeed(&mut command!("bpftool", "-j", "link", "show", "pinned", &path)).json();
    assert_eq!(shown["id"], *id);
}

fn what_is_wrong_says_so() {
    let fails = |words: &[&str], code: i32, says: &[&str]| {
        finish(&mut with_words(cli::bpfasm(), words)).exits_with(code).says(says);
    };
    fails(&["link", "show", "id", "4294967295"], 7, &["no link with id 4294967295"]);
    fails(&["link", "detach", "pinned", "/sys/fs/bpf/absent"], 7, &["/sys/fs/bpf/absent"]);
    fails(&["link", "show", "name", "x"], 2, &["`name` is not id or pinned"]);
    fails(&["link", "detach"], 2, &["LINK"]);
}

/// Who may not look is told what is missing.
fn without_a_capability(sandbox: &Sandbox) {
    const NOBODY: u32 = 65534;
    let binary = sandbox.scratch().join("bpfasm");
    fs::copy(cli::path(), &binary).unwrap();
    for words in [["prog", "list"], ["map", "list"], ["link", "list"]] {
        let mut command = Command::new(&binary);
        command.uid(NOBODY).gid(NOBODY).current_dir("/").args(words);
        finish(&mut command).exits_with(4).says(&["CAP_SYS_ADMIN"]);
    }
}
