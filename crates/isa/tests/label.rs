//! Labels become distances, or errors that say where.

use bpfasm_isa::{
    Assembler, CpuLevel, Form, Insn, JmpOp, LabelError, Operand, PseudoSrc, Reg, Slot, SlotIx, Width, disasm,
};
use proptest::prelude::*;

fn texts(slots: &[Slot]) -> Vec<String> {
    disasm::insns(slots).map(|(_, insn)| insn.expect("an instruction").to_string()).collect()
}

#[test]
fn forward_and_backward() {
    let mut asm = Assembler::new();
    let (top, out, sub) = (asm.new_label(), asm.new_label(), asm.new_label());
    asm.bind(top);
    asm.push(Insn::lddw(Reg::R1, 7));
    asm.jump_if(Width::W32, JmpOp::SLt, Reg::R1, Reg::R2, out);
    asm.may_goto(out);
    asm.call(sub);
    asm.load_function(Reg::R2, sub);
    asm.jump(top);
    asm.bind(out);
    assert_eq!(asm.here(), SlotIx(8));
    asm.push(Insn::exit());
    asm.bind(sub);
    asm.push(Insn::exit());
    let slots = asm.finish().unwrap();
    assert_eq!(
        texts(&slots),
        [
            "r1 = 0x7 ll",
            "if w1 s< w2 goto +0x5",
            "may_goto +0x4",
            "call 0x4",
            "ld_pseudo\tr2, 0x4, 0x3",
            "goto -0x8",
            "exit",
            "exit"
        ]
    );
    assert_eq!(Insn::decode(&slots[5..]).unwrap().form(), Form::LddwPseudo(PseudoSrc::Func));
}

/// `jump`, then enough to jump over `between` slots.
fn far(
    level: CpuLevel,
    between: usize,
    jump: impl FnOnce(&mut Assembler, bpfasm_isa::Label),
) -> Result<Vec<Slot>, LabelError> {
    let mut asm = Assembler::with_level(level);
    let end = asm.new_label();
    jump(&mut asm, end);
    for _ in 0..between {
        asm.push(Insn::mov(Width::W64, Reg::R0, 0));
    }
    asm.bind(end);
    asm.push(Insn::exit());
    asm.finish()
}

#[test]
fn the_farthest_jump_fits() {
    let slots = far(CpuLevel::V3, 0x7fff, |asm, to| _ = asm.jump(to)).unwrap();
    assert_eq!(texts(&slots[..1]), ["goto +0x7fff"]);
}

#[test]
fn a_jump_too_far_says_from_where_to_where() {
    let error = far(CpuLevel::V3, 0x8000, |asm, to| _ = asm.jump(to)).unwrap_err();
    assert_eq!(error, LabelError::TooFar { from: SlotIx(0), to: SlotIx(0x8001), distance: 0x8000, insn: Form::Ja });
    assert_eq!(error.to_string(), "slot 0: slot 32769 is 32768 slots away, too far for Ja");
}

#[test]
fn a_far_jump_becomes_gotol_from_v4_on() {
    let slots = far(CpuLevel::V4, 0x8000, |asm, to| _ = asm.jump(to)).unwrap();
    assert_eq!(texts(&slots[..1]), ["gotol +0x8000"]);
    let near = far(CpuLevel::V4, 0x7fff, |asm, to| _ = asm.jump(to)).unwrap();
    assert_eq!(texts(&near[..1]), ["goto +0x7fff"]);
}

#[test]
fn a_far_condition_is_an_error_on_every_level() {
    let insn = Form::JumpIf(Width::W64, JmpOp::Eq, Operand::K);
    for level in [CpuLevel::V1, CpuLevel::V4] {
        let error = far(level, 0x8000, |asm, to| _ = asm.jump_if(Width::W64, JmpOp::Eq, Reg::R1, 0, to)).unwrap_err();
        assert_eq!(error, LabelError::TooFar { from: SlotIx(0), to: SlotIx(0x8001), distance: 0x8000, insn });
    }
}

#[test]
fn labels_must_be_bound_once() {
    let mut asm = Assembler::new();
    let label = asm.new_label();
    asm.push(Insn::exit());
    asm.jump(label);
    assert_eq!(asm.clone().finish(), Err(LabelError::Unbound { from: SlotIx(1), label }));
    asm.bind(label);
    assert_eq!(asm.position(label), Some(SlotIx(2)));
    asm.push(Insn::exit());
    asm.bind(label);
    assert_eq!(asm.finish(), Err(LabelError::BoundTwice { label, first: SlotIx(2), second: SlotIx(3) }));
}

#[test]
fn a_foreign_label_is_not_bound() {
    let foreign = {
        let mut other = Assembler::new();
        other.new_label();
        other.new_label()
    };
    let mut asm = Assembler::new();
    asm.bind(foreign);
    asm.jump(foreign);
    assert_eq!(asm.finish(), Err(LabelError::Unbound { from: SlotIx(0), label: foreign }));
}

#[test]
fn an_unused_label_need_not_be_bound() {
    let mut asm = Assembler::new();
    asm.new_label();
    asm.push(Insn::exit());
    assert_eq!(asm.finish().map(|slots| slots.len()), Ok(1));
}

proptest! {
    /// Every jump of the finished program lands where its label was bound.
    #[test]
    fn jumps_land_on_their_labels(plan in prop::collection::vec((0usize..8, any::<bool>(), any::<bool>()), 1..60)) {
        let mut asm = Assembler::new();
        let labels: Vec<_> = (0..8).map(|_| asm.new_label()).collect();
        let mut jumps = Vec::new();
        for (index, (label, conditional, wide)) in plan.iter().enumerate() {
            // Labels 0 to 6 are bound on the way, those that are not yet at the end.
            if index < 7 {
                asm.bind(labels[index]);
            }
            if *wide {
                asm.push(Insn::lddw(Reg::R0, 1));
            }
            let from = if *conditional {
                asm.jump_if(Width::W64, JmpOp::Ne, Reg::R1, 0, labels[*label])
            } else {
                asm.jump(labels[*label])
            };
            jumps.push((from, labels[*label]));
        }
        for label in &labels[plan.len().min(7)..] {
            asm.bind(*label);
        }
        asm.push(Insn::exit());
        let bound: Vec<_> = jumps.iter().map(|(from, label)| (*from, asm.position(*label))).collect();
        let slots = asm.finish().unwrap();
        for (from, target) in bound {
            let insn = Insn::decode(&slots[usize::try_from(from.0).unwrap()..]).unwrap();
            let landed = from.checked_add(i64::from(insn.jump_target().unwrap()) + 1);
            prop_assert_eq!(landed, target);
        }
    }
}
