//! The opcode table holds together, and agrees with what the kernel's header and RFC 9669 say about encodings.

use std::collections::{BTreeMap, HashSet};

use bpfasm_isa::{Class, CpuLevel, Form, Group, KernelVersion, Narrow, Op, Row, Select, Size, Width};

fn rows() -> impl Iterator<Item = &'static Row> {
    Op::ALL.iter().map(|op| op.row())
}

/// What tells two rows apart in their bytes.
fn selector(row: &Row) -> Option<(u8, i32)> {
    row.select.map(|select| match select {
        Select::Src(value) => (0, i32::from(value)),
        Select::Off(value) => (1, i32::from(value)),
        Select::Imm(value) => (2, value),
    })
}

#[test]
fn every_op_finds_its_own_row_and_form() {
    for &op in Op::ALL {
        assert_eq!(op.row().op, op);
        assert_eq!(op.form().op(), op);
        assert_eq!(op.row().name, format!("{op:?}"));
        assert_eq!(Op::rows_of(op.row().code).iter().filter(|row| row.op == op).count(), 1);
    }
}

#[test]
fn all_rows_are_reached_by_their_byte_and_no_others() {
    let reached: usize = (0..=u8::MAX).map(|code| Op::rows_of(code).len()).sum();
    assert_eq!(reached, Op::ALL.len());
    for code in 0..=u8::MAX {
        assert!(Op::rows_of(code).iter().all(|row| row.code == code));
    }
}

#[test]
fn no_two_rows_overlap() {
    for code in 0..=u8::MAX {
        let rows = Op::rows_of(code);
        let selectors: HashSet<_> = rows.iter().map(selector).collect();
        assert_eq!(selectors.len(), rows.len(), "opcode {code:#04x}: two rows with one selector");
        let fields: HashSet<_> = rows.iter().map(|row| selector(row).map(|(field, _)| field)).collect();
        assert!(fields.len() <= 1, "opcode {code:#04x}: rows selected by different fields");
    }
}

#[test]
fn class_is_the_low_bits_of_the_byte() {
    for row in rows() {
        assert_eq!(row.class, Class::of(row.code), "{}", row.name);
    }
}

/// RFC 9669 section 3: bits 3 and 4 of loads and stores are the size, bit 3 of arithmetic and jumps the operand's kind.
#[test]
fn size_and_source_bits_agree_with_the_form() {
    use bpfasm_isa::Operand;
    let size_bits = |size| match size {
        Size::W => 0x00,
        Size::H => 0x08,
        Size::B => 0x10,
        Size::DW => 0x18,
    };
    for row in rows() {
        let (mask, bits) = match row.form {
            Form::Load(size) | Form::Store(size, _) | Form::LoadAcquire(size) | Form::StoreRelease(size) => {
                (0x18, size_bits(size))
            }
            Form::LoadSx(narrow) | Form::LoadAbs(narrow) | Form::LoadInd(narrow) => (0x18, size_bits(narrow.size())),
            Form::Atomic(Width::W32, _) => (0x18, size_bits(Size::W)),
            Form::Atomic(Width::W64, _) => (0x18, size_bits(Size::DW)),
            Form::Alu(_, _, Operand::K) | Form::Mov(_, Operand::K) | Form::JumpIf(_, _, Operand::K) => (0x08, 0x00),
            Form::Alu(_, _, Operand::X) | Form::Mov(_, Operand::X) | Form::JumpIf(_, _, Operand::X) => (0x08, 0x08),
            _ => continue,
        };
        assert_eq!(row.code & mask, bits, "{}", row.name);
    }
}

#[test]
fn width_agrees_with_the_class() {
    for row in rows() {
        let class = match row.form {
            Form::Alu(Width::W32, ..) | Form::Mov(Width::W32, _) | Form::Neg(Width::W32) => Class::Alu,
            Form::Alu(Width::W64, ..) | Form::Mov(Width::W64, _) | Form::Neg(Width::W64) => Class::Alu64,
            Form::MovSx(extend) if extend.width() == Width::W32 => Class::Alu,
            Form::MovSx(_) => Class::Alu64,
            Form::JumpIf(Width::W32, ..) => Class::Jmp32,
            Form::JumpIf(Width::W64, ..) => Class::Jmp,
            _ => continue,
        };
        assert_eq!(row.class, class, "{}", row.name);
    }
}

