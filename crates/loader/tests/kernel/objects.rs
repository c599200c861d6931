//! Objects made by hand.

use bpfasm_isa::{Endian, Insn, Reg, Slot, SlotIx, Width};
use bpfasm_loader::{LoadOptions, Program};
use bpfasm_object::btf::{IntEncoding, Param, SymbolLinkage};
use bpfasm_object::kernel::MapType;
use bpfasm_object::{
    Datum, Function, FunctionIx, Line, Linkage, MapDef, MapIx, Object, Relocation, RelocationTarget, TypeId,
};

/// `TC_ACT_OK` of `include/uapi/linux/pkt_cls.h`.
pub const OK: i32 = 0;
/// `TC_ACT_SHOT`.
pub const SHOT: i32 = 2;

/// The slots of some instructions.
pub fn slots(insns: &[Insn]) -> Vec<Slot> {
    insns.iter().flat_map(|insn| insn.encode().to_vec()).collect()
}

/// A function without types and lines.
pub fn function(name: &str, section: &str, insns: &[Insn]) -> Function {
    Function {
        name: name.to_owned(),
        section: section.to_owned(),
        linkage: Linkage::Global,
        code: slots(insns),
        relocations: Vec::new(),
        lines: Vec::new(),
        type_id: None,
    }
}

/// `r0 = verdict; exit`.
pub fn returning(verdict: i32) -> [Insn; 2] {
    [Insn::mov(Width::W64, Reg::R0, verdict), Insn::exit()]
}

/// An object of one program, without types.
pub fn untyped(name: &str, section: &str, insns: &[Insn]) -> Object {
    let mut object = Object::new(Endian::NATIVE);
    object.license = "GPL".to_owned();
    object.functions.push(function(name, section, insns));
    object
}

/// An object of one `tc` program with types and a source line.
pub fn typed(name: &str, insns: &[Insn]) -> Object {
    let mut object = untyped(name, "tc", insns);
    let int = object.btf.int("int", 4, IntEncoding::SIGNED).expect("a good type");
    let context = object.btf.ptr(TypeId::VOID);
    let proto = object.btf.func_proto(int, &[Param { name: "ctx", type_id: context }]).expect("a good type");
    let type_id = object.btf.func(name, proto, SymbolLinkage::GLOBAL).expect("a good type");
    let line = Line { at: SlotIx(0), file: "by_hand.rs".into(), text: "exit()".into(), line: 7, column: 1 };
    object.functions[0].type_id = Some(type_id);
    object.functions[0].lines = vec![line];
    object
}

/// An object whose program calls a subprogram that returns `verdict`.
pub fn calling(name: &str, verdict: i32) -> Object {
    let mut object = untyped(name, "tc", &[Insn::call_local(-1), Insn::exit()]);
    object.functions[0].relocations =
        vec![Relocation { at: SlotIx(0), target: RelocationTarget::Function(FunctionIx(1)) }];
    object.functions.push(function("sub", ".text", &returning(verdict)));
    object
}

/// An object of a `tc` program that refers to a map and returns `verdict`.
pub fn mapped(program: &str, map: MapDef, verdict: i32) -> Object {
    let mut object = untyped(program, "tc", &[&[Insn::lddw(Reg::R1, 0)][..], &returning(verdict)].concat());
    object.functions[0].relocations = vec![Relocation { at: SlotIx(0), target: RelocationTarget::Map(MapIx(0)) }];
    object.maps = vec![map];
    object
}

/// A map of keys and values without types.
pub fn map(name: &str, map_type: MapType, key: u32, value: u32, max_entries: u32) -> MapDef {
    let name = name.to_owned();
    MapDef {
        name,
        map_type,
        key: Datum::Bytes(key),
        value: Datum::Bytes(value),
        max_entries,
        flags: 0,
        type_id: None,
        data: None,
    }
}

/// A loaded `tc` program that returns `verdict`.
pub fn program(name: &str, verdict: i32) -> Result<Program, bpfasm_loader::Error> {
    LoadOptions::new().load(&typed(name, &returning(verdict)))?.take_program(name)
}
