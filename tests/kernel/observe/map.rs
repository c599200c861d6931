//! `bpfasm map`.

use std::process::Command;

use bpfasm::{
    loader::{
        ErrorKind, Loaded, TestRun,
        map::{Map, MapSpec, UpdateFlags},
    },
    object::kernel::MapType,
};
use bpfasm_tests::{
    Case,
    cli::bpfasm,
    command,
    command::{finish, succeed},
};
use serde_json::{Value, json};

use super::{NEEDS, assert_same_json, assert_same_text, object, prog::pin, run, with_words};
use crate::hook::number;

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("observe::map::typed_maps_are_bpftools", NEEDS, |_| typed_maps_are_bpftools()),
        Case::new("observe::map::maps_of_each_type_are_bpftools", NEEDS, |_| maps_of_each_type_are_bpftools()),
        Case::new("observe::map::list_is_bpftools", NEEDS, |_| list_is_bpftools()),
        Case::new("observe::map::dump_shows_counters", NEEDS, |_| dump_shows_counters()),
        Case::new("observe::map::update_changes_what_bpftool_sees", NEEDS, |_| update_changes_what_bpftool_sees()),
        Case::new("observe::map::programs_and_maps_are_values", NEEDS, |_| programs_and_maps_are_values()),
        Case::new("observe::map::lookup_and_delete", NEEDS, |_| lookup_and_delete()),
        Case::new("observe::map::pin_appears", NEEDS, |_| pin_appears()),
        Case::new("observe::map::what_is_wrong_says_so", NEEDS, |_| what_is_wrong_says_so()),
    ]
}

/// Bytes that look like nothing in particular: the same on every run.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let byte = |_| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            u8::try_from(self.0 >> 56).unwrap()
        };
        (0..count).map(byte).collect()
    }
}

/// Values that show something: zeros, all ones, characters, noise.
fn values(bytes: usize) -> Vec<Vec<u8>> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut text = noise.bytes(bytes);
    // The name of a `struct stat`, and its letter; from a quote bpftool 7.1 makes broken JSON.
    if let Some(name) = text.get_mut(16..24) {
        name.copy_from_slice(b"eth0\0\0\0\0");
    }
    if let Some(letter) = text.get_mut(31) {
        *letter = b'A';
    }
    vec![vec![0; bytes], vec![7; bytes], vec![0xff; bytes], text, noise.bytes(bytes), noise.bytes(bytes)]
}

/// Both print the same of a map, whatever it holds; but we know the kernel's own error number by name, and libc does not.
#[track_caller]
fn assert_same(map: &Map) {
    let id = map.id().to_string();
    for words in [["map", "show", "id", &id], ["map", "dump", "id", &id]] {
        for words in [&words[..], &[&["-j"], &words[..]].concat()] {
            let ours = run(words);
            // It also fails after the dump of what has no keys.
            let theirs = finish(&mut with_words(Command::new("bpftool"), words));
            let theirs = theirs.stdout.replace("Unknown error 524", "Operation is not supported");
            match words[0] {
                "-j" => assert_eq!(json_of(&ours), json_of(&theirs), "{words:?}"),
                _ => assert_eq!(ours, theirs, "{words:?}"),
            }
        }
    }
}

#[track_caller]
fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Keys that a map takes: indexes, or anything.
fn keys(map: &Map, count: usize) -> Vec<Vec<u8>> {
    let mut noise = Noise(42);
    let key = |index: usize| match map.map_type() {
        known if known.has_indexes() => u32::try_from(index).unwrap().to_ne_bytes().to_vec(),
        // The length of the prefix, in bits, stands in front.
        MapType::LPM_TRIE => [&32_u32.to_ne_bytes()[..], &noise.bytes(4)].concat(),
        _ => noise.bytes(usize::try_from(map.key_size()).unwrap()),
    };
    (0..count).map(key).collect()
}

fn typed_maps_are_bpftools() {
    let loaded = object::load();
    for map in loaded.maps().filter(|map| map.map_type() != MapType::PROG_ARRAY) {
        assert_same(map);
        let values = values(map.value_bytes());
        let room = usize::try_from(map.max_entries()).unwrap();
        for some in values.chunks(room) {
            for (key, value) in keys(map, room).iter().zip(some) {
                map.update(key, value, UpdateFlags::ANY).unwrap();
                let key = key.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
                let id = map.id().to_string();
                let words = ["map", "lookup", "id", &id, "key", "hex"];
                let words = [&words[..], &key.iter().map(String::as_str).collect::<Vec<_>>()].concat();
                assert_same_json(&words);
                assert_same_text(&words);
            }
            assert_same(map);
        }
    }
}

