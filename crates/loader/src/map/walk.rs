//! Reading all entries of a map, while others change it.
//!
//! Where the kernel has batches for a type whose entries have fixed places (the buckets of a hash map, the indexes of an
//! array), a walk goes from place to place: it gives no entry twice, and every one that is there all the time once.
//!
//! All others, and all on a kernel without batches (before Linux 5.6), are walked key by key. The kernel finds the next
//! key by the last one, and starts over where that was deleted meanwhile. So a walk remembers what it has given, passes
//! over that after a restart, and gives each key once; if restarts keep it from the end, it fails with
//! [`Error::MapChanging`].

use std::collections::HashSet;

use bpfasm_object::kernel::MapType;

use super::Map;
use super::refusal::Call;
use crate::Error;
use crate::sys::{self, BatchRead, Errno};

/// Bytes of keys and values that a batch is read for.
const BATCH_BYTES: usize = 1 << 16;

/// How many keys may come again in a walk, for each that the map has room for.
const RETURNS: u64 = 16;

/// A walk over the entries of a map.
#[derive(Debug)]
pub(super) struct Walk {
    map: Map,
    /// Whether what it reads is removed.
    takes: bool,
    source: Source,
    /// Entries that were read: as many keys, one after the other, and as many values.
    keys: Vec<u8>,
    values: Vec<u8>,
    filled: usize,
    given: usize,
}

/// A key and its value.
type Entry<'a> = (&'a [u8], &'a [u8]);

/// Where the next entries come from.
#[derive(Debug)]
enum Source {
    Batches { from: Option<Vec<u8>> },
    Steps(Steps),
    End,
}

impl Walk {
    pub fn new(map: Map, takes: bool) -> Walk {
        let source = match has_places(map.map_type()) {
            true => Source::Batches { from: None },
            false => Source::Steps(Steps::default()),
        };
        Walk { map, takes, source, keys: Vec::new(), values: Vec::new(), filled: 0, given: 0 }
    }

    /// The next entry.
    #[inline]
    pub fn advance(&mut self) -> Option<Result<Entry<'_>, Error>> {
        while self.given == self.filled {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    (self.source, self.filled, self.given) = (Source::End, 0, 0);
                    return Some(Err(error));
                }
            }
        }
        let (key_bytes, value_bytes) = self.sizes();
        let at = self.given;
        self.given += 1;
        Some(Ok((&self.keys[at * key_bytes..][..key_bytes], &self.values[at * value_bytes..][..value_bytes])))
    }

    #[inline]
    fn sizes(&self) -> (usize, usize) {
        (self.map.as_map_fd().key_bytes(), self.map.value_bytes())
    }

    /// Makes room for so many entries.
    fn make_room(&mut self, count: usize) {
        let (key_bytes, value_bytes) = self.sizes();
        self.keys.resize(count * key_bytes, 0);
        self.values.resize(count * value_bytes, 0);
    }

    /// Reads more entries, perhaps none this time. False after the last.
    #[inline(never)]
    fn fill(&mut self) -> Result<bool, Error> {
        (self.filled, self.given) = (0, 0);
        match std::mem::replace(&mut self.source, Source::End) {
            Source::End => return Ok(false),
            Source::Batches { from } => self.fill_by_batch(from)?,
            Source::Steps(steps) => self.fill_by_step(steps)?,
        }
        Ok(true)
    }

    fn fill_by_batch(&mut self, from: Option<Vec<u8>>) -> Result<(), Error> {
        let (key_bytes, value_bytes) = self.sizes();
        let most = usize::try_from(self.map.max_entries()).unwrap_or(usize::MAX).max(1);
        if self.keys.is_empty() {
            self.make_room((BATCH_BYTES / (key_bytes + value_bytes).max(1)).clamp(1, most));
        }
        let call = if self.takes { sys::map_lookup_and_delete_batch } else { sys::map_lookup_batch };
        let mut next = vec![0; sys::place_bytes(self.map.as_map_fd())];
        loop {
            let room = self.keys.len() / key_bytes.max(1);
            match call(self.map.as_map_fd(), from.as_deref(), &mut next, &mut self.keys, &mut self.values) {
                Ok(BatchRead { count, is_last }) => {
                    self.filled = count;
                    self.source = if is_last { Source::End } else { Source::Batches { from: Some(next) } };
                    return Ok(());
                }
                // A bucket is read at once. None holds more than the map does, but for entries that others add.
                Err(Errno::ENOSPC) if room <= most => self.make_room(room * 2),
                Err(errno) if from.is_none() && lacks_batches(errno) => {
                    self.source = Source::Steps(Steps::default());
                    return Ok(());
                }
                Err(errno) => return Err(self.map.refused(Call::Lookup, &[], errno)),
            }
        }
    }

    fn fill_by_step(&mut self, mut steps: Steps) -> Result<(), Error> {
        self.make_room(1);
        if let Some(key) = steps.next(&self.map)? {
            self.keys.copy_from_slice(&key);
            let found = match self.takes {
                true => take(&self.map, &self.keys, &mut self.values)?,
                false => self.map.lookup_into(&self.keys, &mut self.values)?,
            };
            self.filled = usize::from(found);
            self.source = Source::Steps(steps);
        }
        Ok(())
    }
}

