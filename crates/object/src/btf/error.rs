//! What can be wrong with BTF.

use super::TypeId;
use crate::cursor::Truncated;
use alloc::string::String;

/// What is wrong with BTF or BTF.ext bytes, and where, or what cannot be put into a BTF. Offsets are bytes from the
/// start of the blob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end inside a field.
    #[error("at {at:#x}: {needed} bytes wanted, fewer left")]
    Truncated {
        /// Offset of the field.
        at: usize,
        /// Bytes of the field.
        needed: usize,
    },
    /// Not BTF in either byte order.
    #[error("at 0x0: magic {found:#06x} is not that of BTF, 0xeb9f")]
    BadMagic {
        /// The first two bytes as a little-endian number.
        found: u16,
    },
    /// A version other than 1.
    #[error("at {at:#x}: BTF version {version}, only 1 is known")]
    UnsupportedVersion {
        /// Offset of the version.
        at: usize,
        /// The version.
        version: u8,
    },
    /// A header shorter than the first one had.
    #[error("at {at:#x}: header of {length} bytes, at least {minimum} are needed")]
    HeaderTooShort {
        /// Offset of the length.
        at: usize,
        /// The length, bytes.
        length: u32,
        /// The least length, bytes.
        minimum: u32,
    },
    /// A part of the blob lies outside it.
    #[error("at {at:#x}: {part} of {length} bytes at {start:#x} reaches behind the end")]
    OutOfBounds {
        /// Offset of the header field.
        at: usize,
        /// Which part.
        part: &'static str,
        /// Where it should start, bytes behind the header.
        start: u32,
        /// Its length, bytes.
        length: u32,
    },
    /// A part whose length is no multiple of its unit.
    #[error("at {at:#x}: {part} of {length} bytes is not made of {unit}-byte units")]
    Misaligned {
        /// Offset of the header field.
        at: usize,
        /// Which part.
        part: &'static str,
        /// Its length, bytes.
        length: u32,
        /// The unit, bytes.
        unit: u32,
    },
    /// The string table does not start or does not end with NUL.
    #[error("at {at:#x}: the string table must start and end with NUL")]
    UnterminatedStrings {
        /// Offset of the offending byte.
        at: usize,
    },
    /// A name that lies outside the string table, is longer than any kernel takes, or is not UTF-8.
    #[error("at {at:#x}: no name at string offset {offset:#x}")]
    BadString {
        /// Offset of the field that names the string.
        at: usize,
        /// The string's offset in the string table.
        offset: u32,
    },
    /// A kind that is not known, in a blob that does not say how long its records are.
    #[error("at {at:#x}: unknown BTF kind {kind}")]
    UnknownKind {
        /// Offset of the type.
        at: usize,
        /// The kind.
        kind: u32,
    },
    /// A reference to a type that is not there.
    #[error("at {at:#x}: type id {id} of {count} types")]
    BadTypeId {
        /// Offset of the reference.
        at: usize,
        /// The type id.
        id: u32,
        /// How many types there are, besides `void`.
        count: usize,
    },
    /// A record size that cannot hold the known fields, or that is no multiple of four.
    #[error("at {at:#x}: {part} records of {size} bytes, at least {minimum} are needed")]
    BadRecordSize {
        /// Offset of the record size.
        at: usize,
        /// Which records.
        part: &'static str,
        /// Their size, bytes.
        size: u32,
        /// The size of the known fields, bytes.
        minimum: u32,
    },
    /// A type id that this BTF does not have.
    #[error("type id {id} is not in this BTF")]
    NoSuchType {
        /// The type id.
        id: TypeId,
    },
    /// A chain of types that goes on for longer than the kernel follows it, as a cycle does.
    #[error("type id {id}: more than 32 types deep")]
    TooDeep {
        /// Where the chain starts.
        id: TypeId,
    },
    /// A type without a size, such as a function, or one whose size does not fit 32 bits.
    #[error("type id {id} has no size")]
    Unsized {
        /// The type.
        id: TypeId,
    },
    /// A name that the kernel refuses there.
    #[error("{name:?} cannot name a BTF {role}: {rule}")]
    BadName {
        /// The name.
        name: String,
        /// What it should name.
        role: &'static str,
        /// What such names are like.
        rule: &'static str,
    },
    /// A size that a type of this kind cannot have.
    #[error("BTF {role} {name:?} cannot be {bytes} bytes long")]
    BadSize {
        /// What it is.
        role: &'static str,
        /// Its name.
        name: String,
        /// The size, bytes.
        bytes: u32,
    },
    /// A member that lies before the one above it or reaches out of its type.
    #[error("member {member:?} of {name:?} lies outside it or out of order, at bit {bit_offset}")]
    BadMember {
        /// The type's name.
        name: String,
        /// The member's name.
        member: String,
        /// The member's offset, bits.
        bit_offset: u32,
    },
    /// A variable that lies before the one above it or reaches out of its section.
    #[error("the variable of type id {type_id} lies outside section {section:?} or out of order, at byte {offset}")]
    BadVariable {
        /// The section's name.
        section: String,
        /// The VAR.
        type_id: TypeId,
        /// Its offset in the section, bytes.
        offset: u32,
    },
    /// An enum value that does not fit the size of its enum.
    #[error("value {value} of enumerator {name:?} does not fit its enum")]
    BadValue {
        /// The enumerator's name.
        name: String,
        /// The value.
        value: i64,
    },
    /// A FUNC that is not one: its prototype is something else or leaves a parameter unnamed.
    #[error("function {name:?}: type id {id} is not a prototype with named parameters")]
    BadPrototype {
        /// The function's name.
        name: String,
        /// What should be its prototype.
        id: TypeId,
    },
    /// More members, parameters or values than BTF can count.
    #[error("{name:?} has {count} elements, BTF counts up to {limit}")]
    TooManyElements {
        /// The type's name.
        name: String,
        /// How many elements.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The string table is full.
    #[error("the BTF string table is full at {limit} bytes")]
    TooManyStrings {
        /// The kernel's limit, bytes.
        limit: usize,
    },
}

impl From<Truncated> for Error {
    fn from(Truncated { at, needed }: Truncated) -> Error {
        Error::Truncated { at, needed }
    }
}
