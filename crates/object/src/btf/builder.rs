//! Adding types to a BTF.

use super::index::hash_words;
use super::kind::{Info, Kind};
use super::name::{identifier, identifier_or_empty, printable, section};
use super::strings::Strings;
use super::{Btf, EnumValue, Error, IntEncoding, Member, Param, SecVar, SymbolLinkage, Type, TypeId};
use crate::limits::BTF_ELEMENTS;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;

/// Each method adds one type and returns its id. Types that say nothing but what they are (integers, pointers, arrays,
/// structs, prototypes, ...) are stored once: adding an equal one returns the id of the first. FUNC, VAR, DATASEC and
/// DECL_TAG stand for things and are always new.
///
/// A type may name one that is added later, by [`next_id`](Btf::next_id); nothing checks that it is.
impl Btf {
    /// An integer of 1, 2, 4, 8 or 16 bytes.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::BadSize`], [`Error::TooManyStrings`].
    pub fn int(&mut self, name: &str, bytes: u32, encoding: IntEncoding) -> Result<TypeId, Error> {
        printable(name, "INT")?;
        if !matches!(bytes, 1 | 2 | 4 | 8 | 16) {
            return Err(Error::BadSize { role: "INT", name: name.to_owned(), bytes });
        }
        let word = u32::from(encoding.0 & 0xf) << 24 | (bytes * 8);
        self.shared(Kind::INT, name, bytes, &[word])
    }

    /// A pointer to a type, `void` included.
    pub fn ptr(&mut self, to: TypeId) -> TypeId {
        self.unnamed(Kind::PTR, to)
    }

    /// An array of `length` elements. `index` is the type that counts them, an integer.
    pub fn array(&mut self, element: TypeId, index: TypeId, length: u32) -> TypeId {
        let start = self.begin(0, Info::new(Kind::ARRAY, 0, false), 0);
        self.words.extend_from_slice(&[element.0, index.0, length]);
        self.share(start)
    }

