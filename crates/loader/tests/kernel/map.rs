//! Maps: entries one by one, by types, many at a time, and while others change them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bpfasm_loader::map::{Difference, MapSpec, MapValue, PerCpu, Protection, UpdateFlags, maps, possible_cpus};
use bpfasm_loader::sys::{self, Errno};
use bpfasm_loader::{Error, ErrorKind, Map, TypedMap};
use bpfasm_object::MapData;
use bpfasm_object::kernel::MapType;
use libtest_mimic::Trial;

use crate::harness::{Need, Outcome, test};

const NEEDS: &[Need] = &[Need::Privileges];

/// `BPF_F_NO_PREALLOC`, without which there is no trie.
const NO_PREALLOC: u32 = 1;

pub fn tests() -> Vec<Trial> {
    vec![
        test("map: hash, by key and value", NEEDS, || keyed::<u64>(MapType::HASH, 0, &|n| n)),
        test("map: lru_hash, by key and value", NEEDS, || keyed::<u64>(MapType::LRU_HASH, 0, &|n| n)),
        test("map: percpu_hash, by key and value", NEEDS, || keyed::<PerCpu<u32>>(MapType::PERCPU_HASH, 0, &per_cpu)),
        test("map: lpm_trie, by key and value", NEEDS, trie),
        test("map: array, by key and value", NEEDS, || indexed::<u64>(MapType::ARRAY, &|n| n)),
        test("map: percpu_array, by key and value", NEEDS, || indexed::<PerCpu<u32>>(MapType::PERCPU_ARRAY, &per_cpu)),
        test("map: many at a time are the same as one by one", NEEDS, batches),
        test("map: a batch stops at what does not fit", NEEDS, refused_batches),
        test("map: a type without batches", NEEDS, without_batches),
        test("map: a queue", NEEDS, queue),
        test("map: a walk gives what stays once, while others come and go", NEEDS, walks),
        test("map: what is walked may be deleted", NEEDS, deleting_walk),
        test("map: drained", NEEDS, drained),
        test("map: types and buffers of other sizes", NEEDS, sizes),
        test("map: values of all CPUs, and no byte more", NEEDS, canaries),
        test("map: protected", NEEDS, protected),
        test("map: what the kernel tells", NEEDS, told),
        test("map: refused", NEEDS, refused),
    ]
}

/// As many different values as there are CPUs.
fn per_cpu(n: u64) -> Vec<u32> {
    let cpus = possible_cpus().expect("a list of CPUs");
    cpus.iter().map(|cpu| u32::try_from(n).expect("a small number") * 1000 + cpu).collect()
}

/// What holds for all types whose keys come and go.
fn keyed<V: MapValue>(map_type: MapType, flags: u32, value: &dyn Fn(u64) -> V::Value) -> Outcome
where
    V::Value: PartialEq + Debug,
{
    let value_size = u32::try_from(V::SIZE)?;
    let map = Map::create(&MapSpec::new(map_type, 4, value_size, 4).flags(flags))?.typed::<u32, V>()?;
    comes_and_goes(&map, &[1, 2, 3, 4, 5], value)?;
    // The kernel's word: keys are bytes as they lie in memory.
    map.update(&0x0102_0304, &value(9))?;
    assert_eq!(map.map().next_key(None)?, Some(0x0102_0304_u32.to_ne_bytes().to_vec()));
    Ok(())
}

