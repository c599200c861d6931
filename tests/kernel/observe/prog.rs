//! `bpfasm prog`.

use std::{fs, path::Path, process::Command};

use bpfasm_tests::{
    Case, Sandbox,
    cli::bpfasm,
    command,
    command::{finish, succeed},
    sandbox::BPFFS,
};
use serde_json::Value;

use super::{NEEDS, both_json, object, run, with_words};
use crate::{fixture, hook::number};

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("observe::prog::show_is_bpftools", NEEDS, |_| show_is_bpftools()),
        Case::new("observe::prog::list_is_bpftools", NEEDS, |_| list_is_bpftools()),
        Case::new("observe::prog::dump_is_bpftools", NEEDS, |_| dump_is_bpftools()),
        Case::new("observe::prog::load_pins_the_first", NEEDS, load_pins_the_first),
        Case::new("observe::prog::loadall_pins_all_or_none", NEEDS, loadall_pins_all_or_none),
        Case::new("observe::prog::load_takes_types_and_maps", NEEDS, load_takes_types_and_maps),
        Case::new("observe::prog::pin_appears", NEEDS, |_| pin_appears()),
        Case::new("observe::prog::what_is_wrong_says_so", NEEDS, |_| what_is_wrong_says_so()),
    ]
}

/// A path in the case's bpffs.
pub(super) fn pin(name: &str) -> String {
    format!("{BPFFS}/{name}")
}

/// Two listings of programs must be the same. The clock may have ticked between them: each reckons from the time since
/// boot when a program was loaded.
#[track_caller]
fn assert_same_programs(ours: &mut Value, theirs: &mut Value) {
    let take = |program: &mut Value| program["loaded_at"].take().as_i64().expect("a time");
    assert!((take(ours) - take(theirs)).abs() <= 1);
    assert_eq!(ours, theirs);
}

fn show_is_bpftools() {
    let loaded = object::load();
    let program = loaded.program(object::PROGRAM).unwrap();
    let (id, path) = (program.id().unwrap().to_string(), pin("counting"));
    program.pin(&path).unwrap();
    let tag: String = program.info().unwrap().tag.iter().map(|byte| format!("{byte:02x}")).collect();
    for handle in [["id", &id], ["pinned", &path], ["name", object::PROGRAM], ["tag", &tag]] {
        for flags in [&[][..], &["-f"]] {
            let words = [flags, &["prog", "show"], &handle].concat();
            let [ours, theirs] = both_json(&words);
            // The same program may be loaded by other cases at this moment.
            if let (Value::Object(_), Value::Object(_)) = (&ours, &theirs) {
                assert_same_programs(&mut ours.clone(), &mut theirs.clone());
                assert_eq!(ours["name"], object::PROGRAM);
                assert_eq!(flags.is_empty(), ours.get("pinned").is_none(), "{ours}");
            }
        }
    }
    // The time apart, which bpftool prints in local time.
    let text = run(&["prog", "show", "id", &id, "-f"]);
    let theirs = succeed(&mut command!("bpftool", "-f", "prog", "show", "id", &id)).stdout;
    let without_time =
        |text: &str| text.lines().filter(|line| !line.contains("loaded_at")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_time(&text), without_time(&theirs));
    assert!(text.contains(&format!("\tpinned {path}\n")), "{text}");
    // `list` is the same word, and options may stand on both sides.
    assert_eq!(run(&["prog", "list", "id", &id, "-f"]), text);
    assert_eq!(run(&["-jf", "prog", "list", "id", &id]), run(&["prog", "show", "id", &id, "-f", "--json"]));
}

/// Of the programs that are there before and after, all that both list.
fn list_is_bpftools() {
    let loaded = object::load();
    let id = loaded.program(object::PROGRAM).unwrap().id().unwrap();
    let [ours, theirs] = both_json(&["prog", "list"]);
    let by_id =
        |list: &Value, id: &Value| list.as_array().unwrap().iter().find(|program| program["id"] == *id).cloned();
    let mut compared = Vec::new();
    for program in ours.as_array().unwrap() {
        if let Some(mut theirs) = by_id(&theirs, &program["id"]) {
            assert_same_programs(&mut program.clone(), &mut theirs);
            compared.push(number(&program["id"]));
        }
    }
    assert!(compared.contains(&id) && compared.is_sorted(), "{compared:?}");
}

