//! Maps while staging: which ones a program names, what lies on the stack, how values look to user space.

use std::net::Ipv6Addr;

use bpfasm_codegen::ir::{DataType, Entity, Function, MapRef as Map, Op, Operand, Size, Space, Terminator};
use bpfasm_codegen::source::SourceMap;
use bpfasm_dsl::map::{LpmKeyValue, Map as _, Stored};
use bpfasm_dsl::prelude::*;
use bpfasm_dsl::program::Staged;
use bpfasm_dsl::stage::StageErrorKind;
use bpfasm_object::MapData;
use bpfasm_object::kernel::MapType;

#[map(crate = bpfasm_dsl)]
static COUNTS: Hash<U32, U64> = Hash::new(16);
#[map(crate = bpfasm_dsl)]
static MARKS: Array<U32> = Array::new(4).flags(0x80);

fn staged(program: &impl Program) -> Staged {
    program.stage().unwrap_or_else(|error| panic!("{error}"))
}

fn ops(function: &Function) -> impl Iterator<Item = &Op> {
    function.blocks.values().flat_map(|block| &block.insts).map(|inst| &inst.op)
}

/// The stores to the stack: size, offset, and the number if it is known.
fn stores(function: &Function) -> Vec<(Size, i16, Option<u64>)> {
    let store = |op: &Op| match *op {
        Op::Store { space: Space::Stack, size, off, value, .. } => Some((size, off, value.as_const())),
        _ => None,
    };
    ops(function).filter_map(store).collect()
}

#[program(tc, crate = bpfasm_dsl)]
fn both(_skb: &mut Tc) -> TcAction {
    if let Some(count) = COUNTS.lookup(3) {
        count.add(1);
    }
    if let Some(mark) = MARKS.lookup(0) {
        mark.set(5);
    }
    TcAction::OK
}

#[program(tc, crate = bpfasm_dsl)]
fn marks_first(skb: &mut Tc) -> TcAction {
    let Some(mark) = MARKS.lookup(skb.len()) else { return TcAction::SHOT };
    mark.set(skb.mark());
    COUNTS.update(skb.len(), 1, BPF_ANY);
    COUNTS.delete(7);
    TcAction::OK
}

#[test]
fn a_static_is_a_map_with_its_name() {
    let decl = &staged(&both).maps[1].decl;
    assert_eq!((decl.name.as_str(), decl.map_type, decl.max_entries, decl.flags), ("MARKS", MapType::ARRAY, 4, 0x80));
    assert_eq!(decl.key.map(|key| key.to_string()).as_deref(), Some("__u32"));
    assert_eq!(COUNTS.name(), "COUNTS");
}

#[test]
fn programs_share_the_maps_that_they_name() {
    let mut sources = SourceMap::new();
    let module = bpfasm_dsl::module([staged(&both), staged(&marks_first)], &mut sources);
    let names: Vec<_> = module.maps.values().map(|map| map.name.as_str()).collect();
    assert_eq!(names, ["COUNTS", "MARKS"]);
    let named = |program: usize| {
        let map = |op: &Op| if let Op::MapAddr(map) = *op { Some(map.index()) } else { None };
        ops(&module.programs[program].function).filter_map(map).collect::<Vec<_>>()
    };
    assert_eq!((named(0), named(1)), (vec![0, 1], vec![1, 0]));
    assert_eq!(sources.line(module.programs[1].loc).text, "fn marks_first(skb: &mut Tc) -> TcAction {");
}

#[test]
fn a_lookup_splits_the_path_and_the_arms_join() {
    let function = staged(&both).program.function;
    let returns = function.blocks.values().filter(|block| matches!(block.term, Terminator::Return(_))).count();
    assert_eq!(returns, 1, "{function}");
    let adds = ops(&function).filter(|op| matches!(op, Op::AtomicAdd { size: Size::DW, off: 0, .. })).count();
    assert_eq!(adds, 1);
}

static NAMELESS: Hash<U32, U64> = Hash::new(16);

#[program(tc, crate = bpfasm_dsl)]
fn names_nothing(_skb: &mut Tc) -> TcAction {
    NAMELESS.delete(7);
    TcAction::OK
}

#[test]
fn a_map_has_to_have_a_name() {
    assert_eq!(names_nothing.stage().expect_err("no name").kind, StageErrorKind::UnnamedStatic);
}

/// All kinds of fields, with padding before `b`, in `inner` and behind it.
#[derive(BpfStruct)]
#[bpf(crate = bpfasm_dsl)]
struct Outer {
    a: U8,
    b: U32,
    mac: Mac,
    ports: [Be16; 2],
    inner: Inner,
    r#type: U8,
}

