//! The string table.

use super::Error;
use super::index::{HashIndex, hash_bytes};
use crate::limits;
use alloc::vec;
use alloc::vec::Vec;

/// NUL-terminated strings, the empty one first. Equal strings are stored once; a string is named by its byte offset.
#[derive(Clone, Debug)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    index: HashIndex,
    /// Bytes whose strings are in `index`: a table that was read is indexed when the first string is added to it.
    indexed: usize,
}

impl Default for Strings {
    fn default() -> Strings {
        Strings { bytes: vec![0], index: HashIndex::default(), indexed: 1 }
    }
}

impl Strings {
    /// A table as it was read. It starts and ends with NUL.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Strings {
        Strings { bytes, index: HashIndex::default(), indexed: 1 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes from `offset` to the next NUL.
    pub(super) fn at(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.bytes.get(usize::try_from(offset).ok()?..)?;
        rest.get(..rest.iter().position(|&byte| byte == 0)?)
    }

    /// Whether the string at `offset` is `text`, in time linear in `text`.
    pub(super) fn is(&self, offset: u32, text: &str) -> bool {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.bytes.get(start..))
            .and_then(|rest| rest.strip_prefix(text.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The offset of `text`, which is added if it is not there. NULs inside are dropped with what follows them.
    pub(super) fn intern(&mut self, text: &str) -> Result<u32, Error> {
        let text = text.split('\0').next().unwrap_or_default();
        if text.is_empty() {
            return Ok(0);
        }
        self.catch_up();
        let hash = hash_bytes(text.as_bytes());
        if let Some(offset) = self.index.find(hash, |offset| self.is(offset, text)) {
            return Ok(offset);
        }
        let full = Error::TooManyStrings { limit: limits::BTF_STRING_OFFSET };
        let start = self.bytes.len();
        if start > limits::BTF_STRING_OFFSET {
            return Err(full);
        }
        let offset = u32::try_from(start).map_err(|_| full)?;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.indexed = self.bytes.len();
        self.index.insert(hash, offset);
        Ok(offset)
    }

    fn catch_up(&mut self) {
        while let Some(rest) = self.bytes.get(self.indexed..)
            && let Some(length) = rest.iter().position(|&byte| byte == 0)
        {
            if let (Some(text), Ok(offset)) = (rest.get(..length), u32::try_from(self.indexed))
                && !text.is_empty()
            {
                let hash = hash_bytes(text);
                let is_known = self.index.find(hash, |offset| self.at(offset) == Some(text)).is_some();
                if !is_known {
                    self.index.insert(hash, offset);
                }
            }
            self.indexed += length + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_an_offset() {
        let mut strings = Strings::default();
        let a = strings.intern("alpha").expect("room");
        let b = strings.intern("beta").expect("room");
        assert_eq!(strings.intern("alpha"), Ok(a));
        assert_eq!(strings.intern(""), Ok(0));
        assert_eq!((a, b), (1, 7));
        assert_eq!(strings.bytes(), b"\0alpha\0beta\0");
        assert_eq!(strings.at(b), Some(&b"beta"[..]));
        assert_eq!(strings.at(12), None);
        assert!(strings.is(b, "beta") && !strings.is(b, "bet") && !strings.is(99, "x"));
    }

    /// Empty and repeated strings take no room in the index, where others would not find theirs.
    #[test]
    fn a_table_full_of_repetitions_is_not_repeated() {
        let mut bytes = vec![0; 1000];
        (0..1000).for_each(|_| bytes.extend_from_slice(b"same\0"));
        (0..100).for_each(|n| bytes.extend_from_slice(&[b'a' + n % 10, b'0' + n / 10, 0]));
        let mut strings = Strings::from_bytes(bytes.clone());
        for n in 0..100 {
            let text = [b'a' + n % 10, b'0' + n / 10];
            let offset = strings.intern(core::str::from_utf8(&text).expect("ASCII")).expect("room");
            assert_eq!(strings.at(offset), Some(&text[..]));
        }
        assert_eq!(strings.intern("same"), Ok(1000));
        assert_eq!(strings.bytes(), bytes);
    }

    #[test]
    fn a_table_that_was_read_is_not_repeated() {
        let mut strings = Strings::from_bytes(b"\0alpha\0\0beta\0".to_vec());
        assert_eq!(strings.intern("beta"), Ok(8));
        assert_eq!(strings.intern("gamma"), Ok(13));
        assert_eq!(strings.intern("gamma"), Ok(13));
    }
}
