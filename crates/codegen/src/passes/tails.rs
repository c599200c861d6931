//! Code that is there twice and ends a path is kept once.
//!
//! - Blocks with the same content, that go on to the same blocks, become one: values that a block defines are compared by their
//!   position in it. Successors are looked at before the blocks that lead to them, so equal tails of several blocks merge in one walk.
//! - Returns of one constant are shared: `r0 = c; exit` takes two slots, the jump to one such pair takes one.
//!
//! A block whose values are used in other blocks is never merged. For the rest, whatever the blocks below use is defined above each of
//! the merged ones, because all of them lead there.

use super::homes::Homes;
use super::{Analysis, Changes};
use crate::ir::{Block, BlockData, Cfg, Function, Op, Operand, Table, Terminator, Value};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{Hash, Hasher};

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    let cfg = analysis.cfg(function);
    let mut merger = Merger::new(function, cfg);
    merger.find(function, cfg);
    // Both find work: neither may be skipped.
    let merged = merger.redirect(function);
    let shared = share_returns(function, cfg.order().iter().copied().filter(|&block| merger.leaders[block] == block));
    if !merged && !shared {
        return Changes::NONE;
    }
    analysis.edges_changed();
    Changes::EDGES
}

/// Who returns a constant.
struct Returns {
    /// A block that does nothing else, if there is one.
    bare: Option<Block>,
    /// How many do.
    count: u32,
}

/// Turns returns of constants that other blocks return as well into jumps to one block.
fn share_returns(function: &mut Function, blocks: impl Iterator<Item = Block> + Clone) -> bool {
    let returned = |data: &BlockData| match data.term {
        Terminator::Return(Operand::Const(constant)) => Some(constant),
        _ => None,
    };
    let mut returns: BTreeMap<u64, Returns> = BTreeMap::new();
    for block in blocks.clone() {
        let data = &function.blocks[block];
        if let Some(constant) = returned(data) {
            let known = returns.entry(constant).or_insert(Returns { bare: None, count: 0 });
            known.count += 1;
            if data.insts.is_empty() && data.params.is_empty() && block != function.entry() {
                known.bare = Some(block);
            }
        }
    }
    let mut changed = false;
    for block in blocks {
        let Some(constant) = returned(&function.blocks[block]) else { continue };
        let Some(known) = returns.get_mut(&constant).filter(|known| known.count > 1) else { continue };
        let home = *known.bare.get_or_insert_with(|| {
            let bare = BlockData::new(function.blocks[block].term_loc);
            function.blocks.push(BlockData { term: Terminator::Return(Operand::Const(constant)), ..bare })
        });
        if block != home {
            function.blocks[block].term = Terminator::jump(home);
            changed = true;
        }
    }
    changed
}

/// Finds blocks with the same content.
struct Merger {
    homes: Homes,
    /// The block that stands for each block.
    leaders: Table<Block, Block>,
}

/// Marks a value as one of the block's own, by its position; no function has so many values.
const LOCAL: u32 = 1 << 31;

impl Merger {
    fn new(function: &Function, cfg: &Cfg) -> Merger {
        let mut leaders = Table::new();
        for block in function.blocks.keys() {
            leaders.push(block);
        }
        Merger { homes: Homes::new(function, cfg), leaders }
    }

    /// Chooses a leader for each block, from the exits up.
    fn find(&mut self, function: &Function, cfg: &Cfg) {
        let mut seen: BTreeMap<u64, Block> = BTreeMap::new();
        for &block in cfg.order().iter().rev() {
            if block == function.entry() || self.homes.escapes(block) {
                continue;
            }
            let data = &function.blocks[block];
            match seen.entry(self.hash(block, data)) {
                Entry::Vacant(entry) => {
                    entry.insert(block);
                }
                Entry::Occupied(entry) => {
                    let leader = *entry.get();
                    if self.same(leader, &function.blocks[leader], block, data) {
                        self.leaders[block] = leader;
                    }
                }
            }
        }
    }

    fn redirect(&self, function: &mut Function) -> bool {
        let mut changed = false;
        for data in function.blocks.values_mut() {
            data.term.for_each_successor(|target| {
                changed |= self.leaders[*target] != *target;
                *target = self.leaders[*target];
            });
        }
        changed
    }

    /// An operand of `block` by its place there, if it is one of the block's own values.
    fn local(&self, block: Block, operand: Operand) -> Operand {
        match self.homes.position(block, operand) {
            Some(at) => Operand::Value(Value(at | LOCAL)),
            None => operand,
        }
    }

