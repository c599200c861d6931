//! Operand kinds mean what they say.

use bpfasm_isa::{
    AluOp, CpuLevel, Extend, HelperId, Insn, JmpOp, KernelVersion, Narrow, Op, Reg, Size, Src, SwapBits, Width,
};
use proptest::prelude::*;

const JMP_OPS: [JmpOp; 11] = [
    JmpOp::Eq,
    JmpOp::Gt,
    JmpOp::Ge,
    JmpOp::Set,
    JmpOp::Ne,
    JmpOp::SGt,
    JmpOp::SGe,
    JmpOp::Lt,
    JmpOp::Le,
    JmpOp::SLt,
    JmpOp::SLe,
];

/// RFC 9669 section 4.3.
fn holds(op: JmpOp, a: u64, b: u64) -> bool {
    let (sa, sb) = (a.cast_signed(), b.cast_signed());
    match op {
        JmpOp::Eq => a == b,
        JmpOp::Ne => a != b,
        JmpOp::Gt => a > b,
        JmpOp::Ge => a >= b,
        JmpOp::Lt => a < b,
        JmpOp::Le => a <= b,
        JmpOp::SGt => sa > sb,
        JmpOp::SGe => sa >= sb,
        JmpOp::SLt => sa < sb,
        JmpOp::SLe => sa <= sb,
        JmpOp::Set => a & b != 0,
    }
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), prop::sample::select(&[0, 1, 2, u64::MAX, 1 << 63, (1 << 63) - 1][..])]
}

proptest! {
    #[test]
    fn negation_holds_when_the_condition_does_not(a in value(), b in value()) {
        for op in JMP_OPS {
            match op.negate() {
                Some(negated) => prop_assert_ne!(holds(op, a, b), holds(negated, a, b)),
                None => prop_assert_eq!(op, JmpOp::Set),
            }
        }
    }

    #[test]
    fn swapping_condition_and_operands_keeps_the_meaning(a in value(), b in value()) {
        for op in JMP_OPS {
            prop_assert_eq!(holds(op, a, b), holds(op.swap(), b, a));
        }
    }
}

#[test]
fn sizes_and_their_bytes() {
    for size in [Size::B, Size::H, Size::W, Size::DW] {
        assert_eq!(Size::from_bytes(u64::from(size.bytes())), Some(size));
        assert_eq!(Narrow::new(size).map(Narrow::size), (size != Size::DW).then_some(size));
        for width in [Width::W32, Width::W64] {
            let extend = Extend::new(width, size);
            assert_eq!(extend.is_some(), u16::from(size.bytes()) * 8 < u16::from(width.bits()));
            assert!(extend.is_none_or(|extend| (extend.width(), extend.from()) == (width, size)));
        }
    }
    assert_eq!([0, 3, 16].map(Size::from_bytes), [None; 3]);
    for bits in [16, 32, 64] {
        assert_eq!(SwapBits::from_bits(bits).map(|swap| u32::from(swap.bits())), Some(bits));
    }
    assert_eq!(SwapBits::from_bits(8), None);
}

#[test]
fn registers_and_their_numbers() {
    for (index, reg) in (0u8..).zip(Reg::ALL) {
        assert_eq!((Reg::from_index(index), reg.index()), (Some(reg), index));
    }
    assert_eq!(Reg::from_index(11), None);
    assert_eq!(Reg::FP.to_string(), "r10");
}

#[test]
fn instructions_tell_their_second_operand() {
    let with = |src: Src| Insn::alu(Width::W64, AluOp::Xor, Reg::R1, src).operand();
    for src in [Src::Imm(-7), Src::Reg(Reg::R9), Src::Reg(Reg::R0)] {
        assert_eq!(with(src), Some(src));
    }
    assert_eq!(Insn::load(Size::B, Reg::R1, Reg::R2, 0).operand(), None);
    assert_eq!(Insn::call_helper(HelperId(u32::MAX)).helper(), Some(HelperId(u32::MAX)));
    assert_eq!(Insn::call_local(1).helper(), None);
}

#[test]
fn only_exits_and_plain_jumps_do_not_fall_through() {
    let ends = [Op::Exit, Op::Ja, Op::Gotol, Op::Gotox];
    let made = [Insn::exit(), Insn::ja(0), Insn::gotol(0), Insn::gotox(Reg::R1)];
    assert_eq!(made.map(|insn| insn.op()), ends);
    assert!(made.iter().all(|insn| !insn.falls_through()));
    assert!(Insn::may_goto(0).falls_through());
    assert!(Insn::call_local(0).falls_through());
    assert!(Insn::jump_if(Width::W32, JmpOp::Eq, Reg::R0, 0, 0).falls_through());
}

#[test]
fn levels_and_versions_are_ordered_and_print() {
    assert!(CpuLevel::V1 < CpuLevel::V2 && CpuLevel::V3 < CpuLevel::V4);
    assert_eq!(CpuLevel::default().to_string(), "v3");
    assert!(KernelVersion::new(5, 9) < KernelVersion::new(5, 10));
    assert_eq!(KernelVersion::new(6, 12).to_string(), "6.12");
}