/// Of five keys, four fit. Leaves the map empty.
fn comes_and_goes<K: MapData, V: MapValue>(
    map: &TypedMap<K, V>,
    keys: &[K::Value; 5],
    value: &dyn Fn(u64) -> V::Value,
) -> Outcome
where
    V::Value: PartialEq + Debug,
{
    let [first, second, ..] = keys;
    assert_eq!(map.lookup(first)?, None);
    assert!(matches!(map.replace(first, &value(1)), Err(Error::NoSuchKey { .. })));
    map.insert(first, &value(1))?;
    assert_eq!(map.lookup(first)?, Some(value(1)));
    let error = map.insert(first, &value(2)).expect_err("it is there");
    assert!(matches!(&error, Error::KeyExists { key, .. } if key.len() == K::SIZE), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    map.replace(first, &value(3))?;
    map.update(first, &value(4))?;
    map.update(second, &value(5))?;
    assert_eq!((map.lookup(first)?, map.lookup(second)?), (Some(value(4)), Some(value(5))));
    assert_eq!((map.delete(first)?, map.delete(first)?, map.lookup(first)?), (true, false, None));
    // Hash maps only, and from Linux 5.14 on.
    match map.lookup_and_delete(second) {
        Err(Error::Unsupported { .. }) => assert!(map.delete(second)?),
        taken => assert_eq!((taken?, map.lookup_and_delete(second)?), (Some(value(5)), None)),
    }
    assert_eq!(map.iter().count(), 0);
    if map.map().map_type() != MapType::LRU_HASH {
        let (last, fitting) = keys.split_last().ok_or("no keys")?;
        fitting.iter().try_for_each(|key| map.update(key, &value(1)))?;
        let error = map.update(last, &value(1)).expect_err("it is full");
        assert!(matches!(error, Error::MapFull { max_entries: 4, .. }), "{error}");
        fitting.iter().try_for_each(|key| map.update(key, &value(2)))?;
        assert_eq!(map.delete_batch(map.keys().collect::<Result<Vec<_>, _>>()?)?, 4);
    }
    assert_eq!(map.keys().count(), 0);
    Ok(())
}

/// `struct bpf_lpm_trie_key` with an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Network {
    prefix_len: u32,
    address: [u8; 4],
}

fn network(prefix_len: u32, address: [u8; 4]) -> Network {
    Network { prefix_len, address }
}

fn new_trie(max_entries: u32) -> Result<TypedMap<Network, u64>, Error> {
    Map::create(&MapSpec::of::<Network, u64>(MapType::LPM_TRIE, max_entries).flags(NO_PREALLOC))?.typed()
}

fn trie() -> Outcome {
    let map = new_trie(4)?;
    let keys = [1, 2, 3, 4, 5].map(|host| network(32, [10, 0, 0, host]));
    comes_and_goes(&map, &keys, &|n| n)?;
    map.update(&network(8, [10, 0, 0, 0]), &8)?;
    map.update(&network(24, [10, 0, 1, 0]), &24)?;
    assert_eq!(map.lookup(&network(32, [10, 0, 1, 7]))?, Some(24));
    assert_eq!(map.lookup(&network(32, [10, 9, 9, 9]))?, Some(8));
    assert_eq!(map.lookup(&network(32, [11, 0, 0, 0]))?, None);
    let entries: BTreeMap<Network, u64> = map.iter().collect::<Result<_, _>>()?;
    assert_eq!(
        entries.into_iter().collect::<Vec<_>>(),
        [(network(8, [10, 0, 0, 0]), 8), (network(24, [10, 0, 1, 0]), 24)]
    );
    Ok(())
}

/// What holds for all arrays.
fn indexed<V: MapValue>(map_type: MapType, value: &dyn Fn(u64) -> V::Value) -> Outcome
where
    V::Value: PartialEq + Debug,
{
    let map = Map::create(&MapSpec::new(map_type, 4, u32::try_from(V::SIZE)?, 3).name("rows"))?.typed::<u32, V>()?;
    let zero = map.lookup(&0)?;
    assert!(zero.is_some() && zero != Some(value(7)));
    map.update(&2, &value(7))?;
    map.replace(&1, &value(5))?;
    assert_eq!((map.lookup(&2)?, map.lookup(&3)?), (Some(value(7)), None));
    assert!(matches!(map.insert(&2, &value(1)), Err(Error::KeyExists { .. })));
    let error = map.update(&3, &value(1)).expect_err("no such index");
    assert!(matches!(error, Error::NoSuchKey { .. }), "{error}");
    let error = map.delete(&2).expect_err("it stays");
    assert_eq!(error.to_string(), "map `rows`: an array keeps all of its keys");
    assert_eq!(map.delete_batch([0, 1]).expect_err("they stay").kind(), ErrorKind::Usage);
    let entries = map.iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(entries, [(0, zero.ok_or("no value")?), (1, value(5)), (2, value(7))]);
    map.update_batch((0..3).map(|index| (index, value(u64::from(index) + 20))))?;
    assert_eq!(
        map.iter().map(|entry| entry.map(|(_, value)| value)).collect::<Result<Vec<_>, _>>()?,
        [value(20), value(21), value(22)]
    );
    Ok(())
}

