//! `bpfasm tc`: filters and qdiscs in iproute2's words; what is shown is what tc shows of the same live objects.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use bpfasm_tests::{
    Case, Need, Sandbox, cli,
    cli::bpfasm,
    command,
    command::{Finished, finish, succeed},
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CARGO, CLI, CLS_BPF, CLS_U32, CLSACT, MIRRED, TC, VETH},
    net::{
        DEVICE, Direction, Wire,
        filter::{self, Filter},
        qdisc,
    },
    sandbox,
};
use serde_json::Value;

use crate::{
    fixture,
    hook::{Mode, PROGRAM, attach, detach, hook, tc_add, tc_add_object, tc_filters},
};

const NEEDS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &VETH, &CLI, &TC, &CLSACT, &CLS_BPF, &BPFFS];
const DIRECTION: Direction = Direction::Ingress;

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for direction in Direction::ALL {
        let name = |what: &str| format!("tc::{what}::{}", direction.name());
        cases.push(Case::new(name("source_drops_until_deleted"), &[NEEDS, &[&CARGO]].concat(), move |_| {
            drops_until_deleted(&cli::program(), direction);
        }));
        cases.push(Case::new(name("object_drops_until_deleted"), NEEDS, move |sandbox| {
            drops_until_deleted(&fixture::tc_drop(sandbox.scratch()), direction);
        }));
        let shown = [NEEDS, &[&BPFTOOL, &CLS_U32, &MIRRED]].concat();
        cases.push(Case::new(name("shows_what_tc_shows"), &shown, move |sandbox| {
            shows_what_tc_shows(sandbox, direction)
        }));
    }
    cases.push(Case::new("tc::shows_the_qdiscs_that_tc_shows", NEEDS, shows_the_qdiscs_that_tc_shows));
    cases.push(Case::new("tc::takes_the_section_or_the_program", NEEDS, takes_the_section_or_the_program));
    cases.push(Case::new("tc::a_replaced_filter_leaves_no_gap", NEEDS, a_replaced_filter_leaves_no_gap));
    let foreign = [NEEDS, &[&CLS_U32]].concat();
    cases.push(Case::new("tc::deletes_only_what_is_named", &foreign, deletes_only_what_is_named));
    cases.push(Case::new("tc::tells_what_goes_with_a_qdisc", &foreign, tells_what_goes_with_a_qdisc));
    cases.push(Case::new("tc::detach_leaves_it", NEEDS, detach_leaves_it));
    cases.push(Case::new(
        "tc::an_ingress_qdisc_takes_no_egress_filter",
        NEEDS,
        an_ingress_qdisc_takes_no_egress_filter,
    ));
    cases.push(Case::new("tc::a_filter_below_another_qdisc", NEEDS, a_filter_below_another_qdisc));
    cases.push(Case::new("tc::wrong_forms_are_answered", NEEDS, wrong_forms_are_answered));
    cases
}

/// `bpfasm tc`, followed by the words of a line.
fn tc(line: &str) -> Command {
    let mut command = bpfasm();
    command.arg("tc").args(line.split_whitespace());
    command
}

/// `bpfasm tc filter add dev DEVICE DIRECTION WORDS bpf da obj OBJECT`.
fn add(direction: Direction, words: &str, object: &Path) -> Command {
    let mut command = tc(&format!("filter add dev {DEVICE} {} {words} bpf da obj", direction.name()));
    command.arg(object);
    command
}

fn clsact() {
    succeed(&mut tc(&format!("qdisc add dev {DEVICE} clsact")));
}

