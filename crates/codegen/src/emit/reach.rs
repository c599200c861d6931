//! Jumps farther than an instruction can tell: 16 bits of slots (RFC 9669 section 4.3).
//!
//! Before the oldest jump to a block that is still to come gets out of reach, an *island* is put into the code: a jump that stands for the
//! block, and over which the code itself jumps. From cpu v4 on that one may be as far as it likes.
//!
//! Jumps back are not helped: a loop of so many slots is refused.

use crate::select::mir::MachBlock;
use bpfasm_isa::{Assembler, CpuLevel, Label, SlotIx};

/// How far a jump reaches forward, in slots, with room left for the islands themselves and for the block at hand.
const REACH: u32 = 0x7fff - 0x400;

/// The labels of all blocks.
pub(super) struct Labels {
    /// What jumps to each block name now: the block, or the next island for it.
    of: Vec<Label>,
    /// The oldest jump to each block that is not bound yet.
    oldest: Vec<Option<SlotIx>>,
    /// Where the oldest of all is, or further up.
    horizon: Option<SlotIx>,
    level: CpuLevel,
}

impl Labels {
    pub(super) fn new(asm: &mut Assembler, count: u32, level: CpuLevel) -> Labels {
        let of: Vec<Label> = (0..count).map(|_| asm.new_label()).collect();
        Labels { oldest: vec![None; of.len()], of, horizon: None, level }
    }

    /// The block begins here.
    pub(super) fn bind(&mut self, asm: &mut Assembler, block: MachBlock) {
        let at = block.0 as usize;
        asm.bind(self.of[at]);
        self.oldest[at] = None;
    }

    /// The label for a jump to `block` that comes next.
    pub(super) fn jump_to(&mut self, asm: &Assembler, block: MachBlock) -> Label {
        let (at, here) = (block.0 as usize, asm.here());
        if asm.position(self.of[at]).is_none() {
            self.oldest[at].get_or_insert(here);
            self.horizon.get_or_insert(here);
        }
        self.of[at]
    }

    /// Puts an island here, if one is due. The code that comes next runs on behind it.
    pub(super) fn island(&mut self, asm: &mut Assembler) {
        let here = asm.here();
        let is_due = |oldest: SlotIx| here.0.saturating_sub(oldest.0) >= REACH;
        if !self.horizon.is_some_and(is_due) {
            return;
        }
        self.horizon = self.oldest.iter().flatten().min().copied();
        if !self.horizon.is_some_and(is_due) {
            return;
        }
        let on = asm.new_label();
        asm.jump(on);
        for (label, oldest) in self.of.iter_mut().zip(&mut self.oldest) {
            // Half way is far enough to be taken along, so that islands stay few.
            if oldest.is_some_and(|oldest| here.0.saturating_sub(oldest.0) >= REACH / 2) {
                asm.bind(*label);
                *label = asm.new_label();
                let jump = asm.jump(*label);
                *oldest = (self.level < CpuLevel::V4).then_some(jump);
            }
        }
        asm.bind(on);
        self.horizon = self.oldest.iter().flatten().min().copied();
    }
}