/// More than one buffer for the kernel holds.
const MANY: u32 = 9000;

fn batches() -> Outcome {
    let new = |map_type, flags| Map::create(&MapSpec::of::<u64, [u8; 12]>(map_type, MANY).flags(flags));
    let value = |n: u32| <[u8; 12]>::try_from([n, n + 1, n + 2].map(u32::to_ne_bytes).concat()).expect("twelve");
    // As keys of a trie: 32 bits of 32.
    let key = |n: u32| bytemuck::cast::<[u32; 2], u64>([32, n]);
    let all = || (0..MANY).map(|n| (key(n), value(n)));
    for (map_type, flags) in
        [(MapType::HASH, 0), (MapType::HASH, NO_PREALLOC), (MapType::LRU_HASH, 0), (MapType::LPM_TRIE, NO_PREALLOC)]
    {
        // Half of an LRU map, so that nothing is thrown out.
        let all = || all().take(if map_type == MapType::LRU_HASH { 1000 } else { all().count() });
        let (many, single) = (new(map_type, flags)?.typed::<u64, [u8; 12]>()?, new(map_type, flags)?.typed()?);
        many.update_batch(all())?;
        all().try_for_each(|(key, value)| single.insert(&key, &value))?;
        let read = |map: &TypedMap<u64, [u8; 12]>| map.iter().collect::<Result<BTreeMap<_, _>, _>>();
        assert_eq!(many.iter().count(), all().count(), "{map_type}: each once");
        assert_eq!((read(&many)?, read(&single)?), (all().collect(), all().collect()), "{map_type}");
        assert!(all().all(|(key, value)| many.lookup(&key).is_ok_and(|found| found == Some(value))));
        // Every third is missing already.
        for (key, _) in all().step_by(3) {
            assert!(many.delete(&key)?);
        }
        let rest = read(&many)?.len();
        assert_eq!(many.delete_batch(all().map(|(key, _)| key))?, rest, "{map_type}");
        assert_eq!((many.iter().count(), many.delete_batch([])?), (0, 0), "{map_type}");
        many.update_batch([])?;
    }
    let percpu = Map::create(&MapSpec::of::<u32, u32>(MapType::PERCPU_HASH, MANY))?.typed::<u32, PerCpu<u32>>()?;
    percpu.update_batch((0..MANY).map(|n| (n, per_cpu(u64::from(n)))))?;
    let entries: BTreeMap<_, _> = percpu.iter().collect::<Result<_, _>>()?;
    assert!(entries.len() == 9000 && entries.iter().all(|(&n, values)| *values == per_cpu(u64::from(n))));
    Ok(())
}

fn refused_batches() -> Outcome {
    let map = Map::create(&MapSpec::of::<u32, u64>(MapType::HASH, 100).name("small"))?.typed::<u32, u64>()?;
    let error = map.update_batch((0..200).map(|n| (n, 1))).expect_err("it is full");
    assert!(matches!(error, Error::MapFull { max_entries: 100, .. }), "{error}");
    assert_eq!(map.iter().count(), 100);
    let array = Map::create(&MapSpec::of::<u32, u64>(MapType::ARRAY, 3).name("rows"))?.typed::<u32, u64>()?;
    let error = array.update_batch([(0, 1), (2, 2), (3, 3), (1, 4)]).expect_err("no index 3");
    assert!(matches!(&error, Error::NoSuchKey { key, .. } if *key == 3_u32.to_ne_bytes()), "{error}");
    assert_eq!(array.iter().collect::<Result<Vec<_>, _>>()?, [(0, 1), (1, 0), (2, 2)]);
    for (keys, values) in [(7, 8), (8, 8), (0, 8)] {
        assert_eq!(
            map.map().update_batch(&vec![0; keys], &vec![0; values]).map_err(|e| e.kind()),
            Err(ErrorKind::Usage)
        );
    }
    assert_eq!(map.map().delete_batch(&[0; 7]).map_err(|error| error.kind()), Err(ErrorKind::Usage));
    Ok(())
}

