//! Maps and global variables of programs: what the verifier takes, what programs and user space see of each other, and what other tools
//! show of them.

use std::{net::Ipv4Addr, path::PathBuf};

use bpfasm::{
    compile, dsl::map::LpmKeyValue, loader, loader::TestRun, loader::map::UpdateFlags, object::elf, prelude::*,
};
use bpfasm_programs::tc_firewall::{COUNTERS, CounterValue, Rule, VERDICTS, tc_firewall};
use bpfasm_tests::{
    Case, Need, Sandbox, command,
    command::succeed,
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, KERNEL_BTF},
    sandbox,
};
use serde_json::{Value, json};

use crate::object::assert_types_were_taken;

/// What it takes to load a program.
const LOADS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN];
/// What it takes to look at its maps with bpftool.
const SHOWS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &BPFFS, &BPFTOOL, &KERNEL_BTF];

/// Verdicts of [`TcAction`].
const OK: u32 = 0;
const SHOT: u32 = 2;

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("maps::every_kind_takes_its_operations", LOADS, |_| every_kind_takes_its_operations()),
        Case::new("maps::programs_of_one_object_share_them", LOADS, |_| programs_of_one_object_share_them()),
        Case::new("maps::keys_with_padding_are_found", LOADS, |_| keys_with_padding_are_found()),
        Case::new("maps::every_type_is_the_same_on_both_sides", LOADS, |_| every_type_is_the_same_on_both_sides()),
        Case::new("maps::the_longest_prefix_is_found", LOADS, |_| the_longest_prefix_is_found()),
        Case::new("maps::each_cpu_has_its_value", LOADS, |_| each_cpu_has_its_value()),
        Case::new("maps::bpftool_shows_their_fields", SHOWS, bpftool_shows_their_fields),
        Case::new("maps::a_firewall_counts_and_is_overruled", LOADS, |_| a_firewall_counts_and_is_overruled()),
        Case::new("maps::globals_keep_their_values", LOADS, |_| globals_keep_their_values()),
        Case::new("maps::bpftool_loads_and_shows_globals", SHOWS, bpftool_loads_and_shows_globals),
    ]
}

/// Runs a program once, on a packet that no protocol of the kernel looks at.
#[track_caller]
fn run(program: &loader::Program) -> u32 {
    program.test_run(&TestRun::packet(&[0; 64])).unwrap().retval
}

#[map]
static HASH: Hash<U32, U64> = Hash::new(2);
#[map]
static LRU: LruHash<U32, U64> = LruHash::new(64);
#[map]
static PER_CPU: PerCpuHash<U32, U64> = PerCpuHash::new(2);
#[map]
static TRIE: LpmTrie<U32, U64> = LpmTrie::new(2);
#[map]
static ARRAY: Array<U64> = Array::new(2);
#[map]
static PER_CPU_ARRAY: PerCpuArray<U64> = PerCpuArray::new(2);

/// A program that does with a map all that can be done. It answers 1 when everything is as it should be, else the number of the step.
macro_rules! exercise {
    ($program:ident, $map:ident, $missing:literal $(, $delete:ident)?) => {
        #[program(tc)]
        fn $program(_skb: &mut Tc) -> TcAction {
            let failed = |step: u32| TcAction::from(U32::from(step));
            if $map.lookup($missing).is_some() {
                return failed(10);
            }
            if $map.update(1, 5, BPF_ANY) != 0 {
                return failed(11);
            }
            let Some(value) = $map.lookup(1) else { return failed(12) };
            value.add(2);
            if value.get() != 7 {
                return failed(13);
            }
            value.set(9);
            if $map.update(1, 1, BPF_NOEXIST) == 0 {
                return failed(14);
            }
            let Some(known) = $map.lookup_or_insert(1, 3) else { return failed(15) };
            if known.get() != 9 {
                return failed(16);
            }
            let Some(other) = $map.lookup_or_insert(0, 3) else { return failed(17) };
            other.add(1);
            $(
                if other.get() != 4 {
                    return failed(18);
                }
                if $map.$delete(1) != 0 || $map.$delete(1) == 0 || $map.lookup(1).is_some() {
                    return failed(19);
                }
            )?
            TcAction::from(U32::from(1))
        }
    };
}

