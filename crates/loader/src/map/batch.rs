//! Changing many entries at once, as bytes.

use super::refusal::Call;
use super::walk::lacks_batches;
use super::{Map, UpdateFlags};
use crate::Error;
use crate::sys::{self, Errno};

impl Map {
    /// Writes the values of many keys in their order, whether they are there or not. Keys and values lie one after the
    /// other. One call where the kernel has batches (Linux 5.6), else one for each.
    ///
    /// # Errors
    /// As [`update`](Map::update) for the first entry that is refused; those before it are written. [`Error::Usage`]
    /// where the buffers are not for one number of entries.
    pub fn update_batch(&self, keys: &[u8], values: &[u8]) -> Result<(), Error> {
        let (key_bytes, count) = self.count(keys)?;
        let value_bytes = self.value_bytes();
        if count.checked_mul(value_bytes) != Some(values.len()) {
            let what = format!("map `{}`: {count} keys with {} bytes of values", self.name(), values.len());
            return Err(Error::Usage { what });
        }
        if count == 0 {
            return Ok(());
        }
        match sys::map_update_batch(self.as_map_fd(), keys, values) {
            Ok(()) => Ok(()),
            Err((errno, 0)) if lacks_batches(errno) => {
                let mut entries = keys.chunks_exact(key_bytes).zip(values.chunks_exact(value_bytes.max(1)));
                entries.try_for_each(|(key, value)| self.update(key, value, UpdateFlags::ANY))
            }
            Err((errno, done)) => {
                let key = keys.chunks_exact(key_bytes).nth(done).unwrap_or_default();
                Err(self.refused(Call::Update, key, errno))
            }
        }
    }

    /// Removes many keys, which lie one after the other, and says how many of them were there. A few calls where the
    /// kernel has batches (Linux 5.6), else one for each.
    ///
    /// # Errors
    /// As [`delete`](Map::delete) for the first key that is refused; those before it are removed.
    pub fn delete_batch(&self, keys: &[u8]) -> Result<usize, Error> {
        let (key_bytes, _) = self.count(keys)?;
        let (mut rest, mut deleted) = (keys, 0);
        while !rest.is_empty() {
            match sys::map_delete_batch(self.as_map_fd(), rest) {
                Ok(()) => return Ok(deleted + rest.len() / key_bytes),
                Err((Errno::ENOENT, done)) => {
                    deleted += done;
                    rest = rest.get((done + 1) * key_bytes..).unwrap_or_default();
                }
                Err((errno, 0)) if lacks_batches(errno) => {
                    for key in rest.chunks_exact(key_bytes) {
                        deleted += usize::from(self.delete(key)?);
                    }
                    return Ok(deleted);
                }
                Err((errno, done)) => {
                    let key = rest.chunks_exact(key_bytes).nth(done).unwrap_or_default();
                    return Err(self.refused(Call::Delete, key, errno));
                }
            }
        }
        Ok(deleted)
    }

    /// The size of a key, and how many keys these are.
    fn count(&self, keys: &[u8]) -> Result<(usize, usize), Error> {
        let key_bytes = self.as_map_fd().key_bytes();
        if key_bytes == 0 {
            return Err(Error::Usage { what: format!("map `{}`: {} maps have no keys", self.name(), self.map_type()) });
        }
        if !keys.len().is_multiple_of(key_bytes) {
            let what = format!("map `{}`: {} bytes are no keys of {key_bytes}", self.name(), keys.len());
            return Err(Error::Usage { what });
        }
        Ok((key_bytes, keys.len() / key_bytes))
    }
}
