//! Objects and BTFs made at random, in the form in which they come back from a file.

#![allow(dead_code, reason = "each test file uses its own part")]

use bpfasm_isa::{Endian, Slot, SlotIx};
use bpfasm_object::btf::{Btf, EnumValue, IntEncoding, Member, Param, SecVar, SymbolLinkage, TypeId};
use bpfasm_object::kernel::MapType;
use bpfasm_object::{
    Datum, Function, FunctionIx, Line, Linkage, MapDef, MapIx, Object, Relocation, RelocationTarget, TEXT,
};
use proptest::collection::vec;
use proptest::prelude::*;

pub fn endian() -> impl Strategy<Value = Endian> {
    prop_oneof![Just(Endian::Little), Just(Endian::Big)]
}

/// One instruction; references are numbers that are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Any { dst: u8, src: u8, off: i16, imm: i32 },
    Lddw { dst: u8, low: i32, high: i32 },
    Map { dst: u8, map: usize },
    Call { function: usize },
    Callback { dst: u8, function: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..16u8, 0..16u8, any::<i16>(), any::<i32>()).prop_map(|(dst, src, off, imm)| Step::Any { dst, src, off, imm }),
        1 => (0..11u8, any::<i32>(), any::<i32>()).prop_map(|(dst, low, high)| Step::Lddw { dst, low, high }),
        1 => (0..11u8, any::<usize>()).prop_map(|(dst, map)| Step::Map { dst, map }),
        1 => any::<usize>().prop_map(|function| Step::Call { function }),
        1 => (0..11u8, any::<usize>()).prop_map(|(dst, function)| Step::Callback { dst, function }),
    ]
}

/// What is known about functions and lines.
#[derive(Clone, Copy, Debug, PartialEq)]
enum DebugInfo {
    None,
    Types,
    Lines,
}

#[derive(Clone, Debug)]
struct FunctionPlan {
    section: usize,
    is_static: bool,
    steps: Vec<Step>,
    lines: Vec<(String, u32, u32, bool)>,
}

const SECTIONS: [&str; 5] = ["tc", "xdp", TEXT, "cgroup_skb/ingress", "kprobe/do_unlinkat"];
const FILES: [&str; 3] = ["src/main.rs", "", "über.rs"];

fn function_plan() -> impl Strategy<Value = FunctionPlan> {
    let line = ("[^\\n\\r\\x00]{0,8}", 0..1u32 << 22, 0..1u32 << 10, any::<bool>());
    (0..SECTIONS.len(), any::<bool>(), vec(step(), 1..8), vec(line, 8))
        .prop_map(|(section, is_static, steps, lines)| FunctionPlan { section, is_static, steps, lines })
}

fn datum() -> impl Strategy<Value = Option<Option<u32>>> {
    prop_oneof![Just(None), Just(Some(None)), any::<u32>().prop_map(|bytes| Some(Some(bytes)))]
}

/// A data section: whether it is there, its bytes, and whether BTF has its variable.
type SectionPlan = (bool, Vec<u8>, bool);

fn add_section(object: &mut Object, name: &str, (is_there, data, is_typed): SectionPlan) {
    if !is_there {
        return;
    }
    let size = u32::try_from(data.len()).expect("short");
    if is_typed {
        let btf = &mut object.btf;
        let array = btf.array(TypeId(1), TypeId(1), size);
        let linkage = if size % 2 == 0 { SymbolLinkage::GLOBAL } else { SymbolLinkage::STATIC };
        let type_id = btf.var(&format!("variable_{size}"), array, linkage).expect("legal");
        btf.datasec(name, size, &[SecVar { type_id, offset: 0, size }]).expect("legal");
    }
    let data = if name == ".bss" { vec![] } else { data };
    object.maps.push(MapDef::section(&object.btf, name, size, data).expect("a data section"));
}

