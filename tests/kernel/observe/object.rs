//! An object made by hand: maps with types of every kind, a program that counts in them, a subprogram.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bpfasm::{
    loader::{LoadOptions, Loaded},
    object::{
        Datum, Function, FunctionIx, Line, Linkage, MapDef, MapIx, Object, Relocation, RelocationTarget, TEXT, TypeId,
        btf::{Btf, EnumValue, IntEncoding, Member, Param, SymbolLinkage},
        elf,
        kernel::MapType,
    },
};
use bpfasm_isa::{AtomicOp, Endian, HelperId, Insn, JmpOp, Reg, Size, Slot, SlotIx, Width};

/// `BPF_F_NO_PREALLOC` of include/uapi/linux/bpf.h, which prefix trees must have.
const NO_PREALLOC: u32 = 1;

/// The program's name: longer than the kernel keeps.
pub(super) const PROGRAM: &str = "counts_packets_of_flows";
/// Its map of counters: one `u64`.
pub(super) const COUNTS: &str = "counts";
/// A hash map with a key and a value of many fields.
pub(super) const FLOWS: &str = "flows";
/// Bytes of its values.
pub(super) const STAT_BYTES: usize = 72;

/// Writes it to a file.
pub(super) fn file(folder: &Path) -> PathBuf {
    let file = folder.join("counting.o");
    let mut object = object();
    object.add_datasecs().unwrap();
    fs::write(&file, elf::write(&object).unwrap()).unwrap();
    file
}

/// Loads it.
pub(super) fn load() -> Loaded {
    LoadOptions::new().load(&object()).unwrap()
}

fn object() -> Object {
    let mut object = Object::new(Endian::NATIVE);
    object.license = "GPL".to_owned();
    object.maps = maps(&mut object.btf);
    object.functions = functions(&mut object.btf);
    object
}

fn field(name: &str, type_id: TypeId, bit_offset: u32) -> Member<'_> {
    Member { name, type_id, bit_offset, bitfield_bits: 0 }
}

/// `struct stat`, with a field of each kind of type that BTF has, but for floating point: bpftool 7.1 prints broken JSON
/// for that.
fn stat(btf: &mut Btf) -> TypeId {
    let mut int = |name, bytes, encoding| btf.int(name, bytes, encoding).unwrap();
    let u64_ = int("__u64", 8, IntEncoding::UNSIGNED);
    let u32_ = int("__u32", 4, IntEncoding::UNSIGNED);
    let s32 = int("int", 4, IntEncoding::SIGNED);
    let u8_ = int("__u8", 1, IntEncoding::UNSIGNED);
    let bool_ = int("_Bool", 1, IntEncoding::BOOL);
    let letter = int("letter", 1, IntEncoding::CHAR);
    let char_ = int("char", 1, IntEncoding::SIGNED);
    let values = [("NONE", -1), ("RED", 0), ("GREEN", 0x0707_0707)].map(|(name, value)| EnumValue { name, value });
    let color = btf.enum_("color", true, &values).unwrap();
    let (name, mac) = (btf.array(char_, u32_, 8), btf.array(u8_, u32_, 6));
    let address = btf.union_("address", 4, &[field("word", u32_, 0), field("next", s32, 0)]).unwrap();
    let pair = btf.strukt("", 4, &[field("low", u8_, 0), field("high", u8_, 24)]).unwrap();
    let pairs = btf.array(pair, u32_, 2);
    let constant = btf.const_(u64_);
    let counter = btf.typedef("counter", constant).unwrap();
    let void = btf.ptr(TypeId::VOID);
    let bits = |name, bit_offset, bitfield_bits| Member { name, type_id: u32_, bit_offset, bitfield_bits };
    let members = [
        field("packets", counter, 0),
        field("delta", s32, 64),
        field("color", color, 96),
        field("name", name, 128),
        field("mac", mac, 192),
        field("on", bool_, 240),
        field("letter", letter, 248),
        field("address", address, 256),
        bits("f1", 288, 3),
        bits("f2", 291, 7),
        bits("f3", 298, 22),
        field("next", void, 320),
        field("pairs", pairs, 384),
        field("", pair, 448),
        field("last", u64_, 512),
    ];
    btf.strukt("stat", u32::try_from(STAT_BYTES).unwrap(), &members).unwrap()
}

