//! Slots, with what refers to them.

use super::body::Body;
use super::layout::{Layout, Way};
use super::reach::Labels;
use crate::options::Options;
use crate::regalloc::Allocation;
use crate::select::mir::{Function, MachBlock, Symbol};
use crate::source::Loc;
use bpfasm_isa::{Assembler, Insn, LabelError, Slot, SlotIx};

/// The code of a function.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    /// Its slots.
    pub(crate) slots: Vec<Slot>,
    /// The LDDWs that load addresses of what is outside, by ascending slot.
    pub(crate) symbols: Vec<(SlotIx, Symbol)>,
    /// Where the code from each slot on was written, by strictly ascending slot, the first at slot 0.
    pub(crate) places: Vec<(SlotIx, Loc)>,
}

/// Emits a function that was declared at `declared`: its first instruction is shown there.
///
/// # Errors
/// A jump that is too far.
pub(crate) fn emit(
    function: &Function,
    allocation: &Allocation,
    options: &Options,
    declared: Loc,
) -> Result<Code, LabelError> {
    let body = Body::new(function, allocation, options.cpu);
    let layout = Layout::new(&body);
    let mut asm = Assembler::with_level(options.cpu);
    let labels = Labels::new(&mut asm, layout.exit().0 + 1, options.cpu);
    let mut emitter =
        Emitter { asm, labels, exit: Some(layout.exit()), symbols: Vec::new(), places: vec![(SlotIx(0), declared)] };
    for (block, next) in layout.blocks() {
        emitter.labels.bind(&mut emitter.asm, block);
        for item in body.items(block) {
            emitter.labels.island(&mut emitter.asm);
            emitter.place(item.loc);
            emitter.symbols.extend(item.symbol.map(|symbol| (emitter.asm.here(), symbol)));
            emitter.asm.push(item.insn);
        }
        emitter.labels.island(&mut emitter.asm);
        emitter.lead_on(layout.way(block, next, options.cpu), body.block(block).loc);
    }
    Ok(Code { slots: emitter.asm.finish()?, symbols: emitter.symbols, places: emitter.places })
}

struct Emitter {
    asm: Assembler,
    labels: Labels,
    /// Stands for the first exit, until that is emitted.
    exit: Option<MachBlock>,
    symbols: Vec<(SlotIx, Symbol)>,
    places: Vec<(SlotIx, Loc)>,
}

impl Emitter {
    /// Says where the next instruction was written, if that is news.
    fn place(&mut self, loc: Loc) {
        let here = self.asm.here();
        if let Some(&(at, last)) = self.places.last()
            && at < here
            && (last.line(), last.column(), last.file()) != (loc.line(), loc.column(), loc.file())
        {
            self.places.push((here, loc));
        }
    }

    fn lead_on(&mut self, way: Way, loc: Loc) {
        if way != Way::Fall {
            self.place(loc);
        }
        match way {
            Way::Fall => {}
            Way::Jump(to) => {
                self.asm.jump(self.labels.jump_to(&self.asm, to));
            }
            Way::Branch { op, width, a, b, to, otherwise } => {
                self.asm.jump_if(width, op, a, b, self.labels.jump_to(&self.asm, to));
                if let Some(otherwise) = otherwise {
                    self.asm.jump(self.labels.jump_to(&self.asm, otherwise));
                }
            }
            Way::Exit => {
                if let Some(exit) = self.exit.take() {
                    self.labels.bind(&mut self.asm, exit);
                }
                self.asm.push(Insn::exit());
            }
        }
    }
}
