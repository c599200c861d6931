//! Which blocks leave a trace in the code, and how one leads to the next.
//!
//! Register allocation makes blocks that do nothing, which are passed over, and blocks that do the same, of which one is kept.

use super::body::{Body, End, Item};
use crate::select::mir::{MachBlock, Symbol};
use bpfasm_isa::{self as isa, CpuLevel, Insn, JmpOp, Reg, Width};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The blocks to emit, in order.
pub(super) struct Layout<'b> {
    body: &'b Body,
    /// The block that each block's place is taken by: itself, if it is emitted.
    stands_for: Vec<MachBlock>,
}

/// How an emitted block leads on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It runs into the next one.
    Fall,
    /// It jumps.
    Jump(MachBlock),
    /// It jumps if the condition holds, and runs into the next block or jumps elsewhere if not.
    Branch { op: JmpOp, width: Width, a: Reg, b: isa::Src, to: MachBlock, otherwise: Option<MachBlock> },
    /// It ends the program.
    Exit,
}

impl<'b> Layout<'b> {
    pub(super) fn new(body: &'b Body) -> Layout<'b> {
        let mut layout = Layout { body, stands_for: body.blocks().collect() };
        layout.stands_for.push(layout.exit());
        layout.pass_over_empty();
        layout.merge_equal();
        layout.share_exit();
        layout
    }

    /// What stands for an exit instruction that is there anyway: a place behind all blocks.
    pub(super) fn exit(&self) -> MachBlock {
        self.body.blocks().next_back().map_or(MachBlock(0), |last| MachBlock(last.0 + 1))
    }

    /// The blocks to emit, each with the one that follows it.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (MachBlock, Option<MachBlock>)> {
        let emitted = || self.body.blocks().filter(|&block| self.is_emitted(block));
        emitted().zip(emitted().skip(1).map(Some).chain([None]))
    }

    fn is_emitted(&self, block: MachBlock) -> bool {
        self.stands_for[block.0 as usize] == block
    }

    /// The emitted block that control comes to which goes to `block`.
    fn find(&self, block: MachBlock) -> MachBlock {
        let mut at = block;
        while !self.is_emitted(at) {
            at = self.stands_for[at.0 as usize];
        }
        at
    }

    /// Lets edges skip blocks that only jump on. A circle of them ends where it is entered.
    fn pass_over_empty(&mut self) {
        let mut ends: Vec<Option<MachBlock>> = vec![None; self.body.blocks().len()];
        let mut path = Vec::new();
        for start in self.body.blocks() {
            let mut at = start;
            let end = loop {
                let place = at.0 as usize;
                if let Some(end) = ends[place] {
                    break end;
                }
                ends[place] = Some(at);
                match self.body.block(at).end {
                    End::Jump(next) if self.body.items(at).is_empty() => {
                        path.push(place);
                        at = next;
                    }
                    _ => break at,
                }
            };
            for passed in path.drain(..) {
                ends[passed] = Some(end);
                self.stands_for[passed] = end;
            }
        }
    }

    /// Keeps one of several blocks that do the same and do not branch.
    fn merge_equal(&mut self) {
        let mut seen: BTreeMap<u64, MachBlock> = BTreeMap::new();
        for block in self.body.blocks().skip(1).rev() {
            if !self.is_emitted(block) || matches!(self.body.block(block).end, End::Branch { .. }) {
                continue;
            }
            match seen.entry(self.hash(block)) {
                Entry::Vacant(entry) => {
                    entry.insert(block);
                }
                Entry::Occupied(mut entry) => {
                    let other = *entry.get();
                    if !self.same(block, other) {
                        continue;
                    }
                    // Who runs into a block that goes has to jump to the other.
                    match (self.is_run_into(block), self.is_run_into(other)) {
                        (false, _) => self.stands_for[block.0 as usize] = other,
                        (true, false) => {
                            self.stands_for[other.0 as usize] = block;
                            entry.insert(block);
                        }
                        (true, true) if self.slots(block) > 1 => self.stands_for[block.0 as usize] = other,
                        (true, true) => {}
                    }
                }
            }
        }
    }

