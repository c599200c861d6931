//! What a text describes: sections of code, maps, a licence.

use alloc::{borrow::Cow, vec::Vec};

use super::Span;
use crate::slot::{Slot, SlotIx};

/// An assembled text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit<'a> {
    /// The sections with code, in the order of their first appearance; code before any `.section` is in `.text`.
    pub sections: Vec<Section<'a>>,
    /// The maps.
    pub maps: Vec<Map<'a>>,
    /// The licence: `.license "GPL"`, or text in a section `license`.
    pub license: Option<Cow<'a, str>>,
}

/// A section of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its code. Instructions that refer to symbols elsewhere have zeros for them, a call −1.
    pub slots: Vec<Slot>,
    /// Its functions, by ascending slot: every label that is global, called, or declared `@function`, and the one at the
    /// section's start.
    pub functions: Vec<Function<'a>>,
    /// The instructions that refer to symbols outside of the section.
    pub references: Vec<Reference<'a>>,
    /// The line of the text that each instruction stands in, by ascending slot.
    pub lines: Vec<Line>,
}

/// A label that is a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// The label.
    pub name: &'a str,
    /// Its slot.
    pub at: SlotIx,
    /// Whether `.globl` names it.
    pub global: bool,
    /// Where the label stands.
    pub span: Span,
}

/// An instruction that refers to a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The instruction's first slot.
    pub at: SlotIx,
    /// The symbol.
    pub name: &'a str,
    /// Whether it is a call; else it is an LDDW, which loads the symbol's address.
    pub call: bool,
    /// Where the symbol stands.
    pub span: Span,
}

/// Where an instruction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The instruction's first slot.
    pub at: SlotIx,
    /// The line, counted from 1.
    pub line: u32,
}

/// A map: `.map NAME, TYPE, KEY, VALUE, ENTRIES[, FLAGS]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type: the kernel's word (`hash`) or number.
    pub map_type: MapType<'a>,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// How many entries.
    pub max_entries: u32,
    /// `map_flags`.
    pub flags: u32,
    /// Where the name stands.
    pub span: Span,
}

/// A type of map as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType<'a> {
    /// By the word that bpftool has for it, and where it stands.
    Name(&'a str, Span),
    /// By its number in `enum bpf_map_type`.
    Number(u32),
}
