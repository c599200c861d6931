//! Keys and values by their types.

use std::fmt;
use std::marker::PhantomData;

use bpfasm_object::MapData;

use super::refusal::Call;
use super::walk::Walk;
use super::{Difference, Map, MapValue, UpdateFlags};
use crate::Error;
use crate::sys::{self, Errno};

/// A map whose keys and values have types. It holds the map, like any clone of [`Map`].
///
/// `K` and `V` are plain data ([`bytemuck::Pod`]: integers, arrays, structs that derive it) or the types that the
/// eDSL's maps are declared with; `V` of a per-CPU map is [`PerCpu`](super::PerCpu) of such.
///
/// ```no_run
/// use bpfasm_loader::map::{Map, PerCpu};
///
/// let counts = Map::from_pin("/sys/fs/bpf/counts")?.typed::<u32, u64>()?;
/// counts.update(&80, &0)?;
/// for entry in &counts {
///     let (port, count) = entry?;
///     println!("{port}: {count}");
/// }
///
/// let drops = Map::from_pin("/sys/fs/bpf/drops")?.typed::<u32, PerCpu<u64>>()?;
/// let total: u64 = drops.lookup(&0)?.unwrap_or_default().iter().sum();
/// # Ok::<(), bpfasm_loader::Error>(())
/// ```
pub struct TypedMap<K, V> {
    map: Map,
    types: PhantomData<fn() -> (K, V)>,
}

/// Calls `work` with that many zeros: on the stack, unless they are many.
#[inline(always)]
fn zeroed<R>(size: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    match size {
        0..=16 => work(&mut [0; 16][..size]),
        17..=128 => work(&mut [0; 128][..size]),
        129..=1024 => work(&mut [0; 1024][..size]),
        _ => work(&mut vec![0; size]),
    }
}

/// Bytes of keys and values that are given to the kernel at once.
const BATCH_BYTES: usize = 1 << 16;

impl Map {
    /// The same map, with types for its keys and values.
    ///
    /// # Errors
    /// [`Error::MapDiffers`] where the types' sizes are not the map's, or it has values for each CPU and `V` not, or the
    /// other way round.
    pub fn typed<K: MapData, V: MapValue>(&self) -> Result<TypedMap<K, V>, Error> {
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (key, value) = (size(K::SIZE), size(V::SIZE));
        let rows = [
            (key != self.key_size(), Difference::KeySize { wanted: key, found: self.key_size() }),
            (value != self.value_size(), Difference::ValueSize { wanted: value, found: self.value_size() }),
            (V::PER_CPU != self.map_type().is_per_cpu(), Difference::PerCpu { wanted: V::PER_CPU }),
        ];
        let differences: Vec<_> =
            rows.into_iter().filter_map(|(differs, difference)| differs.then_some(difference)).collect();
        match differences.is_empty() {
            true => Ok(TypedMap { map: self.clone(), types: PhantomData }),
            false => Err(Error::MapDiffers { map: self.name().to_owned(), differences }),
        }
    }
}

impl<K: MapData, V: MapValue> TypedMap<K, V> {
    /// The map itself.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As [`Map::lookup`].
    pub fn lookup(&self, key: &K::Value) -> Result<Option<V::Value>, Error> {
        self.read(Call::Lookup, sys::map_lookup_elem, key)
    }

    /// Removes a key, and gives the value that it had.
    ///
    /// # Errors
    /// As [`Map::lookup_and_delete`].
    pub fn lookup_and_delete(&self, key: &K::Value) -> Result<Option<V::Value>, Error> {
        self.read(Call::LookupAndDelete, sys::map_lookup_and_delete_elem, key)
    }

    /// Writes the value of a key, whether it is there or not.
    ///
    /// # Errors
    /// As [`Map::update`]. [`Error::Usage`] for another number of values than there are possible CPUs.
    pub fn update(&self, key: &K::Value, value: &V::Value) -> Result<(), Error> {
        self.write(key, value, UpdateFlags::ANY)
    }

    /// Writes the value of a key that is not there.
    ///
    /// # Errors
    /// [`Error::KeyExists`]. Others as [`update`](TypedMap::update).
    pub fn insert(&self, key: &K::Value, value: &V::Value) -> Result<(), Error> {
        self.write(key, value, UpdateFlags::NOEXIST)
    }

    /// Writes the value of a key that is there.
    ///
    /// # Errors
    /// [`Error::NoSuchKey`]. Others as [`update`](TypedMap::update).
    pub fn replace(&self, key: &K::Value, value: &V::Value) -> Result<(), Error> {
        self.write(key, value, UpdateFlags::EXIST)
    }

    /// Removes a key and its value. False if there is no such key.
    ///
    /// # Errors
    /// As [`Map::delete`].
    pub fn delete(&self, key: &K::Value) -> Result<bool, Error> {
        zeroed(K::SIZE, |bytes| {
            K::encode(key, bytes);
            self.map.delete(bytes)
        })
    }

    /// All entries, as with [`Map::entries`].
    #[must_use]
    pub fn iter(&self) -> Iter<K, V> {
        Iter { walk: Walk::new(self.map.clone(), false), types: PhantomData }
    }

    /// All entries, each removed as it is read, as with [`Map::drain`].
    #[must_use = "what the iterator reads is removed, and lost with it"]
    pub fn drain(&self) -> Iter<K, V> {
        Iter { walk: Walk::new(self.map.clone(), true), types: PhantomData }
    }

    /// All keys, as with [`Map::keys`].
    pub fn keys(&self) -> impl Iterator<Item = Result<K::Value, Error>> + use<K, V> {
        self.map.keys().map(|key| key.map(|key| K::decode(&key)))
    }

