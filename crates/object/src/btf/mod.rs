//! BTF, the type information of the kernel: build it, encode it, parse it.
//!
//! A [`Btf`] holds its types as the 32-bit words that BTF is made of, free of byte order, and its names in a string
//! table. Encoding copies, parsing checks; [`Btf::get`] takes one type apart. Builder methods check what the kernel
//! checks, because one bad name makes it refuse the whole BTF, and loaders then drop all types, names and source lines.
//!
//! ```
//! use bpfasm_isa::Endian;
//! use bpfasm_object::btf::{Btf, IntEncoding, Member, Type};
//!
//! let mut btf = Btf::new();
//! let u32_ = btf.int("u32", 4, IntEncoding::UNSIGNED)?;
//! let pair = btf.strukt("pair", 8, &[
//!     Member { name: "a", type_id: u32_, bit_offset: 0, bitfield_bits: 0 },
//!     Member { name: "b", type_id: u32_, bit_offset: 32, bitfield_bits: 0 },
//! ])?;
//! assert_eq!(btf.size_of(pair)?, 8);
//! assert_eq!(Btf::parse(&btf.encode(Endian::Big))?, btf);
//! assert!(matches!(btf.get(pair), Some(Type::Struct { name: "pair", .. })));
//! # Ok::<(), bpfasm_object::btf::Error>(())
//! ```
//!
//! # References
//! `Documentation/bpf/btf.rst`; `include/uapi/linux/btf.h`; `kernel/bpf/btf.c`.

mod assign;
mod builder;
mod error;
pub mod ext;
mod index;
mod kind;
mod name;
mod parse;
mod plain;
mod signature;
mod size;
mod strings;
mod types;
mod value;

pub use assign::AssignError;
pub use error::Error;
pub use kind::Kind;
pub use name::mangle;
pub use types::{Elements, EnumValue, IntEncoding, Member, Param, SecVar, SymbolLinkage, Type};
pub use value::Value;

use crate::cursor::word_bytes;
use alloc::vec::Vec;
use bpfasm_isa::Endian;
use core::fmt;
use index::HashIndex;
use kind::Info;
use strings::Strings;

/// The first two bytes of BTF and of BTF.ext as a number.
const MAGIC: u16 = 0xeb9f;

/// The version of BTF and of BTF.ext.
const VERSION: u8 = 1;

/// Bytes of the header that is written: `struct btf_header` before it grew a layout section.
const HEADER_BYTES: u32 = 24;

/// Names a type of a [`Btf`]. 0 is `void`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// No type.
    pub const VOID: TypeId = TypeId(0);
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Types and their names.
///
/// Two are equal when they have equal types, by name, under the same ids; how their string tables are laid out, and
/// what else is in them, does not count.
#[derive(Clone, Default)]
pub struct Btf {
    /// The records of all types, one after the other.
    words: Vec<u32>,
    /// Where the record of type id n + 1 starts in `words`.
    starts: Vec<u32>,
    strings: Strings,
    /// Finds types by their record.
    index: HashIndex,
    /// Types that are in `index`.
    indexed: usize,
}

impl Btf {
    /// A BTF without types.
    #[must_use]
    pub fn new() -> Btf {
        Btf::default()
    }

    /// How many types there are, `void` not counted. The last type has this id.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no type but `void`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The id that the next new type gets. With it a type can name one that is built after it.
    #[must_use]
    pub fn next_id(&self) -> TypeId {
        TypeId(u32::try_from(self.starts.len()).map_or(u32::MAX, |last| last.saturating_add(1)))
    }