/// What stands in for batches: a call for each entry.
fn without_batches() -> Outcome {
    let lo = 1_u32;
    let map = Map::create(&MapSpec::of::<u32, u32>(MapType::DEVMAP_HASH, 100).name("devices"))?;
    let lookup = sys::map_lookup_batch(map.as_map_fd(), None, &mut [0; 4], &mut [0; 4], &mut [0; 4]);
    assert_eq!(lookup, Err(Errno::ENOTSUPP));
    let map = map.typed::<u32, u32>()?;
    map.update_batch((0..100).map(|key| (key, lo)))?;
    let error = map.update_batch([(1, lo), (200, lo), (2, lo)]).expect_err("it is full");
    assert!(matches!(&error, Error::MapFull { key, .. } if *key == 200_u32.to_ne_bytes()), "{error}");
    assert_eq!(map.iter().collect::<Result<BTreeMap<_, _>, _>>()?, (0..100).map(|key| (key, lo)).collect());
    assert_eq!((map.delete_batch(10..300)?, map.drain().count(), map.keys().count()), (90, 10, 0));
    Ok(())
}

fn queue() -> Outcome {
    let queue = Map::create(&MapSpec::new(MapType::QUEUE, 0, 4, 2).name("queue"))?;
    for value in [1_u32, 2] {
        queue.update(&[], &value.to_ne_bytes(), UpdateFlags::ANY)?;
    }
    assert!(matches!(queue.update(&[], &[0; 4], UpdateFlags::ANY), Err(Error::MapFull { .. })));
    assert_eq!(queue.lookup(&[])?, Some(1_u32.to_ne_bytes().to_vec()));
    assert_eq!(queue.lookup_and_delete(&[])?, Some(1_u32.to_ne_bytes().to_vec()));
    assert_eq!((queue.lookup_and_delete(&[])?.is_some(), queue.lookup_and_delete(&[])?), (true, None));
    assert_eq!(queue.update_batch(&[], &[]).map_err(|error| error.kind()), Err(ErrorKind::Usage));
    assert!(queue.entries().next().is_some_and(|entry| entry.is_err()));
    Ok(())
}

/// Runs `walk` again and again, while another thread adds keys and deletes them.
fn under_change<K: MapData, V: MapValue>(
    map: &TypedMap<K, V>,
    change: impl Fn(&TypedMap<K, V>, u32) -> Result<(), Error> + Send + Sync,
    walk: impl Fn(&TypedMap<K, V>) -> Outcome,
) -> Outcome {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                change(map, round)?;
                round += 1;
            }
            Ok::<u32, Error>(round)
        });
        let outcome = (0..50).try_for_each(|_| walk(map));
        done.store(true, Ordering::Relaxed);
        let rounds = changing.join().expect("no panic")?;
        assert!(rounds > 0);
        outcome
    })
}

