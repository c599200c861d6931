//! From an [`Object`] to the bytes of an ELF object that every loader takes, with its BTF.

use super::{BTF, BTF_EXT, R_BPF_64_32, R_BPF_64_64};
use crate::btf::ext::{Block, Ext, FuncInfo};
use crate::btf::{self, Btf, Kind, SecVar, SymbolLinkage, Type, TypeId};
use crate::datasec::{DataSection, LICENSE, MAPS, license_bytes, map_from_btf};
use crate::limits::MAP_DEFINITION_BYTES;
use crate::model::{
    CALL, Function, FunctionIx, LDDW, Linkage, Malformed, MapDef, MapIx, Object, PSEUDO_CALL, RelocationTarget,
};
use crate::relocate::LineStrings;
use ::object as elf;
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use bpfasm_isa::{Endian, Slot, SlotIx};
use elf::write::{Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use elf::{RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

/// Alignment of code and maps, bytes.
const ALIGN: u64 = 8;

/// Bytes of a slot.
const SLOT_BYTES: u32 = Slot::BYTES;

/// Why an object cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A function's relocations or lines do not fit its code.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A relocation refers to a map or a function that is not there.
    #[error("function {function:?}, slot {at}: {target:?} is not in the object")]
    NoTarget {
        /// The function's name.
        function: String,
        /// The slot.
        at: SlotIx,
        /// What it refers to.
        target: RelocationTarget,
    },
    /// A function of the section of a program is called; only those of `.text` can be.
    #[error("function {function:?}, slot {at}: {callee:?} is a program, which cannot be called")]
    CallOfProgram {
        /// The caller's name.
        function: String,
        /// The slot.
        at: SlotIx,
        /// The program's name.
        callee: String,
    },
    /// A call of a BPF function without a relocation, which no loader resolves.
    #[error("function {function:?}, slot {at}: a call that names no function")]
    CallWithoutTarget {
        /// The function's name.
        function: String,
        /// The slot.
        at: SlotIx,
    },
    /// A static program: no loader takes it.
    #[error("program {function:?} is static")]
    StaticProgram {
        /// The program's name.
        function: String,
    },
    /// A section name that a program cannot have.
    #[error("function {function:?} cannot lie in section {section:?}")]
    BadSection {
        /// The function's name.
        function: String,
        /// The section's name.
        section: String,
    },
    /// Two functions or maps of one name, or an empty name, or one with a NUL in it.
    #[error("{name:?} does not name one function or map")]
    BadName {
        /// The name.
        name: String,
    },
    /// A function whose type is not the FUNC of its name.
    #[error("function {function:?}: type id {type_id} is not its FUNC")]
    WrongType {
        /// The function's name.
        function: String,
        /// Its type id.
        type_id: TypeId,
    },
    /// Some functions have source lines and this one lacks its FUNC or a line at its first instruction: loaders want
    /// all or none.
    #[error("function {function:?} lacks its FUNC or a source line at its first instruction")]
    PartialDebugInfo {
        /// The function's name.
        function: String,
    },
    /// A licence with a NUL in it, or one that its BTF tells otherwise.
    #[error("the licence {license:?} has a NUL in it or another size than its BTF says")]
    BadLicense {
        /// The licence.
        license: String,
    },
    /// The maps and the DATASEC `.maps` do not agree: [`Object::add_datasecs`] was not called, or a map was changed
    /// after it.
    #[error("map {map:?} is not what the BTF of `.maps` says")]
    MapDiffers {
        /// The map's name.
        map: String,
    },
    /// A map that stands for a data section and is not what [`MapDef::section`] makes of one, or comes before one that stands for none.
    #[error(
        "map {map:?} stands for no data section, or for one that its BTF does not describe, or comes before other maps"
    )]
    SectionDiffers {
        /// The map's name.
        map: String,
    },
    /// The strings of the BTF are too many.
    #[error(transparent)]
    Btf(#[from] btf::Error),
    /// The ELF writer refused.
    #[error("the ELF writer refused: {message}")]
    Elf {
        /// Its words.
        message: String,
    },
}

