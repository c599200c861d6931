//! The BTF that says what lies in the sections `license`, `.maps`, `.rodata`, `.data` and `.bss`.
//!
//! A map is a global VAR of an anonymous struct whose members say everything by their types: a number is a pointer to
//! an array of that many elements, a key or value a pointer to its type. That is what libbpf's `__uint` and `__type` make.
//!
//! # References
//! libbpf, `src/bpf_helpers.h` and `parse_btf_map_def` in `src/libbpf.c`.

use crate::btf::{Btf, Error, IntEncoding, Kind, Member, SecVar, SymbolLinkage, Type, TypeId};
use crate::kernel::MapType;
use crate::limits::MAP_MEMBERS;
use crate::model::{Datum, MapDef, Object};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// The section of the licence, and its DATASEC.
pub(crate) const LICENSE: &str = "license";

/// The section of the maps, and its DATASEC.
pub(crate) const MAPS: &str = ".maps";

/// The variable that holds the licence.
const LICENSE_VARIABLE: &str = "_license";

/// Bytes of each member of a map's struct, a pointer.
const MEMBER_BYTES: u32 = 8;

impl Object {
    /// Adds to the BTF what loaders want to find there about licence and maps: a VAR for the licence and for each map,
    /// whose ids are put into [`MapDef::type_id`], and the DATASECs `license` and `.maps`.
    ///
    /// Maps that stand for data sections have DATASECs of their own.
    ///
    /// To be called once, when the licence and all maps are there. A section that has its DATASEC already, as in an
    /// object that was read, is left alone.
    ///
    /// # Errors
    /// [`Error::BadName`] for a map whose name is no C identifier; [`Error::TooManyElements`],
    /// [`Error::TooManyStrings`].
    pub fn add_datasecs(&mut self) -> Result<(), Error> {
        if !self.license.is_empty() && self.btf.find(Kind::DATASEC, LICENSE).is_none() {
            add_license(&mut self.btf, &self.license)?;
        }
        if self.maps.iter().any(|map| map.data.is_none()) && self.btf.find(Kind::DATASEC, MAPS).is_none() {
            add_maps(&mut self.btf, &mut self.maps)?;
        }
        Ok(())
    }
}

/// Bytes of the licence in its section, with the final NUL.
pub(crate) fn license_bytes(license: &str) -> u32 {
    u32::try_from(license.len()).map_or(u32::MAX, |bytes| bytes.saturating_add(1))
}

fn add_license(btf: &mut Btf, license: &str) -> Result<(), Error> {
    let character = btf.int("char", 1, IntEncoding::SIGNED)?;
    let index = index_type(btf)?;
    let size = license_bytes(license);
    let text = btf.array(character, index, size);
    let type_id = btf.var(LICENSE_VARIABLE, text, SymbolLinkage::GLOBAL)?;
    btf.datasec(LICENSE, size, &[SecVar { type_id, offset: 0, size }])?;
    Ok(())
}

fn add_maps(btf: &mut Btf, maps: &mut [MapDef]) -> Result<(), Error> {
    let mut variables = Vec::with_capacity(maps.len());
    let mut offset: u32 = 0;
    for map in maps.iter_mut().filter(|map| map.data.is_none()) {
        let definition = map_struct(btf, map)?;
        let type_id = btf.var(&map.name, definition, SymbolLinkage::GLOBAL)?;
        map.type_id = Some(type_id);
        let size = btf.size_of(definition)?;
        variables.push(SecVar { type_id, offset, size });
        offset = offset.saturating_add(size);
    }
    btf.datasec(MAPS, offset, &variables)?;
    Ok(())
}

/// A sort of data section: those of its name, and of its name with a dot and more behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataSection {
    /// Nothing writes it.
    ReadOnly,
    /// Programs and user space write it.
    Data,
    /// The same, and it starts with zeros, so that a file need not have its bytes.
    Zeroed,
}

impl DataSection {
    /// What a section's name says.
    pub(crate) fn from_name(name: &str) -> Option<DataSection> {
        let sorts = [(".rodata", DataSection::ReadOnly), (".data", DataSection::Data), (".bss", DataSection::Zeroed)];
        let is_of =
            |prefix| name.strip_prefix(prefix).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('.'));
        sorts.into_iter().find(|(prefix, _)| is_of(*prefix)).map(|(_, sort)| sort)
    }
}