exercise!(uses_hash, HASH, 1, delete);
exercise!(uses_lru, LRU, 1, delete);
exercise!(uses_per_cpu, PER_CPU, 1, delete);
exercise!(uses_array, ARRAY, 2);
exercise!(uses_per_cpu_array, PER_CPU_ARRAY, 2);

#[program(tc)]
fn uses_trie(_skb: &mut Tc) -> TcAction {
    let failed = |step: u32| TcAction::from(U32::from(step));
    if TRIE.lookup(U32::from(1)).is_some() || TRIE.update(U32::from(1), 5, BPF_ANY) != 0 {
        return failed(10);
    }
    let Some(value) = TRIE.lookup(U32::from(1)) else { return failed(12) };
    value.add(2);
    if value.get() != 7 || TRIE.delete(U32::from(1)) != 0 || TRIE.delete(U32::from(1)) == 0 {
        return failed(13);
    }
    TcAction::from(U32::from(1))
}

fn every_kind_takes_its_operations() {
    let programs: [(&str, Result<bpfasm::Loaded, bpfasm::Error>); 6] = [
        ("hash", uses_hash.load()),
        ("lru", uses_lru.load()),
        ("per-cpu hash", uses_per_cpu.load()),
        ("array", uses_array.load()),
        ("per-cpu array", uses_per_cpu_array.load()),
        ("trie", uses_trie.load()),
    ];
    for (kind, program) in programs {
        assert_eq!(run(&program.unwrap()), 1, "{kind}");
    }
}

#[map]
static SHARED: Array<U64> = Array::new(1);

#[program(tc)]
fn adds_one(_skb: &mut Tc) -> TcAction {
    if let Some(count) = SHARED.lookup(0) {
        count.add(1);
    }
    TcAction::OK
}

#[program(tc)]
fn adds_ten(_skb: &mut Tc) -> TcAction {
    if let Some(count) = SHARED.lookup(0) {
        count.add(10);
    }
    TcAction::OK
}

fn programs_of_one_object_share_them() {
    let object = compile(&[&adds_one, &adds_ten], &Default::default()).unwrap();
    assert_eq!(object.maps.len(), 1);
    let loaded = loader::load(&object).unwrap();
    for name in ["adds_one", "adds_ten", "adds_one"] {
        run(loaded.program(name).unwrap());
    }
    assert_eq!(loaded.map_of(&SHARED).unwrap().lookup(&0).unwrap(), Some(12));
    // Another load has maps of its own, and knows no others.
    let alone = adds_one.load().unwrap();
    assert_eq!(alone.map(&SHARED).unwrap().lookup(&0).unwrap(), Some(0));
    let missing = alone.map(&HASH).unwrap_err();
    assert_eq!(missing.to_string(), "no map `HASH`; there is `SHARED`");
}

/// Three bytes of padding before `wide`, two behind `last`.
#[derive(BpfStruct)]
struct Padded {
    narrow: U8,
    wide: U32,
    last: U16,
}

#[map]
static PADDED: Hash<Padded, U32> = Hash::new(4);

#[program(tc)]
fn finds_padded(skb: &mut Tc) -> TcAction {
    let key = Padded { narrow: U8::from(7), wide: skb.len(), last: U16::from(9) };
    if let Some(found) = PADDED.lookup(&key) {
        return TcAction::from(found.get());
    }
    PADDED.update(&key, 3, BPF_NOEXIST);
    TcAction::UNSPEC
}

fn keys_with_padding_are_found() {
    let loaded = finds_padded.load().unwrap();
    let map = loaded.map(&PADDED).unwrap();
    let key = PaddedValue { narrow: 7, wide: 64, last: 9 };
    // Once as the program wrote it, once as user space did.
    assert_eq!((run(&loaded), map.lookup(&key).unwrap(), run(&loaded)), (u32::MAX, Some(3), 3));
    map.delete(&key).unwrap();
    map.insert(&key, &5).unwrap();
    assert_eq!(run(&loaded), 5);
}

