//! ELF as it lies in a file: header, sections, symbols, relocations.
//!
//! Invariants: all offsets are checked before use; nothing is allocated before the bytes that it is made of are there;
//! names are UTF-8 and at most 4096 bytes long.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::ReadError;
use crate::cursor::Cursor;
use crate::limits::READ_NAME_BYTES;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use bpfasm_isa::Endian;
use core::ops::Range;

/// `SHT_PROGBITS`: bytes of the program.
pub(super) const SHT_PROGBITS: u32 = 1;
/// `SHT_SYMTAB`: the symbols.
const SHT_SYMTAB: u32 = 2;
/// `SHT_RELA`: relocations with an addend.
pub(super) const SHT_RELA: u32 = 4;
/// `SHT_NOBITS`: a section without bytes in the file.
pub(super) const SHT_NOBITS: u32 = 8;
/// `SHT_REL`: relocations whose addend is in the bytes that they change.
pub(super) const SHT_REL: u32 = 9;
/// `SHF_EXECINSTR`: code.
pub(super) const SHF_EXECINSTR: u64 = 4;
/// `SHF_COMPRESSED`.
const SHF_COMPRESSED: u64 = 0x800;
/// `STB_LOCAL`: a symbol of this object alone.
pub(super) const STB_LOCAL: u8 = 0;
/// `STT_OBJECT`: a variable.
pub(super) const STT_OBJECT: u8 = 1;
/// `STT_FUNC`: a function.
pub(super) const STT_FUNC: u8 = 2;
/// `STT_SECTION`: stands for a section.
pub(super) const STT_SECTION: u8 = 3;
/// `STV_DEFAULT`: seen from outside if it is global.
pub(super) const STV_DEFAULT: u8 = 0;
/// `STV_PROTECTED`: seen from outside if it is global.
pub(super) const STV_PROTECTED: u8 = 3;
/// `SHN_UNDEF`: defined elsewhere.
pub(super) const SHN_UNDEF: usize = 0;

/// Bytes of an `Elf64_Shdr`.
const SECTION_BYTES: u16 = 64;
/// Bytes of an `Elf64_Sym`.
const SYMBOL_BYTES: usize = 24;
/// Bytes of an `Elf64_Rel`.
const RELOCATION_BYTES: usize = 16;

/// An `Elf64_Shdr`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section<'a> {
    /// Where the header is.
    pub(super) at: usize,
    pub(super) name: &'a str,
    pub(super) kind: u32,
    pub(super) flags: u64,
    offset: u64,
    pub(super) size: u64,
    pub(super) link: usize,
    pub(super) info: usize,
    entry_bytes: u64,
}

impl Section<'_> {
    pub(super) fn has_code(&self) -> bool {
        self.kind == SHT_PROGBITS && self.flags & SHF_EXECINSTR != 0
    }

    pub(super) fn error(&self, rule: &'static str) -> ReadError {
        ReadError::BadSection { at: self.at, name: self.name.to_owned(), rule }
    }
}

/// An `Elf64_Sym`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol<'a> {
    /// Where it is.
    pub(super) at: usize,
    pub(super) name: &'a str,
    pub(super) binding: u8,
    pub(super) kind: u8,
    pub(super) visibility: u8,
    pub(super) section: usize,
    pub(super) value: u64,
    pub(super) size: u64,
}

impl Symbol<'_> {
    pub(super) fn error(&self, rule: &'static str) -> ReadError {
        ReadError::BadSymbol { at: self.at, name: self.name.to_owned(), rule }
    }
}

/// An `Elf64_Rel`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RelocationEntry {
    /// Where it is.
    pub(super) at: usize,
    pub(super) offset: u64,
    pub(super) symbol: usize,
    pub(super) kind: u32,
}

/// A file whose headers and symbols are read.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) endian: Endian,
    pub(super) sections: Vec<Section<'a>>,
    pub(super) symbols: Vec<Symbol<'a>>,
    /// The section of the symbols.
    pub(super) symbol_table: Option<usize>,
}