/// `BPF_F_RDONLY_PROG` of `include/uapi/linux/bpf.h`: programs only read the map.
const RDONLY_PROG: u32 = 1 << 7;

/// Bytes of an array's key.
const KEY_BYTES: u32 = 4;

impl MapDef {
    /// The map that stands for a data section: an array whose one value is the section.
    ///
    /// `name` is the section's: `.rodata`, which programs only read, `.data`, `.bss`, or one of these with a dot and more behind it.
    /// `data` are its bytes, none for `.bss`. The types of its variables are those of the DATASEC of its name, where `btf` has it.
    ///
    /// # Errors
    /// [`SectionError`] where there is no such section, or it has another size than its DATASEC.
    pub fn section(btf: &Btf, name: &str, bytes: u32, data: Vec<u8>) -> Result<MapDef, SectionError> {
        let sort = DataSection::from_name(name).ok_or(SectionError::Name)?;
        let has_data =
            if sort == DataSection::Zeroed { data.is_empty() } else { u32::try_from(data.len()) == Ok(bytes) };
        let value = match btf.find(Kind::DATASEC, name) {
            Some(id) if has_data && bytes != 0 && btf.size_of(id) == Ok(bytes) => Datum::Type(id),
            None if has_data && bytes != 0 => Datum::Bytes(bytes),
            _ => return Err(SectionError::Size),
        };
        Ok(MapDef {
            name: name.to_owned(),
            map_type: MapType::ARRAY,
            key: Datum::Bytes(KEY_BYTES),
            value,
            max_entries: 1,
            flags: if sort == DataSection::ReadOnly { RDONLY_PROG } else { 0 },
            type_id: None,
            data: Some(data),
        })
    }

    /// Whether it stands for a data section that programs only read.
    #[must_use]
    pub fn is_read_only_section(&self) -> bool {
        self.data.is_some() && self.flags & RDONLY_PROG != 0
    }
}

/// Why no map can stand for a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectionError {
    /// Its name is none of a data section.
    #[error("a data section is `.rodata`, `.data` or `.bss`, or one of these with a dot and more behind it")]
    Name,
    /// There are other bytes than its size or its DATASEC say.
    #[error("a data section has the size that its BTF DATASEC says, which is not 0, and bytes unless it is `.bss`")]
    Size,
}

/// The anonymous struct that describes a map.
fn map_struct(btf: &mut Btf, map: &MapDef) -> Result<TypeId, Error> {
    let (int, index) = (btf.int("int", 4, IntEncoding::SIGNED)?, index_type(btf)?);
    let mut members: Vec<Member<'static>> = Vec::with_capacity(5);
    let mut add = |name, type_id| {
        let bit_offset = u32::try_from(members.len()).unwrap_or(u32::MAX).saturating_mul(MEMBER_BYTES * 8);
        members.push(Member { name, type_id, bit_offset, bitfield_bits: 0 });
    };
    let number = |btf: &mut Btf, number| {
        let array = btf.array(int, index, number);
        btf.ptr(array)
    };
    add("type", number(btf, map.map_type.0));
    for (datum, type_member, size_member) in [(map.key, "key", "key_size"), (map.value, "value", "value_size")] {
        match datum {
            Datum::Absent => {}
            Datum::Bytes(bytes) => add(size_member, number(btf, bytes)),
            Datum::Type(id) => add(type_member, btf.ptr(id)),
        }
    }
    if map.max_entries != 0 {
        add("max_entries", number(btf, map.max_entries));
    }
    if map.flags != 0 {
        add("map_flags", number(btf, map.flags));
    }
    let bytes = u32::try_from(members.len()).unwrap_or(u32::MAX).saturating_mul(MEMBER_BYTES);
    btf.strukt("", bytes, &members)
}

/// A VAR of `.maps` that does not describe a map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// It is no VAR of a struct, or the struct has more members than a map has properties.
    #[error("type id {id} does not describe a map")]
    NotAMap {
        /// The VAR's type id.
        id: TypeId,
    },
    /// There is no member `type`.
    #[error("map {map:?} has no type")]
    Untyped {
        /// The map's name.
        map: String,
    },
    /// A member that is not known here.
    #[error("map {map:?}: {member:?} is not supported")]
    UnknownMember {
        /// The map's name.
        map: String,
        /// The member's name.
        member: String,
    },
    /// A member whose type says nothing: a number is a pointer to an array, a type a pointer to it.
    #[error("map {map:?}: {member:?} has the wrong type")]
    BadMember {
        /// The map's name.
        map: String,
        /// The member's name.
        member: String,
    },
}