/// Maps of the types that take BTF, and of some that do not.
fn maps(btf: &mut Btf) -> Vec<MapDef> {
    let u16_ = btf.int("__u16", 2, IntEncoding::UNSIGNED).unwrap();
    let u32_ = btf.int("__u32", 4, IntEncoding::UNSIGNED).unwrap();
    let u64_ = btf.int("__u64", 8, IntEncoding::UNSIGNED).unwrap();
    let flow = btf.strukt("flow", 8, &[field("src", u32_, 0), field("port", u16_, 32)]).unwrap();
    let stat = stat(btf);
    let (key, count, flow, stat) = (Datum::Type(u32_), Datum::Type(u64_), Datum::Type(flow), Datum::Type(stat));
    let map = |name: &str, map_type, key, value, flags| {
        let name = name.to_owned();
        MapDef { name, map_type, key, value, max_entries: 4, flags, data: None, type_id: None }
    };
    vec![
        map(COUNTS, MapType::ARRAY, key, count, 0),
        map(FLOWS, MapType::HASH, flow, stat, 0),
        map("by_cpu", MapType::PERCPU_ARRAY, key, stat, 0),
        map("flows_by_cpu", MapType::PERCPU_HASH, flow, key, 0),
        map("recent", MapType::LRU_HASH, flow, count, 0),
        map("recent_by_cpu", MapType::LRU_PERCPU_HASH, flow, count, 0),
        map("routes", MapType::LPM_TRIE, flow, count, NO_PREALLOC),
        map("jumps", MapType::PROG_ARRAY, key, key, 0),
    ]
}

fn slots(insns: &[Insn]) -> Vec<Slot> {
    insns.iter().flat_map(|insn| insn.encode().to_vec()).collect()
}

/// The program adds 1 to `counts[0]` and returns what a subprogram does: 0. Its map is loaded in slot 4, the subprogram
/// called in slot 11.
fn functions(btf: &mut Btf) -> Vec<Function> {
    use Reg::{R0, R1, R2, R10};
    let lookup = [
        Insn::mov(Width::W64, R1, 0),
        Insn::store(Size::W, R10, -4, R1),
        Insn::mov(Width::W64, R2, R10),
        Insn::alu(Width::W64, bpfasm_isa::AluOp::Add, R2, -4),
        Insn::lddw(R1, 0),
        Insn::call_helper(HelperId::MAP_LOOKUP_ELEM),
        Insn::jump_if(Width::W64, JmpOp::Eq, R0, 0, 2),
        Insn::mov(Width::W64, R1, 1),
        Insn::atomic(AtomicOp::Add, false, Size::DW, R0, 0, R1).unwrap(),
        Insn::call_helper(HelperId::KTIME_GET_NS),
        Insn::call_local(-1),
        Insn::exit(),
    ];
    let calls = SlotIx(11);
    let int = btf.int("int", 4, IntEncoding::SIGNED).unwrap();
    let context = btf.strukt("__sk_buff", 4, &[]).unwrap();
    let context = btf.ptr(context);
    let of_program = btf.func_proto(int, &[Param { name: "skb", type_id: context }]).unwrap();
    let of_subprogram = btf.func_proto(int, &[]).unwrap();
    let line =
        |at, text: &str, line| Line { at: SlotIx(at), file: "by_hand.rs".into(), text: text.into(), line, column: 5 };
    vec![
        Function {
            name: PROGRAM.to_owned(),
            section: "tc".to_owned(),
            linkage: Linkage::Global,
            code: slots(&lookup),
            relocations: vec![
                Relocation { at: SlotIx(4), target: RelocationTarget::Map(MapIx(0)) },
                Relocation { at: calls, target: RelocationTarget::Function(FunctionIx(1)) },
            ],
            lines: vec![line(0, "    COUNTS.lookup(0)", 7), line(11, "    verdict()", 8)],
            type_id: Some(btf.func(PROGRAM, of_program, SymbolLinkage::GLOBAL).unwrap()),
        },
        Function {
            name: "verdict".to_owned(),
            section: TEXT.to_owned(),
            linkage: Linkage::Static,
            code: slots(&[Insn::mov(Width::W64, R0, 0), Insn::exit()]),
            relocations: vec![],
            lines: vec![line(0, "fn verdict() -> i32 { 0 }", 11)],
            type_id: Some(btf.func("verdict", of_subprogram, SymbolLinkage::STATIC).unwrap()),
        },
    ]
}