    /// Writes many entries in their order, with few calls where the kernel has batches.
    ///
    /// # Errors
    /// As [`update`](TypedMap::update) for the first entry that is refused; those before it are written.
    pub fn update_batch(&self, entries: impl IntoIterator<Item = (K::Value, V::Value)>) -> Result<(), Error> {
        let mut batch = Batch::new(K::SIZE, self.value_bytes());
        for (key, value) in entries {
            let (key_bytes, value_bytes) = batch.entry();
            K::encode(&key, key_bytes);
            if !V::encode(&value, value_bytes) {
                batch.take_back();
                batch.update(&self.map)?;
                return Err(self.wrong_count());
            }
            if batch.is_full() {
                batch.update(&self.map)?;
            }
        }
        batch.update(&self.map)
    }

    /// Removes many keys, with few calls where the kernel has batches, and says how many of them were there.
    ///
    /// # Errors
    /// As [`delete`](TypedMap::delete) for the first key that is refused; those before it are removed.
    pub fn delete_batch(&self, keys: impl IntoIterator<Item = K::Value>) -> Result<usize, Error> {
        let mut batch = Batch::new(K::SIZE, 0);
        let mut deleted = 0;
        for key in keys {
            K::encode(&key, batch.entry().0);
            if batch.is_full() {
                deleted += batch.delete(&self.map)?;
            }
        }
        Ok(deleted + batch.delete(&self.map)?)
    }

    #[inline]
    fn read(
        &self,
        call: Call,
        read: impl Fn(&sys::MapFd, &[u8], &mut [u8], u64) -> Result<(), Errno>,
        key: &K::Value,
    ) -> Result<Option<V::Value>, Error> {
        zeroed(K::SIZE, |key_bytes| {
            K::encode(key, key_bytes);
            zeroed(self.value_bytes(), |value_bytes| match read(self.map.as_map_fd(), key_bytes, value_bytes, 0) {
                Ok(()) => Ok(Some(V::decode(value_bytes))),
                Err(Errno::ENOENT) => Ok(None),
                Err(errno) => Err(self.map.refused(call, key_bytes, errno)),
            })
        })
    }

    #[inline]
    fn write(&self, key: &K::Value, value: &V::Value, flags: UpdateFlags) -> Result<(), Error> {
        zeroed(K::SIZE, |key_bytes| {
            K::encode(key, key_bytes);
            zeroed(self.value_bytes(), |value_bytes| {
                if !V::encode(value, value_bytes) {
                    return Err(self.wrong_count());
                }
                sys::map_update_elem(self.map.as_map_fd(), key_bytes, value_bytes, flags.0)
                    .map_err(|errno| self.map.refused(Call::Update, key_bytes, errno))
            })
        })
    }

    /// A constant, unless there is a value for each CPU.
    #[inline(always)]
    fn value_bytes(&self) -> usize {
        if V::PER_CPU { self.map.value_bytes() } else { V::SIZE }
    }

    #[cold]
    fn wrong_count(&self) -> Error {
        let cpus = self.map.value_bytes() / V::SIZE.next_multiple_of(8).max(1);
        Error::Usage { what: format!("map `{}`: it has a value for each of {cpus} CPUs", self.map.name()) }
    }
}

/// Entries on their way to the kernel.
struct Batch {
    key_bytes: usize,
    value_bytes: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
}

impl Batch {
    fn new(key_bytes: usize, value_bytes: usize) -> Batch {
        Batch { key_bytes, value_bytes, keys: Vec::new(), values: Vec::new() }
    }

    /// Zeros for another entry.
    #[inline]
    fn entry(&mut self) -> (&mut [u8], &mut [u8]) {
        let (key, value) = (self.keys.len(), self.values.len());
        self.keys.resize(key + self.key_bytes, 0);
        self.values.resize(value + self.value_bytes, 0);
        (&mut self.keys[key..], &mut self.values[value..])
    }

    /// Forgets the last entry.
    fn take_back(&mut self) {
        self.keys.truncate(self.keys.len() - self.key_bytes);
        self.values.truncate(self.values.len() - self.value_bytes);
    }

    fn is_full(&self) -> bool {
        self.keys.len() + self.values.len() >= BATCH_BYTES
    }

    fn update(&mut self, map: &Map) -> Result<(), Error> {
        let result = map.update_batch(&self.keys, &self.values);
        self.keys.clear();
        self.values.clear();
        result
    }

    fn delete(&mut self, map: &Map) -> Result<usize, Error> {
        let result = map.delete_batch(&self.keys);
        self.keys.clear();
        result
    }
}

/// The entries of a map: [`TypedMap::iter`], [`TypedMap::drain`]. It ends after an error.
pub struct Iter<K, V> {
    walk: Walk,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: MapData, V: MapValue> Iterator for Iter<K, V> {
    type Item = Result<(K::Value, V::Value), Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.walk.advance()?;
        Some(entry.map(|(key, value)| (K::decode(key), V::decode(value))))
    }
}

impl<K: MapData, V: MapValue> IntoIterator for &TypedMap<K, V> {
    type Item = Result<(K::Value, V::Value), Error>;
    type IntoIter = Iter<K, V>;

    fn into_iter(self) -> Iter<K, V> {
        self.iter()
    }
}

impl<K, V> Clone for TypedMap<K, V> {
    fn clone(&self) -> TypedMap<K, V> {
        TypedMap { map: self.map.clone(), types: PhantomData }
    }
}

impl<K, V> fmt::Debug for TypedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedMap").field(&self.map).finish()
    }
}

impl<K, V> fmt::Debug for Iter<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(&self.walk).finish()
    }
}
