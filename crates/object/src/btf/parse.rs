//! Reading BTF from untrusted bytes.
//!
//! Invariants of what comes out: every record has the words that its kind wants, every name is a string of the table,
//! UTF-8 and no longer than 4096 bytes, every type id names a type. Memory is at most twice the input.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::index::HashIndex;
use super::kind::{Field, HEAD_WORDS, Info, Kind, Shape};
use super::strings::Strings;
use super::{Btf, Error, HEADER_BYTES, MAGIC, VERSION};
use crate::cursor::{Cursor, word};
use crate::limits::READ_NAME_BYTES;
use alloc::vec::Vec;
use bpfasm_isa::Endian;
use core::ops::Range;

/// Where a blob keeps what its header names, in bytes from its start.
struct Layout {
    endian: Endian,
    types: Range<usize>,
    strings: Range<usize>,
    /// `struct btf_layout` of four bytes for each kind, since Linux 7.1: makes unknown kinds skippable.
    kinds: Range<usize>,
}

impl Btf {
    /// Reads a `.BTF` section, or what the kernel has in `/sys/kernel/btf`, in either byte order.
    ///
    /// A header that is longer than the known one is accepted, and so are kinds that are not known, if the blob says
    /// how long their records are.
    ///
    /// # Errors
    /// An [`Error`] that says what is wrong at which byte offset.
    pub fn parse(bytes: &[u8]) -> Result<Btf, Error> {
        let layout = Layout::read(bytes)?;
        let table = Names::read(bytes, &layout)?;
        let type_bytes = bytes.get(layout.types.clone()).unwrap_or_default();
        let words: Vec<u32> = type_bytes.as_chunks::<4>().0.iter().map(|&chunk| word(chunk, layout.endian)).collect();
        let starts = Records { words: &words, bytes, layout: &layout }.walk(&table)?;
        check_references(&words, &starts, layout.types.start)?;
        let strings = Strings::from_bytes(table.bytes.to_vec());
        Ok(Btf { words, starts, strings, index: HashIndex::default(), indexed: 0 })
    }
}

/// The byte order that the magic number at the start shows.
pub(super) fn byte_order(bytes: &[u8]) -> Result<Endian, Error> {
    let found = Cursor::new(bytes, Endian::Little).u16()?;
    match found {
        MAGIC => Ok(Endian::Little),
        _ if found.swap_bytes() == MAGIC => Ok(Endian::Big),
        _ => Err(Error::BadMagic { found }),
    }
}

/// Checks magic, version and header length; leaves the cursor behind them.
pub(super) fn header<'a>(bytes: &'a [u8], minimum: u32) -> Result<(Cursor<'a>, usize), Error> {
    let mut cursor = Cursor::new(bytes, byte_order(bytes)?).seek(2);
    let at = cursor.at();
    let version = cursor.u8()?;
    if version != VERSION {
        return Err(Error::UnsupportedVersion { at, version });
    }
    cursor.u8()?;
    let at = cursor.at();
    let length = cursor.u32()?;
    if length < minimum {
        return Err(Error::HeaderTooShort { at, length, minimum });
    }
    let end = usize::try_from(length).unwrap_or(usize::MAX);
    if end > bytes.len() {
        return Err(Error::OutOfBounds { at, part: "header", start: 0, length });
    }
    Ok((cursor, end))
}

/// The bytes of a part that the header gives as offset behind itself and length.
pub(super) fn part(
    cursor: &mut Cursor<'_>,
    header_end: usize,
    total: usize,
    part: &'static str,
) -> Result<Range<usize>, Error> {
    let at = cursor.at();
    let (start, length) = (cursor.u32()?, cursor.u32()?);
    let outside = Error::OutOfBounds { at, part, start, length };
    let from = usize::try_from(start).ok().and_then(|start| header_end.checked_add(start));
    let to = from.and_then(|from| from.checked_add(usize::try_from(length).ok()?));
    match (from, to) {
        (Some(from), Some(to)) if to <= total => Ok(from..to),
        _ => Err(outside),
    }
}

