//! Bytes of a known type as a tree of named values, to be shown.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::{Btf, Elements, EnumValue, IntEncoding, Member, SecVar, Type, TypeId};
use crate::limits::{BTF_DEPTH, VALUE_NODES, VALUE_NODES_PER_BYTE};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use bpfasm_isa::Endian;

/// A value, taken apart by its type.
///
/// ```
/// use bpfasm_isa::Endian;
/// use bpfasm_object::btf::{Btf, IntEncoding, Member, Value};
///
/// let mut btf = Btf::new();
/// let u16_ = btf.int("u16", 2, IntEncoding::UNSIGNED)?;
/// let port = Member { name: "port", type_id: u16_, bit_offset: 0, bitfield_bits: 0 };
/// let key = btf.strukt("key", 2, &[port])?;
/// let value = btf.value(key, &[0x50, 0], Endian::Little);
/// assert_eq!(value, Value::Struct(vec![("port".into(), Value::Unsigned(80))]));
/// # Ok::<(), bpfasm_object::btf::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Nothing that could be shown: `void`, a function, a type that is not known here, too few bytes.
    Unknown,
    /// A truth value.
    Bool(bool),
    /// A character.
    Char(u8),
    /// An integer of 8, 16, 32 or 64 bits without a sign.
    Unsigned(u64),
    /// The same with a sign.
    Signed(i64),
    /// A bit-field, or an integer of another width, as the bits that it has.
    Bits(u128),
    /// A floating point number.
    Float(f64),
    /// A pointer.
    Pointer(u64),
    /// The name of an enum's value, or an array of characters up to its NUL.
    Text(Cow<'a, str>),
    /// The elements of an array, or the variables of a section.
    Array(Vec<Value<'a>>),
    /// The fields of a struct or union, by name. The name of an anonymous struct inside is empty.
    Struct(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl Btf {
    /// Takes the bytes of a value of that type apart.
    ///
    /// What cannot be shown is [`Value::Unknown`] in its place: neither a type that makes no sense nor missing bytes are
    /// errors, and memory stays in proportion to the bytes.
    #[must_use]
    pub fn value(&self, id: TypeId, bytes: &[u8], endian: Endian) -> Value<'_> {
        let nodes = bytes.len().saturating_mul(VALUE_NODES_PER_BYTE).saturating_add(VALUE_NODES);
        Reader { btf: self, endian, nodes }.value(id, Bits { bytes, offset: 0 }, BTF_DEPTH)
    }
}

/// Bytes that begin with a value, and in which bit of the first one it starts.
#[derive(Clone, Copy)]
struct Bits<'b> {
    bytes: &'b [u8],
    offset: u32,
}

impl<'b> Bits<'b> {
    /// What lies this many bits further on.
    fn at(self, bits: u32) -> Option<Bits<'b>> {
        let bits = self.offset.checked_add(bits)?;
        let whole = usize::try_from(bits / 8).ok()?;
        Some(Bits { bytes: self.bytes.get(whole..)?, offset: bits % 8 })
    }

    /// The number in the first so many bits.
    fn number(self, bits: u32, endian: Endian) -> Option<u128> {
        let end = self.offset.checked_add(bits)?;
        let bytes = self.bytes.get(..usize::try_from(end.div_ceil(8)).ok()?)?;
        let (mut buffer, room) = ([0; 16], bytes.len());
        let number = match endian {
            Endian::Little => {
                buffer.get_mut(..room)?.copy_from_slice(bytes);
                u128::from_le_bytes(buffer).checked_shr(self.offset)?
            }
            Endian::Big => {
                buffer.get_mut(16_usize.checked_sub(room)?..)?.copy_from_slice(bytes);
                let behind = end.next_multiple_of(8).checked_sub(end)?;
                u128::from_be_bytes(buffer).checked_shr(behind)?
            }
        };
        let mask = u128::MAX.checked_shr(128_u32.checked_sub(bits)?).unwrap_or(0);
        Some(number & mask)
    }
}

