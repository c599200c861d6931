//! Laws of the assembler: what is printed comes back, and each dialect says the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod legal;

use bpfasm_isa::{
    Endian, Insn, Op, Reg, Slot, SlotIx, disasm,
    text::{self, Dialect, ErrorKind, Options},
};
use proptest::prelude::*;

/// The slots of a text without directives.
fn assemble(source: &str) -> Vec<Slot> {
    let unit = text::assemble(source, &Options::default()).unwrap_or_else(|errors| {
        let lines = errors.iter().map(|error| format!("{}: {error}\n", error.span.place(source)));
        panic!("{}in\n{source}", lines.collect::<String>())
    });
    assert!(unit.sections.len() <= 1, "{unit:?}");
    unit.sections.into_iter().next().map(|section| section.slots).unwrap_or_default()
}

fn slots(bytes: &[u8], endian: Endian) -> Vec<Slot> {
    bytes.chunks_exact(8).map(|word| Slot::from_bytes(word.try_into().unwrap(), endian)).collect()
}

/// Every row with some operands, as a program.
fn every_row(imm: i32, off: i16, high: i32) -> Vec<Insn> {
    let with = legal::Operands { dst: Reg::R3, src: Reg::R4, off, imm, high };
    Op::ALL.iter().map(|op| legal::insn(op.form(), with)).collect()
}

#[test]
fn every_row_comes_back_from_its_text() {
    for (imm, off, high) in
        [(5, 8, 0), (-5, -8, -1), (i32::MIN, i16::MIN, i32::MIN), (i32::MAX, i16::MAX, 1), (0, 0, 0)]
    {
        for insn in every_row(imm, off, high) {
            let code = insn.encode().to_vec();
            let source = text::source(&code, Endian::NATIVE).to_string();
            assert!(!source.contains(".quad"), "{source}");
            assert_eq!(assemble(&source), code, "{source}");
        }
    }
}

#[test]
fn what_llvm_prints_is_taken_but_for_calls_that_it_does_not_tell_apart() {
    for insn in every_row(5, 8, 0).into_iter().chain(every_row(-5, -8, -1)) {
        if matches!(insn.op(), Op::CallLocal | Op::CallKfunc) {
            continue;
        }
        let source = insn.to_string();
        assert_eq!(assemble(&source), insn.encode().to_vec(), "{source}");
    }
}

fn check_round_trip(bytes: &[u8]) {
    for endian in [Endian::Little, Endian::Big] {
        let code = slots(bytes, endian);
        let source = text::source(&code, endian).to_string();
        let unit = text::assemble(&source, &Options { endian, ..Options::default() });
        let unit = unit.unwrap_or_else(|errors| panic!("{errors:?} in\n{source}"));
        let again = unit.sections.first().map(|section| section.slots.clone()).unwrap_or_default();
        assert_eq!(again, code, "{source}");
        assert_eq!(text::source(&again, endian).to_string(), source);
    }
}

/// Words near instructions: random bytes hardly ever are one.
fn word() -> impl Strategy<Value = [u8; 8]> {
    let near = (0..Op::ALL.len(), 0_u8..12, 0_u8..12, -4_i16..5, any::<i32>(), any::<[bool; 4]>());
    let near = near.prop_map(|(op, dst, src, off, imm, keep)| {
        let with = |on: bool, value: i32| if on { value } else { 0 };
        let row = Op::ALL[op].row();
        let mut slot = Slot { code: row.code, dst: 0, src: 0, off: 0, imm: with(keep[3], imm % 20) };
        slot.dst = u8::try_from(with(keep[0], dst.into())).unwrap();
        slot.src = u8::try_from(with(keep[1], src.into())).unwrap();
        slot.off = i16::try_from(with(keep[2], off.into())).unwrap();
        match row.select {
            Some(bpfasm_isa::Select::Src(value)) => slot.src = value,
            Some(bpfasm_isa::Select::Off(value)) => slot.off = value,
            Some(bpfasm_isa::Select::Imm(value)) => slot.imm = value,
            None => {}
        }
        slot.to_bytes(Endian::Little)
    });
    let high = any::<i32>().prop_map(|imm| Slot { imm, ..Slot::default() }.to_bytes(Endian::Little));
    prop_oneof![8 => near, 2 => high, 1 => any::<[u8; 8]>()]
}

