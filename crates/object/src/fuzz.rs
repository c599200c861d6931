//! Bodies of the fuzz targets: each takes any bytes and panics only if a law is broken.

use crate::btf::ext::Ext;
use crate::btf::{Btf, Type};
use crate::{Object, elf, relocate};
use bpfasm_isa::Endian;

/// Reads an object. One that is accepted can be used in every way, and is the same after another way through a file.
pub fn elf_read(bytes: &[u8]) {
    let Ok(object) = elf::read(bytes) else { return };
    visit(&object.btf);
    if let Ok(btf) = object.kernel_btf() {
        for (index, _) in object.indexed_programs() {
            let _ = relocate::image(&object, &btf, index);
        }
    }
    for map in &object.maps {
        let _ = (map.key.size(&object.btf), map.value.size(&object.btf));
    }
    #[cfg(feature = "write")]
    again(&object);
}

#[cfg(feature = "write")]
fn again(object: &Object) {
    let Ok(bytes) = elf::write(object) else { return };
    let back = elf::read(&bytes).expect("what we write");
    assert_eq!((&back.license, &back.maps, &back.btf), (&object.license, &object.maps, &object.btf));
    for (back, function) in back.functions.iter().zip(&object.functions) {
        assert_eq!((&back.name, &back.section), (&function.name, &function.section));
        assert_eq!((&back.code, &back.relocations), (&function.code, &function.relocations));
    }
    let bytes = elf::write(&back).expect("what was read back");
    assert_eq!(elf::read(&bytes).as_ref(), Ok(&back));
}

/// Parses a BTF. One that is accepted is the same after another encoding.
pub fn btf_parse(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    visit(&btf);
    let has_unknown = btf.iter().any(|(_, found)| matches!(found, Type::Unknown { .. }));
    if !has_unknown {
        for endian in [Endian::Little, Endian::Big] {
            assert_eq!(Btf::parse(&btf.encode(endian)).as_ref(), Ok(&btf));
        }
    }
}

/// Parses a BTF.ext. One that is accepted is the same after another encoding.
pub fn btf_ext(bytes: &[u8]) {
    let Ok(mut ext) = Ext::parse(bytes) else { return };
    ext.functions.retain(|block| !block.records.is_empty());
    ext.lines.retain(|block| !block.records.is_empty());
    ext.core_relocations.retain(|block| !block.records.is_empty());
    for endian in [Endian::Little, Endian::Big] {
        assert_eq!(Ext::parse(&ext.encode(endian)).as_ref(), Ok(&ext));
    }
}

/// Looks at everything in a BTF.
fn visit(btf: &Btf) {
    for (id, found) in btf.iter() {
        let _ = (found.name(), btf.size_of(id), btf.resolve(id), btf.signature(id));
        // Each may have thousands of parts.
        if id.0 < 64 {
            let _ = btf.value(id, &[0xa5; 40], Endian::NATIVE);
            let _ = btf.assign(id, "[1].a", "1", &mut [0; 40], Endian::NATIVE);
        }
        let elements = match found {
            Type::Struct { members, .. } | Type::Union { members, .. } => members.count(),
            Type::Enum { values, .. } | Type::Enum64 { values, .. } => values.count(),
            Type::FuncProto { params, .. } => params.count(),
            Type::Datasec { variables, .. } => variables.count(),
            _ => 0,
        };
        assert!(elements <= 0x00ff_ffff);
    }
}