/// The command that undoes another, by that one's word.
#[track_caller]
fn undo(done: &Finished) -> Command {
    let line = done.stderr.lines().find_map(|line| line.strip_prefix("undo:  ")).expect("an undo");
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

fn filters(direction: Direction) -> Vec<Filter> {
    filter::list(DEVICE, direction).unwrap()
}

fn drops_until_deleted(file: &Path, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    clsact();
    wire.assert_all_received();
    let done = succeed(add(direction, "", file).args(["sec", "tc"]));
    wire.assert_first_dropped();

    let shown = tc_filters(direction);
    let [filter] = &shown[..] else { panic!("one filter expected: {shown:?}") };
    let name = format!("{}:[tc]", file.file_name().unwrap().to_string_lossy());
    assert_eq!(filter["options"]["bpf_name"], Value::from(name));
    assert_eq!(filter["options"]["prog"]["name"], PROGRAM);
    assert_eq!(filter["pref"], 49152, "the priority that the kernel chooses first");

    succeed(&mut undo(&done));
    assert_eq!(filters(direction), []);
    wire.assert_all_received();
}

/// Filters of both tools, of every sort that is there: several in a priority, several priorities, chains and protocols;
/// by object, by pin, of classic BPF, with actions; and such as run no BPF.
fn populate(sandbox: &Sandbox, direction: Direction) {
    let folder = sandbox.scratch();
    let (passes, sections) = (fixture::no_opinion(folder, "passes"), fixture::sections(folder));
    let pin = Path::new(sandbox::BPFFS).join("pinned");
    succeed(command!("bpftool", "prog", "load").arg(&passes).arg(&pin));

    succeed(add(direction, "", &passes).args(["sec", "tc"]));
    succeed(add(direction, "prio 10 handle 0x1a", &passes).args(["sec", "tc", "classid", "1:7"]));
    succeed(add(direction, "prio 10", &sections).args(["program", "passes", "skip_hw"]));
    succeed(add(direction, "prio 11 protocol 0x88cc chain 3", &sections).args(["sec", "my_own"]));
    succeed(add(direction, "prio 12 protocol 4660", &passes).args(["sec", "tc"]));
    let line = format!("filter add dev {DEVICE} {} prio 13 bpf pinned {} flowid a:", direction.name(), pin.display());
    succeed(&mut tc(&line));
    succeed(&mut attach(&fixture::tc_drop(folder), Mode::Clsact, direction));

    succeed(&mut tc_add_object(direction, 20, &passes));
    succeed(tc_add(direction, 20).args(["bpf", "da", "object-pinned"]).arg(&pin));
    succeed(tc_add(direction, 21).args(["bpf", "bytecode", "2,48 0 0 9,6 0 0 65535", "flowid", "1:1"]));
    let redirect = ["action", "mirred", "egress", "redirect", "dev", DEVICE];
    let mirror = ["action", "mirred", "ingress", "mirror", "dev", DEVICE];
    succeed(tc_add(direction, 22).args(["bpf", "obj"]).arg(&passes).args(["sec", "tc"]).args(mirror).args(redirect));
    succeed(tc_add(direction, 23).args(["protocol", "ip", "u32", "match", "u32", "0", "0", "flowid", "1:3"]));
    succeed(tc_add(direction, 24).args(["protocol", "802.1Q", "u32", "match", "u32", "0", "0"]).args(redirect));
}

fn shows_what_tc_shows(sandbox: &Sandbox, direction: Direction) {
    let _wire = Wire::new(direction).unwrap();
    let whole = format!("filter show dev {DEVICE} {}", direction.name());
    compare(&whole);
    clsact();
    compare(&whole);
    populate(sandbox, direction);
    compare(&whole);
    let all = rows(&mut tc(&format!("-j {whole}")));
    assert_eq!(all.len(), 11 + 13 + 2, "a row for each priority, for each filter, and for the tables of u32");
    for end in ["pref 10", "prio 23", "protocol all", "protocol ip", "chain 0", "chain 3", "chain 3 pref 11", "prio 99"]
    {
        compare(&format!("{whole} {end}"));
    }
    let parent = if direction == Direction::Ingress { "ffff:fff2" } else { "ffff:fff3" };
    compare(&format!("filter show dev {DEVICE} parent {parent}"));
    compare(&format!("-d {whole}"));
    compare(&format!("f ls {} dev {DEVICE} pr 20", direction.name()));
    compare(&format!("f l dev {DEVICE}"));
}

/// The words must show the same with `bpfasm tc` as with `tc`, as JSON and as text.
#[track_caller]
fn compare(line: &str) {
    let theirs = |flag: &str| succeed(command!("tc").args(flag.split_whitespace()).args(line.split_whitespace()));
    let ours = |flag: &str| succeed(&mut tc(&format!("{flag} {line}")));
    for flag in ["-j", "-json"] {
        let [theirs, ours] = [theirs(flag), ours(flag)].map(|shown| shown.json());
        let [theirs, ours] = [theirs, ours].map(|rows| rows.as_array().unwrap().iter().map(known).collect::<Vec<_>>());
        assert_eq!(ours, theirs, "{line}");
    }
    let pretty = succeed(bpfasm().arg("-p").arg("tc").args(line.split_whitespace())).json();
    assert_eq!(pretty, ours("-j").json(), "{line}");
    let [theirs, ours] = [theirs(""), ours("")].map(|shown| lines(&shown.stdout));
    assert_eq!(ours, theirs, "{line}");
}

fn rows(command: &mut Command) -> Vec<Value> {
    succeed(command).json().as_array().unwrap().clone()
}

/// A row, of a filter that is not of BPF with its handle alone: its options are tc's business.
fn known(row: &Value) -> Value {
    let mut row = row.clone();
    if row["kind"] != "bpf" && row.get("options").is_some_and(|options| options.get("fh").is_some()) {
        row["options"] = row["options"]["fh"].clone();
    }
    row
}

/// The lines, of such a filter up to its handle.
fn lines(text: &str) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut of_others = false;
    for line in text.lines() {
        if line.starts_with("filter ") {
            of_others = line.contains(" fh ");
        } else if of_others {
            continue;
        }
        let words = line.split_inclusive(' ');
        let handle = words.clone().take_while(|word| *word != "fh ").count() + 2;
        kept.push(words.take(if of_others { handle } else { usize::MAX }).collect());
    }
    kept
}