/// Writes an object: ELF64, relocatable, for BPF, in the object's byte order. The same object gives the same bytes.
///
/// # Errors
/// A [`WriteError`] for what loaders would refuse, or would silently take without its types and lines.
pub fn write(object: &Object) -> Result<Vec<u8>, WriteError> {
    check(object)?;
    let mut writer = Writer::new(object);
    writer.add_code()?;
    writer.add_license()?;
    writer.add_maps()?;
    writer.add_data()?;
    writer.add_symbols();
    writer.add_relocations()?;
    writer.add_debug_info()?;
    writer.elf.write().map_err(|error| WriteError::Elf { message: error.to_string() })
}

fn check(object: &Object) -> Result<(), WriteError> {
    let mut names = BTreeSet::new();
    let functions = object.functions.iter().map(|function| &function.name);
    for name in functions.chain(object.maps.iter().map(|map| &map.name)) {
        if name.is_empty() || name.contains('\0') || !names.insert(name) {
            return Err(WriteError::BadName { name: name.clone() });
        }
    }
    let has_lines = object.functions.iter().any(|function| !function.lines.is_empty());
    object.functions.iter().try_for_each(|function| check_function(object, function, has_lines))
}

fn check_function(object: &Object, function: &Function, has_lines: bool) -> Result<(), WriteError> {
    function.check()?;
    let (name, section) = (|| function.name.clone(), function.section.as_str());
    if function.is_program() {
        let is_reserved = section.starts_with('.') || matches!(section, "" | LICENSE | "maps" | "version");
        if is_reserved || section.contains('\0') {
            return Err(WriteError::BadSection { function: name(), section: section.to_owned() });
        }
        if function.linkage == Linkage::Static {
            return Err(WriteError::StaticProgram { function: name() });
        }
    }
    if let Some(type_id) = function.type_id
        && !matches!(object.btf.get(type_id), Some(Type::Func { name, .. }) if name == function.name)
    {
        return Err(WriteError::WrongType { function: name(), type_id });
    }
    if has_lines && !function.has_debug_info() {
        return Err(WriteError::PartialDebugInfo { function: name() });
    }
    let mut relocations = function.relocations.iter().peekable();
    let mut slots = (0..).map(SlotIx).zip(&function.code);
    while let Some((at, slot)) = slots.next() {
        let is_relocated = relocations.next_if(|relocation| relocation.at == at).is_some();
        if slot.code == CALL && slot.src == PSEUDO_CALL && !is_relocated {
            return Err(WriteError::CallWithoutTarget { function: name(), at });
        }
        if slot.code == LDDW {
            slots.next();
        }
    }
    Ok(())
}

/// Where a function lies.
#[derive(Clone, Copy)]
struct Place {
    section: SectionId,
    /// Its first slot in the section.
    start: u32,
}

struct Writer<'a> {
    object: &'a Object,
    elf: elf::write::Object<'static>,
    /// The sections of code by name, and how many slots of each are taken.
    sections: BTreeMap<&'a str, (SectionId, u32)>,
    /// Where each function lies.
    places: Vec<Place>,
    function_symbols: Vec<SymbolId>,
    /// By map, its symbol; for one that stands for a data section, the section's.
    map_symbols: Vec<SymbolId>,
}

