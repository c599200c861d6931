//! Maps by their types against the bare system call, on buffers that lie ready.

use bpfasm::loader::map::{Map, MapSpec, TypedMap};
use bpfasm::loader::sys::{self, MapFd};
use bpfasm::loader::{self, ErrorKind};
use bpfasm::object::kernel::MapType;

use super::times::Times;
use crate::error::Error;

/// Entries of the map, and operations in a measurement.
pub const ENTRIES: u32 = 4096;

/// One operation by both ways; each time is that of [`ENTRIES`] of them.
#[derive(Debug)]
pub struct Figures {
    /// The operation.
    pub name: &'static str,
    /// By types.
    pub typed: Times,
    /// By the system call.
    pub bare: Times,
}

/// Both ways through all entries. Each gives the sum of the values that it has seen.
struct Operation {
    name: &'static str,
    typed: fn(&TypedMap<u32, u64>) -> Result<u64, loader::Error>,
    bare: fn(&MapFd, &mut Buffers) -> Result<u64, sys::Errno>,
}

/// Keys and values that lie ready for the kernel.
struct Buffers {
    keys: Vec<u8>,
    values: Vec<u8>,
}

const KEY: usize = size_of::<u32>();
const VALUE: usize = size_of::<u64>();

const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "lookup",
        typed: |map| (0..ENTRIES).try_fold(0, |sum, key| Ok(sum + map.lookup(&key)?.unwrap_or_default())),
        bare: |map, buffers| {
            let mut value = [0; VALUE];
            buffers.keys.chunks_exact(KEY).try_fold(0, |sum, key| {
                sys::map_lookup_elem(map, key, &mut value, 0)?;
                Ok(sum + u64::from_ne_bytes(value))
            })
        },
    },
    Operation {
        name: "update",
        typed: |map| (0..ENTRIES).try_for_each(|key| map.update(&key, &u64::from(key))).map(|()| 0),
        bare: |map, buffers| {
            let mut entries = buffers.keys.chunks_exact(KEY).zip(buffers.values.chunks_exact(VALUE));
            entries.try_for_each(|(key, value)| sys::map_update_elem(map, key, value, 0)).map(|()| 0)
        },
    },
    Operation {
        name: "read all by batches",
        typed: |map| map.iter().try_fold(0, |sum, entry| Ok(sum + entry?.1)),
        bare: read_all,
    },
    Operation {
        name: "update by batches",
        typed: |map| map.update_batch((0..ENTRIES).map(|key| (key, u64::from(key)))).map(|()| 0),
        bare: |map, buffers| {
            sys::map_update_batch(map, &buffers.keys, &buffers.values).map(|()| 0).map_err(|(errno, _)| errno)
        },
    },
];

fn read_all(map: &MapFd, buffers: &mut Buffers) -> Result<u64, sys::Errno> {
    let mut sum = 0;
    let (mut from, mut next) = ([0; KEY], [0; KEY]);
    let mut is_first = true;
    loop {
        let place = (!is_first).then_some(&from[..]);
        let read = sys::map_lookup_batch(map, place, &mut next, &mut buffers.keys, &mut buffers.values)?;
        let values = buffers.values.chunks_exact(VALUE).take(read.count);
        sum += values.filter_map(|value| Some(u64::from_ne_bytes(value.try_into().ok()?))).sum::<u64>();
        if read.is_last {
            return Ok(sum);
        }
        (from, is_first) = (next, false);
    }
}

impl Buffers {
    fn new() -> Buffers {
        Buffers {
            keys: (0..ENTRIES).flat_map(u32::to_ne_bytes).collect(),
            values: (0..ENTRIES).map(u64::from).flat_map(u64::to_ne_bytes).collect(),
        }
    }
}

/// Measures each operation on a hash map that holds all entries, both ways in turn; `None` where this process may not
/// make one.
///
/// # Errors
///
/// The kernel refuses something.
pub fn measure(rounds: u32) -> Result<Option<Vec<Figures>>, Error> {
    let map = match Map::create(&MapSpec::of::<u32, u64>(MapType::HASH, ENTRIES).name("measured")) {
        Err(error) if error.kind() == ErrorKind::NotPermitted => return Ok(None),
        map => map.and_then(|map| map.typed()).map_err(bpfasm::Error::from)?,
    };
    (OPERATIONS[1].typed)(&map).map_err(bpfasm::Error::from)?;
    OPERATIONS.iter().map(|operation| operation.measure(&map, rounds)).collect::<Result<_, _>>().map(Some)
}

impl Operation {
    fn measure(&self, map: &TypedMap<u32, u64>, rounds: u32) -> Result<Figures, Error> {
        let mut figures = Figures { name: self.name, typed: Times::default(), bare: Times::default() };
        self.round(map, &mut Figures { name: self.name, typed: Times::default(), bare: Times::default() }, false)?;
        for round in 0..rounds {
            self.round(map, &mut figures, round % 2 == 1)?;
        }
        Ok(figures)
    }

    /// One after the other; which comes first alternates.
    fn round(&self, map: &TypedMap<u32, u64>, figures: &mut Figures, bare_first: bool) -> Result<(), Error> {
        let mut buffers = Buffers::new();
        let fd = map.map().as_map_fd();
        let mut by_call = |times: &mut Times| times.time(|| (self.bare)(fd, &mut buffers));
        let early = bare_first.then(|| by_call(&mut figures.bare));
        let typed = figures.typed.time(|| (self.typed)(map)).map_err(bpfasm::Error::from)?;
        let bare = early.unwrap_or_else(|| by_call(&mut figures.bare));
        let bare = bare.map_err(|errno| Error::Unfit { reason: errno.to_string() })?;
        if typed == bare { Ok(()) } else { Err(Error::Unfit { reason: format!("{typed} is read, and {bare}") }) }
    }
}
