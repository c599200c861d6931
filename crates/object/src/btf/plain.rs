//! The types of a BTF for kernels that do not know all of its kinds.

use super::Btf;
use super::kind::{Info, Kind};
use alloc::vec::Vec;

impl Btf {
    /// The same types under the same ids, with names and sizes, in no kinds but those of Linux 5.2: what younger kinds say
    /// beyond that is left out. The strings stay where they are.
    ///
    /// A signed ENUM loses its sign, an ENUM64 its values and becomes a union, a FLOAT becomes a struct, a DECL_TAG an
    /// integer that nothing refers to, a TYPE_TAG a CONST.
    #[must_use]
    pub fn plain(&self) -> Btf {
        let mut plain = Btf { strings: self.strings.clone(), ..Btf::default() };
        for record in self.ids().filter_map(|id| self.record(id)) {
            let start = plain.words.len();
            plain.words.extend(plain_record(record));
            plain.end(start);
        }
        plain
    }
}

/// The words of one type.
fn plain_record(record: &[u32]) -> Vec<u32> {
    let &[name, info, size_or_type, ..] = record else { return record.to_vec() };
    let info = Info(info);
    let head = |kind: Kind| Info::new(kind, 0, false).0;
    match info.kind() {
        Kind::ENUM => {
            let mut plain = record.to_vec();
            if let Some(word) = plain.get_mut(1) {
                *word = Info::new(Kind::ENUM, info.elements(), false).0;
            }
            plain
        }
        Kind::ENUM64 => [name, head(Kind::UNION), size_or_type].to_vec(),
        Kind::FLOAT => [name, head(Kind::STRUCT), size_or_type].to_vec(),
        // One byte: `BTF_INT_BITS` is 8.
        Kind::DECL_TAG => [name, head(Kind::INT), 1, 8].to_vec(),
        Kind::TYPE_TAG => [0, head(Kind::CONST), size_or_type].to_vec(),
        _ => record.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use crate::btf::{Btf, EnumValue, IntEncoding, Kind, Type};
    use crate::kernel::KernelVersion;

    fn of_all_young_kinds() -> Btf {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        let values = [EnumValue { name: "LOW", value: -1 }];
        btf.enum_("color", true, &values).expect("enum");
        btf.enum64("wide", false, &[EnumValue { name: "WIDE", value: 1 << 40 }]).expect("enum64");
        btf.float("double", 8).expect("float");
        let tag = btf.type_tag("user", int).expect("type tag");
        let pair = btf.strukt("pair", 8, &[]).expect("struct");
        btf.decl_tag("a tag: of words", pair, None).expect("declaration tag");
        btf.ptr(tag);
        btf
    }

    #[test]
    fn no_kind_is_younger_than_5_2() {
        let btf = of_all_young_kinds();
        let plain = btf.plain();
        assert_eq!(plain.len(), btf.len());
        for id in plain.ids() {
            let (_, info) = plain.head(id).expect("a type");
            assert!(info.kind().first_kernel() <= Some(KernelVersion::new(5, 2)), "{:?}", plain.get(id));
            assert!(info.kind() != Kind::ENUM || !info.flag());
        }
    }

    #[test]
    fn names_sizes_and_references_stay() {
        let btf = of_all_young_kinds();
        let plain = btf.plain();
        for (id, ty) in btf.iter() {
            if let Ok(size) = btf.size_of(id) {
                assert_eq!(plain.size_of(id), Ok(size), "{ty:?}");
            }
            if !matches!(ty, Type::TypeTag { .. } | Type::DeclTag { .. }) {
                assert_eq!(plain.head(id).map(|(name, _)| name), btf.head(id).map(|(name, _)| name), "{ty:?}");
            }
        }
        assert_eq!(plain.strings.bytes(), btf.strings.bytes());
        assert_eq!(plain.plain(), plain);
    }

    #[test]
    fn what_the_reader_takes_it_takes_again() {
        let plain = of_all_young_kinds().plain();
        for endian in [bpfasm_isa::Endian::Little, bpfasm_isa::Endian::Big] {
            assert_eq!(Btf::parse(&plain.encode(endian)), Ok(plain.clone()));
        }
    }
}
