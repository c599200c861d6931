//! One type of a BTF, taken apart.

use super::kind::{HEAD_WORDS, Info, Kind};
use super::{Btf, TypeId};
use core::fmt;

/// How an INT is meant.
///
/// # References
/// `include/uapi/linux/btf.h`, `BTF_INT_SIGNED`, `BTF_INT_CHAR`, `BTF_INT_BOOL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IntEncoding(pub u8);

impl IntEncoding {
    /// No sign.
    pub const UNSIGNED: IntEncoding = IntEncoding(0);
    /// Two's complement.
    pub const SIGNED: IntEncoding = IntEncoding(1);
    /// A character.
    pub const CHAR: IntEncoding = IntEncoding(2);
    /// A truth value.
    pub const BOOL: IntEncoding = IntEncoding(4);
}

/// Who sees a FUNC or a VAR: `BTF_FUNC_*` and `BTF_VAR_*`, which agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SymbolLinkage(pub u32);

impl SymbolLinkage {
    /// Only this object.
    pub const STATIC: SymbolLinkage = SymbolLinkage(0);
    /// Defined here, seen everywhere.
    pub const GLOBAL: SymbolLinkage = SymbolLinkage(1);
    /// Defined elsewhere: a kfunc or a kernel variable.
    pub const EXTERN: SymbolLinkage = SymbolLinkage(2);
}

/// A field of a STRUCT or a UNION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name, empty for an anonymous struct or union inside.
    pub name: &'a str,
    /// Its type.
    pub type_id: TypeId,
    /// Where it starts, in bits from the start of the whole.
    pub bit_offset: u32,
    /// How many bits it has if it is a bit-field, else 0.
    pub bitfield_bits: u8,
}

/// A parameter of a FUNC_PROTO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name; the kernel wants one in every function that is defined.
    pub name: &'a str,
    /// Its type; `void` at the end stands for `...`.
    pub type_id: TypeId,
}

/// A value of an ENUM or ENUM64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumValue<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value. An unsigned one of 2^63 and more is the negative number of the same 64 bits.
    pub value: i64,
}

/// A variable of a DATASEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecVar {
    /// The VAR, or the FUNC for an extern function.
    pub type_id: TypeId,
    /// Where it starts, bytes from the start of the section.
    pub offset: u32,
    /// Its size, bytes.
    pub size: u32,
}

/// The words behind the head of a type, as its elements.
pub struct Elements<'a, T> {
    btf: &'a Btf,
    words: &'a [u32],
    read: fn(&'a Btf, &mut &'a [u32]) -> Option<T>,
}

impl<T> Clone for Elements<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Elements<'_, T> {}

impl<T> Iterator for Elements<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        (self.read)(self.btf, &mut self.words)
    }
}

impl<T: fmt::Debug> fmt::Debug for Elements<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl<T: PartialEq> PartialEq for Elements<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        Iterator::eq(*self, *other)
    }
}