fn walks() -> Outcome {
    let stays = 1000;
    let check = |keys: Vec<u32>| -> Outcome {
        let each: BTreeSet<u32> = keys.iter().copied().collect();
        assert_eq!(each.len(), keys.len(), "no key comes twice");
        assert!((0..stays).all(|key| each.contains(&key)), "every key that stays comes");
        Ok(())
    };
    for flags in [0, NO_PREALLOC] {
        let map = Map::create(&MapSpec::of::<u32, u32>(MapType::HASH, 4000).flags(flags))?.typed::<u32, u32>()?;
        map.update_batch((0..stays).map(|key| (key, key)))?;
        let change = |map: &TypedMap<u32, u32>, round: u32| {
            let keys = || (0..100).map(|n| stays + (round * 100 + n) % 2000);
            map.update_batch(keys().map(|key| (key, 1)))?;
            map.delete_batch(keys()).map(drop)
        };
        under_change(&map, change, |map| {
            check(map.iter().map(|entry| entry.map(|(key, _)| key)).collect::<Result<_, _>>()?)
        })?;
        // Key by key, with restarts.
        under_change(&map, change, |map| check(map.keys().collect::<Result<_, _>>()?))?;
    }
    let map = new_trie(4000)?;
    let host = |n: u32| network(32, n.to_be_bytes());
    map.update_batch((0..stays).map(|n| (host(n), 1)))?;
    let change = |map: &TypedMap<Network, u64>, round: u32| {
        let keys = || (0..100).map(|n| host(stays + (round * 100 + n) % 2000));
        map.update_batch(keys().map(|key| (key, 1)))?;
        map.delete_batch(keys()).map(drop)
    };
    under_change(&map, change, |map| {
        let entries = map.iter().map(|entry| entry.map(|(key, _)| u32::from_be_bytes(key.address)));
        check(entries.collect::<Result<_, _>>()?)
    })
}

fn deleting_walk() -> Outcome {
    let hash = Map::create(&MapSpec::of::<u32, u64>(MapType::HASH, MANY))?.typed::<u32, u64>()?;
    hash.update_batch((0..MANY).map(|n| (n, 1)))?;
    for entry in &hash {
        assert!(hash.delete(&entry?.0)?);
    }
    hash.update_batch((0..MANY).map(|n| (n, 1)))?;
    for key in hash.keys() {
        assert!(hash.delete(&key?)?);
    }
    assert_eq!(hash.keys().count(), 0);
    let trie = new_trie(300)?;
    trie.update_batch((0..300_u32).map(|n| (network(32, n.to_be_bytes()), 1)))?;
    for entry in &trie {
        assert!(trie.delete(&entry?.0)?);
    }
    assert_eq!(trie.keys().count(), 0);
    Ok(())
}

fn drained() -> Outcome {
    let hash = Map::create(&MapSpec::of::<u32, u64>(MapType::HASH, MANY))?.typed::<u32, u64>()?;
    let all: BTreeMap<u32, u64> = (0..MANY).map(|n| (n, u64::from(n) * 3)).collect();
    hash.update_batch(all.clone())?;
    assert_eq!(hash.drain().collect::<Result<BTreeMap<_, _>, _>>()?, all);
    assert_eq!((hash.drain().count(), hash.iter().count()), (0, 0));
    // Two calls an entry.
    let trie = new_trie(300)?;
    trie.update_batch((0..300_u32).map(|n| (network(32, n.to_be_bytes()), u64::from(n))))?;
    assert_eq!(trie.drain().map(|entry| entry.map(|(_, n)| n)).sum::<Result<u64, _>>()?, 299 * 150);
    assert_eq!(trie.iter().count(), 0);
    let array = Map::create(&MapSpec::of::<u32, u64>(MapType::ARRAY, 3))?.typed::<u32, u64>()?;
    let drained: Vec<_> = array.drain().collect();
    assert!(matches!(drained[..], [Err(Error::Usage { .. })]), "{drained:?}");
    Ok(())
}

