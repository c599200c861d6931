//! A bounded cursor over untrusted bytes: the only way in which the readers of this crate take bytes apart.
//!
//! It knows the byte order, never reads past its end, and names the offset where bytes ran out.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use bpfasm_isa::Endian;

/// Bytes ended before a field did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncated {
    /// Offset of the field, in bytes.
    pub(crate) at: usize,
    /// Bytes the field has.
    pub(crate) needed: usize,
}

/// A position in a slice of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    endian: Endian,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`. Offsets in errors count from there.
    pub(crate) const fn new(bytes: &'a [u8], endian: Endian) -> Cursor<'a> {
        Cursor { bytes, at: 0, endian }
    }

    /// A cursor at offset `at` of the same bytes, which may lie behind their end.
    pub(crate) const fn seek(self, at: usize) -> Cursor<'a> {
        Cursor { at, ..self }
    }

    /// The offset of the next byte.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Truncated> {
        let truncated = Truncated { at: self.at, needed: length };
        let end = self.at.checked_add(length).ok_or(truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let truncated = Truncated { at: self.at, needed: N };
        self.take(N)?.first_chunk::<N>().copied().ok_or(truncated)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Truncated> {
        let bytes = self.array()?;
        Ok(match self.endian {
            Endian::Little => u16::from_le_bytes(bytes),
            Endian::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(|bytes| word(bytes, self.endian))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Truncated> {
        let bytes = self.array()?;
        Ok(match self.endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        })
    }
}

/// Four bytes as a number.
pub(crate) fn word(bytes: [u8; 4], endian: Endian) -> u32 {
    match endian {
        Endian::Little => u32::from_le_bytes(bytes),
        Endian::Big => u32::from_be_bytes(bytes),
    }
}

/// A number as four bytes.
pub(crate) fn word_bytes(word: u32, endian: Endian) -> [u8; 4] {
    match endian {
        Endian::Little => word.to_le_bytes(),
        Endian::Big => word.to_be_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_orders_and_stops_at_the_end() {
        let bytes = [1, 2, 3, 4, 5, 6, 7];
        let mut little = Cursor::new(&bytes, Endian::Little);
        let mut big = Cursor::new(&bytes, Endian::Big);
        assert_eq!(little.u16(), Ok(0x0201));
        assert_eq!(big.u16(), Ok(0x0102));
        assert_eq!(little.u32(), Ok(0x0605_0403));
        assert_eq!(big.u32(), Ok(0x0304_0506));
        assert_eq!(little.u16(), Err(Truncated { at: 6, needed: 2 }));
        assert_eq!(little.u8(), Ok(7));
        assert!(little.is_empty());
        assert_eq!(big.seek(usize::MAX).take(2), Err(Truncated { at: usize::MAX, needed: 2 }));
        assert_eq!(big.seek(0).u64(), Err(Truncated { at: 0, needed: 8 }));
    }
}
