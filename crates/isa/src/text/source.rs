//! Code as a text that assembles to it again.

use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter, Write};

use super::assemble::writes_frame_pointer;
use crate::{
    disasm,
    form::Form,
    insn::Insn,
    level::Class,
    operand::{PseudoSrc, Width},
    print::{Text, piece},
    reg::Reg,
    slot::{Endian, Slot, SlotIx},
};

/// A text that assembles to `slots` again: pseudo-C, with a label wherever a jump or a call goes.
///
/// What no statement can say is a `.quad`: words that are no instruction, writes to R10, and jumps into an LDDW.
///
/// ```
/// use bpfasm_isa::{Endian, text};
///
/// let code = text::assemble("if r1 == 0 goto +1\nr0 = 1\nexit", &text::Options::default()).unwrap();
/// let slots = &code.sections[0].slots;
/// let source = text::source(slots, Endian::NATIVE).to_string();
/// assert_eq!(source, "    if r1 == 0x0 goto L2\n    r0 = 0x1\nL2:\n    exit\n");
/// assert_eq!(&text::assemble(&source, &text::Options::default()).unwrap().sections[0].slots, slots);
/// ```
pub fn source(slots: &[Slot], endian: Endian) -> Source<'_> {
    let mut marks = Vec::new();
    marks.resize(slots.len() + 1, Mark::default());
    let mut at = 0;
    while let Some(slot) = slots.get(at) {
        marks[at].start = true;
        // Only these refer to other slots, or have two.
        let decoded = match Class::of(slot.code) {
            Class::Ld | Class::Jmp | Class::Jmp32 => Insn::decode(&slots[at..]).ok(),
            _ => None,
        };
        let here = SlotIx(u32::try_from(at).unwrap_or(u32::MAX));
        let target = |distance: i32| here.checked_add(i64::from(distance) + 1);
        if let Some(to) = decoded.and_then(|insn| insn.jump_target()).and_then(target) {
            mark(&mut marks, to, |mark| mark.jump = true);
        }
        if let Some(to) = decoded.and_then(|insn| insn.call_target()).and_then(target) {
            mark(&mut marks, to, |mark| mark.call = true);
        }
        at += decoded.map_or(1, |insn| insn.slot_count());
    }
    if let Some(end) = marks.last_mut() {
        end.start = true;
    }
    Source { slots, endian, marks }
}

/// What is written at once.
type Lines = Text<4096>;

/// What is known of a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// An instruction begins here, or the code ends.
    start: bool,
    /// A jump goes here.
    jump: bool,
    /// A call goes here, or a callback's address is this.
    call: bool,
}

fn mark(marks: &mut [Mark], at: SlotIx, set: impl FnOnce(&mut Mark)) {
    if let Some(mark) = usize::try_from(at.0).ok().and_then(|at| marks.get_mut(at)) {
        set(mark);
    }
}

/// Code to print as a text; made by [`source`].
#[derive(Clone, Debug)]
pub struct Source<'a> {
    slots: &'a [Slot],
    endian: Endian,
    marks: Vec<Mark>,
}

impl Display for Source<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl Source<'_> {
    /// Writes the text.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> fmt::Result {
        let mut lines = Lines::new();
        let mut insns = disasm::insns(self.slots);
        while let Some((at, slots, decoded)) = insns.step() {
            self.labels(at, &mut lines);
            match decoded {
                Ok(insn) => self.statement(at, &insn, slots, &mut lines),
                Err(_) => self.words(slots, &mut lines),
            }
            if lines.is_full() {
                out.write_str(lines.as_str())?;
                lines.clear();
            }
        }
        self.labels(SlotIx(u32::try_from(self.slots.len()).unwrap_or(u32::MAX)), &mut lines);
        out.write_str(lines.as_str())
    }

    fn mark(&self, at: SlotIx) -> Mark {
        usize::try_from(at.0).ok().and_then(|at| self.marks.get(at)).copied().unwrap_or_default()
    }

    fn labels(&self, at: SlotIx, line: &mut Lines) {
        let mark = self.mark(at);
        if mark.call {
            line.put(piece!("f")).decimal(at.0).put(piece!(":\n"));
        }
        if mark.jump {
            line.put(piece!("L")).decimal(at.0).put(piece!(":\n"));
        }
    }

    fn statement(&self, at: SlotIx, insn: &Insn, slots: &[Slot], line: &mut Lines) {
        let jump = insn.jump_target();
        let to = jump.or(insn.call_target()).and_then(|distance| at.checked_add(i64::from(distance) + 1));
        let inside = to.filter(|to| usize::try_from(to.0).is_ok_and(|to| to < self.marks.len()));
        let labelled = inside.filter(|&to| self.mark(to).start);
        let into_insn = jump.is_some() && inside.is_some() && labelled.is_none();
        if into_insn || writes_frame_pointer(insn) {
            return self.words(slots, line);
        }
        line.put(piece!("    "));
        match (insn.form(), labelled) {
            (Form::CallLocal, Some(to)) => line.put(piece!("call f")).decimal(to.0),
            (Form::CallLocal, None) => line.put(piece!("call pc")).distance(insn.imm()),
            (Form::CallKfunc, _) => {
                line.put(piece!("call kfunc ")).hex(insn.imm().into());
                match insn.off() {
                    0 => line,
                    index => line.put(piece!(", ")).hex(index.into()),
                }
            }
            (Form::LddwPseudo(PseudoSrc::Func), Some(to)) => {
                line.reg(Width::W64, insn.dst().unwrap_or(Reg::R0)).put(piece!(" = f")).decimal(to.0).put(piece!(" ll"))
            }
            (_, Some(to)) => line.insn_until_target(insn).put(piece!("L")).decimal(to.0),
            (_, None) => line.insn(insn),
        }
        .put(piece!("\n"));
    }

    fn words(&self, slots: &[Slot], line: &mut Lines) {
        for slot in slots {
            let bytes = slot.to_bytes(self.endian);
            let word = match self.endian {
                Endian::Little => u64::from_le_bytes(bytes),
                Endian::Big => u64::from_be_bytes(bytes),
            };
            line.put(piece!("    .quad ")).unsigned_hex(word).put(piece!("\n"));
        }
    }
}