#[derive(BpfStruct)]
#[bpf(crate = bpfasm_dsl, value = InnerForUser)]
struct Inner {
    wide: U64,
    narrow: U16,
}

/// Fields named as the derive might name variables of its own.
#[derive(BpfStruct)]
#[bpf(crate = bpfasm_dsl)]
struct Names {
    bytes: U8,
    offset: U8,
    host: U8,
    f: U8,
    key: U8,
    other: U8,
}

#[map(crate = bpfasm_dsl)]
static BY_OUTER: LruHash<Outer, Inner> = LruHash::new(1);

#[program(tc, crate = bpfasm_dsl)]
fn with_structs(skb: &mut Tc) -> TcAction {
    let key = Outer {
        a: U8::from(1),
        b: U32::from(2),
        mac: Mac::from([1, 2, 3, 4, 5, 6]),
        ports: [Be16::from(80), Be16::from(443)],
        inner: Inner { wide: U64::from(3), narrow: U16::from(4) },
        r#type: U8::from(5),
    };
    match BY_OUTER.lookup(&key) {
        Some(found) => found.wide().add(skb.len()),
        None => {
            BY_OUTER.update(&key, Inner { wide: U64::from(6), narrow: U16::from(7) }, BPF_ANY);
        }
    }
    TcAction::OK
}

#[test]
fn fields_lie_as_in_c() {
    let DataType::Struct { name, bytes, fields } = Outer::DATA else { panic!("a struct") };
    let fields: Vec<_> = fields.iter().map(|field| (field.name, field.offset, field.ty.bytes())).collect();
    assert_eq!((name, bytes), ("Outer", 48));
    let expected = [("a", 0, 1), ("b", 4, 4), ("mac", 8, 6), ("ports", 14, 4), ("inner", 24, 16), ("type", 40, 1)];
    assert_eq!(fields, expected);
}

#[test]
fn the_stack_holds_no_byte_that_nobody_wrote() {
    let function = staged(&with_structs).program.function;
    let key = stores(&function);
    let mut written = [false; 48];
    for (size, off, _) in key.iter().take_while(|(_, off, _)| *off != 40) {
        assert_eq!(off % i16::from(size.bytes()), 0, "stores are aligned");
    }
    for &(size, off, _) in &key {
        let from = usize::try_from(off).expect("inside of the slot");
        written[from..from + usize::from(size.bytes())].fill(true);
    }
    assert_eq!(written, [true; 48]);
    // One store of zeros covers what is missing of a word, before the fields.
    assert_eq!(key[0], (Size::W, 0, Some(0)));
    let zeros = key.iter().take_while(|(.., value)| *value == Some(0)).count();
    assert_eq!(zeros, 4, "in the words of `a`, of `ports`, of `narrow` and of `type`: {key:?}");
}