/// The groups of RFC 9669 section 2.4, counted over its appendix (which leaves out the sign-extending loads).
#[test]
fn groups_have_their_size() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows() {
        *counts.entry(format!("{:?}", row.group)).or_default() += 1;
    }
    let expected = [
        ("Atomic32", 10),
        ("Atomic64", 10),
        // add sub or and lsh rsh xor arsh mov by 2 operands, neg, 2 movsx, 6 swaps, 3 loads, 3 sign-extending loads,
        // 6 stores, 11 jumps by 2 operands, 2 gotos, 3 calls, exit
        ("Base32", 18 + 1 + 2 + 6 + 3 + 3 + 6 + 22 + 2 + 3 + 1),
        // the same arithmetic, neg, 3 movsx, 3 swaps, a load, 2 stores, the jumps, 7 LDDW
        ("Base64", 18 + 1 + 3 + 3 + 1 + 2 + 22 + 7),
        ("DivMul32", 10),
        ("DivMul64", 10),
        // addr_space_cast, 4 load_acquire, 4 store_release, gotox, may_goto, callx
        ("Linux", 1 + 4 + 4 + 3),
        ("Packet", 6),
    ];
    assert_eq!(counts, expected.map(|(group, count)| (group.to_owned(), count)).into());
}

/// Opcode bytes as `include/uapi/linux/bpf.h` composes them, one of each kind.
#[test]
fn bytes_are_the_kernels() {
    let expected = [
        (Op::Add64K, 0x07),          // BPF_ALU64 | BPF_ADD | BPF_K
        (Op::Arsh64X, 0xcf),         // BPF_ALU64 | BPF_ARSH | BPF_X
        (Op::Mov32K, 0xb4),          // BPF_ALU | BPF_MOV | BPF_K
        (Op::ToBe16, 0xdc),          // BPF_ALU | BPF_END | BPF_TO_BE
        (Op::Bswap64, 0xd7),         // BPF_ALU64 | BPF_END | BPF_TO_LE
        (Op::LoadW, 0x61),           // BPF_LDX | BPF_MEM | BPF_W
        (Op::LoadSxB, 0x91),         // BPF_LDX | BPF_MEMSX | BPF_B
        (Op::StoreDWK, 0x7a),        // BPF_ST | BPF_MEM | BPF_DW
        (Op::StoreHX, 0x6b),         // BPF_STX | BPF_MEM | BPF_H
        (Op::AtomicXchg64, 0xdb),    // BPF_STX | BPF_ATOMIC | BPF_DW
        (Op::LoadAcquireB, 0xd3),    // BPF_STX | BPF_ATOMIC | BPF_B
        (Op::LoadAbsH, 0x28),        // BPF_LD | BPF_ABS | BPF_H
        (Op::LoadIndB, 0x50),        // BPF_LD | BPF_IND | BPF_B
        (Op::LddwMapIdxValue, 0x18), // BPF_LD | BPF_IMM | BPF_DW
        (Op::JSLe32X, 0xde),         // BPF_JMP32 | BPF_JSLE | BPF_X
        (Op::Gotol, 0x06),           // BPF_JMP32 | BPF_JA
        (Op::Gotox, 0x0d),           // BPF_JMP | BPF_JA | BPF_X
        (Op::MayGoto, 0xe5),         // BPF_JMP | BPF_JCOND
        (Op::CallKfunc, 0x85),       // BPF_JMP | BPF_CALL
        (Op::Exit, 0x95),            // BPF_JMP | BPF_EXIT
    ];
    for (op, code) in expected {
        assert_eq!(op.row().code, code, "{op:?}");
    }
}

#[test]
fn levels_and_kernels() {
    assert_eq!((Op::Add64X.level(), Op::Add64X.since()), (CpuLevel::V1, Some(KernelVersion::new(3, 18))));
    assert_eq!((Op::JLt64K.level(), Op::JLt64K.since()), (CpuLevel::V2, Some(KernelVersion::new(4, 14))));
    assert_eq!((Op::JEq32K.level(), Op::JEq32K.since()), (CpuLevel::V3, Some(KernelVersion::new(5, 1))));
    assert_eq!((Op::SMod32X.level(), Op::SMod32X.since()), (CpuLevel::V4, Some(KernelVersion::new(6, 6))));
    assert_eq!((Op::StoreWK.level(), Op::StoreWK.since()), (CpuLevel::V4, Some(KernelVersion::new(3, 18))));
    assert_eq!(Op::Callx.since(), None);
    assert_eq!(Op::LoadSxW.form(), Form::LoadSx(Narrow::W));
    assert_eq!(Op::Callx.group(), Group::Linux);
    // What came late never claims an early level: everything since 5.1 is v3 or later, or is no code of compilers.
    for row in rows().filter(|row| row.class != Class::Ld && row.group != Group::Linux) {
        let late = row.since.is_some_and(|since| since >= KernelVersion::new(5, 1));
        let call = matches!(row.form, Form::CallLocal | Form::CallKfunc);
        assert!(!late || call || row.level >= CpuLevel::V3, "{}", row.name);
    }
}
