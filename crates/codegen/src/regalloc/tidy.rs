//! Takes moves out of an allocation that nothing needs.
//!
//! The allocator splits live ranges block by block and leaves copies behind: to registers that already hold the value, to registers that
//! nobody reads, and back from a register that was only a station. This walks over the physical registers of each block:
//!
//! 1. forwards: a move of what is there already goes; a use of a copy becomes a use of the original;
//! 2. backwards: a move whose target nobody reads goes; then a move from a register that dies there goes when the value can be made in the
//!    move's target from the start.
//!
//! The result is an allocation as any other, and is proved by the same checker.

use super::{Allocation, Move, Place};
use crate::select::mir::{Constraint, Function, Inst, InstIx, MachBlock, Operand};
use bpfasm_isa::Reg;

/// How far back the start of a value is looked for, in steps: longer ways are rare, and this keeps the time linear.
const REACH: usize = 64;

pub(super) fn tidy(function: &Function, allocation: &mut Allocation) {
    let has_moves = blocks_with_moves(function, allocation);
    if !has_moves.contains(&true) {
        return;
    }
    let gone = vec![false; allocation.moves.len()];
    let mut tidy = Tidy { function, allocation, gone, has_moves, steps: Vec::new() };
    tidy.forward();
    let live = tidy.liveness();
    for block in function.blocks() {
        // A dead move may be in the way of making a value elsewhere, so those go first.
        for make in [false, true] {
            tidy.backward(block, live[block.0 as usize].after, make);
        }
    }
    let mut gone = std::mem::take(&mut tidy.gone).into_iter();
    allocation.moves.retain(|_| !gone.next().unwrap_or(false));
}

/// For each block whether it has moves of either kind: between instructions, or copies that are instructions.
fn blocks_with_moves(function: &Function, allocation: &Allocation) -> Vec<bool> {
    let mut moves = allocation.moves.iter().peekable();
    let has_moves = |block: MachBlock| {
        let insts = function.block_insts(block);
        let mut found = false;
        while moves.next_if(|m| m.before.0 < insts.end).is_some() {
            found = true;
        }
        found || insts.map(InstIx).any(|at| matches!(function.inst(at), Inst::Copy { .. }))
    };
    function.blocks().map(has_moves).collect()
}

/// A set of registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Regs(u16);

impl Regs {
    fn of(reg: Reg) -> Regs {
        Regs(1 << reg.index())
    }
    fn with(self, other: Regs) -> Regs {
        Regs(self.0 | other.0)
    }
    fn without(self, other: Regs) -> Regs {
        Regs(self.0 & !other.0)
    }
    fn has(self, reg: Reg) -> bool {
        self.0 & Regs::of(reg).0 != 0
    }
}

fn regs_of(place: Place) -> Regs {
    match place {
        Place::Reg(reg) => Regs::of(reg),
        Place::Spill(_) => Regs::default(),
    }
}

/// What happens in a block, in order: a move by its index, or an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Move(usize),
    Inst(InstIx),
}

/// What a step does to registers.
#[derive(Clone, Copy, Debug, Default)]
struct Effect {
    reads: Regs,
    /// What it defines and what it ruins.
    writes: Regs,
    /// Of those, what cannot be another register: fixed ones and what a call ruins.
    fixed: Regs,
}

/// Registers whose content is wanted at the ends of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Live {
    before: Regs,
    after: Regs,
}

/// For each register one that holds the same; itself if none is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copies([Reg; Reg::ALL.len()]);

impl Copies {
    const NONE: Copies = Copies(Reg::ALL);

    fn original(&self, reg: Reg) -> Reg {
        self.0[usize::from(reg.index())]
    }

    fn write(&mut self, written: Regs) {
        for reg in Reg::ALL {
            if written.has(reg) || written.has(self.original(reg)) {
                self.0[usize::from(reg.index())] = reg;
            }
        }
    }

    fn copy(&mut self, from: Reg, to: Reg) {
        let original = self.original(from);
        self.write(Regs::of(to));
        self.0[usize::from(to.index())] = original;
    }

    /// Keeps what `other` knows too.
    fn meet(&mut self, other: &Copies) {
        for reg in Reg::ALL {
            if self.original(reg) != other.original(reg) {
                self.0[usize::from(reg.index())] = reg;
            }
        }
    }
}

struct Tidy<'f> {
    function: &'f Function,
    allocation: &'f mut Allocation,
    /// Moves that are taken out.
    gone: Vec<bool>,
    /// For each block whether it has any.
    has_moves: Vec<bool>,
    /// The steps of the block at hand.
    steps: Vec<Step>,
}