#[derive(BpfStruct)]
struct Everything {
    mac: Mac,
    a: U8,
    odd_mac: Mac,
    b: U16,
    c: U32,
    d: U64,
    e: I32,
    f: I64,
    port: Be16,
    address: Be32,
    id: Be64,
    ipv6: Be128,
    list: [Be16; 3],
    inner: Padded,
}

#[map]
static EVERYTHING: Hash<U32, Everything> = Hash::new(4);

/// Writes an entry, and adds to each field of entry 1 that can be added to.
#[program(tc)]
fn writes_everything(skb: &mut Tc) -> TcAction {
    let value = Everything {
        mac: Mac::from([1, 2, 3, 4, 5, 6]),
        a: U8::from(1),
        odd_mac: Mac::from([7, 8, 9, 10, 11, 12]),
        b: U16::from(2),
        c: skb.len(),
        d: U64::from(4),
        e: I32::from(-5),
        f: I64::from(-6),
        port: Be16::from(80),
        address: Be32::from(Ipv4Addr::new(10, 0, 0, 1)),
        id: Be64::from(7),
        ipv6: Be128::from(Ipv6Addr::LOCALHOST),
        list: [Be16::from(1), Be16::from(2), Be16::from(3)],
        inner: Padded { narrow: U8::from(8), wide: U32::from(9), last: U16::from(10) },
    };
    EVERYTHING.update(0, value, BPF_ANY);
    let Some(one) = EVERYTHING.lookup(1) else { return TcAction::OK };
    one.c().add(1);
    one.d().add(skb.len());
    one.e().add(-1);
    one.f().add(-1);
    one.list().at(2).set(Be16::from(443));
    one.inner().last().set(11);
    let copy = one.get();
    EVERYTHING.update(2, copy, BPF_ANY);
    if one.mac().get() == [1, 2, 3, 4, 5, 6] && one.odd_mac().get() == [7, 8, 9, 10, 11, 12] {
        return TcAction::SHOT;
    }
    TcAction::OK
}

fn every_type_is_the_same_on_both_sides() {
    let loaded = writes_everything.load().unwrap();
    let map = loaded.map(&EVERYTHING).unwrap();
    assert_eq!(run(&loaded), OK, "there is no entry 1");
    let mut expected = EverythingValue {
        mac: [1, 2, 3, 4, 5, 6],
        a: 1,
        odd_mac: [7, 8, 9, 10, 11, 12],
        b: 2,
        c: 64,
        d: 4,
        e: -5,
        f: -6,
        port: 80,
        address: u32::from(Ipv4Addr::new(10, 0, 0, 1)),
        id: 7,
        ipv6: Ipv6Addr::LOCALHOST,
        list: [1, 2, 3],
        inner: PaddedValue { narrow: 8, wide: 9, last: 10 },
    };
    assert_eq!(map.lookup(&0).unwrap(), Some(expected));
    map.insert(&1, &expected).unwrap();
    assert_eq!(run(&loaded), SHOT, "entry 1 has both addresses");
    (expected.c, expected.d, expected.e, expected.f) = (65, 68, -6, -7);
    (expected.list, expected.inner.last) = ([1, 2, 443], 11);
    assert_eq!([1, 2].map(|key| map.lookup(&key).unwrap()), [Some(expected); 2]);
}

#[map]
static ROUTES: LpmTrie<Be32, U32> = LpmTrie::new(8);

#[program(tc)]
fn routes(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::UNSPEC };
    match ROUTES.lookup(ip.daddr()) {
        Some(route) => TcAction::from(route.get()),
        None => TcAction::UNSPEC,
    }
}

fn the_longest_prefix_is_found() {
    let loaded = routes.load().unwrap();
    let map = loaded.map(&ROUTES).unwrap();
    let ten = |prefix_len, third| LpmKeyValue { prefix_len, data: u32::from(Ipv4Addr::new(10, 0, third, 0)) };
    map.update_batch([(ten(8, 0), 8), (ten(24, 5), 24)]).unwrap();
    let to = |address: [u8; 4]| {
        let sample = Sample::new("").eth().ipv4(Ipv4Addr::LOCALHOST, address.into()).udp(1, 2).gives(TcAction::OK);
        loaded.test_run(&TestRun::packet(sample.packet())).unwrap().retval
    };
    assert_eq!([to([10, 0, 5, 1]), to([10, 0, 6, 1]), to([11, 0, 5, 1])], [24, 8, u32::MAX]);
}

