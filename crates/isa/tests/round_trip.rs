//! Laws of encoding and decoding.

use bpfasm_isa::{
    AluOp, AtomicOp, DecodeError, Endian, Field, Form, Insn, InsnError, Op, PseudoSrc, Reg, Rmw, Size, Slot, Width,
};
use proptest::prelude::*;

mod legal;

fn reg() -> impl Strategy<Value = Reg> {
    prop::sample::select(&Reg::ALL[..])
}

/// Edges as often as everything else.
fn imm() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), prop::sample::select(&[0, 1, -1, i32::MIN, i32::MAX][..])]
}

fn operands() -> impl Strategy<Value = legal::Operands> {
    let off = prop_oneof![any::<i16>(), prop::sample::select(&[0, 1, -1, i16::MIN, i16::MAX][..])];
    (reg(), reg(), off, imm(), imm()).prop_map(|(dst, src, off, imm, high)| legal::Operands {
        dst,
        src,
        off,
        imm,
        high,
    })
}

/// Words that are close to instructions: the byte of some row, and fields that are often zero or a selector's value.
fn near_slot() -> impl Strategy<Value = Slot> {
    let code = prop_oneof![4 => prop::sample::select(Op::ALL).prop_map(|op| op.row().code), 1 => any::<u8>()];
    let reg = prop_oneof![3 => Just(0u8), 3 => 0u8..12, 1 => any::<u8>()];
    let off = prop_oneof![4 => Just(0i16), 2 => prop::sample::select(&[1i16, 8, 16, 32][..]), 1 => any::<i16>()];
    let imm = prop_oneof![
        3 => Just(0i32),
        3 => prop::sample::select(&[1, 16, 32, 64, 0x40, 0x41, 0xe1, 0xf1, 0x100, 0x110][..]),
        1 => any::<i32>()
    ];
    (code, reg.clone(), reg, off, imm).prop_map(|(code, dst, src, off, imm)| Slot { code, dst, src, off, imm })
}

proptest! {
    /// Every row, with any operands: decode undoes encode.
    #[test]
    fn decode_undoes_encode(with in operands()) {
        for &op in Op::ALL {
            let insn = legal::insn(op.form(), with);
            prop_assert_eq!(insn.op(), op);
            let slots = insn.encode();
            prop_assert_eq!(slots.len(), insn.slot_count());
            prop_assert_eq!(Insn::decode(&slots), Ok(insn));
        }
    }

    /// What goes in comes out: accessors give the constructor's arguments, or nothing where the form has no such field.
    #[test]
    fn accessors_give_the_operands(with in operands()) {
        for &op in Op::ALL {
            let insn = legal::insn(op.form(), with);
            prop_assert!(insn.dst().is_none_or(|dst| dst == with.dst));
            prop_assert!(insn.src().is_none_or(|src| src == with.src));
            prop_assert!(insn.off() == with.off || insn.off() == 0);
            prop_assert!(insn.imm() == with.imm || insn.imm() == 0);
        }
    }

    /// Slots that decode are the ones that their instruction encodes to: no two words mean the same.
    #[test]
    fn encode_undoes_decode(slots in prop::array::uniform2(near_slot())) {
        if let Ok(insn) = Insn::decode(&slots) {
            prop_assert_eq!(&*insn.encode(), &slots[..insn.slot_count()]);
        }
    }

    /// Any words at all: an answer, never a panic.
    #[test]
    fn decode_is_total(words in prop::collection::vec(any::<[u8; 8]>(), 0..3), big in any::<bool>()) {
        let endian = if big { Endian::Big } else { Endian::Little };
        let slots: Vec<Slot> = words.iter().map(|word| Slot::from_bytes(*word, endian)).collect();
        let decoded = Insn::decode(&slots);
        prop_assert_eq!(decoded.is_err() || !slots.is_empty(), true);
        if let Ok(insn) = decoded {
            prop_assert_eq!(&*insn.encode(), &slots[..insn.slot_count()]);
        }
    }

    /// Bytes survive both byte orders, and the orders differ as RFC 9669 section 3.1 says: nibbles, numbers.
    #[test]
    fn bytes_round_trip(word in any::<[u8; 8]>()) {
        for endian in [Endian::Little, Endian::Big] {
            prop_assert_eq!(Slot::from_bytes(word, endian).to_bytes(endian), word);
        }
        let [code, regs, o0, o1, i0, i1, i2, i3] = word;
        let swapped = [code, regs.rotate_left(4), o1, o0, i3, i2, i1, i0];
        prop_assert_eq!(Slot::from_bytes(word, Endian::Little), Slot::from_bytes(swapped, Endian::Big));
    }
}

#[test]
fn a_known_slot_in_both_orders() {
    // *(u32 *)(r10 - 4) = r1
    let slot = Insn::store(Size::W, Reg::FP, -4, Reg::R1).encode()[0];
    assert_eq!(slot.to_bytes(Endian::Little), [0x63, 0x1a, 0xfc, 0xff, 0, 0, 0, 0]);
    assert_eq!(slot.to_bytes(Endian::Big), [0x63, 0xa1, 0xff, 0xfc, 0, 0, 0, 0]);
}

