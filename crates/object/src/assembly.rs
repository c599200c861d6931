//! From an assembled text to an object.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfasm_isa::text::{self, Span, Unit};
use bpfasm_isa::{Endian, Insn, Slot, SlotIx, disasm};

use crate::btf::{self, Btf, Param, SymbolLinkage};
use crate::kernel::MapType;
use crate::limits::LINE;
use crate::model::TEXT;
use crate::{
    Datum, Function, FunctionIx, Line, Linkage, MapDef, MapError, MapIx, Object, Relocation, RelocationTarget, TypeId,
};

/// A text and the unit that [`text::assemble`] made of it.
#[derive(Clone, Copy, Debug)]
pub struct Assembly<'a> {
    /// The file's name, for the line table.
    pub file: &'a str,
    /// The text.
    pub text: &'a str,
    /// What was made of it.
    pub unit: &'a Unit<'a>,
    /// The byte order that it was assembled for.
    pub endian: Endian,
}

/// Why a unit is no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Code before the first function of its section.
    #[error("section `{section}` begins with code that belongs to no function: put a label before it")]
    NoFunction {
        /// The section.
        section: String,
    },
    /// Two functions at one place.
    #[error("function `{function}` has no code")]
    EmptyFunction {
        /// The first of them.
        function: String,
        /// Where its label stands.
        span: Span,
    },
    /// A jump that leaves its function.
    #[error("a jump from function `{function}` into another one: only calls lead there")]
    JumpLeavesFunction {
        /// The function.
        function: String,
        /// The line of the text, from 1.
        line: u32,
    },
    /// A call into a function's middle.
    #[error("a call to a place that is no function")]
    CallsNoFunction {
        /// The line of the text, from 1.
        line: u32,
    },
    /// A type of map that there is not.
    #[error("unknown type of map `{name}`: it is a word such as `hash`, or a number")]
    UnknownMapType {
        /// The word.
        name: String,
        /// Where it stands.
        span: Span,
    },
    /// Names that BTF does not take.
    #[error("{0}")]
    Types(#[from] btf::Error),
    /// A map that BTF cannot describe.
    #[error("{0}")]
    Map(#[from] MapError),
}

impl Error {
    /// Where in the text, if the error is about a place.
    #[must_use]
    pub fn span(&self, text: &str) -> Option<Span> {
        match self {
            Error::EmptyFunction { span, .. } | Error::UnknownMapType { span, .. } => Some(*span),
            Error::JumpLeavesFunction { line, .. } | Error::CallsNoFunction { line } => line_span(text, *line),
            Error::NoFunction { .. } | Error::Types(_) | Error::Map(_) => None,
        }
    }
}

/// A line's text without its indentation.
fn line_span(text: &str, line: u32) -> Option<Span> {
    let found = text.split('\n').nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let start = found.as_ptr().addr() - text.as_ptr().addr();
    let indented = found.len() - found.trim_start().len();
    Some(Span { start: start + indented, end: start + found.trim_end().len() })
}

/// A function as the text has it: where its code is.
struct Piece<'a> {
    name: &'a str,
    section: usize,
    start: SlotIx,
    end: SlotIx,
    /// Whether the kernel can be asked to load it: it is in a section of programs, and global or not called.
    program: bool,
}

