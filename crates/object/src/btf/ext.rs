//! BTF.ext: which instruction belongs to which function and source line.
//!
//! Instructions are named by their offset in **bytes** from the start of an ELF section. For BPF_PROG_LOAD, which
//! counts slots from the start of the program, see [`relocate`](crate::relocate).
//!
//! # References
//! `Documentation/bpf/btf.rst`, ".BTF.ext section"; `struct btf_ext_header` in libbpf.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::parse::{header, part};
use super::{Error, MAGIC, TypeId, VERSION, half_bytes};
use crate::cursor::{Cursor, word, word_bytes};
use crate::limits;
use alloc::vec::Vec;
use bpfasm_isa::Endian;

/// Bytes of the header that is written: with the CO-RE fields, which some readers want even when they are zero.
const HEADER_BYTES: u32 = 32;

/// Bytes of the shortest header, without the CO-RE fields.
const SHORT_HEADER_BYTES: u32 = 24;

/// `struct bpf_func_info`: a function starts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FuncInfo {
    /// Where: bytes from the start of the ELF section; slots from the start of the program for BPF_PROG_LOAD.
    pub insn_off: u32,
    /// Its FUNC.
    pub type_id: TypeId,
}

/// `struct bpf_line_info`: a source line starts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineInfo {
    /// Where: bytes from the start of the ELF section; slots from the start of the program for BPF_PROG_LOAD.
    pub insn_off: u32,
    /// The file's name, an offset in the BTF string table.
    pub file: u32,
    /// The line's text, an offset in the BTF string table.
    pub text: u32,
    /// Line number and column as the kernel has them, `line << 10 | column`.
    pub line_col: u32,
}

impl LineInfo {
    /// `line << 10 | column`; numbers too large for their 22 and 10 bits become the largest.
    #[must_use]
    pub fn line_col(line: u32, column: u32) -> u32 {
        line.min(limits::LINE) << 10 | column.min(limits::COLUMN)
    }

    /// The line's number.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line_col >> 10
    }

    /// The column, counted from 1; 0 if it is not known.
    #[must_use]
    pub const fn column(&self) -> u32 {
        self.line_col & limits::COLUMN
    }
}

/// `struct bpf_core_relo`: an instruction to be adjusted to the running kernel's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CoreRelocation {
    /// Which instruction: bytes from the start of the ELF section.
    pub insn_off: u32,
    /// The local type.
    pub type_id: TypeId,
    /// What of it, such as `0:1:2`, an offset in the BTF string table.
    pub access: u32,
    /// What is asked about it, `enum bpf_core_relo_kind`.
    pub kind: u32,
}

/// The records of one ELF section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<T> {
    /// The section's name, an offset in the BTF string table.
    pub section: u32,
    /// Its records.
    pub records: Vec<T>,
}

/// The content of a `.BTF.ext` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ext {
    /// Functions.
    pub functions: Vec<Block<FuncInfo>>,
    /// Source lines.
    pub lines: Vec<Block<LineInfo>>,
    /// CO-RE relocations.
    pub core_relocations: Vec<Block<CoreRelocation>>,
}

/// A record as its words.
pub(crate) trait Record: Sized {
    /// What an error calls such records.
    const PART: &'static str;
    /// Bytes of one record, a multiple of four.
    const BYTES: u32;
    /// From its words, `None` if there are too few.
    fn read(words: &mut dyn Iterator<Item = u32>) -> Option<Self>;
    /// Its bytes, at the end of `bytes`.
    fn write(&self, endian: Endian, bytes: &mut Vec<u8>);
}

macro_rules! record {
    ($type:ident, $part:literal, $bytes:literal, $($field:ident $(. $inner:tt)?),*) => {
        impl Record for $type {
            const PART: &'static str = $part;
            const BYTES: u32 = $bytes;

            fn read(words: &mut dyn Iterator<Item = u32>) -> Option<$type> {
                Some($type { $($field: words.next()?.into()),* })
            }

            fn write(&self, endian: Endian, bytes: &mut Vec<u8>) {
                $(bytes.extend_from_slice(&word_bytes(self.$field $(. $inner)?, endian));)*
            }
        }
    };
}

record!(FuncInfo, "func_info", 8, insn_off, type_id.0);
record!(LineInfo, "line_info", 16, insn_off, file, text, line_col);
record!(CoreRelocation, "core_relo", 16, insn_off, type_id.0, access, kind);

impl From<u32> for TypeId {
    fn from(id: u32) -> TypeId {
        TypeId(id)
    }
}

impl Ext {
    /// Whether there is no record at all. An empty `.BTF.ext` is better left out: loaders refuse it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.lines.is_empty() && self.core_relocations.is_empty()
    }

    /// The bytes of a `.BTF.ext` section.
    #[must_use]
    pub fn encode(&self, endian: Endian) -> Vec<u8> {
        let mut body = Vec::new();
        let ranges = [
            encode_part(&self.functions, endian, &mut body),
            encode_part(&self.lines, endian, &mut body),
            encode_part(&self.core_relocations, endian, &mut body),
        ];
        let mut bytes = Vec::with_capacity(body.len().saturating_add(32));
        bytes.extend_from_slice(&half_bytes(MAGIC, endian));
        bytes.extend_from_slice(&[VERSION, 0]);
        bytes.extend_from_slice(&word_bytes(HEADER_BYTES, endian));
        for (start, length) in ranges {
            for number in [start, length] {
                bytes.extend_from_slice(&word_bytes(u32::try_from(number).unwrap_or(u32::MAX), endian));
            }
        }
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads a `.BTF.ext` section in either byte order. Records longer than the known ones are accepted.
    ///
    /// Names and type ids are not looked up, since they belong to the `.BTF` section.
    ///
    /// # Errors
    /// An [`Error`] that says what is wrong at which byte offset.
    pub fn parse(bytes: &[u8]) -> Result<Ext, Error> {
        let (mut cursor, end) = header(bytes, SHORT_HEADER_BYTES)?;
        let functions = parse_part(&mut cursor, end, bytes)?;
        let lines = parse_part(&mut cursor, end, bytes)?;
        let has_core = u32::try_from(end).is_ok_and(|end| end >= HEADER_BYTES);
        let core_relocations = if has_core { parse_part(&mut cursor, end, bytes)? } else { Vec::new() };
        Ok(Ext { functions, lines, core_relocations })
    }
}