#[test]
fn lddw_splits_its_immediate() {
    let insn = Insn::lddw(Reg::R2, 0x1122_3344_8899_aabb);
    let [low, high] = insn.encode()[..] else { panic!("two slots") };
    assert_eq!((low.code, low.imm.cast_unsigned()), (0x18, 0x8899_aabb));
    assert_eq!(high, Slot { imm: 0x1122_3344, ..Slot::default() });
    assert_eq!(insn.imm64(), 0x1122_3344_8899_aabb);
}

/// What is not an instruction, and which rule it breaks.
#[test]
fn decode_names_the_broken_rule() {
    let add = Insn::alu(Width::W64, AluOp::Add, Reg::R1, Reg::R2).encode()[0];
    let lddw = Insn::lddw(Reg::R1, 5).encode();
    let map = Insn::lddw_pseudo(Reg::R1, PseudoSrc::MapFd, 5, 0).unwrap().encode();
    let second = |change: Slot| [lddw[0], change];
    let op = Op::Add64X;
    let cases: [(&[Slot], DecodeError); 11] = [
        (&[], DecodeError::Empty),
        (&[Slot::default()], DecodeError::UnknownOpcode { code: 0 }),
        (&[Slot { code: 0x8d, imm: 1, ..add }], DecodeError::Reserved { op: Op::Callx, field: Field::Src, value: 2 }),
        (&[Slot { off: 1, ..add }], DecodeError::Reserved { op, field: Field::Off, value: 1 }),
        (&[Slot { imm: -1, ..add }], DecodeError::Reserved { op, field: Field::Imm, value: -1 }),
        (&[Slot { dst: 11, ..add }], DecodeError::Register { op, field: Field::Dst, index: 11 }),
        (&[Slot { src: 255, ..add }], DecodeError::Register { op, field: Field::Src, index: 255 }),
        (
            &[Slot { code: 0xdb, imm: 0xe0, ..add }],
            DecodeError::UnknownVariant { code: 0xdb, field: Field::Imm, value: 0xe0 },
        ),
        (&lddw[..1], DecodeError::Truncated { op: Op::Lddw }),
        (
            &second(Slot { code: 0x01, ..lddw[1] }),
            DecodeError::Reserved { op: Op::Lddw, field: Field::SecondSlot, value: 1 },
        ),
        (
            &[map[0], Slot { imm: 3, ..map[1] }],
            DecodeError::Reserved { op: Op::LddwMapFd, field: Field::High, value: 3 },
        ),
    ];
    for (slots, error) in cases {
        assert_eq!(Insn::decode(slots), Err(error));
    }
}

#[test]
fn constructors_refuse_what_no_instruction_is() {
    let (r0, r1) = (Reg::R0, Reg::R1);
    let (op, size) = (AtomicOp::Add, Size::H);
    assert_eq!(Insn::movsx(Width::W32, Size::W, r0, r1), Err(InsnError::SignExtend { to: Width::W32, from: Size::W }));
    assert_eq!(Insn::load_sx(Size::DW, r0, r1, 0), Err(InsnError::LoadSize { size: Size::DW }));
    assert_eq!(Insn::ld_abs(Size::DW, 0), Err(InsnError::LoadSize { size: Size::DW }));
    assert_eq!(Insn::ld_ind(Size::DW, r1, 0), Err(InsnError::LoadSize { size: Size::DW }));
    assert_eq!(Insn::atomic(op, false, size, r0, 0, r1), Err(InsnError::AtomicSize { op, size }));
    assert_eq!(
        Insn::atomic(AtomicOp::Xchg, false, Size::W, r0, 0, r1),
        Err(InsnError::ExchangeFetches { op: AtomicOp::Xchg })
    );
    assert_eq!(
        Insn::lddw_pseudo(r0, PseudoSrc::Func, 1, 2),
        Err(InsnError::ReservedHigh { kind: PseudoSrc::Func, high: 2 })
    );
}

#[test]
fn read_modify_write_operations_are_what_they_were_made_of() {
    for op in [AtomicOp::Add, AtomicOp::Or, AtomicOp::And, AtomicOp::Xor, AtomicOp::Xchg, AtomicOp::CmpXchg] {
        for fetch in [false, true] {
            if let Some(rmw) = Rmw::new(op, fetch) {
                assert_eq!((rmw.op(), rmw.fetches()), (op, fetch));
            }
        }
    }
}

#[test]
fn distances_are_read_and_replaced() {
    for &op in Op::ALL {
        let with = legal::Operands { dst: Reg::R1, src: Reg::R2, off: 7, imm: 7, high: 0 };
        let insn = legal::insn(op.form(), with);
        let distance = insn.jump_target().or(insn.call_target());
        assert_eq!(distance.is_some(), insn.with_distance(-3).is_some(), "{op:?}");
        let Some(moved) = insn.with_distance(-3) else { continue };
        assert_eq!(distance, Some(7));
        assert_eq!(moved.jump_target().or(moved.call_target()), Some(-3));
        assert_eq!(moved.with_distance(7), Some(insn), "{op:?}: only the distance changes");
    }
    assert_eq!(Insn::ja(0).with_distance(0x8000), None);
    assert_eq!(Insn::gotol(0).with_distance(0x8000).and_then(|insn| insn.jump_target()), Some(0x8000));
    assert_eq!(Insn::exit().form(), Form::Exit);
}