impl<'a> File<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<File<'a>, ReadError> {
        let endian = identify(bytes)?;
        let sections = sections(bytes, endian)?;
        let mut file = File { bytes, endian, sections, symbols: Vec::new(), symbol_table: None };
        let mut tables = file.sections.iter().enumerate().filter(|(_, section)| section.kind == SHT_SYMTAB);
        file.symbol_table = tables.next().map(|(index, _)| index);
        if let Some((_, second)) = tables.next() {
            return Err(ReadError::DuplicateSection { at: second.at, name: second.name.to_owned() });
        }
        file.symbols = file.read_symbols()?;
        Ok(file)
    }

    /// Where a section's bytes are in the file.
    pub(super) fn range(&self, section: &Section<'_>) -> Result<Range<usize>, ReadError> {
        if section.kind == SHT_NOBITS || section.flags & SHF_COMPRESSED != 0 {
            return Err(section.error("its bytes must be in the file, and not compressed"));
        }
        range(self.bytes, section.at, "section", section.offset, section.size)
    }

    /// A section's bytes.
    pub(super) fn data(&self, section: &Section<'_>) -> Result<&'a [u8], ReadError> {
        Ok(self.bytes.get(self.range(section)?).unwrap_or_default())
    }

    /// The one section of that name.
    pub(super) fn find(&self, name: &str) -> Result<Option<(usize, &Section<'a>)>, ReadError> {
        let mut found = self.sections.iter().enumerate().filter(|(_, section)| section.name == name);
        let first = found.next();
        match found.next() {
            Some((_, second)) => Err(ReadError::DuplicateSection { at: second.at, name: name.to_owned() }),
            None => Ok(first),
        }
    }

    /// The relocations of an SHT_REL section.
    pub(super) fn relocations(
        &self,
        section: &Section<'a>,
    ) -> Result<impl Iterator<Item = RelocationEntry> + use<'a>, ReadError> {
        if Some(section.link) != self.symbol_table {
            return Err(section.error("sh_link must name the symbol table"));
        }
        let range = self.table(section, RELOCATION_BYTES)?;
        let mut cursor = Cursor::new(self.bytes.get(..range.end).unwrap_or_default(), self.endian).seek(range.start);
        Ok(core::iter::from_fn(move || {
            let at = cursor.at();
            let (offset, info) = (cursor.u64().ok()?, cursor.u64().ok()?);
            let [a, b, c, d, e, f, g, h] = info.to_le_bytes();
            let symbol = usize::try_from(u32::from_le_bytes([e, f, g, h])).ok()?;
            Some(RelocationEntry { at, offset, symbol, kind: u32::from_le_bytes([a, b, c, d]) })
        }))
    }

    /// The bytes of a section that is a table of entries of that size.
    fn table(&self, section: &Section<'_>, entry: usize) -> Result<Range<usize>, ReadError> {
        let range = self.range(section)?;
        if usize::try_from(section.entry_bytes) != Ok(entry) || range.len().checked_rem(entry) != Some(0) {
            return Err(section.error("sh_entsize must be that of its entries, and divide its size"));
        }
        Ok(range)
    }

    fn read_symbols(&self) -> Result<Vec<Symbol<'a>>, ReadError> {
        let Some(section) = self.symbol_table.and_then(|index| self.sections.get(index)) else {
            return Ok(Vec::new());
        };
        let range = self.table(section, SYMBOL_BYTES)?;
        let strings =
            self.sections.get(section.link).ok_or_else(|| section.error("sh_link must name its string table"))?;
        let strings = self.data(strings)?;
        let mut symbols = Vec::with_capacity(range.len().checked_div(SYMBOL_BYTES).unwrap_or_default());
        let mut cursor = Cursor::new(self.bytes.get(..range.end).unwrap_or_default(), self.endian).seek(range.start);
        while !cursor.is_empty() {
            let at = cursor.at();
            let name = name(strings, cursor.u32()?, at)?;
            let (info, other, section) = (cursor.u8()?, cursor.u8()?, usize::from(cursor.u16()?));
            let (value, size) = (cursor.u64()?, cursor.u64()?);
            let (binding, kind, visibility) = (info >> 4, info & 0xf, other & 3);
            symbols.push(Symbol { at, name, binding, kind, visibility, section, value, size });
        }
        Ok(symbols)
    }
}

/// The name at an offset of a string table.
fn name(strings: &[u8], offset: u32, at: usize) -> Result<&str, ReadError> {
    let bad = ReadError::BadName { at, offset };
    if offset == 0 {
        return Ok("");
    }
    let rest = usize::try_from(offset).ok().and_then(|offset| strings.get(offset..)).ok_or(bad.clone())?;
    let window = rest.get(..READ_NAME_BYTES).unwrap_or(rest);
    let name = window.iter().position(|&byte| byte == 0).and_then(|end| window.get(..end)).ok_or(bad.clone())?;
    core::str::from_utf8(name).map_err(|_| bad)
}

fn range(bytes: &[u8], at: usize, part: &'static str, offset: u64, size: u64) -> Result<Range<usize>, ReadError> {
    let start = usize::try_from(offset).ok();
    let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok()).filter(|&end| end <= bytes.len());
    match (start, end) {
        (Some(start), Some(end)) => Ok(start..end),
        _ => Err(ReadError::OutOfBounds { at, part, offset, size }),
    }
}

/// Checks the identification and the header's first fields; the byte order.
fn identify(bytes: &[u8]) -> Result<Endian, ReadError> {
    const ELFCLASS64: u8 = 2;
    const ELFDATA2LSB: u8 = 1;
    const ELFDATA2MSB: u8 = 2;
    const EV_CURRENT: u8 = 1;
    const ET_REL: u16 = 1;
    const EM_BPF: u16 = 247;
    /// The size of `e_ident`, and with it the offset of `e_type`.
    const IDENT_BYTES: usize = 16;
    let ident = Cursor::new(bytes, Endian::Little);
    if bytes.get(..4) != Some(b"\x7fELF") {
        return Err(ReadError::NotElf);
    }
    let byte = |at, field, expected: u8| {
        let found = ident.seek(at).u8()?;
        let not_bpf = ReadError::NotBpf { at, field, found: found.into(), expected: expected.into() };
        if found == expected { Ok(found) } else { Err(not_bpf) }
    };
    byte(4, "EI_CLASS", ELFCLASS64)?;
    let endian = match byte(5, "EI_DATA", ELFDATA2LSB) {
        Err(ReadError::NotBpf { found, .. }) if found == u64::from(ELFDATA2MSB) => Endian::Big,
        order => order.map(|_| Endian::Little)?,
    };
    byte(6, "EI_VERSION", EV_CURRENT)?;
    let mut cursor = Cursor::new(bytes, endian).seek(IDENT_BYTES);
    for (field, expected) in [("e_type", ET_REL), ("e_machine", EM_BPF)] {
        let at = cursor.at();
        let found = cursor.u16()?;
        if found != expected {
            return Err(ReadError::NotBpf { at, field, found: found.into(), expected: expected.into() });
        }
    }
    Ok(endian)
}