impl Assembly<'_> {
    /// The object: one function for each label that is one, lines that show the text, BTF-defined maps.
    ///
    /// A section's name tells the program type as libbpf has it. Its functions are programs if they are global or nothing
    /// calls them; all other functions are static subprograms, which lie in `.text`.
    ///
    /// # Errors
    /// [`Error`]: code outside of functions, jumps between them, unknown types of maps, names that BTF does not take.
    pub fn object(&self) -> Result<Object, Error> {
        let mut object = Object::new(self.endian);
        if let Some(license) = &self.unit.license {
            license.as_ref().clone_into(&mut object.license);
        }
        for map in &self.unit.maps {
            object.maps.push(map_def(map)?);
        }
        let pieces = self.pieces()?;
        let lines: Vec<&str> = self.text.lines().collect();
        let file: Arc<str> = self.file.into();
        for piece in &pieces {
            let function = self.function(piece, &pieces, &mut object.btf, &file, &lines)?;
            object.functions.push(function);
        }
        object.add_datasecs()?;
        Ok(object)
    }

    fn pieces(&self) -> Result<Vec<Piece<'_>>, Error> {
        let mut pieces = Vec::new();
        for (index, section) in self.unit.sections.iter().enumerate() {
            if section.slots.is_empty() {
                continue;
            }
            if section.functions.first().is_none_or(|first| first.at != SlotIx(0)) {
                return Err(Error::NoFunction { section: section.name.to_owned() });
            }
            let end = SlotIx(u32::try_from(section.slots.len()).unwrap_or(u32::MAX));
            let ends = section.functions.iter().skip(1).map(|next| next.at).chain([end]);
            for (function, end) in section.functions.iter().zip(ends) {
                if function.at == end {
                    let (function, span) = (function.name.to_owned(), function.span);
                    return Err(Error::EmptyFunction { function, span });
                }
                let program = section.name != TEXT && (function.global || !self.is_called(index, function.at));
                let text::Function { name, at: start, .. } = *function;
                pieces.push(Piece { name, section: index, start, end, program });
            }
        }
        Ok(pieces)
    }

    /// Whether something refers to the function that begins at a slot of a section.
    fn is_called(&self, section: usize, at: SlotIx) -> bool {
        let Some(own) = self.unit.sections.get(section) else { return false };
        let named = own.functions.iter().find(|function| function.at == at).map(|function| function.name);
        let mut references = self.unit.sections.iter().flat_map(|section| &section.references);
        references.any(|reference| Some(reference.name) == named)
            || disasm::insns(&own.slots).any(|(from, insn)| insn.is_ok_and(|insn| call_target(from, &insn) == Some(at)))
    }

    fn function(
        &self,
        piece: &Piece<'_>,
        pieces: &[Piece<'_>],
        btf: &mut Btf,
        file: &Arc<str>,
        lines: &[&str],
    ) -> Result<Function, Error> {
        let section = &self.unit.sections[piece.section];
        let inside = |at: SlotIx| piece.start <= at && at < piece.end;
        let code = slots(&section.slots, piece);
        let mut function = Function {
            name: piece.name.to_owned(),
            section: if piece.program { section.name } else { TEXT }.to_owned(),
            linkage: if piece.program { Linkage::Global } else { Linkage::Static },
            code: code.to_vec(),
            relocations: Vec::new(),
            lines: Vec::new(),
            type_id: Some(function_type(btf, piece)?),
        };
        for line in section.lines.iter().filter(|line| inside(line.at)) {
            let text = usize::try_from(line.line).ok().and_then(|line| lines.get(line.checked_sub(1)?)).copied();
            function.lines.push(Line {
                at: SlotIx(line.at.0 - piece.start.0),
                file: Arc::clone(file),
                text: text.unwrap_or_default().into(),
                line: line.line.min(LINE),
                column: 0,
            });
        }
        let mut references = section.references.iter().filter(|reference| inside(reference.at)).peekable();
        for (at, insn) in disasm::insns(code) {
            let from = SlotIx(piece.start.0 + at.0);
            let line = || section.lines.iter().rev().find(|line| line.at <= from).map_or(0, |line| line.line);
            let target = match (references.next_if(|reference| reference.at == from), insn) {
                (Some(reference), _) => {
                    Some(self.referred(reference, pieces).ok_or_else(|| Error::CallsNoFunction { line: line() })?)
                }
                (None, Ok(insn)) => {
                    let jumps = insn.jump_target().and_then(|far| from.checked_add(i64::from(far) + 1));
                    if jumps.is_some_and(|to| !inside(to) && self.is_code(piece.section, to)) {
                        return Err(Error::JumpLeavesFunction { function: piece.name.to_owned(), line: line() });
                    }
                    let called = call_target(from, &insn).filter(|&to| self.is_code(piece.section, to));
                    let found = called
                        .map(|to| pieces.iter().position(|other| other.section == piece.section && other.start == to));
                    match found {
                        None => None,
                        Some(index) => Some(
                            index.and_then(function_index).ok_or_else(|| Error::CallsNoFunction { line: line() })?,
                        ),
                    }
                }
                (None, Err(_)) => None,
            };
            if let Some(target) = target {
                unrelocated(&mut function.code, at);
                function.relocations.push(Relocation { at, target });
            }
        }
        Ok(function)
    }

    fn is_code(&self, section: usize, at: SlotIx) -> bool {
        let slots = self.unit.sections.get(section).map_or(0, |section| section.slots.len());
        usize::try_from(at.0).is_ok_and(|at| at < slots)
    }

    /// What a name stands for.
    fn referred(&self, reference: &text::Reference<'_>, pieces: &[Piece<'_>]) -> Option<RelocationTarget> {
        let map = self.unit.maps.iter().position(|map| map.name == reference.name).filter(|_| !reference.call);
        match map {
            Some(index) => Some(RelocationTarget::Map(MapIx(u32::try_from(index).ok()?))),
            None => function_index(pieces.iter().position(|piece| piece.name == reference.name)?),
        }
    }
}