impl Layout {
    fn read(bytes: &[u8]) -> Result<Layout, Error> {
        /// Bytes of the header since Linux 7.1.
        const WITH_KINDS: usize = 32;
        let endian = byte_order(bytes)?;
        let (mut cursor, end) = header(bytes, HEADER_BYTES)?;
        let at = cursor.at();
        let types = part(&mut cursor, end, bytes.len(), "type section")?;
        if !types.len().is_multiple_of(4) {
            let length = u32::try_from(types.len()).unwrap_or(u32::MAX);
            return Err(Error::Misaligned { at, part: "type section", length, unit: 4 });
        }
        let strings = part(&mut cursor, end, bytes.len(), "string section")?;
        let kinds = if end >= WITH_KINDS { part(&mut cursor, end, bytes.len(), "layout section")? } else { 0..0 };
        Ok(Layout { endian, types, strings, kinds })
    }
}

/// The string table, and whether every offset into it is a short UTF-8 name unless it splits a character.
struct Names<'a> {
    bytes: &'a [u8],
    all_fit: bool,
}

impl<'a> Names<'a> {
    fn read(bytes: &'a [u8], layout: &Layout) -> Result<Names<'a>, Error> {
        let table = bytes.get(layout.strings.clone()).unwrap_or_default();
        if table.first() != Some(&0) {
            return Err(Error::UnterminatedStrings { at: layout.strings.start });
        }
        if table.last() != Some(&0) {
            return Err(Error::UnterminatedStrings { at: layout.strings.end.saturating_sub(1) });
        }
        let all_fit = core::str::from_utf8(table).is_ok()
            && table.split(|&byte| byte == 0).all(|name| name.len() <= READ_NAME_BYTES);
        Ok(Names { bytes: table, all_fit })
    }

    fn has(&self, offset: u32) -> bool {
        let Some(rest) = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..)) else {
            return false;
        };
        if self.all_fit {
            return rest.first().is_some_and(|&byte| byte & 0xc0 != 0x80);
        }
        let window = rest.get(..READ_NAME_BYTES).unwrap_or(rest);
        let name = window.iter().position(|&byte| byte == 0).and_then(|end| window.get(..end));
        name.is_some_and(|name| core::str::from_utf8(name).is_ok())
    }
}

/// The type section while its records are told apart.
struct Records<'a> {
    words: &'a [u32],
    bytes: &'a [u8],
    layout: &'a Layout,
}

impl Records<'_> {
    /// Where each record starts, after its length and its names were checked.
    fn walk(&self, names: &Names<'_>) -> Result<Vec<u32>, Error> {
        let mut starts = Vec::new();
        let mut at = 0;
        while at < self.words.len() {
            let offset = byte_offset(self.layout.types.start, at);
            let record = self.words.get(at..).unwrap_or_default();
            let truncated = |words: usize| Error::Truncated { at: offset, needed: words.saturating_mul(4) };
            let &[_, info, _] = record.first_chunk::<HEAD_WORDS>().ok_or(truncated(HEAD_WORDS))?;
            let info = Info(info);
            let shape = info.kind().shape();
            let length = match shape {
                Some(shape) => record_words(shape.once.len(), shape.each.len(), info),
                None => self.unknown_words(info, offset)?,
            };
            let record = record.get(..length).ok_or(truncated(length))?;
            check_names(record, shape, names, offset)?;
            starts.push(u32::try_from(at).map_err(|_| truncated(length))?);
            at = at.saturating_add(length);
        }
        Ok(starts)
    }

    /// The length of a record of a kind that is not known, from the layout section.
    fn unknown_words(&self, info: Info, at: usize) -> Result<usize, Error> {
        let kind = info.kind();
        let unknown = Error::UnknownKind { at, kind: kind.0 };
        if kind == Kind(0) {
            return Err(unknown);
        }
        let kinds = self.bytes.get(self.layout.kinds.clone()).unwrap_or_default();
        let row = usize::try_from(kind.0).ok().and_then(|kind| kinds.as_chunks::<4>().0.get(kind));
        let &[once, each, ..] = row.ok_or(unknown.clone())?;
        if !once.is_multiple_of(4) || !each.is_multiple_of(4) {
            return Err(unknown);
        }
        Ok(record_words(usize::from(once >> 2), usize::from(each >> 2), info))
    }
}

