//! The object: programs, subprograms, maps, types, and what refers to what.

use crate::btf::{self, Btf, TypeId};
use crate::kernel::{self, MapType, SectionKind};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bpfasm_isa::{Endian, Slot, SlotIx};
use core::fmt;

/// The section of subprograms. Every other section with code holds programs.
pub const TEXT: &str = ".text";

/// The opcode byte of LDDW, RFC 9669 §5.4: the one instruction of two slots.
pub(crate) const LDDW: u8 = 0x18;

/// The opcode byte of CALL, RFC 9669 §4.3.
pub(crate) const CALL: u8 = 0x85;

/// The `src` of a CALL to a BPF function, `BPF_PSEUDO_CALL` of `include/uapi/linux/bpf.h`.
pub(crate) const PSEUDO_CALL: u8 = 1;

/// Names a function of [`Object::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionIx(pub u32);

/// Names a map of [`Object::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapIx(pub u32);

/// A BPF object: what a compiler makes, a file holds and a loader takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The byte order of the target.
    pub endian: Endian,
    /// The licence, empty for none; the kernel keeps some helpers for GPL-compatible ones.
    pub license: String,
    /// Programs and subprograms.
    pub functions: Vec<Function>,
    /// Maps.
    pub maps: Vec<MapDef>,
    /// Types of all of them.
    pub btf: Btf,
}

impl Object {
    /// An object with nothing in it.
    #[must_use]
    pub fn new(endian: Endian) -> Object {
        Object { endian, license: String::new(), functions: Vec::new(), maps: Vec::new(), btf: Btf::new() }
    }

    /// The functions that the kernel can be asked to load: all that are not in [`TEXT`].
    pub fn programs(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| function.is_program())
    }

    /// The same with their indexes.
    pub fn indexed_programs(&self) -> impl Iterator<Item = (FunctionIx, &Function)> {
        let indexes = (0..).map(FunctionIx);
        indexes.zip(&self.functions).filter(|(_, function)| function.is_program())
    }

    /// The program of that name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Function> {
        self.programs().find(|program| program.name == name)
    }

    /// The index of the program of that name.
    #[must_use]
    pub fn find_program(&self, name: &str) -> Option<FunctionIx> {
        self.indexed_programs().find(|(_, program)| program.name == name).map(|(index, _)| index)
    }

    /// The function of that index.
    #[must_use]
    pub fn function(&self, index: FunctionIx) -> Option<&Function> {
        self.functions.get(usize::try_from(index.0).ok()?)
    }

    /// The map of that index.
    #[must_use]
    pub fn map(&self, index: MapIx) -> Option<&MapDef> {
        self.maps.get(usize::try_from(index.0).ok()?)
    }

    /// The index of the map of that name.
    #[must_use]
    pub fn find_map(&self, name: &str) -> Option<MapIx> {
        (0..).map(MapIx).zip(&self.maps).find(|(_, map)| map.name == name).map(|(index, _)| index)
    }
}

/// Who may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// This object: a subprogram that the verifier follows at each call.
    Static,
    /// Everybody: a program, or a subprogram that the verifier checks once, on its own.
    Global,
}

/// A program or a subprogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, that of its ELF symbol and of its BTF FUNC.
    pub name: String,
    /// The section it lies in, verbatim: `tc`, `xdp`, ... for programs, [`TEXT`] for subprograms.
    pub section: String,
    /// Who may call it. Programs are global.
    pub linkage: Linkage,
    /// Its instructions. A slot that a relocation names has `src` 0 and `imm` 0 if it loads, `src` 1 and `imm` -1 if it
    /// calls; what else is there is overwritten by whoever applies the relocation.
    pub code: Vec<Slot>,
    /// What of the code depends on where maps and functions are, by ascending slot.
    pub relocations: Vec<Relocation>,
    /// Source lines, by strictly ascending slot, the first at slot 0.
    pub lines: Vec<Line>,
    /// Its FUNC.
    pub type_id: Option<TypeId>,
}

impl Function {
    /// Whether the kernel can be asked to load it.
    #[must_use]
    pub fn is_program(&self) -> bool {
        self.section != TEXT
    }