impl<'a> Writer<'a> {
    fn new(object: &'a Object) -> Writer<'a> {
        let endian = match object.endian {
            Endian::Little => elf::Endianness::Little,
            Endian::Big => elf::Endianness::Big,
        };
        Writer {
            object,
            elf: elf::write::Object::new(elf::BinaryFormat::Elf, elf::Architecture::Bpf, endian),
            sections: BTreeMap::new(),
            places: Vec::with_capacity(object.functions.len()),
            function_symbols: Vec::with_capacity(object.functions.len()),
            map_symbols: Vec::with_capacity(object.maps.len()),
        }
    }

    fn section(&mut self, name: &str, kind: SectionKind) -> SectionId {
        self.elf.add_section(Vec::new(), name.as_bytes().to_vec(), kind)
    }

    /// Gives every function a place, then writes its code, in which calls say where their targets are.
    fn add_code(&mut self) -> Result<(), WriteError> {
        for function in &self.object.functions {
            let name = function.section.as_str();
            let (section, start) = match self.sections.get(name) {
                Some(&found) => found,
                None => (self.section(name, SectionKind::Text), 0),
            };
            self.places.push(Place { section, start });
            self.sections.insert(name, (section, start.saturating_add(slots(function.code.len()))));
        }
        for (function, place) in self.object.functions.iter().zip(&self.places) {
            let bytes = self.code_of(function)?;
            self.elf.append_section_data(place.section, &bytes, ALIGN);
        }
        Ok(())
    }

    fn code_of(&self, function: &Function) -> Result<Vec<u8>, WriteError> {
        let mut code = function.code.clone();
        for relocation in &function.relocations {
            let addend = match relocation.target {
                RelocationTarget::Map(index) => self.map(function, relocation.at, index).map(|_| 0)?,
                RelocationTarget::Data { map, offset } => {
                    self.map(function, relocation.at, map)?;
                    offset.cast_signed()
                }
                RelocationTarget::Function(index) => self.call_addend(function, relocation.at, index)?,
            };
            let rest = usize::try_from(relocation.at.0).ok().and_then(|at| code.get_mut(at..));
            match rest {
                Some([call, ..]) if call.code == CALL => (call.src, call.imm) = (PSEUDO_CALL, addend),
                Some([first, second, ..]) => {
                    let is_function = matches!(relocation.target, RelocationTarget::Function(_));
                    let bytes = if is_function { addend.saturating_add(1).saturating_mul(8) } else { addend };
                    (first.src, first.imm, second.imm) = (0, bytes, 0);
                }
                _ => {}
            }
        }
        Ok(code.iter().flat_map(|slot| slot.to_bytes(self.object.endian)).collect())
    }

    /// The `imm` of a call: -1 for a global function, which the symbol places, else the slot before it in `.text`.
    fn call_addend(&self, function: &Function, at: SlotIx, index: FunctionIx) -> Result<i32, WriteError> {
        let (place, callee) = self.callee(function, at, index)?;
        let by_symbol = callee.linkage == Linkage::Global && self.slot(function, at).code == CALL;
        Ok(if by_symbol { -1 } else { i32::try_from(place.start).unwrap_or(i32::MAX).saturating_sub(1) })
    }

    fn slot(&self, function: &Function, at: SlotIx) -> Slot {
        usize::try_from(at.0).ok().and_then(|at| function.code.get(at)).copied().unwrap_or_default()
    }

    fn callee(&self, function: &Function, at: SlotIx, index: FunctionIx) -> Result<(Place, &'a Function), WriteError> {
        let number = usize::try_from(index.0).unwrap_or(usize::MAX);
        let target = RelocationTarget::Function(index);
        let none = || WriteError::NoTarget { function: function.name.clone(), at, target };
        let (place, callee) = self.places.get(number).zip(self.object.functions.get(number)).ok_or_else(none)?;
        if callee.is_program() {
            let callee = callee.name.clone();
            return Err(WriteError::CallOfProgram { function: function.name.clone(), at, callee });
        }
        Ok((*place, callee))
    }

    fn map(&self, function: &Function, at: SlotIx, index: MapIx) -> Result<(), WriteError> {
        let target = RelocationTarget::Map(index);
        let none = || WriteError::NoTarget { function: function.name.clone(), at, target };
        self.object.map(index).map(|_| ()).ok_or_else(none)
    }

    /// The licence with its symbol, which must be there if and only if BTF has its DATASEC.
    fn add_license(&mut self) -> Result<(), WriteError> {
        let license = &self.object.license;
        let variable =
            datasec(&self.object.btf, LICENSE).and_then(|(bytes, variables)| Some((bytes, *variables.first()?)));
        if license.is_empty() && variable.is_none() {
            return Ok(());
        }
        let size = license_bytes(license);
        if license.contains('\0') || variable.is_some_and(|(bytes, _)| bytes != size) {
            return Err(WriteError::BadLicense { license: license.clone() });
        }
        let section = self.section(LICENSE, SectionKind::Data);
        let bytes: Vec<u8> = license.bytes().chain([0]).collect();
        self.elf.append_section_data(section, &bytes, 1);
        if let Some((_, SecVar { type_id, offset, size })) = variable {
            let name = self.object.btf.get(type_id).as_ref().map(Type::name).unwrap_or_default().to_owned();
            let place = SymbolSection::Section(section);
            self.elf.add_symbol(symbol(&name, SymbolKind::Data, SymbolScope::Dynamic, place, offset, size));
        }
        Ok(())
    }

    /// The maps: zero bytes, and a symbol for each, where its DATASEC says.
    fn add_maps(&mut self) -> Result<(), WriteError> {
        let maps: Vec<&MapDef> = self.object.maps.iter().take_while(|map| map.data.is_none()).collect();
        let Some((bytes, variables)) = datasec(&self.object.btf, MAPS) else {
            return match maps.first() {
                Some(map) => Err(WriteError::MapDiffers { map: map.name.clone() }),
                None => Ok(()),
            };
        };
        // The section holds the definitions and nothing else: a larger one would cost memory that no input has paid for.
        let room = variables.len() * MAP_DEFINITION_BYTES;
        let Some(bytes) = usize::try_from(bytes).ok().filter(|&bytes| bytes <= room) else {
            return Err(WriteError::MapDiffers { map: MAPS.to_owned() });
        };
        let section = self.section(MAPS, SectionKind::Data);
        self.elf.append_section_data(section, &vec![0; bytes], ALIGN);
        for (number, variable) in variables.iter().enumerate() {
            let map = maps.get(number).copied();
            if map.is_none_or(|map| map_from_btf(&self.object.btf, variable.type_id).as_ref() != Ok(map)) {
                let name =
                    self.object.btf.get(variable.type_id).as_ref().map(Type::name).unwrap_or_default().to_owned();
                return Err(WriteError::MapDiffers { map: map.map_or(name, |map| map.name.clone()) });
            }
            if let Some(map) = map {
                let place = SymbolSection::Section(section);
                let SecVar { offset, size, .. } = *variable;
                let symbol = symbol(&map.name, SymbolKind::Data, SymbolScope::Dynamic, place, offset, size);
                self.map_symbols.push(self.elf.add_symbol(symbol));
            }
        }
        match maps.get(variables.len()) {
            Some(map) => Err(WriteError::MapDiffers { map: map.name.clone() }),
            None => Ok(()),
        }
    }

    /// The data sections, with a symbol for each variable that BTF has.
    fn add_data(&mut self) -> Result<(), WriteError> {
        let object = self.object;
        for map in object.maps.iter().skip(self.map_symbols.len()) {
            let differs = || WriteError::SectionDiffers { map: map.name.clone() };
            let data = map.data.as_ref().ok_or_else(differs)?;
            let bytes = map.value.size(&object.btf).map_err(|_| differs())?;
            if MapDef::section(&object.btf, &map.name, bytes, data.clone()).as_ref() != Ok(map) {
                return Err(differs());
            }
            let section = match DataSection::from_name(&map.name) {
                Some(DataSection::Zeroed) => self.section(&map.name, SectionKind::UninitializedData),
                Some(DataSection::ReadOnly) => self.section(&map.name, SectionKind::ReadOnlyData),
                Some(DataSection::Data) | None => self.section(&map.name, SectionKind::Data),
            };
            match data.is_empty() {
                true => self.elf.append_section_bss(section, bytes.into(), ALIGN),
                false => self.elf.append_section_data(section, data, ALIGN),
            };
            self.map_symbols.push(self.elf.section_symbol(section));
            for SecVar { type_id, offset, size } in
                datasec(&object.btf, &map.name).into_iter().flat_map(|(_, vars)| vars)
            {
                let Some(Type::Var { name, linkage, .. }) = object.btf.get(type_id) else { return Err(differs()) };
                let is_static = linkage == SymbolLinkage::STATIC;
                let scope = if is_static { SymbolScope::Compilation } else { SymbolScope::Dynamic };
                let place = SymbolSection::Section(section);
                self.elf.add_symbol(symbol(name, SymbolKind::Data, scope, place, offset, size));
            }
        }
        Ok(())
    }

    fn add_symbols(&mut self) {
        for (function, place) in self.object.functions.iter().zip(&self.places) {
            let scope = match function.linkage {
                Linkage::Static => SymbolScope::Compilation,
                Linkage::Global => SymbolScope::Dynamic,
            };
            let (value, size) = (place.start.saturating_mul(SLOT_BYTES), slots(function.code.len()));
            let section = SymbolSection::Section(place.section);
            let symbol =
                symbol(&function.name, SymbolKind::Text, scope, section, value, size.saturating_mul(SLOT_BYTES));
            self.function_symbols.push(self.elf.add_symbol(symbol));
        }
    }

    fn add_relocations(&mut self) -> Result<(), WriteError> {
        for (number, function) in self.object.functions.iter().enumerate() {
            let Some(&place) = self.places.get(number) else { continue };
            for relocation in &function.relocations {
                let slot = place.start.saturating_add(relocation.at.0);
                let is_call = self.slot(function, relocation.at).code == CALL;
                let symbol = match relocation.target {
                    RelocationTarget::Map(MapIx(index)) | RelocationTarget::Data { map: MapIx(index), .. } => {
                        usize::try_from(index).ok().and_then(|index| self.map_symbols.get(index)).copied()
                    }
                    RelocationTarget::Function(index) => {
                        let (callee_place, callee) = self.callee(function, relocation.at, index)?;
                        match callee.linkage {
                            Linkage::Global if is_call => {
                                usize::try_from(index.0).ok().and_then(|ix| self.function_symbols.get(ix)).copied()
                            }
                            _ => Some(self.elf.section_symbol(callee_place.section)),
                        }
                    }
                };
                let target = relocation.target;
                let none = WriteError::NoTarget { function: function.name.clone(), at: relocation.at, target };
                let r_type = elf::elf::RelocationType(if is_call { R_BPF_64_32 } else { R_BPF_64_64 });
                let entry = Relocation {
                    offset: u64::from(slot) * u64::from(SLOT_BYTES),
                    symbol: symbol.ok_or(none)?,
                    addend: 0,
                    flags: RelocationFlags::Elf { r_type },
                };
                let refused = |error: elf::write::Error| WriteError::Elf { message: error.to_string() };
                self.elf.add_relocation(place.section, entry).map_err(refused)?;
            }
        }
        Ok(())
    }

    /// `.BTF`, and `.BTF.ext` if there are lines.
    fn add_debug_info(&mut self) -> Result<(), WriteError> {
        let object = self.object;
        if object.btf.is_empty() {
            return Ok(());
        }
        let mut btf = object.btf.clone();
        let lines = LineStrings::intern(object, &mut btf)?;
        let ext = self.ext(&mut btf, &lines)?;
        let section = self.section(BTF, SectionKind::Other);
        self.elf.append_section_data(section, &btf.encode(object.endian), 4);
        if !ext.is_empty() {
            let section = self.section(BTF_EXT, SectionKind::Other);
            self.elf.append_section_data(section, &ext.encode(object.endian), 4);
        }
        Ok(())
    }

    fn ext(&self, btf: &mut Btf, lines: &LineStrings) -> Result<Ext, WriteError> {
        let mut ext = Ext::default();
        if self.object.functions.iter().all(|function| function.lines.is_empty()) {
            return Ok(ext);
        }
        let mut blocks: BTreeMap<SectionId, usize> = BTreeMap::new();
        for (number, (function, place)) in self.object.functions.iter().zip(&self.places).enumerate() {
            let block = match blocks.get(&place.section) {
                Some(&block) => block,
                None => {
                    let section = btf.intern(&function.section)?;
                    ext.functions.push(Block { section, records: Vec::new() });
                    ext.lines.push(Block { section, records: Vec::new() });
                    blocks.insert(place.section, ext.functions.len() - 1);
                    ext.functions.len() - 1
                }
            };
            let bytes = |at: SlotIx| place.start.saturating_add(at.0).saturating_mul(SLOT_BYTES);
            if let (Some(functions), Some(type_id)) = (ext.functions.get_mut(block), function.type_id) {
                functions.records.push(FuncInfo { insn_off: bytes(SlotIx(0)), type_id });
            }
            if let Some(block) = ext.lines.get_mut(block) {
                block.records.extend(lines.records(number, &function.lines, bytes));
            }
        }
        Ok(ext)
    }
}

fn slots(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The size and the variables of the DATASEC of that name.
fn datasec(btf: &Btf, name: &str) -> Option<(u32, Vec<SecVar>)> {
    match btf.get(btf.find(Kind::DATASEC, name)?)? {
        Type::Datasec { bytes, variables, .. } => Some((bytes, variables.collect())),
        _ => None,
    }
}

fn symbol(name: &str, kind: SymbolKind, scope: SymbolScope, section: SymbolSection, value: u32, size: u32) -> Symbol {
    Symbol {
        name: name.as_bytes().to_vec(),
        value: value.into(),
        size: size.into(),
        kind,
        scope,
        weak: false,
        section,
        flags: SymbolFlags::None,
    }
}