#[test]
fn any_name_is_good_for_a_field() {
    let value = NamesValue { bytes: 1, offset: 2, host: 3, f: 4, key: 5, other: 6 };
    let mut bytes = [0; 6];
    <Names as MapData>::encode(&value, &mut bytes);
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn user_space_has_structs_of_its_own() {
    let value = OuterValue {
        a: 1,
        b: 0x0203_0405,
        mac: [6, 7, 8, 9, 10, 11],
        ports: [80, 443],
        inner: InnerForUser { wide: 12, narrow: 13 },
        r#type: 14,
    };
    let mut bytes = [0; 48];
    <Outer as MapData>::encode(&value, &mut bytes);
    assert_eq!(bytes[..4], [1, 0, 0, 0]);
    assert_eq!(bytes[4..8], 0x0203_0405_u32.to_ne_bytes());
    assert_eq!(bytes[8..18], [6, 7, 8, 9, 10, 11, 0, 80, 1, 0xbb]);
    assert_eq!(bytes[24..34], [&12_u64.to_ne_bytes()[..], &13_u16.to_ne_bytes()[..]].concat());
    assert_eq!(<Outer as MapData>::decode(&bytes), value);
    assert_eq!(OuterValue::default(), <Outer as MapData>::decode(&[0; 48]));
}

#[test]
fn numbers_are_numbers_to_user_space() {
    fn there_and_back<T: MapData<Value: PartialEq + std::fmt::Debug>>(value: T::Value, expected: &[u8]) {
        let mut bytes = vec![0; T::SIZE];
        T::encode(&value, &mut bytes);
        assert_eq!((bytes.as_slice(), T::decode(&bytes)), (expected, value));
    }
    there_and_back::<U8>(7, &[7]);
    there_and_back::<U16>(0x0102, &0x0102_u16.to_ne_bytes());
    there_and_back::<I32>(-2, &(-2_i32).to_ne_bytes());
    there_and_back::<I64>(-2, &(-2_i64).to_ne_bytes());
    there_and_back::<Be16>(80, &[0, 80]);
    there_and_back::<Be32>(u32::from(Ipv4Addr::new(10, 0, 0, 1)), &[10, 0, 0, 1]);
    there_and_back::<Be64>(1, &[0, 0, 0, 0, 0, 0, 0, 1]);
    there_and_back::<Mac>([1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 5, 6]);
    there_and_back::<Be128>(Ipv6Addr::LOCALHOST, &Ipv6Addr::LOCALHOST.octets());
    let prefix = LpmKeyValue { prefix_len: 8, data: 0x0a00_0000 };
    there_and_back::<LpmKey<Be32>>(prefix, &[&8_u32.to_ne_bytes()[..], &[10, 0, 0, 0]].concat());
}

#[map(crate = bpfasm_dsl)]
static ROUTES: LpmTrie<Be32, U32> = LpmTrie::new(8);

#[program(tc, crate = bpfasm_dsl)]
fn routed(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let Some(route) = ROUTES.lookup(ip.daddr()) else { return TcAction::SHOT };
    ROUTES.update(LpmKey::new(8, Ipv4Addr::new(10, 0, 0, 0)), route.get(), BPF_ANY);
    TcAction::OK
}

#[test]
fn data_alone_is_a_prefix_of_all_its_bits() {
    let stores = stores(&staged(&routed).program.function);
    assert_eq!(stores[0], (Size::W, 0, Some(32)));
    assert_eq!(stores[1], (Size::W, 4, None));
    assert_eq!(stores[2], (Size::W, 0, Some(8)));
    assert_eq!(ROUTES.name(), "ROUTES");
}

#[program(tc, crate = bpfasm_dsl)]
fn inserts(skb: &mut Tc) -> TcAction {
    let Some(count) = COUNTS.lookup_or_insert(skb.mark(), 0) else { return TcAction::SHOT };
    count.add(1);
    TcAction::OK
}

#[test]
fn found_and_inserted_go_on_together() {
    let function = staged(&inserts).program.function;
    let adds: Vec<_> =
        ops(&function).filter_map(|op| if let Op::AtomicAdd { base, .. } = *op { Some(base) } else { None }).collect();
    let [Operand::Value(base)] = adds[..] else { panic!("one addition: {function}") };
    assert!(function.blocks.values().any(|block| block.params == [base]), "to what either way found: {function}");
}

/// Sixteen conditions in a row, each of which may change a map.
#[program(tc, crate = bpfasm_dsl)]
fn many_counters(skb: &mut Tc) -> TcAction {
    for bit in 0..16u32 {
        if skb.mark() & (1 << bit) != 0 {
            if let Some(count) = COUNTS.lookup(bit) {
                count.add(1);
            }
        }
    }
    TcAction::OK
}

#[test]
fn changing_a_map_keeps_no_paths_apart() {
    let function = staged(&many_counters).program.function;
    assert_eq!(ops(&function).filter(|op| matches!(op, Op::Call { .. })).count(), 16);
    assert_eq!(ops(&function).filter(|op| matches!(op, Op::MapAddr(map) if *map != Map(0))).count(), 0);
}

#[global(crate = bpfasm_dsl)]
static SEEN: Global<Inner> = Global::new(InnerForUser { wide: 1, narrow: 2 });
#[global(crate = bpfasm_dsl)]
static LISTENS: Constant<Be16> = Constant::new(80);

#[program(tc, crate = bpfasm_dsl)]
fn with_globals(skb: &mut Tc) -> TcAction {
    let Some(tcp) = skb.header::<TcpHdr>(34) else { return TcAction::OK };
    if tcp.dest() == LISTENS.get() {
        SEEN.place().wide().add(1);
    }
    TcAction::OK
}

#[test]
fn globals_have_names_and_values() {
    let staged = staged(&with_globals);
    let [listens, seen] = &staged.globals[..] else { panic!("two: {:?}", staged.globals) };
    let decl = &listens.decl;
    assert_eq!((decl.name.as_str(), decl.value.as_slice(), decl.read_only), ("LISTENS", &[0, 80][..], true));
    assert_eq!((seen.decl.name.as_str(), seen.decl.value.len(), seen.decl.read_only), ("SEEN", 16, false));
    assert_eq!(seen.decl.value[..8], 1_u64.to_ne_bytes());
    let module = bpfasm_dsl::module([staged.clone(), staged], &mut SourceMap::new());
    assert_eq!(module.globals.len(), 2);
}