#[map]
static EACH: PerCpuArray<U32> = PerCpuArray::new(1);

#[program(tc)]
fn counts_for_each_cpu(_skb: &mut Tc) -> TcAction {
    if let Some(count) = EACH.lookup(0) {
        count.set(count.get() + 1);
    }
    TcAction::OK
}

fn each_cpu_has_its_value() {
    let loaded = counts_for_each_cpu.load().unwrap();
    let map = loaded.map(&EACH).unwrap();
    for _ in 0..7 {
        run(&loaded);
    }
    let values = map.lookup(&0).unwrap().unwrap();
    assert_eq!(values.len(), loader::map::possible_cpus().unwrap().len());
    assert_eq!(values.iter().sum::<u32>(), 7);
    map.update(&0, &vec![5; values.len()]).unwrap();
    run(&loaded);
    assert_eq!(map.lookup(&0).unwrap().unwrap().iter().max(), Some(&6));
}

#[derive(BpfStruct)]
struct Stat {
    packets: U64,
    bytes: U64,
}

#[derive(BpfStruct)]
struct Flow {
    mark: U32,
    port: Be16,
}

#[map]
static STATS: Hash<Flow, Stat> = Hash::new(16);

#[program(tc)]
fn counts_flows(skb: &mut Tc) -> TcAction {
    let flow = Flow { mark: skb.mark(), port: Be16::from(80) };
    if let Some(stat) = STATS.lookup_or_insert(flow, Stat { packets: U64::from(0), bytes: U64::from(0) }) {
        stat.packets().add(1);
        stat.bytes().add(skb.len());
    }
    TcAction::OK
}

/// Writes the object of a program, as `bpfasm build` does, and loads it with bpftool.
#[track_caller]
fn load_with_bpftool(sandbox: &Sandbox, object: &bpfasm::object::Object) -> PathBuf {
    let file = sandbox.scratch().join("object.o");
    let bytes = elf::write(object).unwrap();
    assert_eq!(elf::read(&bytes).unwrap(), *object);
    std::fs::write(&file, bytes).unwrap();
    let pin = PathBuf::from(sandbox::BPFFS).join("program");
    assert_types_were_taken(&succeed(&mut command!("bpftool", "prog", "load", file, &pin)));
    pin
}

/// The entries of the maps of a pinned program, by map name: what bpftool makes of keys and values by their types.
#[track_caller]
fn dumps(pin: &PathBuf) -> serde_json::Map<String, Value> {
    let program = succeed(&mut command!("bpftool", "-j", "prog", "show", "pinned", pin)).json();
    let ids = program["map_ids"].as_array().unwrap().clone();
    let dump = |id: &Value| {
        let id = id.to_string();
        let map = succeed(&mut command!("bpftool", "-j", "map", "show", "id", &id)).json();
        let entries = succeed(&mut command!("bpftool", "-j", "map", "dump", "id", &id)).json();
        let formatted: Vec<Value> =
            entries.as_array().unwrap().iter().map(|entry| entry["formatted"].clone()).collect();
        (map["name"].as_str().unwrap().to_owned(), Value::from(formatted))
    };
    ids.iter().map(dump).collect()
}

fn bpftool_shows_their_fields(sandbox: &Sandbox) {
    let pin = load_with_bpftool(sandbox, &counts_flows.compile().unwrap());
    for _ in 0..3 {
        run(&loader::Program::from_pin(&pin).unwrap());
    }
    let dumps = dumps(&pin);
    let port = u16::from_ne_bytes([0, 80]);
    let expected = json!([{ "key": { "mark": 0, "port": port }, "value": { "packets": 3, "bytes": 192 } }]);
    assert_eq!(dumps["STATS"], expected);
}