/// Whether a place between two batches means the same whatever was deleted meanwhile.
fn has_places(map_type: MapType) -> bool {
    matches!(
        map_type,
        MapType::HASH
            | MapType::PERCPU_HASH
            | MapType::LRU_HASH
            | MapType::LRU_PERCPU_HASH
            | MapType::HASH_OF_MAPS
            | MapType::ARRAY
            | MapType::PERCPU_ARRAY
            | MapType::ARRAY_OF_MAPS
    )
}

/// Whether the kernel has no batches, at all or for this type. Before Linux 5.6 it does not know the command.
pub(super) fn lacks_batches(errno: Errno) -> bool {
    errno == Errno::EINVAL || errno.is_not_supported()
}

/// Reads a value and removes it; in two calls where the kernel does not do both in one (before Linux 5.14).
fn take(map: &Map, key: &[u8], value: &mut [u8]) -> Result<bool, Error> {
    match map.lookup_and_delete_into(key, value) {
        Err(Error::Unsupported { .. }) => Ok(map.lookup_into(key, value)? && map.delete(key)?),
        taken => taken,
    }
}

/// A walk over the keys, each by the last.
#[derive(Debug, Default)]
struct Steps {
    last: Option<Vec<u8>>,
    seen: HashSet<Vec<u8>>,
    /// How many keys came again.
    returned: u64,
}

impl Steps {
    fn next(&mut self, map: &Map) -> Result<Option<Vec<u8>>, Error> {
        while let Some(key) = map.next_key(self.last.as_deref())? {
            self.last = Some(key.clone());
            if self.seen.insert(key.clone()) {
                return Ok(Some(key));
            }
            self.returned += 1;
            if self.returned > RETURNS * u64::from(map.max_entries()).max(64) {
                return Err(Error::MapChanging { map: map.name().to_owned() });
            }
        }
        Ok(None)
    }
}

/// The entries of a map, as bytes: [`Map::entries`], [`Map::drain`].
#[derive(Debug)]
pub struct Entries(Walk);

impl Iterator for Entries {
    type Item = Result<(Vec<u8>, Vec<u8>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.advance()?;
        Some(entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }
}

/// The keys of a map, as bytes: [`Map::keys`].
#[derive(Debug)]
pub struct Keys {
    /// `None` after the end, or an error.
    steps: Option<Steps>,
    map: Map,
}

impl Iterator for Keys {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.steps.as_mut()?.next(&self.map).transpose();
        if !matches!(key, Some(Ok(_))) {
            self.steps = None;
        }
        key
    }
}

impl Map {
    /// All keys with their values. Others may change the map meanwhile: each entry that is there all the time comes
    /// once, one that is added or removed meanwhile may come or not.
    ///
    /// Entries of hash maps and arrays are read many at a time (from Linux 5.6 on), all others key by key; then the walk
    /// keeps the keys it has given in memory. The iterator ends after an error.
    #[must_use]
    pub fn entries(&self) -> Entries {
        Entries(Walk::new(self.clone(), false))
    }

    /// As [`entries`](Map::entries), and removes each entry that it reads. What it has read is removed also if the
    /// iterator is dropped before it gives that.
    ///
    /// An entry is read and removed in one step where the kernel can (Linux 5.6 for hash maps in batches, 5.14 for
    /// single ones); elsewhere a value that is written in between is lost.
    #[must_use = "what the iterator reads is removed, and lost with it"]
    pub fn drain(&self) -> Entries {
        Entries(Walk::new(self.clone(), true))
    }

    /// All keys, without their values, as with [`entries`](Map::entries); key by key for all types.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys { steps: Some(Steps::default()), map: self.clone() }
    }
}
