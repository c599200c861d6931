//! Objects made by hand, for cases that are not about the compiler: instructions from `isa`, written as ELF by the
//! `object` crate, without types.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bpfasm::{
    loader::sys::{self, ProgLoad},
    object::kernel::ProgramType,
};
use bpfasm_isa::{AluOp, Assembler, Endian, Insn, JmpOp, Reg, Size, Slot, Width};
use bpfasm_tests::net::FIRST;
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};

/// Verdicts of tc programs, include/uapi/linux/pkt_cls.h.
const TC_ACT_UNSPEC: i32 = -1;
const TC_ACT_OK: i32 = 0;
const TC_ACT_SHOT: i32 = 2;

/// The verdicts of programs of control groups, of all their types.
pub(crate) const CGROUP_DENY: i32 = 0;
const CGROUP_PASS: i32 = 1;

/// Offsets in `struct __sk_buff`, include/uapi/linux/bpf.h.
const SK_BUFF_DATA: i16 = 76;
const SK_BUFF_DATA_END: i16 = 80;

/// Offsets in an IPv4 packet, and its EtherType.
const ETHER_TYPE: i16 = 12;
const IPV4_SOURCE: i16 = 14 + 12;
const IPV4_END: i32 = 14 + 20;
const IPV4: [u8; 2] = [0x08, 0x00];

/// Writes an object with a program `tc_drop` that drops IPv4 from [`FIRST`] and passes the rest.
pub(crate) fn tc_drop(folder: &Path) -> PathBuf {
    write(&folder.join("tc_drop.o"), &[("tc", "tc_drop", drop_first())])
}

/// Writes an object with programs in several sections: `passes` and `drops` in `tc`, of which the second drops as
/// `tc_drop` does, and `own` in a section whose name tells nothing.
pub(crate) fn sections(folder: &Path) -> PathBuf {
    let programs =
        [("tc", "passes", verdict(TC_ACT_OK)), ("tc", "drops", drop_first()), ("my_own", "own", drop_first())];
    write(&folder.join("sections.o"), &programs)
}

/// Writes an object with a program that has no opinion: the next filter is asked.
pub(crate) fn no_opinion(folder: &Path, name: &str) -> PathBuf {
    returning(folder, "tc", name, TC_ACT_UNSPEC)
}

/// Writes an object with two programs, `first` and `second`, that have no opinion.
pub(crate) fn two_programs(folder: &Path) -> PathBuf {
    let slots = verdict(TC_ACT_UNSPEC);
    write(&folder.join("two.o"), &[("tc", "first", slots.clone()), ("tc", "second", slots)])
}

/// Writes an object with a program for the ingress of control groups that lets everything pass.
pub(crate) fn cgroup_pass(folder: &Path, name: &str) -> PathBuf {
    returning(folder, "cgroup_skb/ingress", name, CGROUP_PASS)
}

/// Writes an object with a program that does nothing but give a verdict.
pub(crate) fn returning(folder: &Path, section: &str, name: &str, value: i32) -> PathBuf {
    write(&folder.join(format!("{name}.o")), &[(section, name, verdict(value))])
}

/// The same, with a number in its code that gives it a tag of its own.
pub(crate) fn returning_with(folder: &Path, section: &str, name: &str, value: i32, number: i32) -> PathBuf {
    let code = [vec![Insn::mov(Width::W64, Reg::R0, number)], verdict_code(value)].concat();
    write(&folder.join(format!("{name}.o")), &[(section, name, slots(&code))])
}

/// Writes an object with a program that returns without having set a verdict: no verifier takes it.
pub(crate) fn no_verdict(folder: &Path) -> PathBuf {
    write(&folder.join("no_verdict.o"), &[("tc", "no_verdict", slots(&[Insn::exit()]))])
}

fn verdict(value: i32) -> Vec<Slot> {
    slots(&verdict_code(value))
}

fn verdict_code(value: i32) -> Vec<Insn> {
    vec![Insn::mov(Width::W64, Reg::R0, value), Insn::exit()]
}

fn slots(code: &[Insn]) -> Vec<Slot> {
    code.iter().flat_map(|insn| insn.encode().to_vec()).collect()
}

/// Asks whether the kernel takes these instructions, as the program of a socket.
pub(crate) fn takes(code: &[Insn]) -> Result<(), String> {
    let slots = code.iter().flat_map(|insn| insn.encode().to_vec());
    let load = sys::prog_load(&mut ProgLoad {
        prog_type: ProgramType::SOCKET_FILTER.0,
        expected_attach_type: 0,
        code: &slots.flat_map(|slot| slot.to_bytes(Endian::NATIVE)).collect::<Vec<_>>(),
        license: c"GPL",
        name: "",
        flags: 0,
        btf: None,
        func_info: &[],
        line_info: &[],
        log_level: 0,
        log: &mut [],
    });
    load.map(drop).map_err(|failure| format!("the kernel refuses such instructions: {}", failure.errno))
}

fn drop_first() -> Vec<Slot> {
    let (data, end, field) = (Reg::R2, Reg::R3, Reg::R4);
    let mut asm = Assembler::new();
    let pass = asm.new_label();
    asm.push(Insn::load(Size::W, data, Reg::R1, SK_BUFF_DATA));
    asm.push(Insn::load(Size::W, end, Reg::R1, SK_BUFF_DATA_END));
    asm.push(Insn::mov(Width::W64, Reg::R0, TC_ACT_OK));
    asm.push(Insn::mov(Width::W64, field, data));
    asm.push(Insn::alu(Width::W64, AluOp::Add, field, IPV4_END));
    asm.jump_if(Width::W64, JmpOp::Gt, field, end, pass);
    asm.push(Insn::load(Size::H, field, data, ETHER_TYPE));
    asm.jump_if(Width::W64, JmpOp::Ne, field, i32::from(u16::from_ne_bytes(IPV4)), pass);
    asm.push(Insn::load(Size::W, field, data, IPV4_SOURCE));
    asm.jump_if(Width::W32, JmpOp::Ne, field, i32::from_ne_bytes(FIRST.octets()), pass);
    asm.push(Insn::mov(Width::W64, Reg::R0, TC_ACT_SHOT));
    asm.bind(pass);
    asm.push(Insn::exit());
    asm.finish().unwrap()
}

/// Each program is a section, a name and code; those of one section lie one after the other.
fn write(file: &Path, programs: &[(&str, &str, Vec<Slot>)]) -> PathBuf {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::default());
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    let mut sections = BTreeMap::new();
    for (section, name, slots) in programs {
        let new = || object.add_section(Vec::new(), section.as_bytes().to_vec(), SectionKind::Text);
        let section = *sections.entry(section).or_insert_with(new);
        let code: Vec<u8> = slots.iter().flat_map(|slot| slot.to_bytes(Endian::NATIVE)).collect();
        let offset = object.append_section_data(section, &code, 8);
        object.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value: offset,
            size: u64::try_from(code.len()).unwrap(),
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        });
    }
    fs::write(file, object.write().unwrap()).unwrap();
    file.to_owned()
}