    /// A struct; without a name an anonymous one. Its members come in the order of their offsets.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::BadMember`], [`Error::TooManyElements`], [`Error::TooManyStrings`].
    #[doc(alias = "struct")]
    pub fn strukt(&mut self, name: &str, bytes: u32, members: &[Member<'_>]) -> Result<TypeId, Error> {
        let mut last = 0;
        for member in members {
            if member.bit_offset < last {
                return Err(bad_member(name, member));
            }
            last = member.bit_offset;
        }
        self.composite(Kind::STRUCT, name, bytes, members)
    }

    /// A union; without a name an anonymous one.
    ///
    /// # Errors
    /// As [`strukt`](Btf::strukt).
    pub fn union_(&mut self, name: &str, bytes: u32, members: &[Member<'_>]) -> Result<TypeId, Error> {
        self.composite(Kind::UNION, name, bytes, members)
    }

    /// An enum of 4 bytes; without a name an anonymous one.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::BadValue`], [`Error::TooManyElements`], [`Error::TooManyStrings`].
    pub fn enum_(&mut self, name: &str, signed: bool, values: &[EnumValue<'_>]) -> Result<TypeId, Error> {
        identifier_or_empty(name, "ENUM")?;
        let info = Info::new(Kind::ENUM, elements(name, values.len())?, signed);
        self.filled(name, info, 4, |strings, words| {
            for value in values {
                identifier(value.name, "ENUM value")?;
                let word = if signed {
                    i32::try_from(value.value).map(i32::cast_unsigned)
                } else {
                    u32::try_from(value.value)
                };
                let unfit = |_| Error::BadValue { name: value.name.to_owned(), value: value.value };
                words.extend_from_slice(&[strings.intern(value.name)?, word.map_err(unfit)?]);
            }
            Ok(())
        })
    }

    /// An enum of 8 bytes, which needs Linux 6.0; without a name an anonymous one.
    ///
    /// # Errors
    /// As [`enum_`](Btf::enum_), but every value fits.
    pub fn enum64(&mut self, name: &str, signed: bool, values: &[EnumValue<'_>]) -> Result<TypeId, Error> {
        identifier_or_empty(name, "ENUM64")?;
        let info = Info::new(Kind::ENUM64, elements(name, values.len())?, signed);
        self.filled(name, info, 8, |strings, words| {
            for value in values {
                identifier(value.name, "ENUM64 value")?;
                let [a, b, c, d, e, f, g, h] = value.value.to_le_bytes();
                let (low, high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
                words.extend_from_slice(&[strings.intern(value.name)?, low, high]);
            }
            Ok(())
        })
    }

    /// A struct or union known by name alone.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::TooManyStrings`].
    pub fn fwd(&mut self, name: &str, is_union: bool) -> Result<TypeId, Error> {
        identifier(name, "FWD")?;
        self.filled(name, Info::new(Kind::FWD, 0, is_union), 0, |_, _| Ok(()))
    }

    /// Another name of a type.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::TooManyStrings`].
    pub fn typedef(&mut self, name: &str, to: TypeId) -> Result<TypeId, Error> {
        identifier(name, "TYPEDEF")?;
        self.shared(Kind::TYPEDEF, name, to.0, &[])
    }

    /// A type with `volatile`.
    pub fn volatile(&mut self, to: TypeId) -> TypeId {
        self.unnamed(Kind::VOLATILE, to)
    }

    /// A type with `const`.
    pub fn const_(&mut self, to: TypeId) -> TypeId {
        self.unnamed(Kind::CONST, to)
    }

    /// A type with `restrict`.
    pub fn restrict(&mut self, to: TypeId) -> TypeId {
        self.unnamed(Kind::RESTRICT, to)
    }

    /// The type of a function. Only a function that is defined elsewhere may leave its parameters unnamed.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::TooManyElements`], [`Error::TooManyStrings`].
    pub fn func_proto(&mut self, result: TypeId, params: &[Param<'_>]) -> Result<TypeId, Error> {
        let info = Info::new(Kind::FUNC_PROTO, elements("function prototype", params.len())?, false);
        self.filled("", info, result.0, |strings, words| {
            for param in params {
                identifier_or_empty(param.name, "parameter")?;
                words.extend_from_slice(&[strings.intern(param.name)?, param.type_id.0]);
            }
            Ok(())
        })
    }

    /// A function of the type `proto`.
    ///
    /// # Errors
    /// [`Error::BadPrototype`] if `proto` is no prototype, or has a parameter without name and the function is defined
    /// here; [`Error::BadName`], [`Error::TooManyStrings`].
    pub fn func(&mut self, name: &str, proto: TypeId, linkage: SymbolLinkage) -> Result<TypeId, Error> {
        identifier(name, "FUNC")?;
        let fits = match self.get(proto) {
            Some(Type::FuncProto { mut params, .. }) => {
                linkage == SymbolLinkage::EXTERN
                    || params.all(|param| !param.name.is_empty() || param.type_id == TypeId::VOID)
            }
            _ => false,
        };
        if !fits {
            return Err(Error::BadPrototype { name: name.to_owned(), id: proto });
        }
        let name = self.strings.intern(name)?;
        let start = self.begin(name, Info::new(Kind::FUNC, linkage.0, false), proto.0);
        Ok(self.end(start))
    }

    /// A variable.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::TooManyStrings`].
    pub fn var(&mut self, name: &str, to: TypeId, linkage: SymbolLinkage) -> Result<TypeId, Error> {
        identifier(name, "VAR")?;
        let name = self.strings.intern(name)?;
        let start = self.begin(name, Info::new(Kind::VAR, 0, false), to.0);
        self.words.push(linkage.0);
        Ok(self.end(start))
    }

    /// The variables of an ELF section, in the order of their offsets. A size of 0 stands for a section whose layout is
    /// not known yet.
    ///
    /// # Errors
    /// [`Error::BadVariable`] for one that reaches out of the section or lies before the one above it;
    /// [`Error::BadName`], [`Error::TooManyElements`], [`Error::TooManyStrings`].
    pub fn datasec(&mut self, name: &str, bytes: u32, variables: &[SecVar]) -> Result<TypeId, Error> {
        section(name, "DATASEC")?;
        let mut free = 0;
        for &SecVar { type_id, offset, size } in variables {
            let end = offset.checked_add(size).filter(|&end| offset >= free && end <= bytes);
            match end {
                Some(end) => free = end,
                None if bytes == 0 => {}
                None => return Err(Error::BadVariable { section: name.to_owned(), type_id, offset }),
            }
        }
        let elements = elements(name, variables.len())?;
        let name = self.strings.intern(name)?;
        let start = self.begin(name, Info::new(Kind::DATASEC, elements, false), bytes);
        self.words.extend(variables.iter().flat_map(|v| [v.type_id.0, v.offset, v.size]));
        Ok(self.end(start))
    }

    /// A floating point number of 2, 4, 8, 12 or 16 bytes, which needs Linux 5.13.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::BadSize`], [`Error::TooManyStrings`].
    pub fn float(&mut self, name: &str, bytes: u32) -> Result<TypeId, Error> {
        printable(name, "FLOAT")?;
        if !matches!(bytes, 2 | 4 | 8 | 12 | 16) {
            return Err(Error::BadSize { role: "FLOAT", name: name.to_owned(), bytes });
        }
        self.shared(Kind::FLOAT, name, bytes, &[])
    }

    /// A tag on a type, or on its member or parameter of number `component`. Needs Linux 5.16.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::TooManyStrings`].
    pub fn decl_tag(&mut self, text: &str, to: TypeId, component: Option<u32>) -> Result<TypeId, Error> {
        printable(text, "DECL_TAG")?;
        let text = self.strings.intern(text)?;
        let start = self.begin(text, Info::new(Kind::DECL_TAG, 0, false), to.0);
        self.words.push(component.unwrap_or(u32::MAX));
        Ok(self.end(start))
    }

    /// A tag on a pointee. Needs Linux 5.17.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::TooManyStrings`].
    pub fn type_tag(&mut self, text: &str, to: TypeId) -> Result<TypeId, Error> {
        printable(text, "TYPE_TAG")?;
        self.shared(Kind::TYPE_TAG, text, to.0, &[])
    }

    /// Says where the variables of a DATASEC lie and how large it is. Clang leaves that to the loader.
    pub(crate) fn lay_out_datasec(&mut self, id: TypeId, bytes: u32, variables: &[SecVar]) {
        let Some((_, info)) = self.head(id) else { return };
        if info.kind() != Kind::DATASEC || usize::try_from(info.elements()) != Ok(variables.len()) {
            return;
        }
        let number = id.0.checked_sub(1).and_then(|number| usize::try_from(number).ok());
        let start = number.and_then(|number| self.starts.get(number)).and_then(|&start| usize::try_from(start).ok());
        let Some(record) = start.and_then(|start| self.words.get_mut(start..)) else { return };
        let laid_out = variables.iter().flat_map(|v| [v.type_id.0, v.offset, v.size]);
        for (word, value) in record.iter_mut().skip(2).zip(core::iter::once(bytes).chain(laid_out)) {
            *word = value;
        }
    }

    fn composite(&mut self, kind: Kind, name: &str, bytes: u32, members: &[Member<'_>]) -> Result<TypeId, Error> {
        identifier_or_empty(name, if kind == Kind::STRUCT { "STRUCT" } else { "UNION" })?;
        let bitfields = members.iter().any(|member| member.bitfield_bits != 0);
        let info = Info::new(kind, elements(name, members.len())?, bitfields);
        self.filled(name, info, bytes, |strings, words| {
            for member in members {
                identifier_or_empty(member.name, "member")?;
                let bits = u64::from(member.bit_offset) + u64::from(member.bitfield_bits);
                if bits > u64::from(bytes) * 8 || (bitfields && member.bit_offset >> 24 != 0) {
                    return Err(bad_member(name, member));
                }
                let offset = u32::from(member.bitfield_bits) << 24 | member.bit_offset;
                words.extend_from_slice(&[strings.intern(member.name)?, member.type_id.0, offset]);
            }
            Ok(())
        })
    }

    fn unnamed(&mut self, kind: Kind, to: TypeId) -> TypeId {
        let start = self.begin(0, Info::new(kind, 0, false), to.0);
        self.share(start)
    }

    fn shared(&mut self, kind: Kind, name: &str, size_or_type: u32, rest: &[u32]) -> Result<TypeId, Error> {
        self.filled(name, Info::new(kind, 0, false), size_or_type, |_, words| {
            words.extend_from_slice(rest);
            Ok(())
        })
    }

    /// Adds a record whose elements `fill` writes, or leaves everything but the string table as it was.
    fn filled(
        &mut self,
        name: &str,
        info: Info,
        size_or_type: u32,
        fill: impl FnOnce(&mut Strings, &mut Vec<u32>) -> Result<(), Error>,
    ) -> Result<TypeId, Error> {
        let name = self.strings.intern(name)?;
        let start = self.begin(name, info, size_or_type);
        match fill(&mut self.strings, &mut self.words) {
            Ok(()) => Ok(self.share(start)),
            Err(error) => {
                self.words.truncate(start);
                Err(error)
            }
        }
    }

    fn begin(&mut self, name: u32, info: Info, size_or_type: u32) -> usize {
        let start = self.words.len();
        self.words.extend_from_slice(&[name, info.0, size_or_type]);
        start
    }

    /// Makes a type of the words from `start`.
    pub(super) fn end(&mut self, start: usize) -> TypeId {
        let id = self.next_id();
        self.starts.push(u32::try_from(start).unwrap_or(u32::MAX));
        id
    }

    /// Makes a type of the words from `start` unless there is an equal one.
    fn share(&mut self, start: usize) -> TypeId {
        while self.indexed < self.starts.len() {
            let number = self.indexed;
            self.indexed += 1;
            if let Ok(number) = u32::try_from(number)
                && let Some(record) = self.record_before(number, start)
            {
                self.index.insert(hash_words(record), number);
            }
        }
        let record = self.words.get(start..).unwrap_or_default();
        let hash = hash_words(record);
        let found = self.index.find(hash, |number| self.record_before(number, start) == Some(record));
        match found {
            Some(number) => {
                self.words.truncate(start);
                TypeId(number + 1)
            }
            None => self.end(start),
        }
    }

    /// The words of type `number` + 1, while those from `end` are not a type yet.
    fn record_before(&self, number: u32, end: usize) -> Option<&[u32]> {
        let number = usize::try_from(number).ok()?;
        let start = usize::try_from(*self.starts.get(number)?).ok()?;
        let end = self.starts.get(number + 1).and_then(|&next| usize::try_from(next).ok()).unwrap_or(end);
        self.words.get(start..end)
    }
}

fn elements(name: &str, count: usize) -> Result<u32, Error> {
    let too_many = || Error::TooManyElements { name: name.to_owned(), count, limit: BTF_ELEMENTS };
    u32::try_from(count).ok().filter(|_| count <= BTF_ELEMENTS).ok_or_else(too_many)
}

fn bad_member(name: &str, member: &Member<'_>) -> Error {
    Error::BadMember { name: name.to_owned(), member: member.name.to_owned(), bit_offset: member.bit_offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_int_keeps_how_it_is_meant() {
        let mut btf = Btf::new();
        for encoding in [IntEncoding::UNSIGNED, IntEncoding::SIGNED, IntEncoding::CHAR, IntEncoding::BOOL] {
            let id = btf.int("int", 2, encoding).expect("int");
            let expected = Type::Int { name: "int", bytes: 2, encoding, bit_offset: 0, bits: 16 };
            assert_eq!(btf.get(id), Some(expected));
        }
    }

    #[test]
    fn equal_types_are_stored_once_and_functions_are_not() {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        assert_eq!(btf.int("int", 4, IntEncoding::SIGNED), Ok(int));
        assert_ne!(btf.int("int", 4, IntEncoding::UNSIGNED), Ok(int));
        let pointer = btf.ptr(int);
        let array = btf.array(int, int, 3);
        let proto = btf.func_proto(int, &[Param { name: "ctx", type_id: pointer }]).expect("proto");
        let function = btf.func("f", proto, SymbolLinkage::GLOBAL).expect("func");
        assert_eq!(btf.ptr(int), pointer);
        assert_eq!(btf.array(int, int, 3), array);
        assert_ne!(btf.array(int, int, 4), array);
        assert_eq!(btf.func_proto(int, &[Param { name: "ctx", type_id: pointer }]), Ok(proto));
        assert_ne!(btf.func("f", proto, SymbolLinkage::GLOBAL), Ok(function));
        assert_eq!(btf.find(Kind::FUNC, "f"), Some(function));
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error_and_leaves_no_trace() {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        let before = btf.clone();
        let member = |name, bit_offset| Member { name, type_id: int, bit_offset, bitfield_bits: 0 };
        assert!(matches!(btf.strukt("a.b", 4, &[]), Err(Error::BadName { .. })));
        assert!(matches!(btf.strukt("s", 4, &[member("0", 0)]), Err(Error::BadName { .. })));
        assert!(matches!(btf.strukt("s", 8, &[member("a", 32), member("b", 0)]), Err(Error::BadMember { .. })));
        assert!(matches!(btf.strukt("s", 4, &[member("a", 64)]), Err(Error::BadMember { .. })));
        assert!(matches!(btf.int("int", 3, IntEncoding::SIGNED), Err(Error::BadSize { bytes: 3, .. })));
        let value = EnumValue { name: "A", value: 1 << 40 };
        assert!(matches!(btf.enum_("e", false, &[value]), Err(Error::BadValue { .. })));
        assert!(matches!(btf.func("f", int, SymbolLinkage::GLOBAL), Err(Error::BadPrototype { .. })));
        let out = SecVar { type_id: int, offset: 4, size: 4 };
        assert!(matches!(btf.datasec(".maps", 4, &[out]), Err(Error::BadVariable { offset: 4, .. })));
        assert_eq!(btf, before);
        let proto = btf.func_proto(int, &[Param { name: "", type_id: int }]).expect("proto");
        assert!(matches!(btf.func("f", proto, SymbolLinkage::GLOBAL), Err(Error::BadPrototype { .. })));
        assert!(btf.func("f", proto, SymbolLinkage::EXTERN).is_ok());
    }

    #[test]
    fn a_datasec_can_be_laid_out_later() {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        let var = btf.var("X", int, SymbolLinkage::GLOBAL).expect("var");
        let open = btf.datasec(".data", 0, &[SecVar { type_id: var, offset: 0, size: 4 }]).expect("datasec");
        let after = btf.ptr(int);
        btf.lay_out_datasec(open, 8, &[SecVar { type_id: var, offset: 4, size: 4 }]);
        let Some(Type::Datasec { bytes, variables, .. }) = btf.get(open) else { panic!("a datasec") };
        assert_eq!(bytes, 8);
        assert!(variables.eq([SecVar { type_id: var, offset: 4, size: 4 }]));
        assert_eq!(btf.get(after), Some(Type::Ptr { to: int }));
    }
}