fn dump_is_bpftools() {
    let loaded = object::load();
    let program = loaded.program(object::PROGRAM).unwrap();
    let id = program.id().unwrap().to_string();
    assert_same_dumps(&["id", &id]);
    let dump = run(&["prog", "dump", "xlated", "id", &id, "linum", "opcodes"]);
    let map = loaded.map(object::COUNTS).unwrap().id();
    let lines = [
        "int counts_packets_of_flows(struct __sk_buff * skb):\n",
        "; COUNTS.lookup(0) [file:by_hand.rs line_num:7 line_col:5]\n",
        "   0: (b7) r1 = 0\n       b7 01 00 00 00 00 00 00\n",
        &format!(": (18) r1 = map[id:{map}] <counts>\n"),
        "int verdict():\n; fn verdict() -> i32 { 0 } [file:by_hand.rs line_num:11 line_col:5]\n",
    ];
    for line in lines {
        assert!(dump.contains(line), "{line:?} in {dump}");
    }
    assert!(!dump.contains("ffff8") && !dump.contains("ffffffff8"), "a kernel address: {dump}");
    // Behind a jump stands the place of an instruction.
    let places: Vec<&str> = dump.lines().filter_map(|line| line.split_once(": (")).map(|(at, _)| at.trim()).collect();
    let targets = dump.lines().filter(|line| line.contains("pc+")).filter_map(|line| line.rsplit_once(" <"));
    let targets: Vec<&str> = targets.map(|(_, target)| target.trim_end_matches('>')).collect();
    assert!(targets.len() > 1 && targets.iter().all(|target| places.contains(target)), "{dump}");
}

/// The code of a program must be the same as bpftool's, as text and as JSON. bpftool 7.1 does not know two instructions
/// that later verifiers put in: a move that adds the address of this CPU's data, and a barrier for speculation.
#[track_caller]
pub(crate) fn assert_same_dumps(program: &[&str]) {
    for extras in [&[][..], &["linum"], &["opcodes"]] {
        let words = [&["prog", "dump", "xlated"], program, extras].concat();
        let [ours, mut theirs] = both_json(&words);
        let lists = ours.as_array().unwrap().iter().zip(theirs.as_array_mut().unwrap());
        for (ours, theirs) in lists {
            let text = ours["disasm"].as_str().unwrap();
            if text.contains("__percpu") || text.contains("nospec") {
                theirs["disasm"] = text.into();
            }
        }
        assert_eq!(ours, theirs, "{words:?}");
    }
    // Our text says more, behind the instructions.
    let words = [&["prog", "dump", "xlated"], program].concat();
    let theirs = succeed(&mut with_words(Command::new("bpftool"), &words)).stdout;
    let ours = run(&words);
    assert_eq!(ours.lines().count(), theirs.lines().count());
    for (ours, theirs) in ours.lines().zip(theirs.lines()).filter(|(ours, _)| !ours.contains("__percpu")) {
        let rest = ours.strip_prefix(theirs).unwrap_or_else(|| panic!("{ours}\n{theirs}"));
        assert!(rest.is_empty() || rest.starts_with(" <"), "{ours}");
    }
}

/// What bpftool says of the program that is pinned there.
#[track_caller]
fn pinned(path: &str) -> Value {
    succeed(&mut command!("bpftool", "-j", "prog", "show", "pinned", path)).json()
}

fn load_pins_the_first(sandbox: &Sandbox) {
    let file = fixture::tc_drop(sandbox.scratch());
    let path = pin("dropping");
    let loaded = succeed(bpfasm().args(["prog", "load"]).arg(&file).arg(&path));
    assert_eq!(loaded.stdout, "");
    assert_eq!((&pinned(&path)["name"], &pinned(&path)["type"]), (&"tc_drop".into(), &"sched_cls".into()));
    // A second one finds no room, and outside of a bpffs there is none.
    finish(bpfasm().args(["prog", "load"]).arg(&file).arg(&path)).exits_with(8).says(&[&path]);
    finish(bpfasm().args(["prog", "load"]).arg(&file).arg(sandbox.scratch().join("x"))).exits_with(2).says(&["bpffs"]);
    let json = succeed(bpfasm().args(["-j", "prog", "load"]).arg(&file).arg(pin("second")));
    assert_eq!(json.json(), Value::Null);
}

