//! Values given as text, put into the bytes of a known type.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::{Btf, Elements, EnumValue, Error, IntEncoding, Member, Type, TypeId};
use crate::limits::BTF_DEPTH;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bpfasm_isa::Endian;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Why text is no value of a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssignError {
    /// There is no field of that name.
    #[error("no field `{name}`; there {}", fields(available))]
    NoSuchField {
        /// The name.
        name: String,
        /// The names there are.
        available: Vec<String>,
    },
    /// An index where there is no array, or behind its end.
    #[error("there is no element [{index}]: {what}")]
    NoSuchElement {
        /// The index.
        index: String,
        /// What is there.
        what: String,
    },
    /// A value of several parts, which are to be given one by one.
    #[error("{what} takes no single value; its fields {}", fields(available))]
    SeveralValues {
        /// What it is.
        what: String,
        /// The names of its fields.
        available: Vec<String>,
    },
    /// Text that is not what the type wants.
    #[error("`{text}` is no {wanted}")]
    NotA {
        /// The text.
        text: String,
        /// What is wanted.
        wanted: String,
    },
    /// A type that makes no sense.
    #[error(transparent)]
    Type(#[from] Error),
    /// Fewer bytes than the type has.
    #[error("the type is larger than the value's bytes")]
    TooLarge,
}

fn fields(names: &[String]) -> String {
    if names.is_empty() { "are none".to_owned() } else { format!("are {}", names.join(", ")) }
}

/// A part of a value.
#[derive(Clone, Copy)]
struct Place {
    type_id: TypeId,
    /// Where it starts, bits from the start of the whole.
    bit: u32,
    /// How many bits it has if it is a bit-field, else 0.
    bitfield: u8,
}

impl Btf {
    /// Puts a value given as text into the bytes of a value of type `id`.
    ///
    /// `path` names the part, such as `ports[1].count`; empty, it is the whole. The text is a number (`80`, `0x50`,
    /// `-1`), `true` or `false`, the name of an enum's value, text for an array of characters. Four bytes also take an
    /// IPv4 address, sixteen an IPv6 address and six an Ethernet address, which lie in memory in network order.
    ///
    /// ```
    /// use bpfasm_isa::Endian;
    /// use bpfasm_object::btf::{Btf, IntEncoding};
    ///
    /// let mut btf = Btf::new();
    /// let u32_ = btf.int("u32", 4, IntEncoding::UNSIGNED)?;
    /// let mut bytes = [0; 4];
    /// btf.assign(u32_, "", "0x50", &mut bytes, Endian::Little)?;
    /// assert_eq!(bytes, [0x50, 0, 0, 0]);
    /// btf.assign(u32_, "", "10.0.0.1", &mut bytes, Endian::Little)?;
    /// assert_eq!(bytes, [10, 0, 0, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AssignError`]; the bytes are then as they were.
    pub fn assign(
        &self,
        id: TypeId,
        path: &str,
        text: &str,
        bytes: &mut [u8],
        endian: Endian,
    ) -> Result<(), AssignError> {
        let mut place = Place { type_id: id, bit: 0, bitfield: 0 };
        let mut rest = path;
        while !rest.is_empty() {
            (place, rest) = self.step(place, rest)?;
        }
        self.put(place, text, bytes, endian)
    }

    /// Goes into the first part of a path. Gives the place and what is left of the path.
    fn step<'p>(&self, place: Place, path: &'p str) -> Result<(Place, &'p str), AssignError> {
        if let Some((index, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) {
            return Ok((self.element(place, index)?, rest));
        }
        let path = path.strip_prefix('.').unwrap_or(path);
        let (name, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
        match self.field(place, name, BTF_DEPTH)? {
            Some(place) => Ok((place, rest)),
            None => Err(AssignError::NoSuchField { name: name.to_owned(), available: self.fields_of(place.type_id) }),
        }
    }

    fn element(&self, place: Place, index: &str) -> Result<Place, AssignError> {
        let no = |what: String| AssignError::NoSuchElement { index: index.to_owned(), what };
        let Some(Type::Array { element, length, .. }) = self.get(self.resolve(place.type_id)?) else {
            return Err(no("it is no array".to_owned()));
        };
        let number = index.parse().ok().filter(|number: &u32| *number < length);
        let number = number.ok_or_else(|| no(format!("the array has {length}")))?;
        let offset = self.size_of(element)?.checked_mul(8).and_then(|bits| bits.checked_mul(number));
        let bit = offset.and_then(|offset| place.bit.checked_add(offset)).ok_or(AssignError::TooLarge)?;
        Ok(Place { type_id: element, bit, bitfield: 0 })
    }

    /// The field of that name, also in an anonymous struct or union inside.
    fn field(&self, place: Place, name: &str, depth: usize) -> Result<Option<Place>, AssignError> {
        let Some(depth) = depth.checked_sub(1) else { return Ok(None) };
        for member in self.members_of(place.type_id) {
            let bit = place.bit.checked_add(member.bit_offset).ok_or(AssignError::TooLarge)?;
            let found = Place { type_id: member.type_id, bit, bitfield: member.bitfield_bits };
            if member.name == name {
                return Ok(Some(found));
            }
            if member.name.is_empty()
                && let Some(found) = self.field(found, name, depth)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn members_of(&self, id: TypeId) -> impl Iterator<Item = Member<'_>> {
        let members: Option<Elements<'_, Member<'_>>> = match self.resolve(id).ok().and_then(|id| self.get(id)) {
            Some(Type::Struct { members, .. } | Type::Union { members, .. }) => Some(members),
            _ => None,
        };
        members.into_iter().flatten()
    }

    fn fields_of(&self, id: TypeId) -> Vec<String> {
        let names = self.members_of(id).map(|member| member.name).filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    }

    fn put(&self, place: Place, text: &str, bytes: &mut [u8], endian: Endian) -> Result<(), AssignError> {
        let id = self.resolve(place.type_id)?;
        let found = self.get(id).ok_or(Error::NoSuchType { id })?;
        let octets = if place.bitfield == 0 { self.octets(id, &found, text)? } else { None };
        if let Some(octets) = octets {
            let start = usize::try_from(place.bit / 8).map_err(|_| AssignError::TooLarge)?;
            let room = bytes.get_mut(start..).and_then(|bytes| bytes.get_mut(..octets.len()));
            room.ok_or(AssignError::TooLarge)?.copy_from_slice(&octets);
            return Ok(());
        }
        let not_a = |wanted: &str| AssignError::NotA { text: text.to_owned(), wanted: wanted.to_owned() };
        let (number, bits, signed) = match found {
            Type::Int { bits, encoding, .. } if encoding == IntEncoding::BOOL => {
                let truth = match text {
                    "true" | "1" => 1,
                    "false" | "0" => 0,
                    _ => return Err(not_a("truth value: true or false")),
                };
                (truth, u32::from(bits), false)
            }
            Type::Int { bits, encoding, .. } => {
                let number = number(text).ok_or_else(|| not_a("number"))?;
                (number, u32::from(bits), encoding == IntEncoding::SIGNED)
            }
            Type::Enum { bytes, signed, values, .. } | Type::Enum64 { bytes, signed, values, .. } => {
                let number = named(values, text).or_else(|| number(text));
                (number.ok_or_else(|| not_a(&names(values)))?, bytes.saturating_mul(8), signed)
            }
            Type::Ptr { .. } => (number(text).ok_or_else(|| not_a("number"))?, 64, false),
            _ => {
                let what = format!("a value of type `{}`", found.name());
                return Err(AssignError::SeveralValues { what, available: self.fields_of(id) });
            }
        };
        let bits = if place.bitfield == 0 { bits } else { place.bitfield.into() };
        if !fits(number, bits, signed) {
            return Err(not_a(&format!("{} number of {bits} bits", if signed { "signed" } else { "unsigned" })));
        }
        write_bits(bytes, place.bit, bits, number.cast_unsigned(), endian).ok_or(AssignError::TooLarge)
    }

    /// Text that stands for bytes as they lie in memory: an address, the characters of an array.
    fn octets(&self, id: TypeId, found: &Type<'_>, text: &str) -> Result<Option<Vec<u8>>, AssignError> {
        let size = self.size_of(id)?;
        let chars = match *found {
            Type::Array { element, length, .. } => Some((self.resolve(element)?, length)),
            _ => None,
        };
        if let Some((element, length)) = chars
            && matches!(self.get(element), Some(Type::Int { name: "char", .. }))
        {
            let room = usize::try_from(length).unwrap_or(usize::MAX);
            let mut octets = text.as_bytes().to_vec();
            if octets.len() > room {
                return Err(AssignError::NotA { text: text.to_owned(), wanted: format!("text of {room} bytes") });
            }
            octets.resize(room, 0);
            return Ok(Some(octets));
        }
        Ok(match (size, found) {
            (4, Type::Int { .. } | Type::Array { .. }) => {
                text.parse::<Ipv4Addr>().ok().map(|address| address.octets().to_vec())
            }
            (16, Type::Array { .. } | Type::Struct { .. } | Type::Union { .. }) => {
                text.parse::<Ipv6Addr>().ok().map(|address| address.octets().to_vec())
            }
            (6, Type::Array { .. }) => ethernet(text),
            _ => None,
        })
    }
}

/// Six bytes written as `02:00:00:00:00:01`.
fn ethernet(text: &str) -> Option<Vec<u8>> {
    let octets: Vec<u8> = text.split(':').map(|digits| u8::from_str_radix(digits, 16).ok()).collect::<Option<_>>()?;
    (octets.len() == 6).then_some(octets)
}

/// A number, decimal or with `0x` in front, with or without a sign.
fn number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16),
        None if digits.starts_with(|first: char| first.is_ascii_digit()) => digits.parse(),
        None => return None,
    };
    let number = number.ok().filter(|number| *number >= 0)?;
    if negative { number.checked_neg() } else { Some(number) }
}

