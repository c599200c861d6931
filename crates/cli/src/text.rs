//! Objects as text: laid out as `llvm-objdump -d` lays them out, as JSON, and as plain hexadecimal digits.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use bpfasm::object::{Function, Line, Object};
use bpfasm_isa::{Annotate, DecodeError, Endian, Insn, SlotIx, disasm};
use serde::Serialize;

use crate::hex::Hex;

/// One instruction of a listing.
struct Row<'a> {
    /// Its place in the function.
    at: SlotIx,
    /// Its one or two slots, in the object's byte order.
    bytes: Vec<u8>,
    decoded: Result<Insn, DecodeError>,
    /// The source line that starts here.
    line: Option<&'a Line>,
}

impl Row<'_> {
    fn text(&self, function: &str) -> String {
        match &self.decoded {
            Ok(insn) => insn.display_with(&In { function, at: self.at }).to_string(),
            Err(_) => "<unknown>".to_owned(),
        }
    }
}

fn rows(function: &Function, endian: Endian) -> impl Iterator<Item = Row<'_>> {
    let lines: BTreeMap<SlotIx, &Line> = function.lines.iter().map(|line| (line.at, line)).collect();
    disasm::insns(&function.code).map(move |(at, decoded)| {
        let count = decoded.as_ref().map_or(1, Insn::slot_count);
        let start = usize::try_from(at.0).unwrap_or(usize::MAX);
        let slots = function.code.iter().skip(start).take(count);
        let bytes = slots.flat_map(|slot| slot.to_bytes(endian)).collect();
        Row { at, bytes, decoded, line: lines.get(&at).copied() }
    })
}

/// Where an instruction stands, to name what it jumps to: ` <function+0x10>`.
struct In<'a> {
    function: &'a str,
    at: SlotIx,
}

impl Annotate for In<'_> {
    fn jump(&self, distance: i32, f: &mut Formatter<'_>) -> fmt::Result {
        match self.at.checked_add(i64::from(distance) + 1) {
            None => Ok(()),
            Some(SlotIx(0)) => write!(f, " <{}>", self.function),
            Some(target) => write!(f, " <{}+{:#x}>", self.function, target.byte_offset()),
        }
    }
}

/// The functions of an object by section, in the sections' order of first appearance.
fn sections(object: &Object) -> Vec<(&str, Vec<&Function>)> {
    let mut sections: Vec<(&str, Vec<&Function>)> = Vec::new();
    for function in &object.functions {
        match sections.iter_mut().find(|(name, _)| *name == function.section) {
            Some((_, functions)) => functions.push(function),
            None => sections.push((&function.section, vec![function])),
        }
    }
    sections
}

/// An object's code as `llvm-objdump -d` prints it, with the source lines where they are asked for.
pub struct Disassembly<'a> {
    /// The object.
    pub object: &'a Object,
    /// Whether to print the source lines that the object holds.
    pub source: bool,
}

impl Display for Disassembly<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (section, functions) in sections(self.object) {
            writeln!(f, "\nDisassembly of section {section}:")?;
            // Positions count from the section's start.
            let mut start = 0;
            for function in functions {
                writeln!(f, "\n{:016x} <{}>:", start * 8, function.name)?;
                let mut shown = None;
                for row in rows(function, self.object.endian) {
                    let line = row.line.filter(|line| self.source && shown != Some((&line.file, line.line)));
                    if let Some(line) = line {
                        writeln!(f, "; {}", line.text.trim_start())?;
                        shown = Some((&line.file, line.line));
                    }
                    let place = start + usize::try_from(row.at.0).unwrap_or(usize::MAX);
                    writeln!(f, "{place:>8}:\t{}\t{}", Hex(&row.bytes), row.text(&function.name))?;
                }
                start += function.code.len();
            }
        }
        Ok(())
    }
}

/// The slots of every function, one a line, each function under a comment with its name, section and length.
pub struct Slots<'a>(pub &'a Object);

impl Display for Slots<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for function in &self.0.functions {
            writeln!(f, "# {} ({}), {} slots", function.name, function.section, function.code.len())?;
            for slot in &function.code {
                writeln!(f, "{}", Hex(&slot.to_bytes(self.0.endian)))?;
            }
        }
        Ok(())
    }
}

/// A function as JSON.
#[derive(Serialize)]
pub struct FunctionJson<'a> {
    name: &'a str,
    section: &'a str,
    slots: usize,
    insns: Vec<InsnJson<'a>>,
}

#[derive(Serialize)]
struct InsnJson<'a> {
    /// In slots from the function's start.
    slot: u32,
    bytes: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceJson<'a>>,
}

#[derive(Serialize)]
struct SourceJson<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    text: &'a str,
}

/// An object's functions, to serialise.
pub fn functions(object: &Object) -> Vec<FunctionJson<'_>> {
    object.functions.iter().map(|function| function_json(function, object.endian)).collect()
}

fn function_json(function: &Function, endian: Endian) -> FunctionJson<'_> {
    FunctionJson {
        name: &function.name,
        section: &function.section,
        slots: function.code.len(),
        insns: rows(function, endian)
            .map(|row| InsnJson {
                slot: row.at.0,
                text: row.text(&function.name),
                source: row.line.map(|line| SourceJson {
                    file: &line.file,
                    line: line.line,
                    column: line.column,
                    text: &line.text,
                }),
                bytes: Hex(&row.bytes).to_string(),
            })
            .collect(),
    }
}