fn loadall_pins_all_or_none(sandbox: &Sandbox) {
    let file = fixture::two_programs(sandbox.scratch());
    let (folder, another) = (pin("all"), pin("all_again"));
    succeed(bpfasm().args(["prog", "loadall"]).arg(&file).arg(&folder));
    for name in ["first", "second"] {
        assert_eq!(pinned(&format!("{folder}/{name}"))["name"], name);
    }
    // One of the two paths is taken: neither is pinned.
    fs::create_dir(&another).unwrap();
    succeed(&mut command!("bpftool", "prog", "pin", "pinned", format!("{folder}/first"), format!("{another}/second")));
    finish(bpfasm().args(["prog", "loadall"]).arg(&file).arg(&another)).exits_with(8);
    assert!(!Path::new(&another).join("first").exists());
    // `load` takes the first alone, and says so.
    let path = pin("only");
    succeed(bpfasm().args(["prog", "load"]).arg(&file).arg(&path)).says(&["only the first", "second", "loadall"]);
    assert_eq!(pinned(&path)["name"], "first");
}

fn load_takes_types_and_maps(sandbox: &Sandbox) {
    let file = fixture::no_opinion(sandbox.scratch(), "no_opinion");
    let path = pin("action");
    let load = |words: &[&str]| finish(with_words(bpfasm(), &["prog", "load"]).arg(&file).args(words));
    load(&[&path, "type", "action"]).exits_with(0);
    assert_eq!(pinned(&path)["type"], "sched_act");
    load(&[&pin("x"), "type", "nothing"]).exits_with(2).says(&["`nothing`", "classifier"]);
    load(&[&pin("x"), "pinmap", "x", "y"]).exits_with(2).says(&["`y`", "type, pinmaps or map"]);
    load(&[&pin("x"), "map", "name", "absent", "id", "4294967295"]).exits_with(7).says(&["4294967295"]);
    load(&[&pin("x"), "map", "idx", "0", "id", "1"]).exits_with(2).says(&["no map 0 of 0"]);

    // Maps go to a folder, and from there to other programs.
    let object = object::file(sandbox.scratch());
    let maps = pin("maps");
    let load = |path: &str, words: &[&str]| {
        succeed(bpfasm().args(["prog", "load"]).arg(&object).arg(pin(path)).args(words));
        let program = pinned(&pin(path));
        number(&program["map_ids"][0])
    };
    let first = load("one", &["pinmaps", &maps]);
    let counts = format!("{maps}/counts");
    let shown = succeed(&mut command!("bpftool", "-j", "map", "show", "pinned", &counts)).json();
    assert_eq!(number(&shown["id"]), first);
    assert_eq!(load("two", &["map", "name", "counts", "pinned", &counts]), first);
    assert_eq!(load("three", &["map", "idx", "0", "id", &first.to_string()]), first);
    assert_ne!(load("four", &[]), first);
}

fn pin_appears() {
    let loaded = object::load();
    let id = loaded.program(object::PROGRAM).unwrap().id().unwrap();
    let (path, again) = (pin("here"), pin("there"));
    run(&["prog", "pin", "id", &id.to_string(), &path]);
    assert_eq!(number(&pinned(&path)["id"]), id);
    assert_eq!(run(&["-j", "prog", "pin", "pinned", &path, &again]), "null\n");
    drop(loaded);
    assert_eq!(number(&pinned(&again)["id"]), id);
}

fn what_is_wrong_says_so() {
    let fails = |words: &[&str], code: i32, says: &[&str]| {
        let failed = finish(&mut with_words(bpfasm(), words)).exits_with(code).says(says);
        assert_eq!(failed.stdout, "", "{failed}");
    };
    fails(&["prog", "show", "id", "4294967295"], 7, &["no program with id 4294967295"]);
    fails(&["prog", "show", "name", "no such program"], 7, &["`no such program`"]);
    fails(&["prog", "show", "tag", "0000000000000000"], 7, &["0000000000000000"]);
    fails(&["prog", "show", "pinned", "/sys/fs/bpf/absent"], 7, &["/sys/fs/bpf/absent"]);
    fails(&["prog", "show", "ids", "5"], 2, &["id, pinned, tag or name", "bpfasm prog show"]);
    fails(&["prog", "shwo"], 2, &["show"]);
    fails(&["prog", "dump", "jited", "id", "1"], 2, &["xlated"]);
    fails(&["prog", "dump", "xlated", "id", "4294967295"], 7, &["4294967295"]);
    fails(&["prog", "pin", "id", "4294967295", "/sys/fs/bpf/x"], 7, &["4294967295"]);
    let failed = finish(&mut with_words(bpfasm(), &["-j", "prog", "show", "id", "4294967295"])).exits_with(7);
    assert_eq!(failed.json(), serde_json::json!({ "error": "no program with id 4294967295" }));
}