fn a_firewall_counts_and_is_overruled() {
    let blocked = Ipv4Addr::new(10, 1, 0, 0);
    let rules = [Rule { from: Some((blocked, 16)), ..Rule::DROP }];
    let loaded = tc_firewall.with(&rules).load().unwrap();
    let (counters, verdicts) = (loaded.map(&COUNTERS).unwrap(), loaded.map(&VERDICTS).unwrap());
    let from = |address: [u8; 4]| {
        let sample = Sample::new("").eth().ipv4(address.into(), Ipv4Addr::LOCALHOST).udp(1, 2).gives(TcAction::OK);
        loaded.test_run(&TestRun::packet(sample.packet())).unwrap().retval
    };
    assert_eq!([from([10, 1, 2, 3]), from([10, 2, 2, 3]), from([10, 1, 9, 9])], [SHOT, OK, SHOT]);
    verdicts.insert(&0, &OK).unwrap();
    verdicts.insert(&1, &SHOT).unwrap();
    assert_eq!([from([10, 1, 2, 3]), from([10, 2, 2, 3])], [OK, SHOT], "user space overrules both");
    verdicts.delete(&0).unwrap();
    assert_eq!(from([10, 1, 2, 3]), SHOT, "the rule has its say again");
    let counted = |rule| counters.lookup(&rule).unwrap().unwrap();
    assert_eq!(counted(0), CounterValue { packets: 4, bytes: 4 * 42 });
    assert_eq!(counted(1), CounterValue { packets: 2, bytes: 2 * 42 });
}

#[global]
static SEEN: Global<U64> = Global::new(0);
#[global]
static STEP: Global<U32> = Global::new(5);
#[global]
static LAST: Global<Flow> = Global::new(FlowValue { mark: 1, port: 80 });
#[global]
static FLOOR: Constant<U32> = Constant::new(3);

#[program(tc)]
fn counts_in_globals(skb: &mut Tc) -> TcAction {
    if skb.len() < FLOOR.get() {
        return TcAction::SHOT;
    }
    SEEN.add(STEP.get());
    STEP.set(STEP.get() + 1);
    LAST.place().mark().add(skb.len());
    TcAction::from(U32::from(LAST.place().port().get().host()))
}

fn globals_keep_their_values() {
    let object = counts_in_globals.compile().unwrap();
    // From a file as from memory.
    for object in [elf::read(&elf::write(&object).unwrap()).unwrap(), object] {
        let loaded = loader::load(&object).unwrap();
        let program = loaded.program("counts_in_globals").unwrap();
        assert_eq!([run(program), run(program)], [80, 80]);
        let value = |name: &str| loaded.map(name).unwrap().lookup(&[0; 4]).unwrap().unwrap();
        assert_eq!(value(".bss"), 11_u64.to_ne_bytes());
        assert_eq!(value(".data")[..4], 7_u32.to_ne_bytes());
        assert_eq!(value(".data")[8..12], 129_u32.to_ne_bytes());
        assert_eq!(value(".rodata")[..4], 3_u32.to_ne_bytes());
        let rodata = loaded.map(".rodata").unwrap();
        rodata.update(&[0; 4], &[0; 8], UpdateFlags::ANY).expect_err("nobody writes it any more");
    }
}

fn bpftool_loads_and_shows_globals(sandbox: &Sandbox) {
    let pin = load_with_bpftool(sandbox, &counts_in_globals.compile().unwrap());
    run(&loader::Program::from_pin(&pin).unwrap());
    let dumps = dumps(&pin);
    let variables = |suffix: &str| {
        let (_, dump) = dumps.iter().find(|(name, _)| name.ends_with(suffix)).unwrap();
        dump[0]["value"].clone()
    };
    assert_eq!(variables(".bss")[".bss"], json!([{ "SEEN": 5 }]));
    let port = u16::from_ne_bytes([0, 80]);
    assert_eq!(variables(".data")[".data"], json!([{ "STEP": 6 }, { "LAST": { "mark": 65, "port": port } }]));
    assert_eq!(variables(".rodata")[".rodata"], json!([{ "FLOOR": 3 }]));
}