fn record_words(once: usize, each: usize, info: Info) -> usize {
    let elements = usize::try_from(info.elements()).unwrap_or(usize::MAX);
    elements.saturating_mul(each).saturating_add(once).saturating_add(HEAD_WORDS)
}

fn byte_offset(base: usize, words: usize) -> usize {
    words.saturating_mul(4).saturating_add(base)
}

fn check_names(record: &[u32], shape: Option<&Shape>, names: &Names<'_>, at: usize) -> Result<(), Error> {
    let bad = |word: usize, offset: u32| Error::BadString { at: byte_offset(at, word), offset };
    if let Some(&name) = record.first()
        && !names.has(name)
    {
        return Err(bad(0, name));
    }
    let Some(shape) = shape else { return Ok(()) };
    for (word, offset) in elements_of(record, shape, Field::Name) {
        if !names.has(offset) {
            return Err(bad(word, offset));
        }
    }
    Ok(())
}

/// The words of a record's elements that have a meaning, with their position.
fn elements_of(record: &[u32], shape: &Shape, field: Field) -> impl Iterator<Item = (usize, u32)> {
    let wanted = shape.each.contains(&field);
    let first = shape.once.len().saturating_add(HEAD_WORDS);
    let words = record.get(first..).unwrap_or_default().iter().copied().enumerate();
    let fields = shape.each.iter().copied().cycle();
    words
        .take(if wanted { usize::MAX } else { 0 })
        .zip(fields)
        .filter(move |&(_, found)| found == field)
        .map(move |((word, value), _)| (word.saturating_add(first), value))
}

