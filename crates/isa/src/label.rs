//! Programs whose jumps name labels. Distances are known here alone.

use alloc::vec::Vec;

use crate::{
    form::Form,
    insn::Insn,
    level::CpuLevel,
    operand::{JmpOp, Src, Width},
    reg::Reg,
    slot::{Slot, SlotIx},
};

/// A place in a program, known by name before its position is; made by [`Assembler::new_label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(u32);

/// Why labels could not be turned into distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A jump to a label that is bound nowhere, or that belongs to another assembler.
    #[error("slot {from}: {label:?} is not bound")]
    Unbound {
        /// The jump.
        from: SlotIx,
        /// Its label.
        label: Label,
    },
    /// A label bound in two places.
    #[error("{label:?} is bound at slot {first} and again at slot {second}")]
    BoundTwice {
        /// The label.
        label: Label,
        /// Where it was bound first.
        first: SlotIx,
        /// Where it was bound again.
        second: SlotIx,
    },
    /// A distance that its instruction has no room for.
    #[error("slot {from}: slot {to} is {distance} slots away, too far for {insn:?}")]
    TooFar {
        /// The instruction.
        from: SlotIx,
        /// Where it should go.
        to: SlotIx,
        /// How far that is, in slots from the next instruction.
        distance: i64,
        /// What the instruction is.
        insn: Form,
    },
    /// More slots than positions can count.
    #[error("a program of more than {max} slots", max = u32::MAX)]
    TooLong,
}

/// A jump whose distance is not known yet.
#[derive(Clone, Copy, Debug)]
struct Fixup {
    from: SlotIx,
    insn: Insn,
    label: Label,
}

/// Builds a program: instructions in order, jumps by label.
///
/// ```
/// use bpfasm_isa::{Assembler, Insn, JmpOp, Reg, Size, Width};
///
/// let mut asm = Assembler::new();
/// let out = asm.new_label();
/// asm.push(Insn::mov(Width::W32, Reg::R0, 0));
/// asm.jump_if(Width::W64, JmpOp::Eq, Reg::R1, 0, out);
/// asm.push(Insn::load(Size::W, Reg::R0, Reg::R1, 0));
/// asm.bind(out);
/// asm.push(Insn::exit());
/// let slots = asm.finish()?;
/// assert_eq!(Insn::decode(&slots[1..]).unwrap().to_string(), "if r1 == 0x0 goto +0x1");
/// # Ok::<(), bpfasm_isa::LabelError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    level: CpuLevel,
    slots: Vec<Slot>,
    /// Where each label is bound.
    labels: Vec<Option<SlotIx>>,
    fixups: Vec<Fixup>,
    /// The first label that was bound twice.
    bound_twice: Option<LabelError>,
}

impl Assembler {
    /// An empty program for the default level, v3.
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// An empty program for `level`. From v4 on, an unconditional jump that is too far for 16 bits becomes a `gotol`.
    pub fn with_level(level: CpuLevel) -> Assembler {
        Assembler { level, ..Assembler::default() }
    }

    /// A label, not bound yet.
    pub fn new_label(&mut self) -> Label {
        // A program has fewer labels than slots; past the last number they collide, and `bind` finds that out.
        let label = Label(u32::try_from(self.labels.len()).unwrap_or(u32::MAX));
        self.labels.push(None);
        label
    }

    /// Where the next instruction goes.
    pub fn here(&self) -> SlotIx {
        SlotIx(u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    /// Binds `label` to where the next instruction goes. Binding it again is an error that [`Assembler::finish`]
    /// returns.
    pub fn bind(&mut self, label: Label) {
        let here = self.here();
        // A label that is not of this assembler has no place to be bound in: jumps to it report that.
        let Some(place) = usize::try_from(label.0).ok().and_then(|index| self.labels.get_mut(index)) else { return };
        match *place {
            None => *place = Some(here),
            Some(first) => {
                self.bound_twice.get_or_insert(LabelError::BoundTwice { label, first, second: here });
            }
        }
    }

    /// Where `label` is bound, if it is.
    pub fn position(&self, label: Label) -> Option<SlotIx> {
        self.labels.get(usize::try_from(label.0).ok()?).copied().flatten()
    }

    /// Appends an instruction; returns where it went.
    pub fn push(&mut self, insn: Insn) -> SlotIx {
        let at = self.here();
        self.slots.extend_from_slice(&insn.encode());
        at
    }

    /// Appends `insn`, whose distance (see [`Insn::with_distance`]) will be that to `label`.
    fn push_to(&mut self, insn: Insn, label: Label) -> SlotIx {
        let from = self.push(insn);
        self.fixups.push(Fixup { from, insn, label });
        from
    }

    /// Appends a jump to `label`.
    pub fn jump(&mut self, label: Label) -> SlotIx {
        self.push_to(Insn::ja(0), label)
    }

    /// Appends a jump to `label`, taken when `dst OP src`.
    pub fn jump_if(&mut self, width: Width, op: JmpOp, dst: Reg, src: impl Into<Src>, label: Label) -> SlotIx {
        self.push_to(Insn::jump_if(width, op, dst, src, 0), label)
    }

    /// Appends a `may_goto` to `label`.
    pub fn may_goto(&mut self, label: Label) -> SlotIx {
        self.push_to(Insn::may_goto(0), label)
    }

    /// Appends a call of the subprogram at `label`.
    pub fn call(&mut self, label: Label) -> SlotIx {
        self.push_to(Insn::call_local(0), label)
    }

    /// Appends a load of the address of the subprogram at `label`, as callbacks need it.
    #[doc(alias = "BPF_PSEUDO_FUNC")]
    pub fn load_function(&mut self, dst: Reg, label: Label) -> SlotIx {
        self.push_to(Insn::lddw_function(dst, 0), label)
    }

    /// The program's slots, all labels turned into distances.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when a label is bound twice, a jump's label is bound nowhere, or a distance does not fit.
    pub fn finish(mut self) -> Result<Vec<Slot>, LabelError> {
        if let Some(error) = self.bound_twice {
            return Err(error);
        }
        if u32::try_from(self.slots.len()).is_err() {
            return Err(LabelError::TooLong);
        }
        for fixup in core::mem::take(&mut self.fixups) {
            let insn = self.resolve(&fixup)?;
            let from = usize::try_from(fixup.from.0).map_err(|_| LabelError::TooLong)?;
            for (place, slot) in self.slots.iter_mut().skip(from).zip(insn.encode().iter()) {
                *place = *slot;
            }
        }
        Ok(self.slots)
    }

    /// The fixup's instruction with its distance.
    fn resolve(&self, fixup: &Fixup) -> Result<Insn, LabelError> {
        let Fixup { from, insn, label } = *fixup;
        let to = self.position(label).ok_or(LabelError::Unbound { from, label })?;
        let distance = i64::from(to.0) - i64::from(from.0) - 1;
        let fitted = i32::try_from(distance).ok().and_then(|distance| {
            insn.with_distance(distance).or_else(|| {
                let relax = insn.form() == Form::Ja && self.level >= CpuLevel::V4;
                relax.then(|| Insn::gotol(distance))
            })
        });
        fitted.ok_or(LabelError::TooFar { from, to, distance, insn: insn.form() })
    }
}