/// The map that a VAR of `.maps` describes.
pub(crate) fn map_from_btf(btf: &Btf, id: TypeId) -> Result<MapDef, MapError> {
    let not_a_map = MapError::NotAMap { id };
    let Some(Type::Var { name, to, .. }) = btf.get(id) else { return Err(not_a_map) };
    let definition = btf.resolve(to).ok().and_then(|id| btf.get(id));
    let Some(Type::Struct { members, .. }) = definition else { return Err(not_a_map) };
    if members.count() > MAP_MEMBERS {
        return Err(not_a_map);
    }
    let (map_type, absent) = (MapType::UNSPEC, Datum::Absent);
    let name = name.to_owned();
    let mut map =
        MapDef { name, map_type, key: absent, value: absent, max_entries: 0, flags: 0, type_id: Some(id), data: None };
    let mut is_typed = false;
    for member in members {
        let bad = || MapError::BadMember { map: map.name.clone(), member: member.name.to_owned() };
        let pointee = pointee(btf, member.type_id).ok_or_else(bad)?;
        let number = || match btf.get(pointee) {
            Some(Type::Array { length, .. }) => Ok(length),
            _ => Err(bad()),
        };
        match member.name {
            "type" => (map.map_type, is_typed) = (MapType(number()?), true),
            "max_entries" => map.max_entries = number()?,
            "map_flags" => map.flags = number()?,
            "key" => map.key = Datum::Type(pointee),
            "value" => map.value = Datum::Type(pointee),
            "key_size" => map.key = map.key.or(Datum::Bytes(number()?)),
            "value_size" => map.value = map.value.or(Datum::Bytes(number()?)),
            member => return Err(MapError::UnknownMember { map: map.name, member: member.to_owned() }),
        }
    }
    if is_typed { Ok(map) } else { Err(MapError::Untyped { map: map.name }) }
}

impl Datum {
    /// A type says more than a size.
    fn or(self, other: Datum) -> Datum {
        if self == Datum::Absent { other } else { self }
    }
}

fn pointee(btf: &Btf, id: TypeId) -> Option<TypeId> {
    match btf.get(btf.resolve(id).ok()?)? {
        Type::Ptr { to } => Some(to),
        _ => None,
    }
}