proptest! {
    #[test]
    fn all_words_come_back_from_their_text(words in prop::collection::vec(word(), 0..40)) {
        check_round_trip(&words.concat());
    }

    #[test]
    fn any_text_gives_code_or_errors_in_the_text(source in "[ -~\n\t]{0,80}") {
        if let Err(errors) = text::assemble(&source, &Options::default()) {
            for error in errors {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= source.len(), "{error:?}");
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn statements_with_letters_exchanged_do_not_panic(at in 0..Op::ALL.len(), cut in 0_usize..40, letter in any::<char>()) {
        let mut source = every_row(-5, 7, 9)[at].to_string();
        let cut = cut.min(source.len());
        source.insert(cut, letter);
        let _ = text::assemble(&source, &Options::default());
        let _ = text::assemble(&source[..cut], &Options::default());
    }
}

/// A statement in mnemonics, and in pseudo-C.
const SAME: &[(&str, &str)] = &[
    ("mov r1, 5", "r1 = 5"),
    ("mov32 %r1, %r2", "w1 = w2"),
    ("mov64 r1, r2", "r1 = r2"),
    ("add r1, -5", "r1 += -5"),
    ("add32 r1, 0xffffffff", "w1 += 0xffffffff"),
    ("sdiv %r1, %r2", "r1 s/= r2"),
    ("smod32 r1, 3", "w1 s%= 3"),
    ("arsh64 r1, 3", "r1 s>>= 3"),
    ("neg r1", "r1 = -r1"),
    ("neg32 r1", "w1 = -w1"),
    ("movsx832 r1, r2", "w1 = (s8)w2"),
    ("movsx3264 r1, r2", "r1 = (s32)r2"),
    ("movs %r1, %r2, 16", "r1 = (s16)r2"),
    ("movs32 %r1, %r2, 8", "w1 = (s8)w2"),
    ("be16 r1", "r1 = be16 r1"),
    ("endbe %r1, 32", "r1 = be32 r1"),
    ("endle %r1, 64", "r1 = le64 r1"),
    ("swap32 r1", "r1 = bswap32 r1"),
    ("bswap %r1, 16", "r1 = bswap16 r1"),
    ("bswap64 r1", "r1 = bswap64 r1"),
    ("lddw r1, 0x1122334455667788", "r1 = 0x1122334455667788 ll"),
    ("ldxdw r1, [r2+8]", "r1 = *(u64 *)(r2 + 8)"),
    ("ldxb %r1, [%fp - 1]", "r1 = *(u8 *)(r10 - 1)"),
    ("ldxsh r1, [r2]", "r1 = *(s16 *)(r2 + 0)"),
    ("stb [r1+2], 0x11", "*(u8 *)(r1 + 2) = 0x11"),
    ("stdw [r1], -1", "*(u64 *)(r1 + 0) = -1"),
    ("stxw [r1-4], r2", "*(u32 *)(r1 - 4) = r2"),
    ("ldabsh 12", "r0 = *(u16 *)skb[12]"),
    ("ldindb r2, 4", "r0 = *(u8 *)skb[r2 + 4]"),
    ("lock add [r1+8], r2", "lock *(u64 *)(r1 + 8) += r2"),
    ("lock xor32 [r1], r2", "lock *(u32 *)(r1 + 0) ^= w2"),
    ("lock fetch and [r1], r2", "r2 = atomic_fetch_and((u64 *)(r1 + 0), r2)"),
    ("lock xchg32 [r1], r2", "w2 = xchg32_32(r1 + 0, w2)"),
    ("lock cmpxchg [r1], r2", "r0 = cmpxchg_64(r1 + 0, r0, r2)"),
    ("aadd [%r1+8], %r2", "lock *(u64 *)(r1 + 8) += r2"),
    ("aor32 [%r1+8], %r2", "lock *(u32 *)(r1 + 8) |= w2"),
    ("afadd32 [%r1], %r2", "w2 = atomic_fetch_add((u32 *)(r1 + 0), w2)"),
    ("axchg [%r1], %r2", "r2 = xchg_64(r1 + 0, r2)"),
    ("acmp32 [%r1], %r2", "w0 = cmpxchg32_32(r1 + 0, w0, w2)"),
    ("stxxadddw [r1+8], r2", "lock *(u64 *)(r1 + 8) += r2"),
    ("xaddw [%r1], %r2", "lock *(u32 *)(r1 + 0) += r2"),
    ("ja +3", "goto +3"),
    ("ja 3", "goto +3"),
    ("ja32 +70000", "gotol +70000"),
    ("jal 5", "gotol +5"),
    ("jeq r1, 4, +5", "if r1 == 4 goto +5"),
    ("jsle32 r1, r2, -1", "if w1 s<= w2 goto -1"),
    ("jset r1, 1, 2", "if r1 & 1 goto +2"),
    ("call 23", "call bpf_redirect"),
    ("call helper 23", "call 23"),
    ("call local +5", "call pc+5"),
    ("call runtime 77", "call kfunc 77"),
    ("callx r1", "callx r1"),
    ("exit", "exit"),
];

#[test]
fn both_dialects_say_the_same() {
    for (mnemonic, pseudo_c) in SAME {
        assert_eq!(assemble(mnemonic), assemble(pseudo_c), "{mnemonic} | {pseudo_c}");
    }
}

#[test]
fn every_row_that_has_a_mnemonic_is_in_the_comparison() {
    let all: String = SAME.iter().map(|(_, pseudo_c)| format!("{pseudo_c}\n")).collect();
    let forms: Vec<_> = disasm::insns(&assemble(&all)).map(|(_, insn)| insn.unwrap().form()).collect();
    let kind = |form: &bpfasm_isa::Form| {
        let text = format!("{form:?}");
        text.split('(').next().unwrap().to_owned()
    };
    let seen: Vec<String> = forms.iter().map(kind).collect();
    // What neither ubpf, rbpf nor GNU as has a word for.
    let without = ["AddrSpaceCast", "LoadAcquire", "StoreRelease", "LddwPseudo", "Gotox", "MayGoto"];
    for op in Op::ALL {
        let kind = kind(&op.form());
        assert!(seen.contains(&kind) || without.contains(&kind.as_str()), "{op:?}");
    }
}

#[test]
fn labels_become_distances() {
    let code = assemble("start: r0 = 0\n1: r0 += 1; if r0 < 9 goto 1b\n goto 1f; goto start\n1: exit");
    let text: Vec<_> = disasm::insns(&code).map(|(_, insn)| insn.unwrap().to_string()).collect();
    assert_eq!(text[2..5], ["if r0 < 0x9 goto -0x2", "goto +0x1", "goto -0x5"]);
    assert_eq!(assemble("jeq r1, 0, exit\nmov r0, 1\nexit\nexit")[0].off, 1, "the first exit has a label");
}

#[test]
fn subprograms_maps_and_sections() {
    let source = ".map counts, hash, 4, 8, 1024\n.license \"GPL\"\n.section tc\n.globl main\nmain: r1 = counts ll\n\
                  call helper\n r1 = local ll\ncall other\nexit\nlocal: exit\n.text\n.globl other\nother: exit\nhelper: exit";
    let unit = text::assemble(source, &Options::default()).unwrap();
    assert_eq!(unit.license.as_deref(), Some("GPL"));
    assert_eq!((unit.maps[0].name, unit.maps[0].value_size, unit.maps[0].max_entries), ("counts", 8, 1024));
    let [tc, text] = &unit.sections[..] else { panic!("{unit:?}") };
    let names =
        |section: &text::Section<'_>| section.functions.iter().map(|f| (f.name.to_owned(), f.at.0)).collect::<Vec<_>>();
    assert_eq!(names(tc), [("main".to_owned(), 0), ("local".to_owned(), 7)]);
    assert_eq!(names(text), [("other".to_owned(), 0), ("helper".to_owned(), 1)]);
    let references: Vec<_> = tc.references.iter().map(|r| (r.name, r.at.0, r.call)).collect();
    assert_eq!(references, [("counts", 0, false), ("helper", 2, true), ("other", 5, true)]);
    assert_eq!(Insn::decode(&tc.slots[3..]).unwrap(), Insn::lddw_function(Reg::R1, 3));
    assert_eq!(tc.lines.iter().map(|line| line.line).collect::<Vec<_>>(), [5, 6, 7, 8, 9, 10]);
}

/// A log of the verifier's, with the lines that are no instructions.
const LOG: &str = "\
func#0 @0
Live regs before insn:
      0: .......... (b7) r6 = 1
      7: 0......... (95) exit
; int f(struct __sk_buff *skb) @ f.c:3
0: R1=ctx() R10=fp0
0: (b7) r6 = 1                        ; R6_w=1
1: (63) *(u32 *)(r10 -4) = r6         ; R6_w=1 R10=fp0 fp-8=mmmm????
2: (18) r1 = 0x1122334455667788
4: (85) call bpf_get_prandom_u32#7
5: (16) if w0 == 0xffffffff goto pc+1 ; R0_w=scalar()
6: (db) r6 = atomic64_fetch_add((u64 *)(r10 -8), r6)
from 5 to 7: R0_w=0xffffffff
7: (95) exit
5: (16) if w0 == 0xffffffff goto pc+1
verification time 55 usec
stack depth 8
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";

#[test]
fn a_log_of_the_kernels_is_assembled_again() {
    let code = assemble(LOG);
    let text: Vec<_> = disasm::insns(&code).map(|(at, insn)| format!("{at}: {}", insn.unwrap())).collect();
    let expected = [
        "0: r6 = 0x1",
        "1: *(u32 *)(r10 - 0x4) = r6",
        "2: r1 = 0x1122334455667788 ll",
        "4: call 0x7",
        "5: if w0 == -0x1 goto +0x1",
        "6: r6 = atomic_fetch_add((u64 *)(r10 - 0x8), r6)",
        "7: exit",
    ];
    assert_eq!(text, expected);
}

/// A text, and its errors: line, column, the beginning of the message and, behind a bar, that of the advice.
const WRONG: &[(&str, &[&str])] = &[
    ("r11 = 0", &["1:1 no such register"]),
    ("r1 = w2", &["1:6 a register of 64 bits"]),
    ("w1 += r2", &["1:7 a register of 32 bits"]),
    (
        "r1 = 0x1ffffffff",
        &["1:6 8589934591 does not fit: the immediate, which is sign-extended, reaches from -2147483648"],
    ),
    ("r1 = *(u8 *)(r2 + 40000)", &["1:17 40000 does not fit: the offset reaches from -32768 to 32767"]),
    ("gote L", &["1:1 no instruction begins with this word | did you mean `goto`?"]),
    ("mvo r1, 2", &["1:1 no instruction begins with this word | did you mean `mov`?"]),
    ("call bpf_redirct", &["1:6 no helper has this name | did you mean `bpf_redirect`?"]),
    (".secton tc", &["1:1 unknown directive | did you mean `.section`?"]),
    ("goto nowhere\nexit", &["1:6 no label of this name"]),
    ("a: exit\na: exit", &["2:1 this label is defined twice, first in line 1"]),
    ("r10 += 1", &["1:1 r10, the frame pointer, cannot be written"]),
    ("r10 = atomic_fetch_add((u64 *)(r1 + 0), r10)", &["1:1 r10, the frame pointer"]),
    ("goto +1\nr1 = 5 ll\nexit", &["1:1 the target is the second slot of an LDDW"]),
    ("r1 = 1\nmov r1, 1", &["2:1 this is mnemonics, but the text began as pseudo-C in line 1"]),
    ("r1 = be16 r2", &["1:11 the instruction changes a register in place"]),
    ("r1 = 1 r2 = 2", &["1:8 the statement ends before this"]),
    ("r1 = map", &["1:9 expected `ll`"]),
    ("r1 = nomap ll\nexit", &["1:6 no map and no function of this name"]),
    ("call f\nexit", &["1:6 no function and no helper"]),
    ("r1 = 12z", &["1:6 not a number"]),
    ("r1 = 99999999999999999999", &["1:6 a number of more than 64 bits"]),
    ("r1 = (s32)r2\nw1 = (s32)w2", &["2:7 no sign extension from 32 to 32 bits"]),
    ("lock *(u8 *)(r1 + 0) += r2", &["1:6 no atomic Add on 1 bytes"]),
    ("if r1 ~ 2 goto +1", &["1:7 expected a comparison"]),
    ("0: (b7) r1 = 1\n2: (95) exit", &["2:5 the line's number is 2, but the next slot is 1"]),
    ("0: (b7) r1 = 1\n0: (b7) r1 = 2", &["2:5 slot 0 was another instruction before"]),
    ("0: (bf) r1 = 1", &["1:5 the line says opcode bf, and this instruction has b7"]),
    (".map m, hash, 4", &["1:16 expected `,`: a map is `.map NAME, TYPE"]),
    ("r1 = 1 é", &["1:8 no statement has this character"]),
    (".license \"GPL", &["1:10 the closing `\"` is missing"]),
    ("r1 = 1\nr12 = 2\nfoo\nexit x", &["2:1 no such register", "3:1 no instruction begins", "4:6 the statement ends"]),
];

#[test]
fn errors_say_where_and_what() {
    for (source, expected) in WRONG {
        let errors = text::assemble(source, &Options::default()).expect_err(source);
        let found: Vec<String> = errors
            .iter()
            .map(|error| {
                let help = error.kind.help().map(|help| format!(" | {help}")).unwrap_or_default();
                format!("{} {error}{help}", error.span.place(source))
            })
            .collect();
        assert_eq!(found.len(), expected.len(), "{source}: {found:?}");
        for (found, expected) in found.iter().zip(*expected) {
            let (message, help) = expected.split_once(" | ").unwrap_or((expected, ""));
            assert!(found.starts_with(message) && found.ends_with(help), "{source}: {found}");
        }
    }
}

#[test]
fn far_jumps_and_levels() {
    let far = format!("goto end\n{}end: exit", "r0 = 0\n".repeat(40_000));
    let errors = text::assemble(&far, &Options::default()).unwrap_err();
    assert_eq!(errors[0].kind, ErrorKind::JumpTooFar { distance: 40_000, reach: 32_767 });
    let v4 = Options { level: Some(bpfasm_isa::CpuLevel::V4), ..Options::default() };
    let unit = text::assemble(&far, &v4).unwrap();
    assert_eq!(Insn::decode(&unit.sections[0].slots).unwrap(), Insn::gotol(40_000));
    let v2 = Options { level: Some(bpfasm_isa::CpuLevel::V2), ..Options::default() };
    let error = text::assemble("r1 = 1\nw1 = 1", &v2).unwrap_err()[0];
    assert_eq!(error.to_string(), "needs cpu v3, and v2 is asked for; the first kernel with it is Linux 3.18");
}

#[test]
fn a_dialect_that_is_asked_for_is_the_only_one() {
    let options = Options { dialect: Some(Dialect::Mnemonic), ..Options::default() };
    assert!(text::assemble("mov r1, 1\nexit", &options).is_ok());
    assert!(matches!(text::assemble("r1 = 1", &options).unwrap_err()[0].kind, ErrorKind::Dialects { .. }));
    assert_eq!(text::assemble("exit", &options).unwrap().sections[0].lines[0].at, SlotIx(0));
}

#[test]
fn what_compilers_emit_besides_is_passed_over() {
    let source = "\t.text\n\t.file\t\"f.c\"\n\t.section\ttc,\"ax\",@progbits\n\t.globl\tf                       # -- Begin function f\n\
                  \t.p2align\t3\n\t.type\tf,@function\nf:                                      # @f\n# %bb.0:\n\tr0 = 0\n\
                  \texit\n.Lfunc_end0:\n\t.size\tf, .Lfunc_end0-f\n\t.section\tlicense,\"aw\",@progbits\n_license:\n\
                  \t.asciz\t\"GPL\"\n\t.section\t.BTF,\"\",@progbits\n\t.short\t60319\n\t.byte\t1\n\t.addrsig\n";
    let unit = text::assemble(source, &Options::default()).unwrap();
    let with_code: Vec<_> = unit.sections.iter().filter(|section| !section.slots.is_empty()).collect();
    assert_eq!((with_code.len(), with_code[0].name, with_code[0].functions[0].name), (1, "tc", "f"));
    assert_eq!(unit.license.as_deref(), Some("GPL"));
}