    /// What its section's name says about it.
    #[must_use]
    pub fn section_kind(&self) -> Option<&'static SectionKind> {
        kernel::section(&self.section)
    }

    /// Checks that relocations and lines are in order and belong to instructions that can have them.
    ///
    /// # Errors
    /// [`Malformed`], with the function and the slot.
    pub fn check(&self) -> Result<(), Malformed> {
        let malformed = |at, rule| Err(Malformed { function: self.name.clone(), at, rule });
        if self.code.is_empty() {
            return malformed(SlotIx(0), Rule::NoCode);
        }
        let (mut relocations, mut lines) = (self.relocations.iter().peekable(), self.lines.iter().peekable());
        let mut slots = (0..).map(SlotIx).zip(&self.code);
        while let Some((at, slot)) = slots.next() {
            if let Some(relocation) = relocations.next_if(|relocation| relocation.at == at) {
                match (relocation.target, slot.code) {
                    (_, LDDW) | (RelocationTarget::Function(_), CALL) => {}
                    (RelocationTarget::Map(_) | RelocationTarget::Data { .. }, _) => {
                        return malformed(at, Rule::MapNeedsLddw);
                    }
                    (RelocationTarget::Function(_), _) => return malformed(at, Rule::FunctionNeedsCall),
                }
            }
            let _ = lines.next_if(|line| line.at == at);
            if slot.code == LDDW && slots.next().is_none() {
                return malformed(at, Rule::HalfLddw);
            }
        }
        if let Some(relocation) = relocations.next() {
            return malformed(relocation.at, Rule::RelocationPlace);
        }
        match lines.next() {
            Some(line) => malformed(line.at, Rule::LinePlace),
            None => Ok(()),
        }
    }

    /// Whether it has what func_info and line_info need: its FUNC, and a line at its first instruction.
    #[must_use]
    pub fn has_debug_info(&self) -> bool {
        self.type_id.is_some() && self.lines.first().is_some_and(|line| line.at == SlotIx(0))
    }
}

/// A slot whose content depends on something that has no place yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Relocation {
    /// The slot; of an LDDW the first one.
    pub at: SlotIx,
    /// What it refers to.
    pub target: RelocationTarget,
}

/// What a relocation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelocationTarget {
    /// An LDDW that loads a map.
    Map(MapIx),
    /// An LDDW that loads the address of a byte of a data section.
    Data {
        /// The map that stands for the section.
        map: MapIx,
        /// The byte's place in it.
        offset: u32,
    },
    /// A CALL of a function, or an LDDW that loads its address as a callback.
    Function(FunctionIx),
}

/// A source line, from this slot to the next line's.
///
/// Many lines share a file and some share a text, so both are shared strings; `"…".into()` makes one. They are kept up to
/// their first NUL, and line breaks in a text become blanks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The first slot.
    pub at: SlotIx,
    /// The file's name.
    pub file: Arc<str>,
    /// The whole line, without its end.
    pub text: Arc<str>,
    /// The line's number, counted from 1, at most 2^22 - 1.
    pub line: u32,
    /// The column, counted from 1, at most 1023; 0 if it is not known.
    pub column: u32,
}

/// What is known about a map's keys or values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datum {
    /// The map has none.
    Absent,
    /// Their size, bytes.
    Bytes(u32),
    /// Their type, from which the size follows.
    Type(TypeId),
}

impl Datum {
    /// The size, bytes; 0 if there is none.
    ///
    /// # Errors
    /// As [`Btf::size_of`].
    pub fn size(self, btf: &Btf) -> Result<u32, btf::Error> {
        match self {
            Datum::Absent => Ok(0),
            Datum::Bytes(bytes) => Ok(bytes),
            Datum::Type(id) => btf.size_of(id),
        }
    }

    /// The type, if it is known.
    #[must_use]
    pub const fn type_id(self) -> Option<TypeId> {
        match self {
            Datum::Type(id) => Some(id),
            Datum::Absent | Datum::Bytes(_) => None,
        }
    }
}

/// A map to be made when the object is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDef {
    /// Its name, that of its ELF symbol and of its BTF VAR.
    pub name: String,
    /// Its type.
    pub map_type: MapType,
    /// Its keys.
    pub key: Datum,
    /// Its values.
    pub value: Datum,
    /// How many entries; bytes for a ring buffer.
    pub max_entries: u32,
    /// `map_flags` of BPF_MAP_CREATE, such as `BPF_F_NO_PREALLOC`.
    pub flags: u32,
    /// Its VAR, once [`Object::add_datasecs`] has made it.
    pub type_id: Option<TypeId>,
    /// The bytes of the data section that the map stands for, where it stands for one: see [`MapDef::section`].
    pub data: Option<Vec<u8>>,
}

