//! What loaders would refuse, or take without its types and lines, is not written.

#[path = "../examples/count_packets.rs"]
#[expect(dead_code, reason = "an example has a `main`")]
mod count_packets;

use bpfasm_isa::{Endian, Slot, SlotIx};
use bpfasm_object::elf::{WriteError, write};
use bpfasm_object::{Datum, FunctionIx, Linkage, MapDef, MapIx, Object, RelocationTarget, TypeId};

fn refused(change: impl FnOnce(&mut Object)) -> WriteError {
    let mut object = count_packets::count_packets(Endian::Little).expect("a legal object");
    change(&mut object);
    write(&object).expect_err("one rule is broken")
}

#[test]
fn references_must_lead_somewhere() {
    let (function, at) = ("count".to_owned(), SlotIx(8));
    let target = RelocationTarget::Function(FunctionIx(9));
    let error = refused(|object| object.functions[0].relocations[1].target = target);
    assert_eq!(error, WriteError::NoTarget { function: function.clone(), at, target });
    let target = RelocationTarget::Map(MapIx(3));
    let error = refused(|object| object.functions[0].relocations[0].target = target);
    assert_eq!(error, WriteError::NoTarget { function: function.clone(), at: SlotIx(3), target });
    let error = refused(|object| object.functions[0].relocations[1].target = RelocationTarget::Function(FunctionIx(0)));
    assert_eq!(error, WriteError::CallOfProgram { function: function.clone(), at, callee: "count".to_owned() });
    let error = refused(|object| {
        object.functions[0].relocations.remove(1);
    });
    assert_eq!(error, WriteError::CallWithoutTarget { function, at });
}

#[test]
fn functions_must_be_what_loaders_look_for() {
    let function = || "count".to_owned();
    let error = refused(|object| object.functions[0].linkage = Linkage::Static);
    assert_eq!(error, WriteError::StaticProgram { function: function() });
    for section in ["", ".maps", ".data", "license", "maps", "a\0b"] {
        let error = refused(|object| object.functions[0].section = section.to_owned());
        assert_eq!(error, WriteError::BadSection { function: function(), section: section.to_owned() });
    }
    for name in ["", "bump", "COUNTS", "a\0b"] {
        let error = refused(|object| object.functions[2].name = name.to_owned());
        assert_eq!(error, WriteError::BadName { name: name.to_owned() });
    }
    let error = refused(|object| object.functions[0].code = vec![]);
    assert!(matches!(error, WriteError::Malformed(_)));
}

#[test]
fn debug_info_must_be_whole() {
    let function = || "count".to_owned();
    let error = refused(|object| object.functions[0].type_id = None);
    assert_eq!(error, WriteError::PartialDebugInfo { function: function() });
    let error = refused(|object| drop(object.functions[0].lines.remove(0)));
    assert_eq!(error, WriteError::PartialDebugInfo { function: function() });
    for wrong in [TypeId(1), TypeId(12), TypeId(999)] {
        let error = refused(|object| object.functions[0].type_id = Some(wrong));
        assert_eq!(error, WriteError::WrongType { function: function(), type_id: wrong });
    }
}

#[test]
fn maps_and_licence_must_agree_with_their_btf() {
    let map = || "COUNTS".to_owned();
    let error = refused(|object| object.maps[0].max_entries = 2);
    assert_eq!(error, WriteError::MapDiffers { map: map() });
    let error = refused(|object| object.maps[0].type_id = None);
    assert_eq!(error, WriteError::MapDiffers { map: map() });
    let error = refused(|object| object.maps.truncate(2));
    assert_eq!(error, WriteError::MapDiffers { map: "SOCKETS".to_owned() });
    let error = refused(|object| {
        let mut late = object.maps[0].clone();
        late.name = "LATE".to_owned();
        object.maps.push(late);
    });
    assert_eq!(error, WriteError::MapDiffers { map: "LATE".to_owned() });
    for license in ["MI", "GPL\0", "G\0L", "Dual MIT/GPL"] {
        let error = refused(|object| object.license = license.to_owned());
        assert_eq!(error, WriteError::BadLicense { license: license.to_owned() });
    }
}

#[test]
fn data_sections_must_be_what_a_file_can_hold() {
    let data = || ".data".to_owned();
    let section = |object: &Object| MapDef::section(&object.btf, ".data", 4, vec![1; 4]).expect("a data section");
    type Change = fn(&mut MapDef);
    let changes: [Change; 4] = [
        |map| map.data = Some(vec![1; 5]),
        |map| map.max_entries = 2,
        |map| map.flags = 1,
        |map| map.value = Datum::Bytes(u32::MAX),
    ];
    for change in changes {
        let error = refused(|object| {
            let mut map = section(object);
            change(&mut map);
            object.maps.push(map);
        });
        assert_eq!(error, WriteError::SectionDiffers { map: data() });
    }
    let error = refused(|object| {
        let late = object.maps.remove(0);
        object.maps.insert(0, section(object));
        object.maps.insert(1, late);
    });
    assert_eq!(error, WriteError::MapDiffers { map: "COUNTS".to_owned() });
}

/// An emitter may leave in the slots what it likes where a relocation is.
#[test]
fn relocated_fields_are_overwritten() {
    let mut object = count_packets::count_packets(Endian::Little).expect("a legal object");
    let expected = write(&object).expect("legal");
    let slots = &mut object.functions[0].code;
    (slots[3].src, slots[3].imm, slots[4].imm) = (1, 77, 88);
    slots[8] = Slot { src: 0, imm: 99, ..slots[8] };
    assert_eq!(write(&object).expect("legal"), expected);
}

/// Types may claim any size for the section of maps; the file is not filled up to it.
#[test]
fn a_section_of_maps_holds_maps_only() {
    let mut object = Object::new(Endian::Little);
    object.btf.datasec(".maps", u32::MAX, &[]).expect("legal types");
    assert_eq!(write(&object), Err(WriteError::MapDiffers { map: ".maps".to_owned() }));
}
