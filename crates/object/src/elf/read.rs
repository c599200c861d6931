//! From the bytes of an ELF object to an [`Object`].

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::debug_info;
use super::file::{File, SHN_UNDEF, SHT_NOBITS, SHT_REL, SHT_RELA, STT_FUNC, STT_OBJECT, STT_SECTION, Symbol};
use super::file::{RelocationEntry, Section};
use super::function::{Budget, Functions, SLOT_BYTES};
use super::{BTF, R_BPF_64_32, R_BPF_64_64, ReadError};
use crate::btf::{Btf, Kind, SecVar, Type, TypeId};
use crate::datasec::{DataSection, LICENSE, MAPS, map_from_btf};
use crate::model::{CALL, FunctionIx, LDDW, MapDef, MapIx, Object, PSEUDO_CALL, Relocation, RelocationTarget};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use bpfasm_isa::{Slot, SlotIx};

/// Reads a BPF object, in either byte order, from bytes that need not be aligned or trusted.
///
/// What it has: programs in any section, subprograms in `.text`, maps with BTF, data sections (as maps, behind the others), the
/// licence, types, functions and source lines. What is not supported yet is refused, never skipped: old-style `maps`, pointers in data
/// sections, kernel functions, CO-RE relocations.
///
/// # Errors
/// A [`ReadError`] that says what is wrong at which offset of the file.
///
/// # Example
/// ```
/// use bpfasm_object::elf::{ReadError, read};
///
/// assert_eq!(read(b"#!/bin/sh"), Err(ReadError::NotElf));
/// ```
pub fn read(bytes: &[u8]) -> Result<Object, ReadError> {
    let file = File::parse(bytes)?;
    let mut budget = Budget::new(bytes);
    let license = license(&file)?;
    let (mut btf, btf_at) = btf(&file)?;
    let mut maps = maps(&file, &mut btf, btf_at, &mut budget)?;
    maps.add_data(&file, &btf, &mut budget)?;
    let mut functions = Functions::read(&file, &mut budget)?;
    let targets = Targets { file: &file, maps };
    targets.relocate(&mut functions)?;
    targets.relocate_plain_calls(&mut functions)?;
    debug_info::attach(&file, &btf, &mut functions, &mut budget)?;
    for (function, place) in functions.functions.iter().zip(&functions.places) {
        function.check().map_err(|source| ReadError::Malformed { at: place.at, source })?;
    }
    let maps = targets.maps.definitions;
    Ok(Object { endian: file.endian, license, functions: functions.functions, maps, btf })
}

fn license(file: &File<'_>) -> Result<String, ReadError> {
    let Some((_, section)) = file.find(LICENSE)? else { return Ok(String::new()) };
    let bytes = file.data(section)?;
    let text = bytes.iter().position(|&byte| byte == 0).and_then(|end| bytes.get(..end));
    let text = text.and_then(|text| core::str::from_utf8(text).ok());
    Ok(text.ok_or(ReadError::BadLicense { at: file.range(section)?.start })?.to_owned())
}

/// The types and where they are. Variables that have no place yet, as clang leaves them, get it from the symbols.
fn btf(file: &File<'_>) -> Result<(Btf, usize), ReadError> {
    let Some((_, section)) = file.find(BTF)? else { return Ok((Btf::new(), 0)) };
    let at = file.range(section)?.start;
    let mut btf = Btf::parse(file.data(section)?).map_err(|source| ReadError::Btf { at, source })?;
    let open = |(id, found): (TypeId, Type<'_>)| match found {
        Type::Datasec { name, bytes: 0, variables } => {
            let variables: Vec<SecVar> = variables.collect();
            (!variables.is_empty()).then(|| (id, name.to_owned(), variables))
        }
        _ => None,
    };
    let open: Vec<_> = btf.iter().filter_map(open).collect();
    if open.is_empty() {
        return Ok((btf, at));
    }
    let symbols: BTreeMap<_, _> = file.symbols.iter().map(|symbol| ((symbol.section, symbol.name), symbol)).collect();
    let sections: BTreeMap<_, _> = file.sections.iter().enumerate().map(|(ix, section)| (section.name, ix)).collect();
    for (id, name, mut variables) in open {
        let Some(&index) = sections.get(name.as_str()) else { continue };
        let size = file.sections.get(index).and_then(|section| u32::try_from(section.size).ok()).unwrap_or_default();
        for variable in &mut variables {
            let name = btf.get(variable.type_id).as_ref().map(Type::name).unwrap_or_default().to_owned();
            let symbol = symbols.get(&(index, name.as_str()));
            let offset = symbol.and_then(|symbol| u32::try_from(symbol.value).ok());
            variable.offset =
                offset.ok_or(ReadError::BadSymbol { at, name, rule: "BTF has it, but no symbol does" })?;
        }
        variables.sort_by_key(|variable| variable.offset);
        btf.lay_out_datasec(id, size, &variables);
    }
    Ok((btf, at))
}