fn function_index(index: usize) -> Option<RelocationTarget> {
    Some(RelocationTarget::Function(FunctionIx(u32::try_from(index).ok()?)))
}

/// The slots of a function.
fn slots<'a>(section: &'a [Slot], piece: &Piece<'_>) -> &'a [Slot] {
    let place = |at: SlotIx| usize::try_from(at.0).unwrap_or(usize::MAX);
    section.get(place(piece.start)..place(piece.end)).unwrap_or_default()
}

/// The slot that a call goes to, or whose address a callback's load gives.
fn call_target(from: SlotIx, insn: &Insn) -> Option<SlotIx> {
    from.checked_add(i64::from(insn.call_target()?) + 1)
}

/// Leaves in an instruction what [`Function::code`] says of those with relocations.
fn unrelocated(code: &mut [Slot], at: SlotIx) {
    let Some(slot) = usize::try_from(at.0).ok().and_then(|at| code.get_mut(at)) else { return };
    let call = slot.code == crate::model::CALL;
    (slot.src, slot.imm) = if call { (crate::model::PSEUDO_CALL, -1) } else { (0, 0) };
}

/// `int NAME(void *ctx)`: what a function takes is not said in the text, and the kernel knows programs by their section.
fn function_type(btf: &mut Btf, piece: &Piece<'_>) -> Result<TypeId, btf::Error> {
    let int = btf.int("int", 4, btf::IntEncoding::SIGNED)?;
    let context = btf.ptr(TypeId(0));
    let proto = btf.func_proto(int, &[Param { name: "ctx", type_id: context }])?;
    btf.func(piece.name, proto, if piece.program { SymbolLinkage::GLOBAL } else { SymbolLinkage::STATIC })
}

fn map_def(map: &text::Map<'_>) -> Result<MapDef, Error> {
    let map_type = match map.map_type {
        text::MapType::Number(number) => MapType(number),
        text::MapType::Name(name, span) => {
            MapType::from_name(name).ok_or_else(|| Error::UnknownMapType { name: name.to_string(), span })?
        }
    };
    let datum = |bytes: u32| if bytes == 0 { Datum::Absent } else { Datum::Bytes(bytes) };
    Ok(MapDef {
        name: map.name.to_owned(),
        map_type,
        key: datum(map.key_size),
        value: datum(map.value_size),
        max_entries: map.max_entries,
        flags: map.flags,
        data: None,
        type_id: None,
    })
}