fn shows_the_qdiscs_that_tc_shows(_: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    let compare_all = || {
        for line in ["qdisc", "q ls", "qdisc show dev v0", "q s dev v0 clsact", "q s dev v0 root", "q s dev lo"] {
            compare(line);
        }
    };
    compare_all();
    clsact();
    compare_all();
    succeed(&mut tc("q replace dev v0 clsact"));
    finish(&mut tc("qdisc add dev v0 clsact")).exits_with(8).says(&["v0 has a clsact qdisc already"]);
    finish(&mut tc("qdisc add dev v0 ingress")).exits_with(8).says(&["clsact"]);
    finish(&mut tc("qdisc del dev v0 ingress")).exits_with(7).says(&["no ingress qdisc", "clsact"]);
    succeed(&mut command!("tc", "qdisc", "add", "dev", DEVICE, "root", "handle", "1:", "htb", "default", "10"));
    let htb = rows(&mut tc("-j qdisc show dev v0 root"));
    assert_eq!((&htb[0]["kind"], &htb[0]["handle"], &htb[0]["root"]), (&"htb".into(), &"1:".into(), &true.into()));
    succeed(&mut command!("tc", "qdisc", "del", "dev", DEVICE, "root"));

    succeed(&mut tc("q del dev v0 clsact"));
    compare_all();
    finish(&mut tc("q del dev v0 clsact")).exits_with(7).says(&["no clsact qdisc"]);
    succeed(&mut tc("qdisc add dev v0 ingress"));
    compare_all();
    assert!(qdisc::kinds(DEVICE).unwrap().contains(&"ingress".to_owned()));
    succeed(&mut tc("qdisc del dev v0 ingress"));
    finish(&mut tc("qdisc add dev nope clsact")).exits_with(7).says(&["nope"]);
    wire.assert_all_received();
}

fn takes_the_section_or_the_program(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    clsact();
    let object = &fixture::sections(sandbox.scratch());
    // The first program of a section; one by its name; one in a section whose name tells nothing.
    let rows: [(&[&str], &str, &str, bool); 5] = [
        (&["sec", "tc"], "passes", "tc", false),
        (&["program", "drops"], "drops", "tc", true),
        (&["sec", "tc", "program", "drops"], "drops", "tc", true),
        (&["section", "my_own"], "own", "my_own", true),
        (&["program", "own"], "own", "my_own", true),
    ];
    for (words, program, section, drops) in rows {
        let done = succeed(add(DIRECTION, "", object).args(words));
        let shown = tc_filters(DIRECTION);
        assert_eq!(shown[0]["options"]["prog"]["name"], program, "{words:?}");
        assert_eq!(shown[0]["options"]["bpf_name"], Value::from(format!("sections.o:[{section}]")));
        if drops {
            wire.assert_first_dropped();
        } else {
            wire.assert_all_received();
        }
        succeed(&mut undo(&done));
    }
    let refused: [(&[&str], i32, &[&str]); 5] = [
        (&[], 2, &["which program?", "passes (tc)", "name one with program NAME"]),
        (&["sec", "drops"], 2, &["`drops` is a program of", "no section", "`program drops`", "`sec tc`"]),
        (&["sec", "classifier"], 7, &["no program of", "lies in section `classifier`", "own (my_own)"]),
        (&["program", "nope"], 7, &["no program `nope`"]),
        (&["sec", "tc", "program", "own"], 2, &["own (my_own) is not a tc program of that section"]),
    ];
    for (words, code, says) in refused {
        finish(add(DIRECTION, "", object).args(words)).exits_with(code).says(says);
    }
    let blind = format!("filter add dev {DEVICE} ingress bpf obj {} program passes", object.display());
    succeed(&mut tc(&blind)).says(&["note: without `da`"]);
    let pass = fixture::cgroup_pass(sandbox.scratch(), "pass");
    finish(add(DIRECTION, "", &pass).args(["sec", "cgroup_skb/ingress"])).exits_with(2).says(&["not a tc program"]);
    assert_eq!(filters(DIRECTION).len(), 1);
}