    /// The type of that id.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<Type<'_>> {
        if id == TypeId::VOID {
            return Some(Type::Void);
        }
        types::view(self, self.record(id)?)
    }

    /// All types but `void`, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, Type<'_>)> {
        (1..).map(TypeId).map_while(|id| Some((id, self.get(id)?)))
    }

    /// The first type of that kind and name.
    #[must_use]
    pub fn find(&self, kind: Kind, name: &str) -> Option<TypeId> {
        self.ids().find(|&id| self.head(id).is_some_and(|(at, info)| info.kind() == kind && self.strings.is(at, name)))
    }

    /// The first type of that name, of whatever kind.
    #[must_use]
    pub fn find_by_name(&self, name: &str) -> Option<TypeId> {
        self.ids().find(|&id| self.head(id).is_some_and(|(at, _)| self.strings.is(at, name)))
    }

    /// The string at a byte offset of the string table, if it is UTF-8.
    #[must_use]
    pub fn string(&self, offset: u32) -> Option<&str> {
        core::str::from_utf8(self.strings.at(offset)?).ok()
    }

    /// The bytes of the string at a byte offset of the string table.
    #[must_use]
    pub fn string_bytes(&self, offset: u32) -> Option<&[u8]> {
        self.strings.at(offset)
    }

    /// The byte offset of `text` in the string table, where it is put if it is not there yet. It ends at its first NUL.
    ///
    /// # Errors
    /// [`Error::TooManyStrings`] when the table is as long as the kernel takes.
    pub fn intern(&mut self, text: &str) -> Result<u32, Error> {
        self.strings.intern(text)
    }

    /// The bytes of a `.BTF` section, or of BPF_BTF_LOAD: a 24-byte header, the types, the strings.
    #[must_use]
    pub fn encode(&self, endian: Endian) -> Vec<u8> {
        let strings = self.strings.bytes();
        let type_bytes = self.words.len() * 4;
        let mut bytes = Vec::with_capacity(24 + type_bytes + strings.len());
        bytes.extend_from_slice(&half_bytes(MAGIC, endian));
        bytes.extend_from_slice(&[VERSION, 0]);
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (types, strings_length) = (length(type_bytes), length(strings.len()));
        for word in [HEADER_BYTES, 0, types, types, strings_length] {
            bytes.extend_from_slice(&word_bytes(word, endian));
        }
        for &word in &self.words {
            bytes.extend_from_slice(&word_bytes(word, endian));
        }
        bytes.extend_from_slice(strings);
        bytes
    }

    fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (1..self.next_id().0).map(TypeId)
    }

    /// The words of a type.
    fn record(&self, id: TypeId) -> Option<&[u32]> {
        let number = usize::try_from(id.0.checked_sub(1)?).ok()?;
        let start = usize::try_from(*self.starts.get(number)?).ok()?;
        let end = match self.starts.get(number.checked_add(1)?) {
            Some(&end) => usize::try_from(end).ok()?,
            None => self.words.len(),
        };
        self.words.get(start..end)
    }

    fn head(&self, id: TypeId) -> Option<(u32, Info)> {
        let &[name, info] = self.record(id)?.first_chunk::<2>()?;
        Some((name, Info(info)))
    }

    /// The name at a string offset that was checked when it came in.
    fn name_at(&self, offset: u32) -> &str {
        if offset == 0 { "" } else { self.string(offset).unwrap_or_default() }
    }
}

impl PartialEq for Btf {
    fn eq(&self, other: &Btf) -> bool {
        self.starts == other.starts && self.ids().all(|id| same_record(self, other, id))
    }
}

impl Eq for Btf {}

fn same_record(a: &Btf, b: &Btf, id: TypeId) -> bool {
    let (Some(left), Some(right)) = (a.record(id), b.record(id)) else { return false };
    if left.len() != right.len() || left.get(1) != right.get(1) {
        return false;
    }
    let kind = a.head(id).map(|(_, info)| info.kind());
    let unknown = kind::Shape { size_or_type: kind::Field::Data, once: &[], each: &[kind::Field::Data] };
    let shape = kind.and_then(Kind::shape).unwrap_or(&unknown);
    shape.fields(left.len()).zip(left.iter().zip(right)).all(|(field, (&left, &right))| match field {
        kind::Field::Name => a.strings.at(left) == b.strings.at(right),
        kind::Field::Data | kind::Field::Type => left == right,
    })
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn half_bytes(half: u16, endian: Endian) -> [u8; 2] {
    match endian {
        Endian::Little => half.to_le_bytes(),
        Endian::Big => half.to_be_bytes(),
    }
}