    /// Lets jumps to nothing but an exit lead to the exit of a block that is there anyway.
    fn share_exit(&mut self) {
        let exits = |layout: &Self| {
            let is_exit = |&block: &MachBlock| matches!(layout.body.block(block).end, End::Exit);
            let blocks = layout.body.blocks().filter(|&block| layout.is_emitted(block));
            blocks.filter(is_exit).collect::<Vec<_>>()
        };
        let is_needed = |layout: &Self, block| !layout.body.items(block).is_empty() || layout.is_run_into(block);
        let (needed, bare): (Vec<_>, Vec<_>) = exits(self).into_iter().partition(|&block| is_needed(self, block));
        if !needed.is_empty() {
            bare.into_iter().for_each(|block| self.stands_for[block.0 as usize] = self.exit());
        }
    }

    fn contents(&self, block: MachBlock) -> impl Iterator<Item = (Insn, Option<Symbol>)> {
        self.body.items(block).iter().map(|Item { insn, symbol, .. }| (*insn, *symbol))
    }

    fn target(&self, block: MachBlock) -> Option<MachBlock> {
        self.body.block(block).end.targets().next().map(|to| self.find(to))
    }

    fn hash(&self, block: MachBlock) -> u64 {
        // With its fixed keys: nothing but speed depends on the hash.
        let mut hasher = DefaultHasher::new();
        self.contents(block).for_each(|item| item.hash(&mut hasher));
        self.target(block).hash(&mut hasher);
        hasher.finish()
    }

    fn same(&self, a: MachBlock, b: MachBlock) -> bool {
        self.target(a) == self.target(b) && self.contents(a).eq(self.contents(b))
    }

    /// Whether the block before `block` can run into it.
    fn is_run_into(&self, block: MachBlock) -> bool {
        let before = (0..block.0).rev().map(MachBlock).find(|&before| self.is_emitted(before));
        before.is_some_and(|before| self.body.block(before).end.targets().any(|to| self.find(to) == block))
    }

    /// How many slots the block takes, if its end takes one.
    fn slots(&self, block: MachBlock) -> usize {
        1 + self.body.items(block).iter().map(|item| item.insn.slot_count()).sum::<usize>()
    }

    /// How `block`, which `next` follows, leads on.
    pub(super) fn way(&self, block: MachBlock, next: Option<MachBlock>, level: CpuLevel) -> Way {
        let jump = |to: MachBlock| match to {
            _ if Some(to) == next => Way::Fall,
            _ if to == self.exit() => Way::Exit,
            _ => Way::Jump(to),
        };
        match self.body.block(block).end {
            End::Exit => Way::Exit,
            End::Jump(to) => jump(self.find(to)),
            End::Branch { op, width, a, b, then, otherwise } => {
                let (then, otherwise) = (self.find(then), self.find(otherwise));
                if then == otherwise {
                    return jump(then);
                }
                match inverse(op, a, b, level) {
                    Some((op, a, b)) if Some(then) == next => {
                        Way::Branch { op, width, a, b, to: otherwise, otherwise: None }
                    }
                    _ => {
                        let otherwise = Some(otherwise).filter(|_| Some(otherwise) != next);
                        Way::Branch { op, width, a, b, to: then, otherwise }
                    }
                }
            }
        }
    }
}

/// The comparison that holds when `a op b` does not. v1 has no jumps on less, so there the operands may have to change places.
fn inverse(op: JmpOp, a: Reg, b: isa::Src, level: CpuLevel) -> Option<(JmpOp, Reg, isa::Src)> {
    let inverse = op.negate()?;
    let is_less = matches!(inverse, JmpOp::Lt | JmpOp::Le | JmpOp::SLt | JmpOp::SLe);
    match b {
        _ if !is_less || level >= CpuLevel::V2 => Some((inverse, a, b)),
        isa::Src::Reg(b) => Some((inverse.swap(), b, isa::Src::Reg(a))),
        isa::Src::Imm(_) => None,
    }
}