fn sizes() -> Outcome {
    let map = Map::create(&MapSpec::new(MapType::HASH, 4, 8, 10).name("counts"))?;
    let error = map.typed::<u16, [u8; 12]>().expect_err("other sizes");
    assert_eq!(error.to_string(), "map `counts`: its keys have 4 bytes, not 2; its values have 8 bytes, not 12");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let error = map.typed::<u32, PerCpu<u64>>().expect_err("one value");
    assert!(matches!(&error, Error::MapDiffers { differences, .. }
        if *differences == [Difference::PerCpu { wanted: true }]));
    let each = Map::create(&MapSpec::new(MapType::PERCPU_HASH, 4, 8, 10).name("each"))?;
    let error = each.typed::<u32, u64>().expect_err("many values");
    assert_eq!(error.to_string(), "map `each`: it has a value for each CPU");
    let cpus = possible_cpus()?.len();
    let error = each.typed::<u32, PerCpu<u64>>()?.update(&1, &vec![0; cpus + 1]).expect_err("too many");
    assert_eq!(error.to_string(), format!("map `each`: it has a value for each of {cpus} CPUs"));
    let short = each.typed::<u32, PerCpu<u64>>()?.update_batch([(1, vec![0; cpus]), (2, vec![])]);
    assert_eq!((short.map_err(|error| error.kind()), each.keys().count()), (Err(ErrorKind::Usage), 1));

    let usage = |result: Result<(), Error>| assert_eq!(result.map_err(|error| error.kind()), Err(ErrorKind::Usage));
    for length in [0, 3, 5, 400] {
        let (key, value) = (vec![0; length], vec![0; length]);
        usage(map.lookup(&key).map(drop));
        usage(map.lookup_into(&[0; 4], &mut value.clone()).map(drop));
        usage(map.update(&key, &[0; 8], UpdateFlags::ANY));
        usage(map.update(&[0; 4], &value, UpdateFlags::ANY));
        usage(map.delete(&key).map(drop));
        usage(map.next_key(Some(&key)).map(drop));
        usage(map.lookup_and_delete(&key).map(drop));
    }
    let error = map.lookup(&[0; 3]).expect_err("too short");
    assert_eq!(error.to_string(), "map `counts`: a key of 3 bytes, and its have 4");
    Ok(())
}

/// The kernel takes lengths from the map: nothing but the buffers may change, and no call with other lengths gets there.
fn canaries() -> Outcome {
    const CANARY: u8 = 0xa5;
    for value_size in [1, 4, 8, 12, 100] {
        let map = Map::create(&MapSpec::new(MapType::PERCPU_ARRAY, 4, value_size, 1))?;
        let own = usize::try_from(value_size.next_multiple_of(8))? * possible_cpus()?.len();
        assert_eq!(map.value_bytes(), own);
        let mut bytes = vec![CANARY; own + 8192];
        sys::map_lookup_elem(map.as_map_fd(), &[0; 4], &mut bytes[4096..4096 + own], 0)?;
        assert!(bytes[..4096].iter().chain(&bytes[4096 + own..]).all(|&byte| byte == CANARY));
        assert!(bytes[4096..4096 + own].iter().all(|&byte| byte == 0));
        for wrong in [0, own - 1, own + 1, usize::try_from(value_size)?] {
            let result = sys::map_lookup_elem(map.as_map_fd(), &[0; 4], &mut vec![0; wrong], 0);
            assert_eq!(result, if wrong == own { Ok(()) } else { Err(Errno::EINVAL) });
        }
        // A descriptor that was not told the number of CPUs.
        let fd = sys::map_get_fd_by_id(map.id())?;
        let (fd, _) = sys::MapFd::new(fd)?;
        assert_eq!((fd.value_bytes(), fd.is_per_cpu()), (None, true));
        assert_eq!(sys::map_lookup_elem(&fd, &[0; 4], &mut vec![0; own], 0), Err(Errno::EINVAL));
    }
    // A place between batches of a hash map takes 4 bytes, also where keys have fewer.
    let map = Map::create(&MapSpec::of::<u8, u8>(MapType::HASH, 100))?;
    map.typed::<u8, u8>()?.update_batch((0..100).map(|n| (n, n)))?;
    let (mut next, mut keys, mut values) = ([0; 1], [0; 10], [0; 10]);
    let short = sys::map_lookup_batch(map.as_map_fd(), None, &mut next, &mut keys, &mut values);
    assert_eq!(short, Err(Errno::EINVAL));
    assert_eq!(map.entries().count(), 100);
    Ok(())
}