/// Maps without types, of each type that a map can be made of without more ado.
fn maps_of_each_type_are_bpftools() {
    let rows = [
        (MapType::HASH, 4, 4, 4, 0),
        (MapType::HASH, 20, 3, 4, 0),
        (MapType::ARRAY, 4, 17, 2, 0),
        (MapType::PERCPU_ARRAY, 4, 12, 2, 0),
        (MapType::PERCPU_HASH, 6, 20, 2, 0),
        (MapType::LRU_HASH, 4, 4, 4, 0),
        (MapType::LPM_TRIE, 8, 1, 4, 1),
        (MapType::DEVMAP, 4, 4, 3, 0),
        (MapType::DEVMAP_HASH, 4, 4, 3, 0),
        (MapType::CPUMAP, 4, 4, 2, 0),
        (MapType::SOCKMAP, 4, 8, 2, 0),
        (MapType::SOCKHASH, 4, 8, 2, 0),
        (MapType::REUSEPORT_SOCKARRAY, 4, 8, 2, 0),
        (MapType::CGROUP_ARRAY, 4, 4, 2, 0),
        (MapType::PERF_EVENT_ARRAY, 4, 4, 2, 0),
        (MapType::PROG_ARRAY, 4, 4, 3, 0),
        (MapType::STACK_TRACE, 4, 16, 2, 0),
        (MapType::QUEUE, 0, 4, 2, 0),
        (MapType::STACK, 0, 4, 2, 0),
        (MapType::BLOOM_FILTER, 0, 4, 2, 0),
        (MapType::RINGBUF, 0, 0, 4096, 0),
    ];
    for (map_type, key, value, entries, flags) in rows {
        let spec = MapSpec::new(map_type, key, value, entries).flags(flags).name("a_map");
        let map = match Map::create(&spec) {
            Ok(map) => map,
            // A type of map that came later: 5.10 has no Bloom filters.
            Err(error) if error.kind() == ErrorKind::Unsupported => continue,
            Err(error) => panic!("{map_type}: {error}"),
        };
        assert_same(&map);
        let keyed = [MapType::HASH, MapType::ARRAY, MapType::PERCPU_ARRAY, MapType::PERCPU_HASH, MapType::LRU_HASH];
        if keyed.contains(&map_type) {
            for (key, value) in keys(&map, 2).iter().zip(values(map.value_bytes())) {
                map.update(key, &value, UpdateFlags::ANY).unwrap();
            }
            assert_same(&map);
            assert_same_text(&["map", "dump", "id", &map.id().to_string()]);
        }
    }
    // A map without a name, and one that is frozen.
    let map = Map::create(&MapSpec::new(MapType::ARRAY, 4, 4, 1)).unwrap();
    map.freeze().unwrap();
    assert_same(&map);
}

/// Of the maps that are there all the time, all that both list.
fn list_is_bpftools() {
    let loaded = object::load();
    let own = loaded.map(object::FLOWS).unwrap().id();
    let [ours, theirs] = super::both_json(&["map", "list"]);
    let mut compared = Vec::new();
    for map in ours.as_array().unwrap() {
        let same = theirs.as_array().unwrap().iter().find(|theirs| theirs["id"] == map["id"]);
        if let Some(same) = same {
            // What other cases do to theirs meanwhile shows in what they weigh.
            let constant =
                |map: &Value| [&map["type"], &map["name"], &map["flags"], &map["bytes_key"]].map(Clone::clone);
            assert_eq!(constant(map), constant(same));
            compared.push(number(&map["id"]));
        }
    }
    assert!(compared.contains(&own) && compared.is_sorted(), "{compared:?}");
}

fn count(loaded: &Loaded, runs: u32) {
    let program = loaded.program(object::PROGRAM).unwrap();
    program.test_run(&TestRun::packet(&[0; 64]).repeat(runs)).unwrap();
}

fn dump_shows_counters() {
    let loaded = object::load();
    count(&loaded, 7);
    let id = loaded.map(object::COUNTS).unwrap().id().to_string();
    let dumped = assert_same_json(&["map", "dump", "id", &id]);
    assert_eq!(dumped[0]["formatted"], json!({ "key": 0, "value": 7 }));
    count(&loaded, 3);
    let text = run(&["map", "lookup", "id", &id, "key", "0"]);
    assert_eq!(text, "{\n    \"key\": 0,\n    \"value\": 10\n}\n");
}

