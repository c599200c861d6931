//! Constants that one way of a branch takes along are made before the branch, where that saves a jump.
//!
//! ```text
//!     if w1 != 6 goto next            w3 = 1
//!     w3 = 1                          if w1 == 6 goto join
//!     goto join                   next:
//! next:
//! ```
//!
//! The constant's register is that of the parameter of `join`; on the other way nobody asks for it. Several ways that take the same constants
//! to one block share them: they are made before the last branch that comes before all of them, if nothing in between wants the register,
//! neither other constants for that block nor a call.

use super::mir::VReg;
use crate::ir::{Block, Cfg, Dominators, Function, Op, Operand, Table, Terminator};
use std::collections::HashMap;

/// How many blocks before its first way a group's constants may be made.
const REACH: usize = 8;

/// Ways that take the same constants to the same block.
struct Group<'f> {
    target: Block,
    constants: &'f [Operand],
    /// The blocks on the edges, which do nothing else, in the order of the code.
    ways: Vec<Block>,
    /// The places of the branch before which the constants are made, and of the last of their branches.
    range: (usize, usize),
    /// The registers of the constants, once they are made.
    regs: Vec<VReg>,
}

/// What is made before which branch.
#[derive(Default)]
pub(super) struct Presets<'f> {
    groups: Vec<Group<'f>>,
    /// The groups whose constants are made before the branch of each block.
    before: Table<Block, Vec<usize>>,
    /// The group that each block on an edge belongs to.
    of_edge: Table<Block, Option<usize>>,
}

impl<'f> Presets<'f> {
    /// Finds the ways. `cfg` has the blocks in the order of the code to be.
    pub(super) fn new(function: &'f Function, cfg: &Cfg) -> Presets<'f> {
        let count = function.blocks.len();
        let mut presets = Presets {
            groups: Vec::new(),
            before: Table::filled(Vec::new(), count),
            of_edge: Table::filled(None, count),
        };
        let mut found = groups(function, cfg);
        if found.iter().any(|group| group.ways.len() > 1) {
            let dominators = Dominators::new(function, cfg);
            found.retain_mut(|group| group.ways.len() == 1 || can_share(function, cfg, &dominators, group));
        }
        // Those that several ways share keep a register for longer: the others have to make way.
        let (shared, single): (Vec<_>, Vec<_>) = found.into_iter().partition(|group| group.ways.len() > 1);
        for group in shared {
            if presets.groups.iter().all(|other| !other.conflicts(&group)) {
                presets.add(cfg, group);
            }
        }
        let shared = presets.groups.len();
        for group in single {
            let is_alone = presets.before[cfg.order()[group.range.0]].is_empty();
            if is_alone && presets.groups[..shared].iter().all(|other| !other.conflicts(&group)) {
                presets.add(cfg, group);
            }
        }
        presets
    }

    fn add(&mut self, cfg: &Cfg, group: Group<'f>) {
        self.before[cfg.order()[group.range.0]].push(self.groups.len());
        for &edge in &group.ways {
            self.of_edge[edge] = Some(self.groups.len());
        }
        self.groups.push(group);
    }

    /// Makes the constants that belong before the branch of `block`.
    pub(super) fn make(&mut self, block: Block, mut make: impl FnMut(Operand) -> VReg) {
        for &group in self.before.get(block).into_iter().flatten() {
            self.groups[group].regs = self.groups[group].constants.iter().map(|&constant| make(constant)).collect();
        }
    }

    /// The registers of what the block on an edge hands over, if they are set before.
    pub(super) fn args(&self, edge: Block) -> Option<&[VReg]> {
        let group = (*self.of_edge.get(edge)?)?;
        Some(&self.groups[group].regs)
    }
}

/// The ways that take constants along, where none runs into the target anyway and all lead forwards.
fn groups<'f>(function: &'f Function, cfg: &Cfg) -> Vec<Group<'f>> {
    let mut groups: Vec<Group<'f>> = Vec::new();
    let mut known: HashMap<(Block, &[Operand]), usize> = HashMap::new();
    let place = |block| cfg.position(block).unwrap_or_default() as usize;
    for &edge in cfg.order() {
        let Some((branch, target, constants)) = way(function, cfg, edge) else { continue };
        let index = *known.entry((target, constants)).or_insert_with(|| {
            let range = (place(branch), place(branch));
            groups.push(Group { target, constants, ways: Vec::new(), range, regs: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[index];
        group.ways.push(edge);
        group.range = (group.range.0.min(place(branch)), group.range.1.max(place(branch)));
    }
    groups.retain(|group| group.ways.iter().all(|&edge| place(group.target) > place(edge) + 1));
    groups
}

/// The branch before a block that does nothing but take constants to another one, that one, and the constants.
fn way<'f>(function: &'f Function, cfg: &Cfg, edge: Block) -> Option<(Block, Block, &'f [Operand])> {
    let data = &function.blocks[edge];
    let (&[branch], true, true) = (cfg.preds(edge), data.insts.is_empty(), data.params.is_empty()) else { return None };
    let Terminator::Jump { target, ref args } = data.term else { return None };
    let are_constants = !args.is_empty() && args.iter().all(|arg| arg.as_value().is_none());
    let is_branch = matches!(function.blocks[branch].term, Terminator::Branch { .. });
    (are_constants && is_branch).then_some((branch, target, args))
}

/// Finds the last branch before all ways; whether there is one, without a call on the way.
fn can_share(function: &Function, cfg: &Cfg, dominators: &Dominators, group: &mut Group<'_>) -> bool {
    let (first, last) = group.range;
    let order = cfg.order();
    let is_before = |&at: &usize| {
        let block = order[at];
        let is_branch = matches!(function.blocks[block].term, Terminator::Branch { .. });
        is_branch && group.ways.iter().all(|&way| dominators.dominates(block, way))
    };
    let Some(start) = (first.saturating_sub(REACH)..=first).rev().find(is_before) else { return false };
    group.range.0 = start;
    let mut insts = order[start + 1..=last].iter().flat_map(|&block| &function.blocks[block].insts);
    !insts.any(|inst| matches!(inst.op, Op::Call { .. }))
}

impl Group<'_> {
    /// Whether the two want the same registers at the same time.
    fn conflicts(&self, other: &Group<'_>) -> bool {
        self.target == other.target && self.range.0 <= other.range.1 && other.range.0 <= self.range.1
    }
}
