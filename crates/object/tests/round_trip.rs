//! Laws: what was written is read back.

mod generate;

use bpfasm_object::btf::{Btf, Type};
use bpfasm_object::elf::{read, write};
use bpfasm_object::{FunctionIx, Object, RelocationTarget, relocate};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_object_is_read_as_it_was_written(object in generate::object()) {
        let bytes = write(&object).expect("a legal object");
        let back = read(&bytes).expect("what we write");
        prop_assert_eq!(&back, &object);
        prop_assert_eq!(write(&back).expect("a legal object"), bytes, "the same object gives the same bytes");
        check_images(&object, &back);
    }

    #[test]
    fn a_btf_is_read_as_it_was_written(btf in generate::btf(), endian in generate::endian()) {
        let bytes = btf.encode(endian);
        let back = Btf::parse(&bytes).expect("what we write");
        prop_assert_eq!(&back, &btf);
        prop_assert_eq!(back.encode(endian), bytes);
    }

    /// Both byte orders say the same.
    #[test]
    fn a_btf_has_no_byte_order(btf in generate::btf()) {
        let little = Btf::parse(&btf.encode(bpfasm_isa::Endian::Little)).expect("what we write");
        let big = Btf::parse(&btf.encode(bpfasm_isa::Endian::Big)).expect("what we write");
        prop_assert_eq!(little, big);
    }

    /// A type that was taken apart has the parts that it was built from.
    #[test]
    fn every_type_can_be_taken_apart(btf in generate::btf()) {
        for (id, found) in btf.iter() {
            let unknown = matches!(found, Type::Unknown { .. } | Type::Void);
            prop_assert!(!unknown, "type {} is not known", id);
        }
        prop_assert_eq!(btf.iter().count(), btf.len());
    }
}

/// The image of a program from a file is that of the program in memory, up to where strings lie.
fn check_images(object: &Object, back: &Object) {
    let (here, there) = (object.kernel_btf().expect("small"), back.kernel_btf().expect("small"));
    for (index, _) in object.indexed_programs() {
        let a = relocate::image(object, &here, index).expect("legal");
        let b = relocate::image(back, &there, index).expect("legal");
        assert_eq!((&a.code, &a.func_info, &a.map_relocations), (&b.code, &b.func_info, &b.map_relocations));
        assert_eq!(a.line_info.len(), b.line_info.len());
        check_image(object, &a);
    }
}

/// Every function of an image is there, and every reference leads to where its target starts.
fn check_image(object: &Object, image: &relocate::LoadImage) {
    let start = |wanted: FunctionIx| image.functions.iter().find(|(_, ix)| *ix == wanted).expect("placed").0;
    for &(place, index) in &image.functions {
        let function = object.function(index).expect("in the object");
        for relocation in &function.relocations {
            let at = usize::try_from(place.0 + relocation.at.0).expect("short");
            let slot = image.code[at];
            match relocation.target {
                RelocationTarget::Function(callee) => {
                    let target = i64::try_from(at).expect("short") + 1 + i64::from(slot.imm);
                    assert_eq!(target, i64::from(start(callee).0));
                    assert_eq!(slot.src, if slot.code == 0x85 { 1 } else { 4 });
                }
                RelocationTarget::Data { offset, .. } => {
                    let places = (slot.imm, image.code[at + 1].imm.cast_unsigned());
                    assert_eq!((slot.code, slot.src, places), (0x18, 2, (0, offset)));
                }
                _ => assert_eq!((slot.code, slot.src, slot.imm), (0x18, 1, 0)),
            }
        }
    }
}