pub fn object() -> impl Strategy<Value = Object> {
    let section = || (any::<bool>(), vec(any::<u8>(), 1..40), any::<bool>());
    let sections = [section(), section(), section()];
    let maps = vec((0..35u32, datum(), datum(), any::<u32>(), any::<u32>()), 0..4);
    let debug = prop_oneof![Just(DebugInfo::None), Just(DebugInfo::Types), Just(DebugInfo::Lines)];
    (endian(), "[ -~]{0,12}", maps, sections, vec(function_plan(), 0..6), debug).prop_map(
        |(endian, license, maps, sections, plans, debug)| {
            let mut object = Object { license, ..Object::new(endian) };
            let word = object.btf.int("u32", 4, IntEncoding::UNSIGNED).expect("legal");
            let datum = |datum: Option<Option<u32>>| match datum {
                None => Datum::Absent,
                Some(None) => Datum::Type(word),
                Some(Some(bytes)) => Datum::Bytes(bytes),
            };
            for (number, (map_type, key, value, max_entries, flags)) in maps.into_iter().enumerate() {
                let (name, map_type) = (format!("map_{number}"), MapType(map_type));
                let (key, value) = (datum(key), datum(value));
                object.maps.push(MapDef { name, map_type, key, value, max_entries, flags, type_id: None, data: None });
            }
            object.add_datasecs().expect("legal names");
            for (name, section) in [".rodata", ".data.more", ".bss"].into_iter().zip(sections) {
                add_section(&mut object, name, section);
            }
            add_functions(&mut object, plans, debug);
            object
        },
    )
}

/// A reference to a map, or to the end of a data section.
fn target((map, definition): (MapIx, &MapDef)) -> RelocationTarget {
    match &definition.data {
        None => RelocationTarget::Map(map),
        Some(data) => RelocationTarget::Data { map, offset: u32::try_from(data.len()).expect("short") },
    }
}

fn add_functions(object: &mut Object, mut plans: Vec<FunctionPlan>, debug: DebugInfo) {
    plans.sort_by_key(|plan| plan.section);
    let subprograms: Vec<u32> =
        (0u32..).zip(&plans).filter(|(_, plan)| SECTIONS[plan.section] == TEXT).map(|(ix, _)| ix).collect();
    let targets: Vec<RelocationTarget> = (0u32..).map(MapIx).zip(&object.maps).map(target).collect();
    for (number, plan) in plans.into_iter().enumerate() {
        let linkage = if plan.is_static && SECTIONS[plan.section] == TEXT { Linkage::Static } else { Linkage::Global };
        let mut function = Function {
            name: format!("function_{number}"),
            section: SECTIONS[plan.section].to_owned(),
            linkage,
            code: vec![],
            relocations: vec![],
            lines: vec![],
            type_id: None,
        };
        for (step, line) in plan.steps.into_iter().zip(plan.lines) {
            let at = SlotIx(u32::try_from(function.code.len()).expect("short"));
            if debug == DebugInfo::Lines && (at.0 == 0 || line.3) {
                let file = FILES[usize::try_from(line.1).expect("small") % FILES.len()];
                let (text, line, column) = (line.0.as_str().into(), line.1, line.2);
                function.lines.push(Line { at, file: file.into(), text, line, column });
            }
            add_step(&mut function, at, step, &targets, &subprograms);
        }
        if debug != DebugInfo::None {
            let proto = object.btf.func_proto(TypeId(1), &[Param { name: "ctx", type_id: TypeId(1) }]).expect("legal");
            let visible = if linkage == Linkage::Global { SymbolLinkage::GLOBAL } else { SymbolLinkage::STATIC };
            function.type_id = Some(object.btf.func(&function.name, proto, visible).expect("legal"));
        }
        object.functions.push(function);
    }
}

fn add_step(function: &mut Function, at: SlotIx, step: Step, maps: &[RelocationTarget], subprograms: &[u32]) {
    let lddw =
        |dst, src, low, high| [Slot { code: 0x18, dst, src, off: 0, imm: low }, Slot { imm: high, ..Slot::default() }];
    let callee = |function: usize| RelocationTarget::Function(FunctionIx(subprograms[function % subprograms.len()]));
    match step {
        Step::Map { dst, map } if !maps.is_empty() => {
            let target = maps[map % maps.len()];
            function.relocations.push(Relocation { at, target });
            function.code.extend(lddw(dst, 0, 0, 0));
        }
        Step::Call { function: index } if !subprograms.is_empty() => {
            function.relocations.push(Relocation { at, target: callee(index) });
            function.code.push(Slot { code: 0x85, dst: 0, src: 1, off: 0, imm: -1 });
        }
        Step::Callback { dst, function: index } if !subprograms.is_empty() => {
            function.relocations.push(Relocation { at, target: callee(index) });
            function.code.extend(lddw(dst, 0, 0, 0));
        }
        Step::Lddw { dst, low, high } => function.code.extend(lddw(dst, 0, low, high)),
        Step::Any { dst, src, off, imm } => function.code.push(Slot { code: 0xbf, dst, src, off, imm }),
        Step::Map { .. } | Step::Call { .. } | Step::Callback { .. } => {
            function.code.push(Slot { code: 0x95, ..Slot::default() });
        }
    }
}