/// The maps, and where each lies in the section of maps.
#[derive(Debug, Default)]
struct Maps {
    section: Option<usize>,
    definitions: Vec<MapDef>,
    by_offset: BTreeMap<u64, MapIx>,
    /// The data sections: the map that stands for each, and its size.
    data: BTreeMap<usize, (MapIx, u32)>,
}

impl Maps {
    /// Adds the data sections.
    fn add_data(&mut self, file: &File<'_>, btf: &Btf, budget: &mut Budget) -> Result<(), ReadError> {
        for (index, section) in file.sections.iter().enumerate() {
            let Some(sort) = DataSection::from_name(section.name).filter(|_| section.size != 0) else { continue };
            file.find(section.name)?;
            let is_zeroed = sort == DataSection::Zeroed;
            if is_zeroed != (section.kind == SHT_NOBITS) {
                return Err(section.error("`.bss` is SHT_NOBITS, and no other data section is"));
            }
            let bytes = u32::try_from(section.size).map_err(|_| section.error("it is larger than any map"))?;
            let data = if is_zeroed { &[][..] } else { file.data(section)? };
            budget.charge(data.len().saturating_add(section.name.len()), section.at)?;
            let map = MapDef::section(btf, section.name, bytes, data.to_vec());
            let map = map.map_err(|_| section.error("its BTF DATASEC has another size"))?;
            let number = u32::try_from(self.definitions.len()).unwrap_or(u32::MAX);
            self.data.insert(index, (MapIx(number), bytes));
            self.definitions.push(map);
        }
        Ok(())
    }
}

fn maps(file: &File<'_>, btf: &mut Btf, btf_at: usize, budget: &mut Budget) -> Result<Maps, ReadError> {
    if let Some((_, section)) = file.find("maps")? {
        return Err(section.error("maps without BTF are not supported, only those of `.maps`"));
    }
    let Some((index, section)) = file.find(MAPS)? else { return Ok(Maps::default()) };
    let datasec = btf.find(Kind::DATASEC, MAPS).and_then(|id| btf.get(id));
    let Some(Type::Datasec { bytes, variables, .. }) = datasec else {
        return Err(section.error("a section of maps needs a BTF DATASEC of its name"));
    };
    if u32::try_from(file.range(section)?.len()) != Ok(bytes) {
        return Err(section.error("its BTF DATASEC has another size"));
    }
    let mut maps = Maps { section: Some(index), ..Maps::default() };
    for (number, variable) in (0..).map(MapIx).zip(variables) {
        let name = btf.get(variable.type_id).map_or(0, |var| var.name().len());
        budget.charge(name, btf_at)?;
        let map = map_from_btf(btf, variable.type_id).map_err(|source| ReadError::Map { at: btf_at, source })?;
        if maps.by_offset.insert(variable.offset.into(), number).is_some() {
            return Err(section.error("two maps at one place"));
        }
        maps.definitions.push(map);
    }
    for symbol in file.symbols.iter().filter(|symbol| symbol.section == index && symbol.kind == STT_OBJECT) {
        let map = maps.by_offset.get(&symbol.value).and_then(|&MapIx(map)| usize::try_from(map).ok());
        if map.and_then(|map| maps.definitions.get(map)).is_none_or(|map| map.name != symbol.name) {
            return Err(symbol.error("BTF has no map of that name there"));
        }
    }
    Ok(maps)
}