/// A function whose relocations or lines don't fit its code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("function {function:?}, slot {at}: {rule}")]
#[non_exhaustive]
pub struct Malformed {
    /// The function's name.
    pub function: String,
    /// The slot.
    pub at: SlotIx,
    /// The rule that is broken.
    pub rule: Rule,
}

/// What holds for every function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// There is code.
    NoCode,
    /// An LDDW has two slots.
    HalfLddw,
    /// Relocations are in strictly ascending order, each at the first slot of an instruction.
    RelocationPlace,
    /// Lines are in strictly ascending order, each at the first slot of an instruction.
    LinePlace,
    /// Maps and addresses in data sections are loaded by LDDW.
    MapNeedsLddw,
    /// Functions are called by CALL, or loaded by LDDW.
    FunctionNeedsCall,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::NoCode => "there is no code",
            Rule::HalfLddw => "an LDDW without its second slot",
            Rule::RelocationPlace => "a relocation out of order, or not at the first slot of an instruction",
            Rule::LinePlace => "a source line out of order, or not at the first slot of an instruction",
            Rule::MapNeedsLddw => "a map is referred to by something that is no LDDW",
            Rule::FunctionNeedsCall => "a function is referred to by something that is neither CALL nor LDDW",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn function() -> Function {
        let slot = |code| Slot { code, ..Slot::default() };
        Function {
            name: "f".to_string(),
            section: "tc".to_string(),
            linkage: Linkage::Global,
            code: vec![slot(LDDW), slot(0), slot(CALL), slot(0x95)],
            relocations: vec![
                Relocation { at: SlotIx(0), target: RelocationTarget::Map(MapIx(0)) },
                Relocation { at: SlotIx(2), target: RelocationTarget::Function(FunctionIx(1)) },
            ],
            lines: vec![],
            type_id: None,
        }
    }

    fn line(at: u32) -> Line {
        Line { at: SlotIx(at), file: "a.rs".into(), text: "x".into(), line: 1, column: 1 }
    }

    #[test]
    fn order_and_places_are_checked() {
        let check = |change: fn(&mut Function)| {
            let mut function = function();
            change(&mut function);
            function.check().map_err(|error| (error.at.0, error.rule))
        };
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|f| f.lines = vec![line(0), line(2), line(3)]), Ok(()));
        assert_eq!(check(|f| f.lines = vec![line(0), line(1)]), Err((1, Rule::LinePlace)));
        assert_eq!(check(|f| f.lines = vec![line(2), line(2)]), Err((2, Rule::LinePlace)));
        assert_eq!(check(|f| f.lines = vec![line(4)]), Err((4, Rule::LinePlace)));
        assert_eq!(check(|f| f.relocations.reverse()), Err((0, Rule::RelocationPlace)));
        assert_eq!(check(|f| f.relocations[0].at = SlotIx(1)), Err((1, Rule::RelocationPlace)));
        assert_eq!(check(|f| f.relocations[1].at = SlotIx(3)), Err((3, Rule::FunctionNeedsCall)));
        assert_eq!(check(|f| f.relocations[1].target = RelocationTarget::Map(MapIx(0))), Err((2, Rule::MapNeedsLddw)));
        assert_eq!(check(|f| f.code.truncate(1)), Err((0, Rule::HalfLddw)));
        assert_eq!(check(|f| (f.code, f.relocations) = (vec![], vec![])), Err((0, Rule::NoCode)));
    }

    #[test]
    fn programs_are_what_is_not_in_text() {
        let mut object = Object::new(Endian::NATIVE);
        let subprogram = Function { name: "s".to_string(), section: TEXT.to_string(), ..function() };
        object.functions = vec![subprogram, function()];
        assert_eq!(object.programs().count(), 1);
        assert_eq!(object.find_program("f"), Some(FunctionIx(1)));
        assert_eq!(object.find_program("s"), None);
        assert_eq!(object.program("f").and_then(Function::section_kind).map(|kind| kind.pattern), Some("tc"));
    }
}