/// Writes a part to the end of `bytes`; where it starts and how long it is.
fn encode_part<T: Record>(blocks: &[Block<T>], endian: Endian, bytes: &mut Vec<u8>) -> (usize, usize) {
    let start = bytes.len();
    if blocks.iter().all(|block| block.records.is_empty()) {
        return (start, 0);
    }
    bytes.extend_from_slice(&word_bytes(T::BYTES, endian));
    for block in blocks.iter().filter(|block| !block.records.is_empty()) {
        let count = u32::try_from(block.records.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&word_bytes(block.section, endian));
        bytes.extend_from_slice(&word_bytes(count, endian));
        for record in &block.records {
            record.write(endian, bytes);
        }
    }
    (start, bytes.len().saturating_sub(start))
}

fn parse_part<T: Record>(header: &mut Cursor<'_>, header_end: usize, bytes: &[u8]) -> Result<Vec<Block<T>>, Error> {
    let range = part(header, header_end, bytes.len(), T::PART)?;
    let mut blocks = Vec::new();
    if range.is_empty() {
        return Ok(blocks);
    }
    let endian = super::parse::byte_order(bytes)?;
    let mut cursor = Cursor::new(bytes.get(..range.end).unwrap_or_default(), endian).seek(range.start);
    let at = cursor.at();
    let size = cursor.u32()?;
    if size < T::BYTES || !size.is_multiple_of(4) {
        return Err(Error::BadRecordSize { at, part: T::PART, size, minimum: T::BYTES });
    }
    while !cursor.is_empty() {
        let section = cursor.u32()?;
        let count = cursor.u32()?;
        let at = cursor.at();
        let length = usize::try_from(u64::from(count).saturating_mul(u64::from(size))).unwrap_or(usize::MAX);
        let body = cursor.take(length)?;
        let mut records = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        for record in body.chunks_exact(usize::try_from(size).unwrap_or(usize::MAX)) {
            let mut words = record.as_chunks::<4>().0.iter().map(|&chunk| word(chunk, endian));
            records.push(T::read(&mut words).ok_or(Error::Truncated { at, needed: length })?);
        }
        blocks.push(Block { section, records });
    }
    Ok(blocks)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests index bytes that they made")]
mod tests {
    use super::*;
    use alloc::vec;

    fn sample() -> Ext {
        Ext {
            functions: vec![Block { section: 9, records: vec![FuncInfo { insn_off: 0, type_id: TypeId(3) }] }],
            lines: vec![
                Block {
                    section: 9,
                    records: vec![LineInfo { insn_off: 8, file: 1, text: 2, line_col: LineInfo::line_col(7, 5) }],
                },
                Block { section: 11, records: vec![LineInfo { insn_off: 0, file: 1, text: 4, line_col: 0 }] },
            ],
            core_relocations: vec![],
        }
    }

    #[test]
    fn round_trip_in_both_orders() {
        for endian in [Endian::Little, Endian::Big] {
            assert_eq!(Ext::parse(&sample().encode(endian)), Ok(sample()));
        }
        let core = CoreRelocation { insn_off: 16, type_id: TypeId(4), access: 3, kind: 0 };
        let with_core = Ext { core_relocations: vec![Block { section: 9, records: vec![core] }], ..sample() };
        assert_eq!(Ext::parse(&with_core.encode(Endian::Big)), Ok(with_core));
    }

    #[test]
    fn the_header_has_32_bytes_and_no_empty_part_has_a_record_size() {
        let bytes = sample().encode(Endian::Little);
        assert_eq!(&bytes[..8], &[0x9f, 0xeb, 1, 0, 32, 0, 0, 0]);
        assert_eq!(&bytes[8..32], &[0, 0, 0, 0, 20, 0, 0, 0, 20, 0, 0, 0, 52, 0, 0, 0, 72, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[32..36], &[8, 0, 0, 0]);
    }

    #[test]
    fn longer_records_are_read_and_shorter_ones_refused() {
        let mut bytes = sample().encode(Endian::Little);
        bytes[32] = 4;
        assert!(matches!(Ext::parse(&bytes), Err(Error::BadRecordSize { at: 32, size: 4, minimum: 8, .. })));
        bytes[32] = 12;
        assert!(matches!(Ext::parse(&bytes), Err(Error::Truncated { at: 44, needed: 12 })));
        bytes[40] = 0;
        assert!(Ext::parse(&bytes).is_err());
    }

    #[test]
    fn line_and_column_are_packed_as_the_kernel_unpacks_them() {
        let record = LineInfo { insn_off: 0, file: 0, text: 0, line_col: LineInfo::line_col(300, 17) };
        assert_eq!((record.line(), record.column()), (300, 17));
        assert_eq!(LineInfo::line_col(u32::MAX, u32::MAX), u32::MAX);
    }
}
