//! The functions of an ELF object: where each lies, and its code.
//!
//! Invariants: functions lie within their section, at whole slots, and do not overlap; no two sections of code overlap
//! in the file. So all code together is no longer than the file.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::ReadError;
use super::file::{File, STB_LOCAL, STT_FUNC, STV_DEFAULT, STV_PROTECTED, Section, Symbol};
use crate::limits::{READ_COPY_FACTOR, READ_SLACK_BYTES};
use crate::model::{Function, Linkage, TEXT};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bpfasm_isa::Slot;

/// Bytes of a slot.
pub(super) const SLOT_BYTES: usize = 8;

/// How many bytes of names and lines may still be copied out of the file.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new(file: &[u8]) -> Budget {
        Budget(file.len().saturating_mul(READ_COPY_FACTOR).saturating_add(READ_SLACK_BYTES))
    }

    pub(super) fn charge(&mut self, bytes: usize, at: usize) -> Result<(), ReadError> {
        self.0 = self.0.checked_sub(bytes).ok_or(ReadError::TooMuchText { at })?;
        Ok(())
    }
}

/// Where a function lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its section.
    pub(super) section: usize,
    /// Its first slot in the section.
    pub(super) start: usize,
    /// The slot behind its last one.
    pub(super) end: usize,
    /// Its first byte in the file.
    pub(super) at: usize,
}

/// All functions, by section and slot.
#[derive(Debug)]
pub(super) struct Functions {
    pub(super) functions: Vec<Function>,
    /// By function.
    pub(super) places: Vec<Place>,
}

impl Functions {
    pub(super) fn read(file: &File<'_>, budget: &mut Budget) -> Result<Functions, ReadError> {
        check_sections(file)?;
        let mut symbols = Vec::new();
        for symbol in file.symbols.iter().filter(|symbol| symbol.kind == STT_FUNC) {
            let section = file.sections.get(symbol.section).filter(|section| section.has_code());
            if let Some(section) = section {
                symbols.push((place(file, section, symbol)?, symbol, section));
            }
        }
        symbols.sort_by_key(|(place, ..)| (place.section, place.start));
        let mut all = Functions { functions: Vec::new(), places: Vec::new() };
        for (place, symbol, section) in symbols {
            if all.places.last().is_some_and(|last| last.section == place.section && last.end > place.start) {
                return Err(symbol.error("its code overlaps that of another function"));
            }
            budget.charge(symbol.name.len().saturating_add(section.name.len()), symbol.at)?;
            all.functions.push(function(file, section, symbol, place));
            all.places.push(place);
        }
        all.check_coverage(file)?;
        Ok(all)
    }

    /// The function that has this slot of the section.
    pub(super) fn containing(&self, section: usize, slot: usize) -> Option<usize> {
        let behind = self.places.partition_point(|place| (place.section, place.start) <= (section, slot));
        let index = behind.checked_sub(1)?;
        self.places.get(index).filter(|place| place.section == section && slot < place.end).map(|_| index)
    }

    /// The function that starts at this slot of the section.
    pub(super) fn starting(&self, section: usize, slot: usize) -> Option<usize> {
        let index = self.containing(section, slot)?;
        self.places.get(index).filter(|place| place.start == slot).map(|_| index)
    }

    /// Code without any function would silently not be there.
    fn check_coverage(&self, file: &File<'_>) -> Result<(), ReadError> {
        for (index, section) in file.sections.iter().enumerate().filter(|(_, section)| section.has_code()) {
            let first = self.places.partition_point(|place| place.section < index);
            if section.size != 0 && self.places.get(first).is_none_or(|place| place.section != index) {
                return Err(section.error("it has code but no symbol of a function"));
            }
        }
        Ok(())
    }
}

fn check_sections(file: &File<'_>) -> Result<(), ReadError> {
    let mut names = BTreeMap::new();
    let mut ranges = Vec::new();
    for section in file.sections.iter().filter(|section| section.has_code()) {
        let range = file.range(section)?;
        if range.len().checked_rem(SLOT_BYTES) != Some(0) {
            return Err(section.error("code is made of 8-byte slots"));
        }
        if names.insert(section.name, ()).is_some() {
            return Err(ReadError::DuplicateSection { at: section.at, name: section.name.to_owned() });
        }
        if !range.is_empty() {
            ranges.push((range, section));
        }
    }
    ranges.sort_by_key(|(range, _)| range.start);
    for ((first, _), (second, section)) in ranges.iter().zip(ranges.iter().skip(1)) {
        if first.end > second.start {
            return Err(section.error("its bytes are also those of another section of code"));
        }
    }
    Ok(())
}

fn place(file: &File<'_>, section: &Section<'_>, symbol: &Symbol<'_>) -> Result<Place, ReadError> {
    const BYTES: u64 = 8;
    let end = symbol.value.checked_add(symbol.size).filter(|&end| end <= section.size);
    let end = end.ok_or_else(|| symbol.error("it reaches out of its section"))?;
    if symbol.size == 0 || !symbol.value.is_multiple_of(BYTES) || !symbol.size.is_multiple_of(BYTES) {
        return Err(symbol.error("its place and size must be whole slots of 8 bytes, at least one"));
    }
    let slots = |bytes: u64| bytes.checked_div(BYTES).and_then(|slots| usize::try_from(slots).ok());
    let (start, end) = (slots(symbol.value).unwrap_or(usize::MAX), slots(end).unwrap_or(usize::MAX));
    let at = file.range(section)?.start.saturating_add(start.saturating_mul(SLOT_BYTES));
    Ok(Place { section: symbol.section, start, end, at })
}

fn function(file: &File<'_>, section: &Section<'_>, symbol: &Symbol<'_>, place: Place) -> Function {
    let length = place.end.saturating_sub(place.start).saturating_mul(SLOT_BYTES);
    let bytes = file.bytes.get(place.at..place.at.saturating_add(length)).unwrap_or_default();
    let code = bytes.as_chunks::<SLOT_BYTES>().0.iter().map(|&slot| Slot::from_bytes(slot, file.endian)).collect();
    let is_hidden = !matches!(symbol.visibility, STV_DEFAULT | STV_PROTECTED);
    let is_static = symbol.binding == STB_LOCAL || (is_hidden && section.name == TEXT);
    Function {
        name: symbol.name.to_owned(),
        section: section.name.to_owned(),
        linkage: if is_static { Linkage::Static } else { Linkage::Global },
        code,
        relocations: Vec::new(),
        lines: Vec::new(),
        type_id: None,
    }
}