/// The type that counts array elements, named as clang names it.
fn index_type(btf: &mut Btf) -> Result<TypeId, Error> {
    btf.int("__ARRAY_SIZE_TYPE__", 4, IntEncoding::UNSIGNED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::Type;
    use crate::kernel::MapType;
    use alloc::string::ToString;
    use alloc::vec;
    use bpfasm_isa::Endian;

    #[test]
    fn a_map_is_a_struct_of_pointers() {
        let mut object = Object::new(Endian::Little);
        object.license = "GPL".to_string();
        let key = object.btf.int("u32", 4, IntEncoding::UNSIGNED).expect("int");
        let counts = MapDef {
            name: "COUNTS".to_string(),
            map_type: MapType::HASH,
            key: Datum::Type(key),
            value: Datum::Bytes(16),
            max_entries: 1024,
            flags: 1,
            type_id: None,
            data: None,
        };
        let events = MapDef {
            name: "EVENTS".to_string(),
            map_type: MapType::RINGBUF,
            key: Datum::Absent,
            value: Datum::Absent,
            max_entries: 4096,
            flags: 0,
            type_id: None,
            data: None,
        };
        object.maps = vec![counts, events];
        object.add_datasecs().expect("legal names");
        let types = object.btf.len();
        object.add_datasecs().expect("nothing to do");
        assert_eq!(object.btf.len(), types, "a second call adds nothing");

        let section = object.btf.find(Kind::DATASEC, ".maps").expect("added");
        let Some(Type::Datasec { bytes, variables, .. }) = object.btf.get(section) else { panic!("a datasec") };
        assert_eq!(bytes, 40 + 16);
        let offsets: Vec<_> = variables.map(|v| (Some(v.type_id), v.offset, v.size)).collect();
        assert_eq!(offsets, [(object.maps[0].type_id, 0, 40), (object.maps[1].type_id, 40, 16)]);

        for map in &object.maps {
            assert_eq!(map_from_btf(&object.btf, map.type_id.expect("set")).as_ref(), Ok(map));
        }

        let counts = object.maps[0].type_id.and_then(|id| object.btf.get(id));
        let Some(Type::Var { name: "COUNTS", to, linkage: SymbolLinkage::GLOBAL }) = counts else {
            panic!("a global variable")
        };
        let Some(Type::Struct { name: "", bytes: 40, members }) = object.btf.get(to) else { panic!("a struct") };
        let names: Vec<_> = members.map(|member| (member.name, member.bit_offset)).collect();
        assert_eq!(names, [("type", 0), ("key", 64), ("value_size", 128), ("max_entries", 192), ("map_flags", 256)]);
    }

    #[test]
    fn what_does_not_describe_a_map_is_named() {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        let mut map = |member: &str, type_id| {
            let members = [Member { name: member, type_id, bit_offset: 0, bitfield_bits: 0 }];
            let definition = btf.strukt("", 8, &members).expect("struct");
            let id = btf.var("M", definition, SymbolLinkage::GLOBAL).expect("var");
            map_from_btf(&btf, id)
        };
        let (name, pinning) = ("M".to_string(), "pinning".to_string());
        assert_eq!(map("type", int), Err(MapError::BadMember { map: name.clone(), member: "type".to_string() }));
        let pointer = TypeId(4);
        assert_eq!(
            map("value", pointer).map(|_| ()),
            Err(MapError::BadMember { map: name, member: "value".to_string() })
        );
        assert_eq!(map_from_btf(&btf, int), Err(MapError::NotAMap { id: int }));
        let pointer = btf.ptr(int);
        let members = [Member { name: "pinning", type_id: pointer, bit_offset: 0, bitfield_bits: 0 }];
        let definition = btf.strukt("", 8, &members).expect("struct");
        let id = btf.var("M", definition, SymbolLinkage::GLOBAL).expect("var");
        let unknown = MapError::UnknownMember { map: "M".to_string(), member: pinning };
        assert_eq!(map_from_btf(&btf, id), Err(unknown));
    }

    #[test]
    fn the_licence_counts_its_nul() {
        let mut object = Object::new(Endian::Little);
        object.license = "GPL".to_string();
        object.add_datasecs().expect("legal");
        let section = object.btf.find(Kind::DATASEC, "license").expect("added");
        assert_eq!(object.btf.size_of(section), Ok(4));
        assert_eq!(object.btf.find(Kind::DATASEC, ".maps"), None);
    }

    #[test]
    fn a_data_section_is_an_array_of_one_value() {
        let mut btf = Btf::new();
        let untyped = MapDef::section(&btf, ".rodata.cst4", 4, vec![1, 2, 3, 4]).expect("a data section");
        assert_eq!((untyped.map_type, untyped.key, untyped.value), (MapType::ARRAY, Datum::Bytes(4), Datum::Bytes(4)));
        assert_eq!((untyped.max_entries, untyped.is_read_only_section()), (1, true));
        let int = btf.int("u32", 4, IntEncoding::UNSIGNED).expect("int");
        let variable = btf.var("SEEN", int, SymbolLinkage::STATIC).expect("var");
        let bss = btf.datasec(".bss", 4, &[SecVar { type_id: variable, offset: 0, size: 4 }]).expect("datasec");
        let map = MapDef::section(&btf, ".bss", 4, vec![]).expect("a data section");
        assert_eq!((map.value, map.flags, map.is_read_only_section()), (Datum::Type(bss), 0, false));
        for (name, bytes, data) in
            [(".bss", 8, vec![]), (".bss", 4, vec![0; 4]), (".data", 4, vec![0; 3]), (".data", 0, vec![])]
        {
            assert_eq!(MapDef::section(&btf, name, bytes, data), Err(SectionError::Size), "{name} {bytes}");
        }
        for name in ["data", ".database", ".text", ".maps", ""] {
            assert_eq!(MapDef::section(&btf, name, 4, vec![0; 4]), Err(SectionError::Name), "{name}");
        }
    }
}
