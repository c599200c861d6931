//! Every instruction prints as `llvm-objdump -d` prints it.

use std::collections::HashSet;

use bpfasm_isa::{Endian, HelperId, Insn, Op, Reg, Slot, SlotIx, disasm};

/// A golden without its first line, which says how it was made.
fn golden(text: &'static str) -> &'static str {
    let (comment, rest) = text.split_once('\n').expect("a first line");
    assert!(comment.starts_with("# "));
    rest
}

const PLAIN: &str = include_str!("goldens/llvm-objdump.txt");
const V4: &str = include_str!("goldens/llvm-objdump-v4.txt");
const BEYOND: &str = include_str!("goldens/beyond-llvm-19.txt");

fn slots(bytes: &str) -> Vec<Slot> {
    let bytes: Vec<u8> = bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect();
    bytes.chunks_exact(8).map(|word| Slot::from_bytes(word.try_into().expect("8 bytes"), Endian::Little)).collect()
}

/// The program in a listing: the bytes between the first and the second tab of each line.
fn program(listing: &str) -> Vec<Slot> {
    listing.lines().flat_map(|line| slots(line.split('\t').nth(1).expect("a field of bytes"))).collect()
}

/// Compares line by line, so that a failure names its line.
fn assert_lists_as(listing: &str) {
    let program = program(listing);
    let ours = disasm::listing(&program, Endian::Little, &disasm::FunctionName("f")).to_string();
    for (ours, theirs) in ours.lines().zip(listing.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours, listing);
}

#[test]
fn lists_as_llvm_objdump() {
    assert_lists_as(golden(PLAIN));
}

#[test]
fn lists_as_llvm_objdump_for_v4() {
    assert_lists_as(golden(V4));
}

#[test]
fn prints_what_llvm_19_does_not_know() {
    for line in golden(BEYOND).lines() {
        let (bytes, text) = line.split_once('\t').unwrap();
        assert_eq!(Insn::decode(&slots(bytes)).unwrap().to_string(), text);
    }
}

#[test]
fn the_goldens_hold_every_row() {
    let mut programs = vec![program(golden(PLAIN)), program(golden(V4))];
    programs.extend(golden(BEYOND).lines().map(|line| slots(line.split('\t').next().unwrap())));
    let seen: HashSet<Op> =
        programs.iter().flat_map(|slots| disasm::insns(slots)).map(|(_, insn)| insn.unwrap().op()).collect();
    let missing: Vec<_> = Op::ALL.iter().filter(|op| !seen.contains(op)).collect();
    assert_eq!(missing, [] as [&Op; 0]);
}

#[test]
fn a_bad_word_is_unknown_and_the_next_is_read() {
    let bad = Slot { code: 0xff, imm: 0x0102_0304, ..Slot::default() };
    let slots = [bad, Insn::exit().encode()[0]];
    assert_eq!(
        disasm::listing(&slots, Endian::Big, &()).to_string(),
        "       0:\tff 00 00 00 01 02 03 04\t<unknown>\n       1:\t95 00 00 00 00 00 00 00\texit\n"
    );
}

#[test]
fn lddw_cut_in_half_is_unknown() {
    let slots = [Insn::lddw(Reg::R1, 1).encode()[0]];
    let items: Vec<_> = disasm::insns(&slots).collect();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].1.unwrap_err().to_string(), "Lddw has lost its second slot");
}

#[test]
fn positions_count_slots() {
    let program = [Insn::lddw(Reg::R1, 1), Insn::exit()];
    let slots: Vec<Slot> = program.iter().flat_map(|insn| insn.encode().to_vec()).collect();
    let found: Vec<_> = disasm::insns(&slots).collect();
    assert_eq!(found, [(SlotIx(0), Ok(program[0])), (SlotIx(2), Ok(program[1]))]);
}

/// Names that a caller has: a symbol at one place, subprograms, helpers.
struct Symbols;

impl disasm::Names for Symbols {
    fn jump(&self, target: SlotIx, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if target == SlotIx(3) { f.write_str(" <LBB0_2>") } else { Ok(()) }
    }

    fn call(&self, target: SlotIx, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, " <sub{target}>")
    }

    fn helper(&self, helper: HelperId, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, " # {helper}")
    }
}

#[test]
fn callers_add_names() {
    let program = [Insn::ja(2), Insn::ja(-2), Insn::call_local(0), Insn::call_helper(HelperId::REDIRECT), Insn::exit()];
    let slots: Vec<Slot> = program.iter().flat_map(|insn| insn.encode().to_vec()).collect();
    let listing = disasm::listing(&slots, Endian::Little, &Symbols).to_string();
    let texts: Vec<_> = listing.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(texts, ["goto +0x2 <LBB0_2>", "goto -0x2", "call 0x0 <sub3>", "call 0x17 # bpf_redirect", "exit"]);
}