fn sections(bytes: &[u8], endian: Endian) -> Result<Vec<Section<'_>>, ReadError> {
    /// Offset of `e_shoff`.
    const SHOFF: usize = 40;
    /// Offset of `e_shentsize`, which `e_shnum` and `e_shstrndx` follow.
    const SHENTSIZE: usize = 58;
    let cursor = Cursor::new(bytes, endian);
    let offset = cursor.seek(SHOFF).u64()?;
    let mut fields = cursor.seek(SHENTSIZE);
    let (entry_bytes, count, names_index) = (fields.u16()?, fields.u16()?, fields.u16()?);
    if offset == 0 {
        return Ok(Vec::new());
    }
    if count == 0 {
        return Err(ReadError::TooManySections { at: SHENTSIZE.saturating_add(2) });
    }
    if entry_bytes != SECTION_BYTES {
        let (found, expected) = (entry_bytes.into(), SECTION_BYTES.into());
        return Err(ReadError::NotBpf { at: SHENTSIZE, field: "e_shentsize", found, expected });
    }
    let size = u64::from(count).saturating_mul(SECTION_BYTES.into());
    let table = range(bytes, SHOFF, "section header table", offset, size)?;
    let mut cursor = cursor.seek(table.start);
    let mut sections = Vec::with_capacity(usize::from(count));
    let mut names = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let at = cursor.at();
        names.push(cursor.u32()?);
        let (kind, flags, _address) = (cursor.u32()?, cursor.u64()?, cursor.u64()?);
        let (offset, size, link, info) = (cursor.u64()?, cursor.u64()?, cursor.u32()?, cursor.u32()?);
        let (_align, entry_bytes) = (cursor.u64()?, cursor.u64()?);
        let index = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
        let (link, info) = (index(link), index(info));
        sections.push(Section { at, name: "", kind, flags, offset, size, link, info, entry_bytes });
    }
    let strings = match sections.get(usize::from(names_index)) {
        Some(strings) => bytes.get(range(bytes, strings.at, "section", strings.offset, strings.size)?),
        None => None,
    };
    for (section, offset) in sections.iter_mut().zip(names) {
        section.name = name(strings.unwrap_or_default(), offset, section.at)?;
    }
    Ok(sections)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests index bytes that they made")]
mod tests {
    use super::*;
    use alloc::vec;

    fn header() -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        bytes[16] = 1;
        bytes[18] = 247;
        bytes[58] = 64;
        bytes
    }

    #[test]
    fn the_header_must_be_that_of_a_bpf_object() {
        assert!(File::parse(&header()).is_ok_and(|file| file.sections.is_empty()));
        let with = |at: usize, byte: u8| {
            let mut bytes = header();
            bytes[at] = byte;
            File::parse(&bytes).err()
        };
        let not_bpf = |at, field, found, expected| Some(ReadError::NotBpf { at, field, found, expected });
        assert_eq!(with(0, 0), Some(ReadError::NotElf));
        assert_eq!(with(4, 1), not_bpf(4, "EI_CLASS", 1, 2));
        assert_eq!(with(5, 3), not_bpf(5, "EI_DATA", 3, 1));
        assert_eq!(with(6, 0), not_bpf(6, "EI_VERSION", 0, 1));
        assert_eq!(with(16, 2), not_bpf(16, "e_type", 2, 1));
        assert_eq!(with(18, 62), not_bpf(18, "e_machine", 62, 247));
        assert_eq!(with(5, 2), not_bpf(16, "e_type", 256, 1));
        assert_eq!(File::parse(&header()[..63]).err(), Some(ReadError::Truncated { at: 62, needed: 2 }));
    }

    #[test]
    fn a_count_of_sections_allocates_nothing() {
        let mut bytes = header();
        bytes[40] = 64;
        bytes[60..62].copy_from_slice(&[0xff, 0xff]);
        let size = 0xffff * 64;
        let outside = ReadError::OutOfBounds { at: 40, part: "section header table", offset: 64, size };
        assert_eq!(File::parse(&bytes).err(), Some(outside));
        bytes[58] = 1;
        let field = "e_shentsize";
        assert_eq!(File::parse(&bytes).err(), Some(ReadError::NotBpf { at: 58, field, found: 1, expected: 64 }));
    }
}
