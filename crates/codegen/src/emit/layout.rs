//! Which blocks leave a trace in the code, and how one leads to the next.

use crate::regalloc::Allocation;
use crate::select::mir::{Function, Inst, InstIx, MachBlock, Src};
use bpfasm_isa::{CpuLevel, JmpOp};

/// The code's skeleton: the blocks to emit, in order, with empty ones passed over.
pub(super) struct Layout {
    /// Where control ends up that goes to each block.
    ends: Vec<MachBlock>,
    /// The blocks that are emitted.
    order: Vec<MachBlock>,
}

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It runs into the next one.
    Fall,
    /// It jumps.
    Jump(MachBlock),
    /// It jumps if the condition holds, with the operands exchanged if so said, and runs into the next block or jumps elsewhere.
    Branch { op: JmpOp, swapped: bool, to: MachBlock, otherwise: Option<MachBlock> },
    /// It ends the program.
    Exit,
}

impl Layout {
    pub(super) fn new(function: &Function, allocation: &Allocation) -> Layout {
        let ends = ends(function, allocation);
        let order = function.blocks().filter(|&block| ends[block.0 as usize] == block).collect();
        Layout { ends, order }
    }

    /// The blocks to emit, each with the one that follows it.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (MachBlock, Option<MachBlock>)> {
        let next = self.order.iter().skip(1).copied().map(Some).chain([None]);
        self.order.iter().copied().zip(next)
    }

    fn end(&self, block: MachBlock) -> MachBlock {
        self.ends[block.0 as usize]
    }

    /// How `block`, which `next` follows, ends. `inst` is its last instruction.
    pub(super) fn ending(
        &self,
        function: &Function,
        block: MachBlock,
        inst: &Inst,
        next: Option<MachBlock>,
        level: CpuLevel,
    ) -> End {
        let mut succs = function.succs(block).map(|succ| self.end(succ));
        let (first, second) = (succs.next(), succs.next());
        let jump = |to: MachBlock| if Some(to) == next { End::Fall } else { End::Jump(to) };
        match (*inst, first, second) {
            (Inst::Branch { .. }, Some(then), Some(otherwise)) if then == otherwise => jump(then),
            (Inst::Branch { op, b, .. }, Some(then), Some(otherwise)) => {
                let both_regs = matches!(b, Src::Reg(_));
                match inverse(op, both_regs, level) {
                    Some((op, swapped)) if Some(then) == next => {
                        End::Branch { op, swapped, to: otherwise, otherwise: None }
                    }
                    _ => {
                        let otherwise = Some(otherwise).filter(|_| Some(otherwise) != next);
                        End::Branch { op, swapped: false, to: then, otherwise }
                    }
                }
            }
            (_, Some(to), _) => jump(to),
            (_, None, _) => End::Exit,
        }
    }
}

/// The jump that is taken when `op` is not, and whether its operands change places: v1 has no jumps on less.
fn inverse(op: JmpOp, both_regs: bool, level: CpuLevel) -> Option<(JmpOp, bool)> {
    let inverse = op.negate()?;
    let is_less = matches!(inverse, JmpOp::Lt | JmpOp::Le | JmpOp::SLt | JmpOp::SLe);
    match is_less && level < CpuLevel::V2 {
        false => Some((inverse, false)),
        true => both_regs.then_some((inverse.swap(), true)),
    }
}

/// For each block the first one on its way that does something. A circle of empty blocks ends where it is entered.
fn ends(function: &Function, allocation: &Allocation) -> Vec<MachBlock> {
    let mut moves = allocation.moves().iter().peekable();
    let mut is_empty = Vec::with_capacity(function.block_count());
    for block in function.blocks() {
        let insts = function.block_insts(block);
        while moves.next_if(|m| m.before < InstIx(insts.start)).is_some() {}
        let only_jumps = insts.len() == 1 && *function.inst(InstIx(insts.start)) == Inst::Jump;
        is_empty.push(only_jumps && moves.peek().is_none_or(|m| m.before != InstIx(insts.start)));
    }
    let mut ends: Vec<Option<MachBlock>> = vec![None; function.block_count()];
    let mut path = Vec::new();
    for start in function.blocks() {
        let mut at = start;
        let end = loop {
            let place = at.0 as usize;
            if let Some(end) = ends[place] {
                break end;
            }
            ends[place] = Some(at);
            match function.succs(at).next() {
                Some(next) if is_empty[place] => {
                    path.push(place);
                    at = next;
                }
                _ => break at,
            }
        };
        for passed in path.drain(..) {
            ends[passed] = Some(end);
        }
    }
    // Every block has been a start.
    ends.into_iter().flatten().collect()
}
