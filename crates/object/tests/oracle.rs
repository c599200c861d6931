//! Our reader and the `object` crate's see the same in what we write.

mod generate;

use bpfasm_isa::Endian;
use bpfasm_object::elf::{read, write};
use bpfasm_object::{Datum, Linkage, Object, RelocationTarget};
use object::read::elf::ElfFile64;
use object::{
    Architecture, Object as _, ObjectKind, ObjectSection as _, ObjectSymbol as _, RelocationFlags,
    RelocationTarget as Target, SectionKind, SymbolKind,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn both_readers_agree(object in generate::object()) {
        let bytes = write(&object).expect("a legal object");
        let ours = read(&bytes).expect("what we write");
        let theirs = ElfFile64::<object::Endianness>::parse(bytes.as_slice()).expect("what we write");
        check_file(&ours, &theirs);
        check_symbols(&ours, &theirs);
        check_relocations(&ours, &theirs);
    }
}

type File<'a> = ElfFile64<'a>;

fn check_file(ours: &Object, theirs: &File<'_>) {
    assert_eq!(theirs.architecture(), Architecture::Bpf);
    assert_eq!(theirs.kind(), ObjectKind::Relocatable);
    assert_eq!(theirs.is_little_endian(), ours.endian == Endian::Little);
    let license = theirs.section_by_name("license").map(|section| section.data().expect("data").to_vec());
    let expected: Vec<u8> = ours.license.bytes().chain([0]).collect();
    assert_eq!(license, (!ours.license.is_empty()).then_some(expected));
    let maps = theirs.section_by_name(".maps").map(|section| section.size());
    assert_eq!(maps.is_some(), ours.maps.iter().any(|map| map.data.is_none()));
    for map in ours.maps.iter() {
        let Some(data) = &map.data else { continue };
        let section = theirs.section_by_name(&map.name).expect("a data section");
        assert_eq!(section.data().expect("data"), data);
        assert_eq!(Ok(section.size()), map.value.size(&ours.btf).map(u64::from));
        let kinds = [(".rodata", SectionKind::ReadOnlyData), (".data.more", SectionKind::Data)];
        let kind = kinds.iter().find(|(name, _)| *name == map.name).map(|(_, kind)| *kind);
        assert_eq!(section.kind(), kind.unwrap_or(SectionKind::UninitializedData));
    }
}

fn check_symbols(ours: &Object, theirs: &File<'_>) {
    let symbol = |name: &str| theirs.symbols().find(|symbol| symbol.name() == Ok(name)).expect("a symbol");
    let mut filled: BTreeMap<&str, u64> = BTreeMap::new();
    for function in &ours.functions {
        let found = symbol(&function.name);
        let place = filled.entry(&function.section).or_default();
        let size = u64::try_from(function.code.len()).expect("short") * 8;
        assert_eq!(found.kind(), SymbolKind::Text);
        assert_eq!(found.is_global(), function.linkage == Linkage::Global);
        assert_eq!((found.address(), found.size()), (*place, size));
        let section = theirs.section_by_index(found.section_index().expect("defined")).expect("there");
        assert_eq!(section.name(), Ok(function.section.as_str()));
        *place += size;
    }
    for (name, size) in filled {
        assert_eq!(theirs.section_by_name(name).expect("there").size(), size);
    }
    let mut variables = 0;
    for map in &ours.maps {
        match (&map.data, map.value) {
            (None, _) => {
                let found = symbol(&map.name);
                assert_eq!((found.kind(), found.is_global()), (SymbolKind::Data, true));
                variables += 1;
            }
            (Some(_), Datum::Type(_)) => variables += 1,
            _ => {}
        }
    }
    let named =
        theirs.symbols().filter(|symbol| symbol.name() != Ok("") && symbol.kind() != SymbolKind::Section).count();
    assert_eq!(named, ours.functions.len() + variables + usize::from(!ours.license.is_empty()));
}

/// Relocations as (function, offset in it, type, what it refers to), from both sides.
fn check_relocations(ours: &Object, theirs: &File<'_>) {
    let mut expected = Vec::new();
    for function in &ours.functions {
        for relocation in &function.relocations {
            let is_call = function.code[usize::try_from(relocation.at.0).expect("short")].code == 0x85;
            let target = match relocation.target {
                RelocationTarget::Data { .. } => String::new(),
                RelocationTarget::Map(index) => ours.map(index).expect("there").name.clone(),
                RelocationTarget::Function(index) => match ours.function(index).expect("there") {
                    callee if callee.linkage == Linkage::Global && is_call => callee.name.clone(),
                    _ => String::new(),
                },
                _ => unreachable!("no other targets are generated"),
            };
            let kind = if is_call { 10 } else { 1 };
            expected.push((function.name.clone(), u64::from(relocation.at.0) * 8, kind, target));
        }
    }
    let mut found = Vec::new();
    for section in theirs.sections() {
        for (offset, relocation) in section.relocations() {
            let Target::Symbol(symbol) = relocation.target() else { panic!("a symbol") };
            let RelocationFlags::Elf { r_type } = relocation.flags() else { panic!("ELF") };
            let target = theirs.symbol_by_index(symbol).expect("there");
            let holds = |symbol: &object::read::elf::ElfSymbol64<'_, '_>| {
                symbol.section_index() == Some(section.index())
                    && symbol.kind() == SymbolKind::Text
                    && (symbol.address()..symbol.address() + symbol.size()).contains(&offset)
            };
            let function = theirs.symbols().find(holds).expect("inside a function");
            let name = function.name().expect("a name").to_owned();
            let target = if target.kind() == SymbolKind::Section { "" } else { target.name().expect("a name") };
            found.push((name, offset - function.address(), r_type.0, target.to_owned()));
        }
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}