fn a_replaced_filter_leaves_no_gap(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    clsact();
    let object = fixture::tc_drop(sandbox.scratch());
    let put = |verb: &str| {
        let place = format!("filter {verb} dev {DEVICE} ingress prio 7 handle 0x2 bpf da obj {}", object.display());
        tc(&place)
    };
    finish(&mut put("change")).exits_with(7).says(&["no filter dev v0 ingress prio 7 handle 0x2"]);
    succeed(&mut put("replace"));
    finish(&mut put("add")).exits_with(8).says(&["there is a filter dev v0 ingress prio 7 handle 0x2"]);
    let first = filters(DIRECTION);
    wire.assert_first_dropped_while(|| {
        for verb in ["change", "replace"].into_iter().cycle().take(10) {
            succeed(&mut put(verb));
        }
    });
    let last = filters(DIRECTION);
    assert_eq!((last.len(), last[0].priority, last[0].handle), (1, 7, 2));
    assert_ne!(last[0].program_id, first[0].program_id);
}

fn deletes_only_what_is_named(sandbox: &Sandbox) {
    let _wire = Wire::new(DIRECTION).unwrap();
    clsact();
    let object = &fixture::no_opinion(sandbox.scratch(), "passes");
    for words in ["prio 10 handle 1", "prio 10 handle 2", "prio 11 chain 3", "prio 12"] {
        succeed(&mut add(DIRECTION, words, object));
    }
    succeed(tc_add(DIRECTION, 20).args(["protocol", "ip", "u32", "match", "u32", "0", "0", "flowid", "1:3"]));
    succeed(&mut add(Direction::Egress, "prio 10", object));
    let refused: [(&str, i32, &[&str]); 7] = [
        ("prio 10 handle 9 bpf", 7, &["no filter dev v0 ingress prio 10 handle 0x9"]),
        ("prio 10 protocol ip", 7, &["no filter", "Protocol mismatch"]),
        ("prio 20 bpf", 7, &["no filter", "kind does not match"]),
        ("prio 99", 7, &["no filter"]),
        ("prio 12 chain 9", 7, &["no filter dev v0 ingress chain 9 prio 12"]),
        ("handle 1 bpf", 2, &["without its priority"]),
        ("bpf", 2, &["without its priority"]),
    ];
    let place = |words: &str| format!("filter del dev {DEVICE} ingress {words}");
    let before = (filters(DIRECTION), filters(Direction::Egress));
    for (words, code, says) in refused {
        finish(&mut tc(&place(words))).exits_with(code).says(says);
        assert_eq!((filters(DIRECTION), filters(Direction::Egress)), before, "{words}");
    }
    let left = || filters(DIRECTION).iter().map(|filter| (filter.priority, filter.handle)).collect::<Vec<_>>();
    let u32s = [(20, 0x8000_0000), (20, 0x8000_0800)];
    assert_eq!(left(), [[(10, 2), (10, 1), (12, 1)].as_slice(), &u32s, &[(11, 1)]].concat());
    succeed(&mut tc(&place("prio 10 handle 0x2 bpf")));
    assert_eq!(left(), [[(10, 1), (12, 1)].as_slice(), &u32s, &[(11, 1)]].concat());
    succeed(&mut tc(&place("prio 20 handle 800::800 u32")));
    succeed(&mut tc(&place("prio 10")));
    assert!(!left().contains(&u32s[1]) && !left().contains(&(10, 1)), "{:?}", left());
    // What is not named is the chain without a number: tc's own meaning.
    succeed(&mut tc(&place("")));
    assert_eq!(left(), [(11, 1)]);
    succeed(&mut tc(&place("chain 3")));
    assert_eq!((filters(DIRECTION), filters(Direction::Egress)), (vec![], before.1));
}