/// What bpftool sees in a map, by the map's types.
#[track_caller]
fn formatted(map: &Map) -> Value {
    let dumped = succeed(&mut command!("bpftool", "-j", "map", "dump", "id", map.id().to_string())).json();
    dumped.as_array().unwrap().iter().map(|entry| entry["formatted"].clone()).collect()
}

fn update_changes_what_bpftool_sees() {
    let loaded = object::load();
    let flows = loaded.map(object::FLOWS).unwrap();
    let id = flows.id().to_string();
    let update = |words: &[&str]| with_words(bpfasm(), &[&["map", "update", "id", &id], words].concat());
    // In bpftool's words.
    let zeros = vec!["0"; object::STAT_BYTES - 1];
    let bytes = [&["key", "10", "0", "0", "1", "80", "0", "0", "0", "value", "3"], &zeros[..]].concat();
    succeed(&mut update(&bytes));
    let seen = formatted(flows);
    assert_eq!(seen[0]["key"], json!({ "src": u32::from_ne_bytes([10, 0, 0, 1]), "port": 80 }));
    assert_eq!(seen[0]["value"]["packets"], 3);
    // By fields, of the same key: what is not named is zero.
    let key = ["key", "src=10.0.0.1", "port=80"];
    let value = [
        "value",
        "delta=-5",
        "color=GREEN",
        "name=eth0",
        "mac=02:00:00:00:00:0a",
        "on=true",
        "letter=65",
        "f2=0x60",
        "pairs[1].high=9",
        "low=4",
        "address.word=7",
    ];
    finish(&mut update(&[&key[..], &value, &["noexist"]].concat())).exits_with(8).says(&["already"]);
    succeed(&mut update(&[&key[..], &value, &["exist"]].concat()));
    let seen = &formatted(flows)[0]["value"];
    assert_eq!((&seen["packets"], &seen["delta"], &seen["color"]), (&json!(0), &json!(-5), &json!("GREEN")));
    assert_eq!((&seen["name"], &seen["mac"]), (&json!("eth0"), &json!([2, 0, 0, 0, 0, 10])));
    assert_eq!((&seen["on"], &seen["letter"], &seen["f2"]), (&json!(true), &json!("A"), &json!("0x60")));
    assert_eq!((&seen["pairs"][1]["high"], &seen[""]["low"]), (&json!(9), &json!(4)));
    finish(&mut update(&["key", "src=1", "value", "packets=1", "exist"])).exits_with(7);
    succeed(&mut update(&["key", "src=1", "value", "packets=1", "noexist"]));

    // One value, and the same for each CPU.
    let counts = loaded.map(object::COUNTS).unwrap();
    run(&["map", "update", "id", &counts.id().to_string(), "key", "2", "value", "0x10000000000"]);
    assert_eq!(formatted(counts)[2], json!({ "key": 2, "value": 0x100_0000_0000_u64 }));
    let by_cpu = loaded.map("flows_by_cpu").unwrap();
    let done = run(&["-j", "map", "update", "id", &by_cpu.id().to_string(), "key", "port=1", "value", "9"]);
    assert_eq!(done, "null\n");
    let seen = formatted(by_cpu);
    let cpus = seen[0]["values"].as_array().unwrap();
    assert!(!cpus.is_empty() && cpus.iter().all(|cpu| cpu["value"] == 9), "{seen}");
}

fn programs_and_maps_are_values() {
    let loaded = object::load();
    let program = loaded.program(object::PROGRAM).unwrap();
    let jumps = loaded.map("jumps").unwrap();
    let (id, path) = (jumps.id().to_string(), pin("program"));
    program.pin(&path).unwrap();
    succeed(&mut with_words(bpfasm(), &["map", "update", "id", &id, "key", "1", "value", "pinned", &path]))
        .says(&["note: ", "prog_array"]);
    let seen = assert_same_json(&["map", "dump", "id", &id]);
    assert_eq!(seen[0]["formatted"], json!({ "key": 1, "value": program.id().unwrap() }));
    assert_same_text(&["map", "dump", "id", &id]);
    assert_eq!(assert_same_json(&["map", "show", "id", &id])["owner_prog_type"], "sched_cls");

    let inner = Map::create(&MapSpec::new(MapType::ARRAY, 4, 4, 1)).unwrap();
    let (outer, pinned) = (pin("outer"), pin("inner"));
    inner.pin(&pinned).unwrap();
    let of_maps = ["type", "array_of_maps", "key", "4", "value", "4", "entries", "3", "name", "outer", "inner_map"];
    let create = [&["map", "create", &outer][..], &of_maps, &["pinned", &pinned]].concat();
    succeed(&mut with_words(Command::new("bpftool"), &create));
    run(&["map", "update", "pinned", &outer, "key", "2", "value", "id", &inner.id().to_string()]);
    let seen = assert_same_json(&["map", "dump", "pinned", &outer]);
    let bytes = inner.id().to_le_bytes().map(|byte| format!("{byte:#04x}"));
    assert_eq!(seen, json!([{ "key": ["0x02", "0x00", "0x00", "0x00"], "value": bytes }]));
    assert_same_text(&["map", "dump", "pinned", &outer]);
}