impl Tidy<'_> {
    fn enter(&mut self, block: MachBlock) {
        self.steps.clear();
        let insts = self.function.block_insts(block);
        let moves = &self.allocation.moves;
        let mut next = moves.partition_point(|m| m.before.0 < insts.start);
        for at in insts.map(InstIx) {
            while moves.get(next).is_some_and(|m| m.before == at) {
                if !self.gone[next] {
                    self.steps.push(Step::Move(next));
                }
                next += 1;
            }
            self.steps.push(Step::Inst(at));
        }
    }

    fn effect(&self, step: Step) -> Effect {
        match step {
            Step::Move(at) => {
                let m = &self.allocation.moves[at];
                Effect { reads: regs_of(m.from), writes: regs_of(m.to), fixed: Regs::default() }
            }
            Step::Inst(at) => {
                let (inst, regs) = (self.function.inst(at), self.allocation.regs(at));
                let mut effect = Effect::default();
                let mut index = 0;
                inst.operands(|operand| {
                    let reg = Regs::of(regs[index]);
                    index += 1;
                    let (all, constraint) = match operand {
                        Operand::Def(_, constraint) => (&mut effect.writes, constraint),
                        Operand::Use(_, constraint) => (&mut effect.reads, constraint),
                    };
                    *all = all.with(reg);
                    if matches!(constraint, Constraint::Fixed(_)) {
                        effect.fixed = effect.fixed.with(reg);
                    }
                });
                for &reg in inst.clobbers() {
                    effect.writes = effect.writes.with(Regs::of(reg));
                    effect.fixed = effect.fixed.with(Regs::of(reg));
                }
                effect
            }
        }
    }

    /// Registers that are wanted at the ends of each block.
    fn liveness(&mut self) -> Vec<Live> {
        let mut live = vec![Live::default(); self.function.block_count()];
        let mut gains = Vec::with_capacity(live.len());
        for block in self.function.blocks() {
            self.enter(block);
            // What the block reads before it writes it, and what it writes.
            let (mut reads, mut writes) = (Regs::default(), Regs::default());
            for &step in self.steps.iter().rev() {
                let effect = self.effect(step);
                reads = reads.without(effect.writes).with(effect.reads);
                writes = writes.with(effect.writes);
            }
            gains.push((reads, writes));
        }
        let mut changed = true;
        while changed {
            changed = false;
            for block in self.function.blocks().rev() {
                let after = self.function.succs(block).map(|to| live[to.0 as usize].before);
                let after = after.fold(Regs::default(), Regs::with);
                let (reads, writes) = gains[block.0 as usize];
                let before = after.without(writes).with(reads);
                changed |= live[block.0 as usize].before != before;
                live[block.0 as usize] = Live { before, after };
            }
        }
        live
    }

    /// Drops moves of what is there already, and reads originals in place of copies.
    fn forward(&mut self) {
        // What is known at the start of each block; nothing where a later block leads back.
        let mut known: Vec<Option<Copies>> = vec![None; self.function.block_count()];
        for block in self.function.blocks() {
            for to in self.function.succs(block).filter(|&to| to <= block) {
                known[to.0 as usize] = Some(Copies::NONE);
            }
        }
        for block in self.function.blocks() {
            let mut copies = known[block.0 as usize].unwrap_or(Copies::NONE);
            // Without copies there is nothing to see.
            if copies != Copies::NONE || self.has_moves[block.0 as usize] {
                self.enter(block);
                for index in 0..self.steps.len() {
                    self.forward_step(self.steps[index], &mut copies);
                }
            }
            for to in self.function.succs(block) {
                match &mut known[to.0 as usize] {
                    Some(known) => known.meet(&copies),
                    unknown => *unknown = Some(copies),
                }
            }
        }
    }

    fn forward_step(&mut self, step: Step, copies: &mut Copies) {
        match step {
            Step::Inst(at) => {
                self.read_originals(at, copies);
                match (self.copied(at), self.allocation.start(at)) {
                    (Some((from, to)), start) if copies.original(to) == from => self.allocation.regs[start + 1] = to,
                    (Some((from, to)), _) => copies.copy(from, to),
                    (None, _) => copies.write(self.effect(step).writes),
                }
            }
            Step::Move(at) => {
                let m = &mut self.allocation.moves[at];
                if let Place::Reg(from) = &mut m.from {
                    *from = copies.original(*from);
                }
                match (m.from, m.to) {
                    (Place::Reg(from), Place::Reg(to)) if copies.original(to) == from => self.gone[at] = true,
                    (Place::Reg(from), Place::Reg(to)) => copies.copy(from, to),
                    (_, to) => copies.write(regs_of(to)),
                }
            }
        }
    }

    /// The registers of a copy that is an instruction: from where, and to where.
    fn copied(&self, at: InstIx) -> Option<(Reg, Reg)> {
        match (self.function.inst(at), self.allocation.regs(at)) {
            (Inst::Copy { .. }, &[to, from]) => Some((from, to)),
            _ => None,
        }
    }

    /// Makes an instruction read originals, where it may read any register and does not overwrite it.
    fn read_originals(&mut self, at: InstIx, copies: &Copies) {
        let mut index = self.allocation.start(at);
        let mut tied = false;
        let regs = &mut self.allocation.regs;
        self.function.inst(at).operands(|operand| {
            match operand {
                Operand::Def(_, constraint) => tied = constraint == Constraint::SameAsFirstUse,
                Operand::Use(_, Constraint::Any) if !std::mem::take(&mut tied) => {
                    regs[index] = copies.original(regs[index]);
                }
                Operand::Use(..) => {}
            }
            index += 1;
        });
    }

    /// Drops moves to registers that nobody reads and, if `make` says so, moves that a value's definition can make needless.
    fn backward(&mut self, block: MachBlock, live_after: Regs, make: bool) {
        if !self.has_moves[block.0 as usize] {
            return;
        }
        self.enter(block);
        let mut live = live_after;
        for index in (0..self.steps.len()).rev() {
            let step = self.steps[index];
            if let Some((from, to)) = self.move_of(step) {
                let is_last_use = matches!(from, Place::Reg(from) if from != to && !live.has(from));
                if !live.has(to) || make && is_last_use && self.make_in(index, to) {
                    self.drop_move(step);
                    continue;
                }
            }
            let effect = self.effect(step);
            live = live.without(effect.writes).with(effect.reads);
        }
    }

    /// From where a step takes a value to which register, if it is a move of either kind.
    fn move_of(&self, step: Step) -> Option<(Place, Reg)> {
        match step {
            Step::Inst(at) => self.copied(at).map(|(from, to)| (Place::Reg(from), to)),
            Step::Move(at) => match self.allocation.moves[at] {
                Move { from, to: Place::Reg(to), .. } => Some((from, to)),
                Move { to: Place::Spill(_), .. } => None,
            },
        }
    }

    /// Makes a move do nothing, whose target nobody reads or holds the value already.
    fn drop_move(&mut self, step: Step) {
        match step {
            Step::Move(at) => self.gone[at] = true,
            Step::Inst(at) => {
                let start = self.allocation.start(at);
                self.allocation.regs[start] = self.allocation.regs[start + 1];
            }
        }
    }

    /// Lets the value that the move at `index` takes to `to` be made there, if nothing else wants `to` in between.
    fn make_in(&mut self, index: usize, to: Reg) -> bool {
        let Some((Place::Reg(from), _)) = self.move_of(self.steps[index]) else { return false };
        for back in (index.saturating_sub(REACH)..index).rev() {
            let step = self.steps[back];
            if matches!(step, Step::Move(at) if self.gone[at]) {
                continue;
            }
            let effect = self.effect(step);
            let starts = effect.writes.has(from) && !effect.reads.has(from);
            let in_the_way = effect.writes.has(to) || !starts && effect.reads.has(to);
            if in_the_way || effect.fixed.has(from) {
                return false;
            }
            if starts {
                for between in back..=index {
                    self.rename(self.steps[between], from, to, between == back);
                }
                return true;
            }
        }
        false
    }

    /// Renames a register in a step; where the value starts, only in what the step writes.
    fn rename(&mut self, step: Step, from: Reg, to: Reg, only_def: bool) {
        match step {
            Step::Move(at) => {
                let m = &mut self.allocation.moves[at];
                if m.to == Place::Reg(from) {
                    m.to = Place::Reg(to);
                }
                if m.from == Place::Reg(from) && !only_def {
                    m.from = Place::Reg(to);
                }
                self.gone[at] |= m.from == m.to;
            }
            Step::Inst(at) => {
                let mut index = self.allocation.start(at);
                let regs = &mut self.allocation.regs;
                self.function.inst(at).operands(|operand| {
                    let is_def = matches!(operand, Operand::Def(..));
                    if regs[index] == from && (is_def || !only_def) {
                        regs[index] = to;
                    }
                    index += 1;
                });
            }
        }
    }
}
