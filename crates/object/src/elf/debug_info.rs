//! From BTF.ext records to the types and lines of functions.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::file::File;
use super::function::{Budget, Functions, SLOT_BYTES};
use super::{BTF_EXT, ReadError};
use crate::btf::ext::{Block, Ext, LineInfo};
use crate::btf::{Btf, Type, TypeId};
use crate::model::Line;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use bpfasm_isa::SlotIx;

/// Gives functions their FUNCs and their source lines.
pub(super) fn attach(
    file: &File<'_>,
    btf: &Btf,
    functions: &mut Functions,
    budget: &mut Budget,
) -> Result<(), ReadError> {
    if let Some((_, section)) = file.find(BTF_EXT)? {
        let at = file.range(section)?.start;
        let ext = Ext::parse(file.data(section)?).map_err(|source| ReadError::Btf { at, source })?;
        if !ext.core_relocations.is_empty() {
            return Err(ReadError::BadDebugInfo { at, rule: "CO-RE relocations are not supported" });
        }
        let mut records = Records { btf, at, sections: sections(file), texts: BTreeMap::new() };
        records.functions(&ext, functions)?;
        records.lines(&ext, functions, budget)?;
    }
    name_types(btf, functions);
    Ok(())
}

/// The sections of code by name.
fn sections<'a>(file: &File<'a>) -> BTreeMap<&'a [u8], usize> {
    let code = file.sections.iter().enumerate().filter(|(_, section)| section.has_code());
    code.map(|(index, section)| (section.name.as_bytes(), index)).collect()
}

/// A function without a record has the FUNC of its name.
fn name_types(btf: &Btf, functions: &mut Functions) {
    if functions.functions.iter().all(|function| function.type_id.is_some()) {
        return;
    }
    let named = btf.iter().filter_map(|(id, found)| match found {
        Type::Func { name, .. } => Some((name, id)),
        _ => None,
    });
    let named: BTreeMap<&str, TypeId> = named.collect();
    for function in functions.functions.iter_mut().filter(|function| function.type_id.is_none()) {
        function.type_id = named.get(function.name.as_str()).copied();
    }
}

struct Records<'a> {
    btf: &'a Btf,
    /// Where the section is in the file.
    at: usize,
    sections: BTreeMap<&'a [u8], usize>,
    /// Files and texts that were copied out already.
    texts: BTreeMap<u32, Arc<str>>,
}

impl Records<'_> {
    fn functions(&self, ext: &Ext, functions: &mut Functions) -> Result<(), ReadError> {
        for block in &ext.functions {
            let section = self.section(block)?;
            for record in &block.records {
                let slot = self.slot(record.insn_off)?;
                let index = functions.starting(section, slot);
                let index = index.ok_or(self.error("a function record is not at the start of a function"))?;
                if !matches!(self.btf.get(record.type_id), Some(Type::Func { .. })) {
                    return Err(self.error("a function record does not name a FUNC"));
                }
                if let Some(function) = functions.functions.get_mut(index) {
                    function.type_id = Some(record.type_id);
                }
            }
        }
        Ok(())
    }

    fn lines(&mut self, ext: &Ext, functions: &mut Functions, budget: &mut Budget) -> Result<(), ReadError> {
        for block in &ext.lines {
            let section = self.section(block)?;
            for record in &block.records {
                let slot = self.slot(record.insn_off)?;
                let index = functions.containing(section, slot);
                let index = index.ok_or(self.error("a line record lies outside all functions"))?;
                let start = functions.places.get(index).map_or(0, |place| place.start);
                let line = self.line(record, slot.saturating_sub(start), budget)?;
                if let Some(function) = functions.functions.get_mut(index) {
                    function.lines.push(line);
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, record: &LineInfo, slot: usize, budget: &mut Budget) -> Result<Line, ReadError> {
        let at = SlotIx(u32::try_from(slot).map_err(|_| self.error("a line record lies too far in"))?);
        let (file, text) = (self.text(record.file, budget)?, self.text(record.text, budget)?);
        Ok(Line { at, file, text, line: record.line(), column: record.column() })
    }

    /// A string of the table, shared by all lines that have it. Source need not be UTF-8.
    fn text(&mut self, offset: u32, budget: &mut Budget) -> Result<Arc<str>, ReadError> {
        if let Some(text) = self.texts.get(&offset) {
            return Ok(text.clone());
        }
        let bytes = self.btf.string_bytes(offset).ok_or(self.error("a line record names no string"))?;
        budget.charge(bytes.len(), self.at)?;
        let text: Arc<str> = String::from_utf8_lossy(bytes).into();
        self.texts.insert(offset, text.clone());
        Ok(text)
    }

    fn section<T>(&self, block: &Block<T>) -> Result<usize, ReadError> {
        let name = self.btf.string_bytes(block.section);
        let section = name.and_then(|name| self.sections.get(name));
        section.copied().ok_or(self.error("records for a section that has no code"))
    }

    fn slot(&self, bytes: u32) -> Result<usize, ReadError> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        match bytes.checked_rem(SLOT_BYTES) {
            Some(0) => Ok(bytes.checked_div(SLOT_BYTES).unwrap_or_default()),
            _ => Err(self.error("a record does not start at an instruction")),
        }
    }

    fn error(&self, rule: &'static str) -> ReadError {
        ReadError::BadDebugInfo { at: self.at, rule }
    }
}
