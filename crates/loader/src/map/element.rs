//! Single entries, as bytes.

use super::Map;
use super::refusal::Call;
use crate::Error;
use crate::sys::{self, Errno};

/// When an update takes place, and how: flags of `BPF_MAP_UPDATE_ELEM`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpdateFlags(pub u64);

impl UpdateFlags {
    /// `BPF_ANY`: whether the key is there or not.
    pub const ANY: UpdateFlags = UpdateFlags(0);
    /// `BPF_NOEXIST`: only if the key is not there.
    pub const NOEXIST: UpdateFlags = UpdateFlags(1);
    /// `BPF_EXIST`: only if the key is there.
    pub const EXIST: UpdateFlags = UpdateFlags(2);
}

impl Map {
    /// The value of a key.
    ///
    /// # Errors
    /// [`Error::Usage`] where the key does not have the map's size, [`Error::MapProtected`], [`Error::Unsupported`] for
    /// a type without lookups, [`Error::Map`].
    pub fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut value = vec![0; self.value_bytes()];
        Ok(self.lookup_into(key, &mut value)?.then_some(value))
    }

    /// Reads the value of a key into a buffer of [`value_bytes`](Map::value_bytes). False if there is no such key.
    ///
    /// # Errors
    /// As [`lookup`](Map::lookup).
    pub fn lookup_into(&self, key: &[u8], value: &mut [u8]) -> Result<bool, Error> {
        let result = sys::map_lookup_elem(self.as_map_fd(), key, value, 0);
        self.found(Call::Lookup, key, value.len(), result)
    }

    /// Writes the value of a key.
    ///
    /// # Errors
    /// [`Error::KeyExists`] and [`Error::NoSuchKey`] by the flags, [`Error::MapFull`]; [`Error::NoSuchKey`] also for an
    /// index behind the end of an array. Others as [`lookup`](Map::lookup).
    pub fn update(&self, key: &[u8], value: &[u8], flags: UpdateFlags) -> Result<(), Error> {
        match sys::map_update_elem(self.as_map_fd(), key, value, flags.0) {
            Ok(()) => Ok(()),
            Err(errno) => Err(self.explain(Call::Update, key, Some(value.len()), errno)),
        }
    }

    /// Removes a key and its value. False if there is no such key.
    ///
    /// # Errors
    /// [`Error::Usage`] for an array, which keeps its keys. Others as [`lookup`](Map::lookup).
    pub fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        match sys::map_delete_elem(self.as_map_fd(), key) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.explain(Call::Delete, key, None, errno)),
        }
    }

    /// Removes a key, and gives the value that it had. Queues and stacks take no key, and give their next value.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for hash maps before Linux 5.14. Others as [`lookup`](Map::lookup).
    pub fn lookup_and_delete(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut value = vec![0; self.value_bytes()];
        Ok(self.lookup_and_delete_into(key, &mut value)?.then_some(value))
    }

    /// As [`lookup_and_delete`](Map::lookup_and_delete), into a buffer of [`value_bytes`](Map::value_bytes).
    pub(super) fn lookup_and_delete_into(&self, key: &[u8], value: &mut [u8]) -> Result<bool, Error> {
        let result = sys::map_lookup_and_delete_elem(self.as_map_fd(), key, value, 0);
        self.found(Call::LookupAndDelete, key, value.len(), result)
    }

    /// The key after this one, or the first. After a key that is not there, most types give the first one.
    ///
    /// # Errors
    /// As [`lookup`](Map::lookup).
    pub fn next_key(&self, after: Option<&[u8]>) -> Result<Option<Vec<u8>>, Error> {
        let mut next = vec![0; self.as_map_fd().key_bytes()];
        let result = sys::map_get_next_key(self.as_map_fd(), after, &mut next);
        let value = self.value_bytes();
        Ok(self.found(Call::NextKey, after.unwrap_or(&next), value, result)?.then_some(next))
    }

    /// Ends all writing by user space, for good. Programs may still write.
    ///
    /// # Errors
    /// [`Error::MapProtected`] if it is frozen already, [`Error::Unsupported`] before Linux 5.2 and for some types.
    pub fn freeze(&self) -> Result<(), Error> {
        sys::map_freeze(self.as_map_fd()).map_err(|errno| match errno {
            // Somebody may also be writing, or have it mapped writable.
            Errno::EBUSY => self.refused(Call::Freeze, &[], if self.is_frozen() { Errno::EPERM } else { errno }),
            errno => self.refused(Call::Freeze, &[], errno),
        })
    }

    fn found(&self, call: Call, key: &[u8], value: usize, result: Result<(), Errno>) -> Result<bool, Error> {
        match result {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.explain(call, key, Some(value), errno)),
        }
    }

    /// The error for a refusal: buffers that do not fit are the caller's mistake.
    #[cold]
    fn explain(&self, call: Call, key: &[u8], value: Option<usize>, errno: Errno) -> Error {
        let wrong = |what, has, wants| Error::Usage {
            what: format!("map `{}`: a {what} of {has} bytes, and its have {wants}", self.name()),
        };
        let (key_bytes, value_bytes) = (self.as_map_fd().key_bytes(), self.value_bytes());
        match value {
            _ if key.len() != key_bytes => wrong("key", key.len(), key_bytes),
            Some(value) if value != value_bytes => wrong("value", value, value_bytes),
            _ => self.refused(call, key, errno),
        }
    }
}