fn tells_what_goes_with_a_qdisc(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    clsact();
    succeed(&mut attach(&fixture::tc_drop(sandbox.scratch()), Mode::Clsact, DIRECTION));
    let deleted = succeed(&mut tc("qdisc del dev v0 clsact"));
    assert_eq!(deleted.stderr, "", "what bpfasm attached is no news");
    wire.assert_all_received();

    clsact();
    succeed(&mut tc_add_object(DIRECTION, 10, &fixture::no_opinion(sandbox.scratch(), "theirs")));
    succeed(tc_add(Direction::Egress, 20).args(["u32", "match", "u32", "0", "0", "flowid", "1:3"]));
    let words = ["ingress prio 10 handle 0x1 bpf theirs.o:[tc]", "egress prio 20 handle 0x80000800 u32"];
    succeed(&mut tc("qdisc del dev v0 clsact")).says(&["did not attach"]).says(&words);
}

fn detach_leaves_it(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    clsact();
    let object = &fixture::tc_drop(sandbox.scratch());
    let done = succeed(&mut add(DIRECTION, "", object));
    finish(&mut detach(DIRECTION)).exits_with(7).says(&["nothing of bpfasm", &hook(DIRECTION)]);
    succeed(&mut attach(object, Mode::Clsact, DIRECTION));
    succeed(&mut detach(DIRECTION));
    assert_eq!(filters(DIRECTION).len(), 1);
    wire.assert_first_dropped();
    succeed(&mut undo(&done));
    wire.assert_all_received();
}

fn an_ingress_qdisc_takes_no_egress_filter(sandbox: &Sandbox) {
    let wire = Wire::new(DIRECTION).unwrap();
    succeed(&mut tc("qdisc add dev v0 ingress"));
    let object = &fixture::tc_drop(sandbox.scratch());
    finish(&mut add(Direction::Egress, "", object)).exits_with(8).says(&["`ingress` qdisc"]);
    wire.assert_all_received();
    let done = succeed(&mut add(DIRECTION, "", object));
    wire.assert_first_dropped();
    for direction in Direction::ALL {
        compare(&format!("filter show dev {DEVICE} {}", direction.name()));
    }
    succeed(&mut undo(&done));
    wire.assert_all_received();
}

fn a_filter_below_another_qdisc(sandbox: &Sandbox) {
    let _wire = Wire::new(DIRECTION).unwrap();
    let object = fixture::no_opinion(sandbox.scratch(), "passes");
    let add = format!("filter add dev {DEVICE} parent 1: prio 5 bpf da obj {}", object.display());
    finish(&mut tc(&add)).exits_with(7).says(&["v0 has no 1: qdisc"]);
    succeed(&mut command!("tc", "qdisc", "add", "dev", DEVICE, "root", "handle", "1:", "htb", "default", "10"));
    let done = succeed(&mut tc(&add));
    for end in ["", " parent 1:", " root", " ingress"] {
        compare(&format!("filter show dev {DEVICE}{end}"));
    }
    succeed(&mut undo(&done));
    assert_eq!(rows(&mut tc(&format!("-j filter show dev {DEVICE}"))), Vec::<Value>::new());
}

fn wrong_forms_are_answered(sandbox: &Sandbox) {
    let _wire = Wire::new(DIRECTION).unwrap();
    let object: PathBuf = fixture::tc_drop(sandbox.scratch());
    let file = object.display();
    let right = "tc qdisc add dev v0 clsact";
    for line in ["ip link add dev v0 clsact", "link add dev v0 clsact"] {
        finish(bpfasm().args(line.split(' '))).exits_with(2).says(&["a qdisc is no link", right]);
    }
    let add = format!("filter add dev v0 ingress bpf da obj {file}");
    finish(bpfasm().args(add.split(' '))).exits_with(2).says(&[&format!("tc {add}")]);
    finish(&mut tc(&add)).exits_with(7).says(&["v0 has no clsact qdisc", right]);
    assert_eq!(qdisc::kinds(DEVICE).unwrap(), ["noqueue"], "nothing is made that was not asked for");
    clsact();
    let words = ["is a program of", "it lies in section `tc`", "`program tc_drop`", "`sec tc`"];
    finish(&mut tc(&format!("{add} sec {PROGRAM}"))).exits_with(2).says(&words);
    let words = [format!("{add} action ok"), "filter add dev v0 ingress".into(), "qdisc add dev v0 root htb".into()];
    for line in words {
        finish(&mut tc(&line)).exits_with(2).says(&["error:"]);
    }
    finish(&mut tc("-s qdisc")).exits_with(2).says(&["`-s`", "-json"]);
    finish(&mut tc("filter show")).exits_with(2).says(&["dev DEV"]);
    assert_eq!(filters(DIRECTION), []);
}