/// One type, as [`Btf::get`] takes it apart.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are those of the BTF records, named and explained in `Btf`'s builder methods"
)]
pub enum Type<'a> {
    /// No type: the pointee of `void *`, the result of a function without one. Its id is 0.
    Void,
    /// An integer.
    Int { name: &'a str, bytes: u32, encoding: IntEncoding, bit_offset: u8, bits: u8 },
    /// A pointer.
    Ptr { to: TypeId },
    /// An array.
    Array { element: TypeId, index: TypeId, length: u32 },
    /// A struct.
    Struct { name: &'a str, bytes: u32, members: Elements<'a, Member<'a>> },
    /// A union.
    Union { name: &'a str, bytes: u32, members: Elements<'a, Member<'a>> },
    /// An enum of at most 32 bits.
    Enum { name: &'a str, bytes: u32, signed: bool, values: Elements<'a, EnumValue<'a>> },
    /// A struct or union known by name alone.
    Fwd { name: &'a str, is_union: bool },
    /// Another name of a type.
    Typedef { name: &'a str, to: TypeId },
    /// A type with `volatile`.
    Volatile { to: TypeId },
    /// A type with `const`.
    Const { to: TypeId },
    /// A type with `restrict`.
    Restrict { to: TypeId },
    /// A function.
    Func { name: &'a str, proto: TypeId, linkage: SymbolLinkage },
    /// The type of a function.
    FuncProto { result: TypeId, params: Elements<'a, Param<'a>> },
    /// A variable.
    Var { name: &'a str, to: TypeId, linkage: SymbolLinkage },
    /// The variables of an ELF section.
    Datasec { name: &'a str, bytes: u32, variables: Elements<'a, SecVar> },
    /// A floating point number.
    Float { name: &'a str, bytes: u32 },
    /// A tag on a type, or on its member or parameter of that number.
    DeclTag { name: &'a str, to: TypeId, component: Option<u32> },
    /// A tag on a pointee.
    TypeTag { name: &'a str, to: TypeId },
    /// An enum of 64 bits.
    Enum64 { name: &'a str, bytes: u32, signed: bool, values: Elements<'a, EnumValue<'a>> },
    /// A type of a kind that is not known here, read from a BTF that says how long such records are.
    Unknown { kind: Kind },
}

impl Type<'_> {
    /// The name, empty for a type that has none.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Type::Int { name, .. }
            | Type::Struct { name, .. }
            | Type::Union { name, .. }
            | Type::Enum { name, .. }
            | Type::Fwd { name, .. }
            | Type::Typedef { name, .. }
            | Type::Func { name, .. }
            | Type::Var { name, .. }
            | Type::Datasec { name, .. }
            | Type::Float { name, .. }
            | Type::DeclTag { name, .. }
            | Type::TypeTag { name, .. }
            | Type::Enum64 { name, .. } => name,
            _ => "",
        }
    }
}

/// Takes the record `words` apart, `None` if it is shorter than its kind wants.
pub(super) fn view<'a>(btf: &'a Btf, words: &'a [u32]) -> Option<Type<'a>> {
    let (&[name, info, size], rest) = words.split_first_chunk::<HEAD_WORDS>()?;
    let name = btf.name_at(name);
    let info = Info(info);
    let to = TypeId(size);
    let linkage = SymbolLinkage(info.elements());
    Some(match info.kind() {
        Kind::INT => {
            let [bits, _, bit_offset, encoding] = rest.first()?.to_le_bytes();
            let encoding = IntEncoding(encoding & 0xf);
            Type::Int { name, bytes: size, encoding, bit_offset, bits }
        }
        Kind::PTR => Type::Ptr { to },
        Kind::ARRAY => {
            let &[element, index, length] = rest.first_chunk::<3>()?;
            Type::Array { element: TypeId(element), index: TypeId(index), length }
        }
        Kind::STRUCT => Type::Struct { name, bytes: size, members: members(btf, rest, info.flag()) },
        Kind::UNION => Type::Union { name, bytes: size, members: members(btf, rest, info.flag()) },
        Kind::ENUM => {
            let read = if info.flag() { signed_value } else { unsigned_value };
            Type::Enum { name, bytes: size, signed: info.flag(), values: Elements { btf, words: rest, read } }
        }
        Kind::FWD => Type::Fwd { name, is_union: info.flag() },
        Kind::TYPEDEF => Type::Typedef { name, to },
        Kind::VOLATILE => Type::Volatile { to },
        Kind::CONST => Type::Const { to },
        Kind::RESTRICT => Type::Restrict { to },
        Kind::FUNC => Type::Func { name, proto: to, linkage },
        Kind::FUNC_PROTO => Type::FuncProto { result: to, params: Elements { btf, words: rest, read: param } },
        Kind::VAR => Type::Var { name, to, linkage: SymbolLinkage(*rest.first()?) },
        Kind::DATASEC => Type::Datasec { name, bytes: size, variables: Elements { btf, words: rest, read: variable } },
        Kind::FLOAT => Type::Float { name, bytes: size },
        Kind::DECL_TAG => {
            let component = Some(*rest.first()?).filter(|&component| component != u32::MAX);
            Type::DeclTag { name, to, component }
        }
        Kind::TYPE_TAG => Type::TypeTag { name, to },
        Kind::ENUM64 => {
            let values = Elements { btf, words: rest, read: wide_value };
            Type::Enum64 { name, bytes: size, signed: info.flag(), values }
        }
        kind => Type::Unknown { kind },
    })
}

fn next<const N: usize>(words: &mut &[u32]) -> Option<[u32; N]> {
    let (&chunk, rest) = words.split_first_chunk::<N>()?;
    *words = rest;
    Some(chunk)
}

fn members<'a>(btf: &'a Btf, words: &'a [u32], bitfields: bool) -> Elements<'a, Member<'a>> {
    Elements { btf, words, read: if bitfields { bitfield_member } else { member } }
}

fn member<'a>(btf: &'a Btf, words: &mut &'a [u32]) -> Option<Member<'a>> {
    let [name, type_id, bit_offset] = next(words)?;
    Some(Member { name: btf.name_at(name), type_id: TypeId(type_id), bit_offset, bitfield_bits: 0 })
}

fn bitfield_member<'a>(btf: &'a Btf, words: &mut &'a [u32]) -> Option<Member<'a>> {
    let Member { name, type_id, bit_offset, .. } = member(btf, words)?;
    let [a, b, c, bitfield_bits] = bit_offset.to_le_bytes();
    Some(Member { name, type_id, bit_offset: u32::from_le_bytes([a, b, c, 0]), bitfield_bits })
}

fn signed_value<'a>(btf: &'a Btf, words: &mut &'a [u32]) -> Option<EnumValue<'a>> {
    let [name, value] = next(words)?;
    Some(EnumValue { name: btf.name_at(name), value: i64::from(value.cast_signed()) })
}

fn unsigned_value<'a>(btf: &'a Btf, words: &mut &'a [u32]) -> Option<EnumValue<'a>> {
    let [name, value] = next(words)?;
    Some(EnumValue { name: btf.name_at(name), value: i64::from(value) })
}

fn wide_value<'a>(btf: &'a Btf, words: &mut &'a [u32]) -> Option<EnumValue<'a>> {
    let [name, low, high] = next(words)?;
    let value = (u64::from(high) << 32 | u64::from(low)).cast_signed();
    Some(EnumValue { name: btf.name_at(name), value })
}

fn param<'a>(btf: &'a Btf, words: &mut &'a [u32]) -> Option<Param<'a>> {
    let [name, type_id] = next(words)?;
    Some(Param { name: btf.name_at(name), type_id: TypeId(type_id) })
}

fn variable<'a>(_: &'a Btf, words: &mut &'a [u32]) -> Option<SecVar> {
    let [type_id, offset, size] = next(words)?;
    Some(SecVar { type_id: TypeId(type_id), offset, size })
}