fn lookup_and_delete() {
    let loaded = object::load();
    let flows = loaded.map(object::FLOWS).unwrap();
    let id = flows.id().to_string();
    let on_key = |verb: &str| with_words(bpfasm(), &["map", verb, "id", &id, "key", "src=1"]);
    finish(&mut on_key("lookup")).exits_with(7).says(&["no key 01 00 00 00"]);
    // As JSON it is null, as bpftool has it, and the exit code is the same.
    assert_eq!(finish(on_key("lookup").arg("-j")).exits_with(7).json(), Value::Null);
    finish(&mut on_key("delete")).exits_with(7).says(&["no key 01 00 00 00"]);
    run(&["map", "update", "id", &id, "key", "src=1", "value", "packets=5"]);
    assert_eq!(succeed(on_key("lookup").arg("-j")).json()["formatted"]["value"]["packets"], 5);
    succeed(&mut on_key("delete"));
    assert_eq!(formatted(flows), json!([]));
}

fn pin_appears() {
    let loaded = object::load();
    let (id, path) = (loaded.map(object::FLOWS).unwrap().id(), pin("flows"));
    run(&["map", "pin", "id", &id.to_string(), &path]);
    drop(loaded);
    let shown = succeed(&mut command!("bpftool", "-j", "-f", "map", "show", "pinned", &path)).json();
    assert_eq!((number(&shown["id"]), &shown["pinned"]), (id, &json!([path])));
    assert_same_json(&["-f", "map", "show", "id", &id.to_string()]);
    finish(&mut with_words(bpfasm(), &["map", "pin", "id", &id.to_string(), &path])).exits_with(8).says(&[&path]);
}

fn what_is_wrong_says_so() {
    let loaded = object::load();
    let id = loaded.map(object::COUNTS).unwrap().id().to_string();
    let fails = |words: &[&str], code: i32, says: &[&str]| {
        let words = [&["map"], words].concat();
        finish(&mut with_words(bpfasm(), &words)).exits_with(code).says(says);
    };
    fails(&["show", "id", "4294967295"], 7, &["no map with id 4294967295"]);
    fails(&["dump", "name", "no such map"], 7, &["`no such map`"]);
    fails(&["show", "tag", "0000000000000000"], 2, &["id, pinned or name"]);
    fails(&["lookup", "id", &id, "key", "1", "0"], 2, &["2 words", "4 bytes", "key 0 0 0 0"]);
    fails(&["lookup", "id", &id], 2, &["the key is missing, of 4 bytes"]);
    fails(&["lookup", "id", &id, "kez", "1"], 2, &["`kez` is not key"]);
    fails(&["lookup", "id", &id, "key", "4"], 7, &["no key"]);
    fails(&["lookup", "id", &id, "key", "-1"], 2, &["`-1`", "unsigned number of 32 bits"]);
    fails(&["update", "id", &id, "key", "1", "value", "1", "2"], 2, &["2 words", "8 bytes"]);
    fails(&["update", "id", &id, "key", "1"], 2, &["the value is missing, of 8 bytes"]);
    fails(&["update", "id", &id, "key", "1", "value", "a=1"], 2, &["no field `a`"]);
    fails(&["update", "id", &id, "key", "hex", "1", "2", "value", "1"], 2, &["2 bytes given", "it has 4"]);
    fails(&["delete", "id", &id, "key", "1"], 2, &["array"]);
    let flows = loaded.map(object::FLOWS).unwrap().id().to_string();
    fails(
        &["update", "id", &flows, "key", "sorc=1", "value", "packets=1"],
        2,
        &["no field `sorc`; there are src, port"],
    );
    fails(&["update", "id", &flows, "key", "src=1", "value", "color=BLUE"], 2, &["NONE, RED, GREEN"]);
}