fn protected() -> Outcome {
    let map = Map::create(&MapSpec::new(MapType::ARRAY, 4, 8, 1).name("config"))?;
    map.update(&[0; 4], &[7; 8], UpdateFlags::ANY)?;
    map.freeze()?;
    assert_eq!(map.info()?.frozen, Some(true));
    let error = map.update(&[0; 4], &[1; 8], UpdateFlags::ANY).expect_err("frozen");
    assert!(matches!(error, Error::MapProtected { by: Protection::Frozen, .. }), "{error}");
    assert_eq!((error.kind(), map.lookup(&[0; 4])?), (ErrorKind::NotPermitted, Some(vec![7; 8])));
    assert!(matches!(map.freeze(), Err(Error::MapProtected { .. })));
    let flags = [(1 << 3, Protection::ReadOnly), (1 << 4, Protection::WriteOnly)];
    for (flag, protection) in flags {
        let map = Map::create(&MapSpec::new(MapType::HASH, 4, 8, 1).flags(flag))?;
        let (read, written) = (map.lookup(&[0; 4]).map(drop), map.update(&[0; 4], &[0; 8], UpdateFlags::ANY));
        let (refused, allowed) = if protection == Protection::ReadOnly { (written, read) } else { (read, written) };
        allowed?;
        assert!(matches!(refused, Err(Error::MapProtected { by, .. }) if by == protection), "{refused:?}");
    }
    Ok(())
}

fn told() -> Outcome {
    const LONG: &str = "a_name_that_is_longer_than_the_kernel_keeps";
    let map = Map::create(&MapSpec::new(MapType::HASH, 4, 8, 100).name(LONG).flags(NO_PREALLOC))?;
    let info = map.info()?;
    assert_eq!((map.name(), info.name.as_str()), (LONG, &LONG[..15]));
    assert_eq!((info.id, info.map_type, info.key_size, info.value_size), (map.id(), MapType::HASH, 4, 8));
    assert_eq!((info.max_entries, info.flags, info.extra), (100, NO_PREALLOC, 0));
    assert_eq!((info.frozen, info.btf, info.offload, info.owner), (Some(false), None, None, None));
    assert!(info.memlock_bytes.is_some_and(|bytes| bytes > 0), "{info:?}");
    let again = Map::from_id(map.id())?;
    assert_eq!((again.id(), again.name(), again.flags()), (map.id(), &LONG[..15], NO_PREALLOC));
    let infos: Vec<_> = maps().collect::<Result<_, _>>()?;
    assert!(infos.is_sorted_by_key(|info| info.id));
    assert_eq!(infos.iter().find(|info| info.id == map.id()), Some(&info));
    let bloom = Map::create(&MapSpec::new(MapType::BLOOM_FILTER, 0, 4, 100).extra(3))?;
    assert_eq!(bloom.info()?.extra, 3);
    let gone = bloom.id();
    drop(bloom);
    let freed = (0..500).any(|_| {
        thread::sleep(std::time::Duration::from_millis(10));
        matches!(Map::from_id(gone), Err(Error::NoSuchId { what: "map", .. }))
    });
    assert!(freed);
    Ok(())
}

fn refused() -> Outcome {
    let error = Map::create(&MapSpec::new(MapType::HASH, 4, 8, 0).name("none")).expect_err("no entries");
    assert_eq!(error.to_string(), "map `none`: create it: Invalid argument (EINVAL)");
    assert!(matches!(Map::create(&MapSpec::new(MapType(9999), 4, 8, 1)), Err(Error::Unsupported { .. })));
    let ring = Map::create(&MapSpec::new(MapType::RINGBUF, 0, 0, 4096))?;
    assert_eq!(ring.lookup(&[]).map_err(|error| error.kind()), Err(ErrorKind::Unsupported));
    assert_eq!(ring.entries().count(), 1, "an error, and the end");
    Ok(())
}