fn named(mut values: Elements<'_, EnumValue<'_>>, text: &str) -> Option<i128> {
    values.find(|value| value.name == text).map(|value| value.value.into())
}

/// What an enum takes, where that is not too long to say.
fn names(values: Elements<'_, EnumValue<'_>>) -> String {
    const SHOWN: usize = 20;
    let mut names: Vec<&str> = values.map(|value| value.name).take(SHOWN).collect();
    if names.len() == SHOWN {
        names.push("…");
    }
    format!("value of the enum: {}", names.join(", "))
}

fn fits(number: i128, bits: u32, signed: bool) -> bool {
    let Some(limit) = 1_i128.checked_shl(if signed { bits.saturating_sub(1) } else { bits }) else { return true };
    let least = if signed { limit.checked_neg().unwrap_or(i128::MIN) } else { 0 };
    // Of 127 and 128 bits there are more than an i128 has: then the limit is no limit.
    limit <= 0 || (least..limit).contains(&number)
}

/// Writes a number into so many bits.
fn write_bits(bytes: &mut [u8], start: u32, bits: u32, number: u128, endian: Endian) -> Option<()> {
    let end = usize::try_from(start.checked_add(bits)?.div_ceil(8)).ok()?;
    if end > bytes.len() {
        return None;
    }
    for bit in 0..bits {
        let at = start.checked_add(bit)?;
        let byte = bytes.get_mut(usize::try_from(at / 8).ok()?)?;
        let (from, mask) = match endian {
            Endian::Little => (bit, 1_u8.checked_shl(at % 8)?),
            Endian::Big => (bits.checked_sub(bit)?.checked_sub(1)?, 0x80_u8.checked_shr(at % 8)?),
        };
        match number.checked_shr(from).unwrap_or(0) & 1 {
            0 => *byte &= !mask,
            _ => *byte |= mask,
        }
    }
    Some(())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::panic, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::btf::Value;
    use alloc::string::ToString;
    use proptest::prelude::*;

    struct Fixture {
        btf: Btf,
        stat: TypeId,
    }

    fn fixture() -> Fixture {
        let mut btf = Btf::new();
        let u32_ = btf.int("u32", 4, IntEncoding::UNSIGNED).expect("int");
        let s16 = btf.int("s16", 2, IntEncoding::SIGNED).expect("int");
        let u8_ = btf.int("u8", 1, IntEncoding::UNSIGNED).expect("int");
        let char_ = btf.int("char", 1, IntEncoding::SIGNED).expect("int");
        let bool_ = btf.int("bool", 1, IntEncoding::BOOL).expect("int");
        let values = [EnumValue { name: "RED", value: 4 }, EnumValue { name: "BLUE", value: -1 }];
        let color = btf.enum_("color", true, &values).expect("enum");
        let field = |name, type_id, bit_offset| Member { name, type_id, bit_offset, bitfield_bits: 0 };
        let hidden = btf.strukt("", 4, &[field("a", s16, 0), field("b", s16, 16)]).expect("struct");
        let (ports, mac, name) = (btf.array(s16, u32_, 2), btf.array(u8_, u32_, 6), btf.array(char_, u32_, 4));
        let members = [
            field("src", u32_, 0),
            field("", hidden, 32),
            field("ports", ports, 64),
            field("mac", mac, 96),
            field("name", name, 144),
            field("on", bool_, 176),
            Member { name: "low", type_id: u32_, bit_offset: 184, bitfield_bits: 3 },
            Member { name: "high", type_id: u32_, bit_offset: 187, bitfield_bits: 5 },
            field("color", color, 192),
        ];
        let stat = btf.strukt("stat", 28, &members).expect("struct");
        Fixture { btf, stat }
    }

    #[test]
    fn what_is_put_in_is_read_back() {
        let Fixture { btf, stat } = fixture();
        for endian in [Endian::Little, Endian::Big] {
            let mut bytes = [0; 28];
            let parts = [
                ("src", "10.0.0.1"),
                ("b", "-2"),
                ("ports[1]", "0x7f"),
                ("mac", "02:00:00:00:00:0a"),
                ("name", "eth"),
                ("on", "true"),
                ("low", "5"),
                ("high", "17"),
                ("color", "BLUE"),
            ];
            for (path, text) in parts {
                btf.assign(stat, path, text, &mut bytes, endian).expect(path);
            }
            let Value::Struct(fields) = btf.value(stat, &bytes, endian) else { panic!("a struct") };
            let shown = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            assert_eq!(bytes[..4], [10, 0, 0, 1]);
            assert_eq!(shown("ports"), Some(Value::Array([0, 0x7f].map(Value::Signed).to_vec())));
            assert_eq!(shown("mac"), Some(Value::Array([2, 0, 0, 0, 0, 10].map(Value::Unsigned).to_vec())));
            assert_eq!(shown("name"), Some(Value::Text("eth".into())));
            assert_eq!(shown("on"), Some(Value::Bool(true)));
            assert_eq!((shown("low"), shown("high")), (Some(Value::Bits(5)), Some(Value::Bits(17))));
            assert_eq!(shown("color"), Some(Value::Text("BLUE".into())));
            let inner = [("a", 0), ("b", -2)].map(|(name, number)| (name.into(), Value::Signed(number)));
            assert_eq!(shown(""), Some(Value::Struct(inner.to_vec())));
        }
    }

    #[test]
    fn what_does_not_fit_says_so_and_changes_nothing() {
        let Fixture { btf, stat } = fixture();
        let mut bytes = [0x55; 28];
        let rows = [
            ("sr", "1", "no field `sr`; there are src, ports, mac, name, on, low, high, color"),
            ("src", "4294967296", "`4294967296` is no unsigned number of 32 bits"),
            ("src", "-1", "`-1` is no unsigned number of 32 bits"),
            ("a", "32768", "`32768` is no signed number of 16 bits"),
            ("low", "8", "`8` is no unsigned number of 3 bits"),
            ("on", "2", "`2` is no truth value: true or false"),
            ("color", "GREEN", "`GREEN` is no value of the enum: RED, BLUE"),
            ("name", "ether", "`ether` is no text of 4 bytes"),
            ("ports[2]", "1", "there is no element [2]: the array has 2"),
            ("src[0]", "1", "there is no element [0]: it is no array"),
            ("mac", "1", "a value of type `` takes no single value; its fields are none"),
            ("src", "+-1", "`+-1` is no number"),
        ];
        for (path, text, message) in rows {
            let error = btf.assign(stat, path, text, &mut bytes, Endian::Little).expect_err(path);
            assert_eq!(error.to_string(), message);
        }
        assert_eq!(bytes, [0x55; 28]);
        let short = btf.assign(stat, "color", "RED", &mut bytes[..20], Endian::Little);
        assert_eq!(short, Err(AssignError::TooLarge));
    }

    proptest! {
        /// A number in any bits of any bytes is read back, and no other bit changes.
        #[test]
        fn bits_are_written_where_they_are_read(
            background in any::<[u8; 16]>(), start in 0_u8..64, bits in 1_u8..=32, number: u32, little: bool,
        ) {
            let endian = if little { Endian::Little } else { Endian::Big };
            let mut btf = Btf::new();
            let u32_ = btf.int("u32", 4, IntEncoding::UNSIGNED).expect("int");
            let member = Member { name: "x", type_id: u32_, bit_offset: start.into(), bitfield_bits: bits };
            let holder = btf.strukt("holder", 16, &[member]).expect("struct");
            let number = u128::from(number) & ((1_u128 << bits) - 1);
            let mut bytes = background;
            prop_assert_eq!(btf.assign(holder, "x", &format!("{number}"), &mut bytes, endian), Ok(()));
            let expected = Value::Struct(alloc::vec![("x".into(), Value::Bits(number))]);
            prop_assert_eq!(btf.value(holder, &bytes, endian), expected);
            let changed: u32 = bytes.iter().zip(background).map(|(new, old)| (new ^ old).count_ones()).sum();
            prop_assert!(changed <= u32::from(bits));
        }
    }
}