/// One call of the builder; type ids are taken modulo what there is.
#[derive(Clone, Debug)]
struct TypePlan {
    kind: u8,
    name: String,
    a: u32,
    b: u32,
    flag: bool,
    elements: Vec<(String, u32, u32)>,
}

pub fn btf() -> impl Strategy<Value = Btf> {
    let element = ("[a-z_][a-z0-9_]{0,6}", any::<u32>(), any::<u32>());
    let plan = (0..19u8, "[A-Za-z_][A-Za-z0-9_]{0,8}", any::<u32>(), any::<u32>(), any::<bool>(), vec(element, 0..4))
        .prop_map(|(kind, name, a, b, flag, elements)| TypePlan { kind, name, a, b, flag, elements });
    vec(plan, 0..40).prop_map(|plans| {
        let mut btf = Btf::new();
        for plan in plans {
            add_type(&mut btf, &plan).expect("legal");
        }
        btf
    })
}

fn add_type(btf: &mut Btf, plan: &TypePlan) -> Result<TypeId, bpfasm_object::btf::Error> {
    let count = btf.next_id().0;
    let id = |number: u32| TypeId(number % count);
    let (name, a, b) = (plan.name.as_str(), id(plan.a), id(plan.b));
    let linkage = SymbolLinkage(plan.b % 3);
    let members = || -> Vec<Member<'_>> {
        let place = |number: usize| u32::try_from(number * 32).expect("few");
        let bits = if plan.flag { 7 } else { 0 };
        let member =
            |(number, (name, ty, _)): (usize, &'_ (String, u32, u32))| (name.clone(), id(*ty), place(number), bits);
        plan.elements
            .iter()
            .enumerate()
            .map(member)
            .map(|(name, type_id, bit_offset, bitfield_bits)| Member {
                name: Box::leak(name.into_boxed_str()),
                type_id,
                bit_offset,
                bitfield_bits,
            })
            .collect()
    };
    let values = |wide: bool| -> Vec<EnumValue<'_>> {
        let value = |low: u32, high: u32| match (wide, plan.flag) {
            (true, _) => (u64::from(high) << 32 | u64::from(low)).cast_signed(),
            (false, true) => i64::from(low.cast_signed()),
            (false, false) => i64::from(low),
        };
        plan.elements.iter().map(|(name, low, high)| EnumValue { name, value: value(*low, *high) }).collect()
    };
    match plan.kind {
        0 => btf.int(name, 1 << (plan.a % 5), IntEncoding((plan.b % 16).try_into().expect("small"))),
        1 => Ok(btf.ptr(a)),
        2 => Ok(btf.array(a, b, plan.a)),
        3 => btf.strukt(if plan.flag { name } else { "" }, 64, &members()),
        4 => btf.union_(name, 64, &members()),
        5 => btf.enum_(name, plan.flag, &values(false)),
        6 => btf.fwd(name, plan.flag),
        7 => btf.typedef(name, a),
        8 => Ok(btf.volatile(a)),
        9 => Ok(btf.const_(a)),
        10 => Ok(btf.restrict(a)),
        11 => {
            let params: Vec<_> = plan.elements.iter().map(|(name, ty, _)| Param { name, type_id: id(*ty) }).collect();
            let proto = btf.func_proto(a, &params)?;
            btf.func(name, proto, linkage)
        }
        12 => btf.var(name, a, linkage),
        13 => {
            let var = btf.var(name, a, linkage)?;
            btf.datasec(".maps", 8, &[SecVar { type_id: var, offset: 0, size: 4 }])
        }
        14 => btf.float(name, 8),
        15 => btf.decl_tag(name, a, plan.flag.then_some(plan.b >> 1)),
        16 => btf.type_tag(name, a),
        17 => btf.enum64(name, plan.flag, &values(true)),
        _ => btf.datasec("license", 0, &[]),
    }
}