fn check_references(words: &[u32], starts: &[u32], base: usize) -> Result<(), Error> {
    let count = starts.len();
    let check = |word: usize, id: u32| {
        let known = usize::try_from(id).is_ok_and(|id| id <= count);
        if known { Ok(()) } else { Err(Error::BadTypeId { at: byte_offset(base, word), id, count }) }
    };
    let ends = starts.iter().skip(1).copied().map(Some).chain(core::iter::once(None));
    for (&start, end) in starts.iter().zip(ends) {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let end = end.and_then(|end| usize::try_from(end).ok()).unwrap_or(words.len());
        let Some(record) = words.get(start..end) else { continue };
        let Some(shape) = record.get(1).and_then(|&info| Info(info).kind().shape()) else { continue };
        let head = [(HEAD_WORDS.saturating_sub(1), shape.size_or_type)];
        let once = shape.once.iter().enumerate().map(|(word, &field)| (word.saturating_add(HEAD_WORDS), field));
        for (word, field) in head.into_iter().chain(once) {
            if field == Field::Type
                && let Some(&id) = record.get(word)
            {
                check(start.saturating_add(word), id)?;
            }
        }
        for (word, id) in elements_of(record, shape, Field::Type) {
            check(start.saturating_add(word), id)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests index bytes that they made")]
mod tests {
    use super::*;
    use crate::btf::{IntEncoding, Type, TypeId};

    fn int() -> Vec<u8> {
        let mut btf = Btf::new();
        btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        btf.encode(Endian::Little)
    }

    /// The header of `struct btf_header`, one INT, the strings, byte by byte.
    #[test]
    fn the_bytes_are_those_of_the_format() {
        #[rustfmt::skip]
        let expected = [
            0x9f, 0xeb, 1, 0, 24, 0, 0, 0,              // magic, version, flags, hdr_len
            0, 0, 0, 0, 16, 0, 0, 0,                    // type_off, type_len
            16, 0, 0, 0, 5, 0, 0, 0,                    // str_off, str_len
            1, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0,         // name_off, info (kind 1), size
            32, 0, 0, 1,                                // 32 bits, signed
            0, b'i', b'n', b't', 0,
        ];
        assert_eq!(int(), expected);
    }

    #[test]
    fn errors_say_where() {
        let good = int();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Btf::parse(&bytes).expect_err("one byte is wrong")
        };
        assert_eq!(with(0, 0), Error::BadMagic { found: 0xeb00 });
        assert_eq!(with(2, 2), Error::UnsupportedVersion { at: 2, version: 2 });
        assert_eq!(with(4, 20), Error::HeaderTooShort { at: 4, length: 20, minimum: 24 });
        assert_eq!(with(12, 15), Error::Misaligned { at: 8, part: "type section", length: 15, unit: 4 });
        assert_eq!(with(20, 6), Error::OutOfBounds { at: 16, part: "string section", start: 16, length: 6 });
        assert_eq!(with(24, 9), Error::BadString { at: 24, offset: 9 });
        assert_eq!(with(31, 31), Error::UnknownKind { at: 24, kind: 31 });
        assert_eq!(with(31, 10), Error::Truncated { at: 36, needed: 12 });
        assert_eq!(with(31, 3), Error::Truncated { at: 24, needed: 24 });
        assert_eq!(with(44, b'x'), Error::UnterminatedStrings { at: 44 });
        let cut = Error::OutOfBounds { at: 8, part: "type section", start: 0, length: 16 };
        assert_eq!(Btf::parse(&good[..30]), Err(cut));

        let mut btf = Btf::new();
        btf.ptr(TypeId(4));
        assert_eq!(Btf::parse(&btf.encode(Endian::Big)), Err(Error::BadTypeId { at: 32, id: 4, count: 1 }));
        let array = btf.array(TypeId(1), TypeId(2), 7);
        assert_eq!(array, TypeId(2));
        btf.array(TypeId(1), TypeId(9), 7);
        btf.const_(TypeId(1));
        assert_eq!(Btf::parse(&btf.encode(Endian::Big)), Err(Error::BadTypeId { at: 76, id: 9, count: 4 }));
    }

    /// A header of 32 bytes with a layout section: kind 20 has one word, and 8 bytes for each of two elements.
    #[test]
    fn unknown_kinds_are_skipped_where_the_blob_says_how() {
        let mut bytes = Vec::new();
        let mut words = |words: &[u32]| words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        words(&[0x0001_eb9f, 32, 0, 48, 48, 5, 53, 84]);
        words(&[1, 20 << 24 | 2, 0, 7, 1, 2, 3, 4]);
        words(&[1, 1 << 24, 4, 0x0100_0020]);
        bytes.extend_from_slice(b"\0int\0");
        bytes.extend_from_slice(&[0; 80]);
        bytes.extend_from_slice(&[4, 8, 0, 0]);
        let btf = Btf::parse(&bytes).expect("skippable");
        assert_eq!(btf.get(TypeId(1)), Some(Type::Unknown { kind: Kind(20) }));
        assert_eq!(btf.find_by_name("int"), Some(TypeId(1)));
        assert_eq!(btf.find(Kind::INT, "int"), Some(TypeId(2)));
        bytes.truncate(bytes.len() - 1);
        assert!(matches!(Btf::parse(&bytes), Err(Error::OutOfBounds { part: "layout section", .. })));
    }

    #[test]
    fn headers_may_be_longer() {
        let mut bytes = int();
        bytes.splice(24..24, [0xaa; 16].into_iter().enumerate().map(|(at, byte)| if at < 8 { 0 } else { byte }));
        bytes[4] = 40;
        assert_eq!(Btf::parse(&bytes), Btf::parse(&int()));
    }

    #[test]
    fn names_that_are_not_text_are_refused() {
        let mut bytes = int();
        bytes[42] = 0xff;
        assert_eq!(Btf::parse(&bytes), Err(Error::BadString { at: 24, offset: 1 }));
        bytes[24] = 4;
        assert!(Btf::parse(&bytes).is_ok(), "nothing uses the string");
    }
}