    fn local_op(&self, block: Block, mut op: Op) -> Op {
        op.for_each_operand(|operand| *operand = self.local(block, *operand));
        op
    }

    fn hash(&self, block: Block, data: &BlockData) -> u64 {
        let mut hasher = Fold(0);
        data.params.len().hash(&mut hasher);
        for inst in &data.insts {
            self.local_op(block, inst.op).hash(&mut hasher);
        }
        std::mem::discriminant(&data.term).hash(&mut hasher);
        data.term.successors().for_each(|target| self.leaders[target].hash(&mut hasher));
        data.term.operands().for_each(|operand| self.local(block, operand).hash(&mut hasher));
        if let Terminator::Branch { cond, width, .. } = data.term {
            (cond, width).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn same(&self, a: Block, data_a: &BlockData, b: Block, data_b: &BlockData) -> bool {
        let condition = |term: &Terminator| match *term {
            Terminator::Branch { cond, width, .. } => Some((cond, width)),
            _ => None,
        };
        let ops = |block: Block, data: &BlockData, at: usize| self.local_op(block, data.insts[at].op);
        let operands = |block: Block, term: &Terminator| {
            term.operands().map(|operand| self.local(block, operand)).collect::<Vec<_>>()
        };
        data_a.params.len() == data_b.params.len()
            && data_a.insts.len() == data_b.insts.len()
            && std::mem::discriminant(&data_a.term) == std::mem::discriminant(&data_b.term)
            && condition(&data_a.term) == condition(&data_b.term)
            && (0..data_a.insts.len()).all(|at| ops(a, data_a, at) == ops(b, data_b, at))
            && data_a
                .term
                .successors()
                .map(|to| self.leaders[to])
                .eq(data_b.term.successors().map(|to| self.leaders[to]))
            && operands(a, &data_a.term) == operands(b, &data_b.term)
    }
}

/// A hash that is the same on every machine: multiplies and rotates what it is given, a word at a time.
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.unsigned_abs() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    #[test]
    fn equal_tails_become_one() {
        becomes(
            super::run,
            Endian::Little,
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  v1 = load.w context v0 + 0
  v2 = add32 v1, 1
  jump block3
block2:
  v3 = load.w context v0 + 0
  v4 = add32 v3, 1
  jump block4
block3:
  v5 = call ktime_get_ns()
  return v5
block4:
  v6 = call ktime_get_ns()
  return v6",
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block2, block2
block1:
  v1 = load.w context v0 + 0
  v2 = add32 v1, 1
  jump block4
block2:
  v3 = load.w context v0 + 0
  v4 = add32 v3, 1
  jump block4
block3:
  v5 = call ktime_get_ns()
  return v5
block4:
  v6 = call ktime_get_ns()
  return v6",
        );
    }

    #[test]
    fn values_that_leave_their_block_keep_it() {
        let text = "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  v1 = load.w context v0 + 0
  branch.eq32 v1, 0, block3, block4
block2:
  v2 = load.w context v0 + 0
  branch.eq32 v2, 0, block3, block5
block3:
  return 7
block4:
  return v1
block5:
  return v2";
        becomes(super::run, Endian::Little, text, text);
    }

    #[test]
    fn a_block_is_not_merged_with_one_that_its_values_reach() {
        // What block2 stores is what block1 loaded, not what block3 did.
        let text = "
block0:
  v0 = context
  jump block1
block1:
  v1 = load.w context v0 + 0
  branch.eq32 v1, 0, block2, block4
block2:
  store.w context v0 + 4, v1
  jump block3
block3:
  v2 = load.w context v0 + 0
  branch.eq32 v2, 0, block2, block4
block4:
  return 0";
        becomes(super::run, Endian::Little, text, text);
    }

    #[test]
    fn operands_conditions_and_order_of_sides_count() {
        let text = "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  branch.eq64 v0, 5, block3, block4
block2:
  branch.eq64 v0, 6, block3, block5
block3:
  return 7
block4:
  branch.eq64 v0, 5, block6, block3
block5:
  branch.eq32 v0, 5, block3, block6
block6:
  return v0";
        becomes(super::run, Endian::Little, text, text);
    }

    #[test]
    fn returns_of_a_constant_are_shared() {
        becomes(
            super::run,
            Endian::Little,
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  store.w context v0 + 8, 1
  return 2
block2:
  store.w context v0 + 8, 3
  return 2",
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  store.w context v0 + 8, 1
  jump block3
block2:
  store.w context v0 + 8, 3
  jump block3
block3:
  return 2",
        );
    }
}
