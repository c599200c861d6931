//! Builds an object by hand and writes it: a tc program that counts packets in an array map, with a static and a global
//! subprogram, source lines and types.
//!
//! ```text
//! cargo run -p bpfasm-object --example count_packets -- count.o [le|be]
//! bpftool prog load count.o /sys/fs/bpf/count
//! ```

use bpfasm_isa::{AluOp, Assembler, Endian, HelperId, Insn, JmpOp, LabelError, Reg, Size, SlotIx, Width};
use bpfasm_object::btf::{Error, IntEncoding, Kind, Member, Param, SymbolLinkage};
use bpfasm_object::kernel::MapType;
use bpfasm_object::{
    Datum, Function, FunctionIx, Line, Linkage, MapDef, MapIx, Object, Relocation, RelocationTarget, TEXT,
};
use std::sync::Arc;

const COUNTS: MapIx = MapIx(0);
const BUMP: FunctionIx = FunctionIx(1);
const VERDICT: FunctionIx = FunctionIx(2);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: count_packets FILE [le|be]")?;
    let endian = if arguments.next().as_deref() == Some("be") { Endian::Big } else { Endian::Little };
    std::fs::write(path, bpfasm_object::elf::write(&count_packets(endian)?)?)?;
    Ok(())
}

/// The object.
pub fn count_packets(endian: Endian) -> Result<Object, Box<dyn std::error::Error>> {
    let mut object = Object::new(endian);
    object.license = "GPL".to_owned();
    add_maps(&mut object)?;
    object.functions = vec![count()?, bump()?, verdict()?];
    add_functions_types(&mut object)?;
    object.add_datasecs()?;
    Ok(object)
}

fn add_maps(object: &mut Object) -> Result<(), Error> {
    let btf = &mut object.btf;
    let key = btf.int("u32", 4, IntEncoding::UNSIGNED)?;
    let number = btf.int("u64", 8, IntEncoding::UNSIGNED)?;
    let packets = Member { name: "packets", type_id: number, bit_offset: 0, bitfield_bits: 0 };
    let value = btf.strukt("stats", 8, &[packets])?;
    let map = |name: &str, map_type, key, value, max_entries| MapDef {
        name: name.to_owned(),
        map_type,
        key,
        value,
        max_entries,
        flags: 0,
        type_id: None,
        data: None,
    };
    object.maps = vec![
        map("COUNTS", MapType::ARRAY, Datum::Type(key), Datum::Type(value), 1),
        map("EVENTS", MapType::RINGBUF, Datum::Absent, Datum::Absent, 4096),
        map("SOCKETS", MapType::SOCKMAP, Datum::Bytes(4), Datum::Bytes(8), 16),
    ];
    Ok(())
}

fn add_functions_types(object: &mut Object) -> Result<(), Error> {
    let btf = &mut object.btf;
    let int = btf.int("int", 4, IntEncoding::SIGNED)?;
    let skb = btf.fwd("__sk_buff", false)?;
    let skb = btf.ptr(skb);
    let stats = btf.find(Kind::STRUCT, "stats").map(|id| btf.ptr(id)).unwrap_or_default();
    let protos = [
        (btf.func_proto(int, &[Param { name: "skb", type_id: skb }])?, SymbolLinkage::GLOBAL),
        (btf.func_proto(int, &[Param { name: "stats", type_id: stats }])?, SymbolLinkage::STATIC),
        (btf.func_proto(int, &[Param { name: "packets", type_id: int }])?, SymbolLinkage::GLOBAL),
    ];
    for (function, (proto, linkage)) in object.functions.iter_mut().zip(protos) {
        function.type_id = Some(object.btf.func(&function.name, proto, linkage)?);
    }
    Ok(())
}

fn line(file: &Arc<str>, at: SlotIx, text: &str, line: u32) -> Line {
    Line { at, file: file.clone(), text: text.into(), line, column: 5 }
}

fn count() -> Result<Function, LabelError> {
    let file: Arc<str> = "examples/count.rs".into();
    let mut asm = Assembler::new();
    let out = asm.new_label();
    let key = asm.push(Insn::store(Size::W, Reg::FP, -4, 0));
    asm.push(Insn::mov(Width::W64, Reg::R2, Reg::FP));
    asm.push(Insn::alu(Width::W64, AluOp::Add, Reg::R2, -4));
    let map = asm.push(Insn::lddw(Reg::R1, 0));
    let lookup = asm.push(Insn::call_helper(HelperId::MAP_LOOKUP_ELEM));
    asm.jump_if(Width::W64, JmpOp::Eq, Reg::R0, 0, out);
    asm.push(Insn::mov(Width::W64, Reg::R1, Reg::R0));
    let bump = asm.push(Insn::call_local(-1));
    asm.push(Insn::mov(Width::W64, Reg::R1, Reg::R0));
    let verdict = asm.push(Insn::call_local(-1));
    asm.bind(out);
    let exit = asm.push(Insn::mov(Width::W64, Reg::R0, 0));
    asm.push(Insn::exit());
    let target = |at, target| Relocation { at, target };
    Ok(Function {
        name: "count".to_owned(),
        section: "classifier".to_owned(),
        linkage: Linkage::Global,
        code: asm.finish()?,
        relocations: vec![
            target(map, RelocationTarget::Map(COUNTS)),
            target(bump, RelocationTarget::Function(BUMP)),
            target(verdict, RelocationTarget::Function(VERDICT)),
        ],
        lines: vec![
            line(&file, key, "    let key = 0;", 11),
            line(&file, lookup, "    let stats = COUNTS.get(key)?; // \"quoted\", — and UTF-8", 12),
            line(&file, bump, "    verdict(bump(stats));", 13),
            line(&file, exit, "    TcAction::OK", 14),
        ],
        type_id: None,
    })
}

fn subprogram(name: &str, linkage: Linkage, asm: Assembler, text: &str, number: u32) -> Result<Function, LabelError> {
    let lines = vec![line(&"examples/count.rs".into(), SlotIx(0), text, number)];
    let (name, section) = (name.to_owned(), TEXT.to_owned());
    Ok(Function { name, section, linkage, code: asm.finish()?, relocations: vec![], lines, type_id: None })
}

fn bump() -> Result<Function, LabelError> {
    let mut asm = Assembler::new();
    asm.push(Insn::load(Size::DW, Reg::R2, Reg::R1, 0));
    asm.push(Insn::alu(Width::W64, AluOp::Add, Reg::R2, 1));
    asm.push(Insn::store(Size::DW, Reg::R1, 0, Reg::R2));
    asm.push(Insn::mov(Width::W64, Reg::R0, Reg::R2));
    asm.push(Insn::exit());
    subprogram("bump", Linkage::Static, asm, "    stats.packets += 1;", 20)
}

fn verdict() -> Result<Function, LabelError> {
    let mut asm = Assembler::new();
    asm.push(Insn::mov(Width::W32, Reg::R0, Reg::R1));
    asm.push(Insn::exit());
    subprogram("verdict", Linkage::Global, asm, "    packets", 30)
}