/// What relocations can refer to.
struct Targets<'a> {
    file: &'a File<'a>,
    maps: Maps,
}

impl Targets<'_> {
    /// Turns the relocations of all sections of code into those of its functions.
    fn relocate(&self, functions: &mut Functions) -> Result<(), ReadError> {
        for table in &self.file.sections {
            if matches!(table.kind, SHT_REL | SHT_RELA) && self.maps.data.contains_key(&table.info) && table.size != 0 {
                return Err(table.error("pointers in data sections are not supported"));
            }
            let code = self.file.sections.get(table.info).filter(|section| section.has_code());
            if code.is_none() || !matches!(table.kind, SHT_REL | SHT_RELA) {
                continue;
            }
            if table.kind == SHT_RELA {
                return Err(table.error("relocations of code must be SHT_REL"));
            }
            self.relocate_section(functions, table)?;
        }
        for (function, place) in functions.functions.iter_mut().zip(&functions.places) {
            function.relocations.sort_by_key(|relocation| relocation.at);
            let pairs = function.relocations.iter().zip(function.relocations.iter().skip(1));
            if pairs.into_iter().any(|(first, second)| first.at == second.at) {
                return Err(ReadError::BadRelocation { at: place.at, rule: "two relocations of one instruction" });
            }
        }
        Ok(())
    }

    fn relocate_section(&self, functions: &mut Functions, table: &Section<'_>) -> Result<(), ReadError> {
        for entry in self.file.relocations(table)? {
            let bad = |rule| ReadError::BadRelocation { at: entry.at, rule };
            let offset = usize::try_from(entry.offset).map_err(|_| bad("it lies outside the section"))?;
            if offset.checked_rem(SLOT_BYTES) != Some(0) {
                return Err(bad("it does not start at an instruction"));
            }
            let slot = offset.checked_div(SLOT_BYTES).unwrap_or_default();
            let index = functions.containing(table.info, slot).ok_or(bad("it lies outside all functions"))?;
            let start = functions.places.get(index).map_or(0, |place| place.start);
            let local = slot.saturating_sub(start);
            let code = functions.functions.get(index).and_then(|function| function.code.get(local..));
            let code = code.unwrap_or_default();
            let target = self.target(functions, &entry, code)?;
            if let Some(function) = functions.functions.get_mut(index) {
                let at = SlotIx(u32::try_from(local).map_err(|_| bad("it lies too far in"))?);
                clear(function.code.get_mut(local..).unwrap_or_default());
                function.relocations.push(Relocation { at, target });
            }
        }
        Ok(())
    }

    /// What a relocation of the instruction at the start of `code` refers to.
    fn target(
        &self,
        functions: &Functions,
        entry: &RelocationEntry,
        code: &[Slot],
    ) -> Result<RelocationTarget, ReadError> {
        let bad = |rule| ReadError::BadRelocation { at: entry.at, rule };
        let symbol = self.file.symbols.get(entry.symbol).ok_or(bad("it names a symbol that is not there"))?;
        let slot = code.first().ok_or(bad("it lies outside the section"))?;
        match (entry.kind, slot.code) {
            (R_BPF_64_64, LDDW) => {}
            (R_BPF_64_32, CALL) if slot.src == PSEUDO_CALL => {}
            (R_BPF_64_64 | R_BPF_64_32, _) => return Err(bad("its type does not fit the instruction")),
            (kind, _) => return Err(ReadError::UnsupportedRelocation { at: entry.at, kind }),
        }
        let Symbol { name, section, .. } = *symbol;
        if section == SHN_UNDEF {
            return Err(ReadError::UndefinedSymbol { at: entry.at, name: name.to_owned() });
        }
        let addend = i64::from(slot.imm);
        let place = i64::try_from(symbol.value).ok().ok_or(bad("its symbol lies too far out"))?;
        if Some(section) == self.maps.section && matches!(symbol.kind, STT_OBJECT | STT_SECTION) && slot.code == LDDW {
            let offset = place.checked_add(addend).and_then(|offset| u64::try_from(offset).ok());
            let map = offset.and_then(|offset| self.maps.by_offset.get(&offset));
            return map.copied().map(RelocationTarget::Map).ok_or(bad("no map is there"));
        }
        if let Some(&(map, size)) = self.maps.data.get(&section)
            && slot.code == LDDW
        {
            let offset = place.checked_add(addend).and_then(|offset| u32::try_from(offset).ok());
            let offset = offset.filter(|&offset| offset <= size).ok_or(bad("it leads out of the data section"))?;
            return Ok(RelocationTarget::Data { map, offset });
        }
        let has_code = self.file.sections.get(section).is_some_and(Section::has_code);
        if !has_code || !matches!(symbol.kind, STT_FUNC | STT_SECTION) {
            return Err(bad("only maps, data sections and functions can be referred to"));
        }
        const BYTES: i64 = 8;
        let start = match slot.code {
            CALL => place.checked_div(BYTES).and_then(|slot| slot.checked_add(addend)?.checked_add(1)),
            _ => place.checked_add(addend).filter(|place| place.checked_rem(BYTES) == Some(0)).map(|place| place >> 3),
        };
        let start = start.ok_or(bad("it does not lead to an instruction"))?;
        let function = usize::try_from(start).ok().and_then(|start| functions.starting(section, start));
        let index = function.and_then(|index| u32::try_from(index).ok());
        index
            .map(|index| RelocationTarget::Function(FunctionIx(index)))
            .ok_or(ReadError::NoFunction { at: entry.at, slot: start })
    }

    /// Assemblers resolve calls within a section by themselves: gives those relocations too.
    fn relocate_plain_calls(&self, functions: &mut Functions) -> Result<(), ReadError> {
        for index in 0..functions.functions.len() {
            let Some((function, place)) = functions.functions.get(index).zip(functions.places.get(index)) else {
                continue;
            };
            let mut calls = Vec::new();
            let mut known = function.relocations.iter().map(|relocation| relocation.at).peekable();
            for (at, slot) in (0..).map(SlotIx).zip(&function.code) {
                let is_known = known.next_if_eq(&at).is_some();
                if is_known || slot.code != CALL || slot.src != PSEUDO_CALL {
                    continue;
                }
                let here = u32::try_from(place.start).ok().and_then(|start| start.checked_add(at.0));
                let target = i64::from(here.unwrap_or(u32::MAX)).saturating_add(i64::from(slot.imm)).saturating_add(1);
                let callee = usize::try_from(target).ok().and_then(|slot| functions.starting(place.section, slot));
                let callee = callee.and_then(|callee| u32::try_from(callee).ok()).map(FunctionIx);
                let offset = usize::try_from(at.0).unwrap_or_default().saturating_mul(SLOT_BYTES);
                let none = ReadError::NoFunction { at: place.at.saturating_add(offset), slot: target };
                let target = RelocationTarget::Function(callee.ok_or(none)?);
                calls.push(Relocation { at, target });
            }
            if let Some(function) = functions.functions.get_mut(index).filter(|_| !calls.is_empty()) {
                for call in &calls {
                    let slot = usize::try_from(call.at.0).unwrap_or(usize::MAX);
                    clear(function.code.get_mut(slot..).unwrap_or_default());
                }
                function.relocations.append(&mut calls);
                function.relocations.sort_by_key(|relocation| relocation.at);
            }
        }
        Ok(())
    }
}

/// Takes out of an instruction what its relocation stands for.
fn clear(code: &mut [Slot]) {
    match code {
        [call, ..] if call.code == CALL => (call.src, call.imm) = (PSEUDO_CALL, -1),
        [first, second, ..] => (first.src, first.imm, second.imm) = (0, 0, 0),
        _ => {}
    }
}
