//! Object files: read, chosen from, printed.

use std::process::Stdio;

use bpfasm::object::btf::{IntEncoding, SymbolLinkage};
use bpfasm::object::{Function, Line, Linkage, Object, elf};
use bpfasm_isa::{AluOp, Endian, Insn, JmpOp, Reg, SlotIx, Width};

use crate::folder::Folder;
use crate::{bpfasm, ended};

/// An object with programs of these names and sections, each of which drops packets of 64 bytes and more.
pub fn object(endian: Endian, programs: &[(&str, &str)]) -> Vec<u8> {
    let mut object = Object::new(endian);
    object.license = "GPL".to_owned();
    let int = object.btf.int("int", 4, IntEncoding::SIGNED).unwrap();
    let proto = object.btf.func_proto(int, &[]).unwrap();
    for (name, section) in programs {
        let insns = [
            Insn::mov(Width::W64, Reg::R0, 0),
            Insn::lddw(Reg::R2, 64),
            Insn::jump_if(Width::W32, JmpOp::Lt, Reg::R1, Reg::R2, 1),
            Insn::alu(Width::W64, AluOp::Add, Reg::R0, 2),
            Insn::exit(),
        ];
        let line =
            |at, line, text: &str| Line { at: SlotIx(at), file: "drop.rs".into(), text: text.into(), line, column: 5 };
        object.functions.push(Function {
            name: (*name).to_owned(),
            section: (*section).to_owned(),
            linkage: Linkage::Global,
            code: insns.iter().flat_map(|insn| insn.encode().to_vec()).collect(),
            relocations: Vec::new(),
            lines: vec![line(0, 7, "    fn drop(ctx: &mut Tc) {"), line(4, 8, "        SHOT")],
            type_id: Some(object.btf.func(name, proto, SymbolLinkage::GLOBAL).unwrap()),
        });
    }
    object.add_datasecs().unwrap();
    elf::write(&object).unwrap()
}

#[test]
fn disasm_is_laid_out_as_llvm_objdump_does() {
    let folder = Folder::new("disasm");
    let path = folder.write("two.o", object(Endian::Little, &[("one", "tc"), ("two", "tc")]));
    let run = ended(bpfasm().arg("disasm").arg("two.o").arg("--source").current_dir(folder.path()));
    run.succeeded();
    assert_eq!(run.stderr, "");
    assert_eq!(
        run.stdout,
        "\ntwo.o:\tfile format elf64-bpf\n\
         \nDisassembly of section tc:\n\
         \n0000000000000000 <one>:\n\
         ; fn drop(ctx: &mut Tc) {\n       \
                0:\tb7 00 00 00 00 00 00 00\tr0 = 0x0\n       \
                1:\t18 02 00 00 40 00 00 00 00 00 00 00 00 00 00 00\tr2 = 0x40 ll\n       \
                3:\tae 21 01 00 00 00 00 00\tif w1 < w2 goto +0x1 <one+0x28>\n\
         ; SHOT\n       \
                4:\t07 00 00 00 02 00 00 00\tr0 += 0x2\n       \
                5:\t95 00 00 00 00 00 00 00\texit\n\
         \n0000000000000030 <two>:\n\
         ; fn drop(ctx: &mut Tc) {\n       \
                6:\tb7 00 00 00 00 00 00 00\tr0 = 0x0\n       \
                7:\t18 02 00 00 40 00 00 00 00 00 00 00 00 00 00 00\tr2 = 0x40 ll\n       \
                9:\tae 21 01 00 00 00 00 00\tif w1 < w2 goto +0x1 <two+0x28>\n\
         ; SHOT\n      \
               10:\t07 00 00 00 02 00 00 00\tr0 += 0x2\n      \
               11:\t95 00 00 00 00 00 00 00\texit\n"
    );
    let plain = ended(bpfasm().arg("disasm").arg(&path));
    assert!(!plain.stdout.contains("; "), "{plain:#?}");
}

#[test]
fn the_other_byte_order_differs_in_bytes_alone() {
    let folder = Folder::new("endian");
    let text = |endian, name: &str| {
        let path = folder.write(name, object(endian, &[("one", "xdp")]));
        let run = ended(bpfasm().arg("disasm").arg(path));
        run.succeeded();
        run.stdout.lines().filter_map(|line| Some(line.split('\t').nth(2)?.to_owned())).collect::<Vec<_>>()
    };
    let little = text(Endian::Little, "little.o");
    assert_eq!(little.len(), 5);
    assert_eq!(little, text(Endian::Big, "big.o"));
}

#[test]
fn disasm_as_json_holds_places_bytes_texts_and_lines() {
    let folder = Folder::new("json");
    let path = folder.write("one.o", object(Endian::Little, &[("one", "tc")]));
    let run = ended(bpfasm().args(["disasm", "--json"]).arg(path));
    run.succeeded();
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json[0]["name"], "one");
    assert_eq!(json[0]["section"], "tc");
    assert_eq!(json[0]["slots"], 6);
    assert_eq!(json[0]["insns"][2]["slot"], 3);
    assert_eq!(json[0]["insns"][2]["text"], "if w1 < w2 goto +0x1 <one+0x28>");
    assert_eq!(json[0]["insns"][3]["source"]["line"], 8);
    assert_eq!(json[0]["insns"][4]["bytes"], "95 00 00 00 00 00 00 00");
}

#[test]
fn of_several_fitting_programs_one_must_be_named() {
    let folder = Folder::new("several");
    let path = folder.write("three.o", object(Endian::NATIVE, &[("one", "tc"), ("two", "tc"), ("fast", "xdp")]));
    let attach = |more: &[&str]| ended(bpfasm().arg("attach").arg(&path).arg("tc:nosuchdev:ingress").args(more));
    let several = attach(&[]);
    several.failed(2, &["one (tc), two (tc)", "--program"]);
    assert!(!several.stderr.contains("fast"), "{several:#?}");
    attach(&["--program", "three"]).failed(7, &["no program `three`", "one (tc), two (tc), fast (xdp)"]);
    attach(&["--program", "fast"]).failed(2, &["fast (xdp) is not a tc program"]);
    // The program is chosen; the device is what is missing.
    attach(&["--program", "two"]).failed(7, &["no network device `nosuchdev`"]);
}

#[test]
fn where_no_program_fits_there_is_a_list_of_those_there_are() {
    let folder = Folder::new("nofit");
    let path = folder.write("fast.o", object(Endian::NATIVE, &[("fast", "xdp")]));
    ended(bpfasm().arg("attach").arg(path).arg("tc:lo:ingress")).failed(2, &["fast.o has no tc program", "fast (xdp)"]);
}

#[test]
fn an_object_has_no_samples_to_run() {
    let folder = Folder::new("nosamples");
    let path = folder.write("one.o", object(Endian::NATIVE, &[("one", "tc")]));
    ended(bpfasm().arg("run").arg(path)).failed(2, &["holds no samples", "--packet HEX"]);
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let mut child =
        bpfasm().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}