struct Reader<'a> {
    btf: &'a Btf,
    endian: Endian,
    /// How many more values may be made: types can name each other so that a few bytes have very many.
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, id: TypeId, at: Bits<'_>, depth: usize) -> Value<'a> {
        self.read(id, at, depth).unwrap_or(Value::Unknown)
    }

    fn read(&mut self, id: TypeId, at: Bits<'_>, depth: usize) -> Option<Value<'a>> {
        self.nodes = self.nodes.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        let id = self.btf.resolve(id).ok()?;
        match self.btf.get(id)? {
            Type::Int { bytes, encoding, bit_offset, bits, .. } => {
                let at = at.at(bit_offset.into())?;
                let whole = at.offset == 0 && bit_offset == 0 && u32::from(bits) == bytes.checked_mul(8)?;
                self.integer(at, bits.into(), encoding, whole)
            }
            Type::Enum { bytes, signed, values, .. } | Type::Enum64 { bytes, signed, values, .. } => {
                self.named(at, bytes.checked_mul(8)?, signed, values)
            }
            Type::Ptr { .. } => Some(Value::Pointer(u64::try_from(at.number(64, self.endian)?).ok()?)),
            Type::Float { bytes: 4, .. } => {
                let bits = u32::try_from(at.number(32, self.endian)?).ok()?;
                Some(Value::Float(f32::from_bits(bits).into()))
            }
            Type::Float { bytes: 8, .. } => {
                let bits = u64::try_from(at.number(64, self.endian)?).ok()?;
                Some(Value::Float(f64::from_bits(bits)))
            }
            Type::Array { element, length, .. } => self.array(element, length, at, depth),
            Type::Struct { members, .. } | Type::Union { members, .. } => Some(self.fields(members, at, depth)),
            Type::Var { name, to, .. } => Some(Value::Struct(alloc::vec![(name.into(), self.value(to, at, depth))])),
            Type::Datasec { name, variables, .. } => {
                Some(Value::Struct(alloc::vec![(name.into(), self.section(variables, at, depth))]))
            }
            _ => None,
        }
    }

    fn integer(&self, at: Bits<'_>, bits: u32, encoding: IntEncoding, whole: bool) -> Option<Value<'a>> {
        let number = at.number(bits, self.endian)?;
        if !whole {
            return Some(Value::Bits(number));
        }
        Some(match (encoding, bits) {
            (IntEncoding::BOOL, _) => Value::Bool(number != 0),
            (IntEncoding::CHAR, 8) => Value::Char(u8::try_from(number).ok()?),
            (IntEncoding::SIGNED, 8 | 16 | 32 | 64) => Value::Signed(sign_extended(number, bits)?),
            (IntEncoding::UNSIGNED, 8 | 16 | 32 | 64) => Value::Unsigned(u64::try_from(number).ok()?),
            _ => Value::Bits(number),
        })
    }

    fn named(
        &self,
        at: Bits<'_>,
        bits: u32,
        signed: bool,
        mut values: Elements<'a, EnumValue<'a>>,
    ) -> Option<Value<'a>> {
        let number = at.number(bits, self.endian)?;
        let number = if signed { sign_extended(number, bits)? } else { u64::try_from(number).ok()?.cast_signed() };
        Some(match values.find(|named| named.value == number) {
            Some(named) => Value::Text(named.name.into()),
            None if signed => Value::Signed(number),
            None => Value::Unsigned(number.cast_unsigned()),
        })
    }

    fn array(&mut self, element: TypeId, length: u32, at: Bits<'_>, depth: usize) -> Option<Value<'a>> {
        if self.is_char(element) {
            let bytes = at.bytes.get(..usize::try_from(length).ok()?)?;
            if let Some(text) = text_of(bytes) {
                return Some(Value::Text(text.into()));
            }
        }
        let size = self.btf.size_of(element).ok()?;
        let bits = size.checked_mul(8)?;
        let mut values = Vec::new();
        for index in 0..length {
            // Behind the last byte there is nothing more to say, nor after too many elements of no size.
            let Some(place) = bits.checked_mul(index).and_then(|bits| at.at(bits)) else { break };
            if self.nodes == 0 || (place.bytes.is_empty() && size != 0) {
                break;
            }
            values.push(self.value(element, place, depth));
        }
        Some(Value::Array(values))
    }

    /// Whether arrays of the type are text: a character, or what C calls `char`. A typedef of it does not count.
    fn is_char(&self, mut id: TypeId) -> bool {
        for _ in 0..BTF_DEPTH {
            match self.btf.get(id) {
                Some(Type::Const { to } | Type::Volatile { to } | Type::Restrict { to }) => id = to,
                Some(Type::Int { name, bytes: 1, encoding, .. }) => {
                    return encoding == IntEncoding::CHAR || name == "char";
                }
                _ => return false,
            }
        }
        false
    }

    fn fields(&mut self, members: Elements<'a, Member<'a>>, at: Bits<'_>, depth: usize) -> Value<'a> {
        let mut fields = Vec::new();
        for member in members {
            if self.nodes == 0 {
                break;
            }
            let value = match (at.at(member.bit_offset), member.bitfield_bits) {
                (None, _) => Value::Unknown,
                (Some(at), 0) => self.value(member.type_id, at, depth),
                (Some(at), bits) => at.number(bits.into(), self.endian).map_or(Value::Unknown, Value::Bits),
            };
            fields.push((member.name.into(), value));
        }
        Value::Struct(fields)
    }

    fn section(&mut self, variables: Elements<'a, SecVar>, at: Bits<'_>, depth: usize) -> Value<'a> {
        let mut values = Vec::new();
        for variable in variables {
            if self.nodes == 0 {
                break;
            }
            let place = variable.offset.checked_mul(8).and_then(|bits| at.at(bits));
            values.push(place.map_or(Value::Unknown, |at| self.value(variable.type_id, at, depth)));
        }
        Value::Array(values)
    }
}

/// A number of so many bits, 1 to 64, as two's complement.
fn sign_extended(number: u128, bits: u32) -> Option<i64> {
    let unused = 64_u32.checked_sub(bits)?;
    let high = u64::try_from(number).ok()?.checked_shl(unused)?;
    high.cast_signed().checked_shr(unused)
}

/// Printable characters up to a NUL.
fn text_of(bytes: &[u8]) -> Option<String> {
    let text = bytes.get(..bytes.iter().position(|&byte| byte == 0)?)?;
    let printable = |byte: &u8| *byte == b' ' || byte.is_ascii_graphic();
    text.iter().all(printable).then(|| text.iter().copied().map(char::from).collect())
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::btf::SymbolLinkage;
    use alloc::vec;

    fn field<'a>(name: &'a str, type_id: TypeId, bit_offset: u32, bitfield_bits: u8) -> Member<'a> {
        Member { name, type_id, bit_offset, bitfield_bits }
    }

    #[test]
    fn scalars_are_read_in_their_byte_order() {
        let mut btf = Btf::new();
        let u32_ = btf.int("u32", 4, IntEncoding::UNSIGNED).expect("int");
        let s16 = btf.int("s16", 2, IntEncoding::SIGNED).expect("int");
        let bool_ = btf.int("bool", 1, IntEncoding::BOOL).expect("int");
        let char_ = btf.int("letter", 1, IntEncoding::CHAR).expect("int");
        let wide = btf.int("wide", 16, IntEncoding::UNSIGNED).expect("int");
        let double = btf.float("double", 8).expect("float");
        let pointer = btf.ptr(TypeId::VOID);
        let named = btf.typedef("named", u32_).expect("typedef");
        assert_eq!(btf.value(named, &[1, 2, 0, 0], Endian::Little), Value::Unsigned(0x201));
        assert_eq!(btf.value(u32_, &[0, 0, 2, 1], Endian::Big), Value::Unsigned(0x201));
        assert_eq!(btf.value(s16, &[0xfe, 0xff], Endian::Little), Value::Signed(-2));
        assert_eq!(btf.value(bool_, &[2], Endian::Little), Value::Bool(true));
        assert_eq!(btf.value(char_, b"x", Endian::Little), Value::Char(b'x'));
        assert_eq!(btf.value(wide, &[0xff; 16], Endian::Little), Value::Bits(u128::MAX));
        assert_eq!(btf.value(double, &1.5_f64.to_le_bytes(), Endian::Little), Value::Float(1.5));
        assert_eq!(btf.value(pointer, &[9, 0, 0, 0, 0, 0, 0, 0], Endian::Little), Value::Pointer(9));
        assert_eq!(btf.value(u32_, &[1, 2, 0], Endian::Little), Value::Unknown);
        assert_eq!(btf.value(TypeId::VOID, &[0; 8], Endian::Little), Value::Unknown);
        assert_eq!(btf.value(TypeId(99), &[0; 8], Endian::Little), Value::Unknown);
    }

    #[test]
    fn bit_fields_are_cut_out() {
        let mut btf = Btf::new();
        let u32_ = btf.int("u32", 4, IntEncoding::UNSIGNED).expect("int");
        let flags = [field("a", u32_, 0, 3), field("b", u32_, 3, 7), field("c", u32_, 10, 22)];
        let flags = btf.strukt("flags", 4, &flags).expect("struct");
        let little = 0b101 | 0x60 << 3 | 0x3f_ffff << 10;
        let expected = |a, b, c| {
            let fields = [("a", a), ("b", b), ("c", c)];
            Value::Struct(fields.map(|(name, bits)| (name.into(), Value::Bits(bits))).to_vec())
        };
        assert_eq!(btf.value(flags, &u32::to_le_bytes(little), Endian::Little), expected(5, 0x60, 0x3f_ffff));
        // On big-endian machines bits count from the high end.
        let big = 0b101 << 29 | 0x60 << 22 | 1;
        assert_eq!(btf.value(flags, &u32::to_be_bytes(big), Endian::Big), expected(5, 0x60, 1));
    }

    #[test]
    fn enums_arrays_and_text() {
        let mut btf = Btf::new();
        let char_ = btf.int("char", 1, IntEncoding::SIGNED).expect("int");
        let u8_ = btf.int("u8", 1, IntEncoding::UNSIGNED).expect("int");
        let values = [EnumValue { name: "NONE", value: -1 }, EnumValue { name: "RED", value: 4 }];
        let color = btf.enum_("color", true, &values).expect("enum");
        assert_eq!(btf.value(color, &4_i32.to_le_bytes(), Endian::Little), Value::Text("RED".into()));
        assert_eq!(btf.value(color, &(-1_i32).to_le_bytes(), Endian::Little), Value::Text("NONE".into()));
        assert_eq!(btf.value(color, &(-2_i32).to_le_bytes(), Endian::Little), Value::Signed(-2));
        let name = btf.array(char_, u8_, 4);
        assert_eq!(btf.value(name, b"eth\0", Endian::Little), Value::Text("eth".into()));
        let letters = b"eth0".iter().map(|&byte| Value::Signed(byte.cast_signed().into())).collect();
        assert_eq!(btf.value(name, b"eth0", Endian::Little), Value::Array(letters));
        let mac = btf.array(u8_, u8_, 3);
        let bytes = [1, 2, 3].map(Value::Unsigned).to_vec();
        assert_eq!(btf.value(mac, &[1, 2, 3], Endian::Little), Value::Array(bytes));
    }

    #[test]
    fn a_section_lists_its_variables() {
        let mut btf = Btf::new();
        let u16_ = btf.int("u16", 2, IntEncoding::UNSIGNED).expect("int");
        let port = btf.var("port", u16_, SymbolLinkage::GLOBAL).expect("var");
        let section = btf.datasec(".data", 4, &[SecVar { type_id: port, offset: 2, size: 2 }]).expect("section");
        let variable = Value::Struct(vec![("port".into(), Value::Unsigned(80))]);
        let expected = Value::Struct(vec![(".data".into(), Value::Array(vec![variable]))]);
        assert_eq!(btf.value(section, &[0, 0, 80, 0], Endian::Little), expected);
    }

    /// Types that name each other twice: each level doubles the fields, and no byte is used up.
    #[test]
    fn few_bytes_never_have_many_values() {
        let mut btf = Btf::new();
        let mut inner = btf.int("u8", 1, IntEncoding::UNSIGNED).expect("int");
        for _ in 0..BTF_DEPTH {
            inner = btf.union_("u", 1, &[field("a", inner, 0, 0), field("b", inner, 0, 0)]).expect("union");
        }
        let _ = btf.value(inner, &[1], Endian::Little);
        let nothing = btf.strukt("nothing", 0, &[]).expect("struct");
        let many = btf.array(nothing, inner, u32::MAX);
        let Value::Array(values) = btf.value(many, &[], Endian::Little) else { panic!("an array") };
        assert!(values.len() <= VALUE_NODES);
        let own = btf.next_id();
        btf.strukt("own", 8, &[field("own", own, 0, 0)]).expect("struct");
        let _ = btf.value(own, &[0; 8], Endian::Little);
    }
}
