//! The control-flow graph made plain: no detours, no chains of blocks, nothing that the entry does not reach.
//!
//! - An edge to an empty block that jumps on leads to where that block jumps.
//! - A jump to an empty block that returns its parameter is a return; to one that hands its parameters on, it is a jump to where that goes.
//! - A branch whose sides agree is a jump.
//! - A block with one predecessor that jumps to it becomes part of that one.
//! - Blocks are stored in reverse postorder.

use super::substitution::Substitution;
use super::{Analysis, Changes};
use crate::ir::{Block, BlockData, Cfg, Function, Operand, Table, Terminator};

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    let mut changes = Changes::NONE;
    if thread(function) {
        changes = changes.and(Changes::EDGES).and(Changes::CODE);
        analysis.edges_changed();
    }
    let merged = merge(function, analysis.cfg(function));
    if merged != Changes::NONE {
        changes = changes.and(merged);
        analysis.edges_changed();
    }
    if compact(function, analysis.cfg(function)) {
        analysis.edges_changed();
    }
    changes
}

/// Redirects edges past empty blocks.
fn thread(function: &mut Function) -> bool {
    let mut ends = Table::filled(None, function.blocks.len());
    for block in function.blocks.keys() {
        find_end(function, &mut ends, block);
    }
    let returned = returned_params(function);
    let handed = handed_params(function);
    let mut changed = false;
    for data in function.blocks.values_mut() {
        data.term.for_each_successor(|target| {
            if let Some(end) = ends[*target].filter(|end| end != target) {
                *target = end;
                changed = true;
            }
        });
        let plain = match &data.term {
            Terminator::Branch { then, otherwise, .. } if then == otherwise => Terminator::jump(*then),
            Terminator::Jump { target, args } => match (returned[*target], &handed[*target]) {
                (Some(index), _) => Terminator::Return(args[index]),
                (None, Some((end, which))) => {
                    Terminator::Jump { target: *end, args: which.iter().map(|&index| args[index]).collect() }
                }
                (None, None) => continue,
            },
            _ => continue,
        };
        data.term = plain;
        changed = true;
    }
    changed
}

/// Where control ends up that goes to `block`: past every empty block, unless they form a circle.
fn find_end(function: &Function, ends: &mut Table<Block, Option<Block>>, block: Block) {
    let mut path = Vec::new();
    let mut at = block;
    let end = loop {
        if let Some(end) = ends[at] {
            break end;
        }
        // A circle of empty blocks ends where it is entered.
        ends[at] = Some(at);
        match &function.blocks[at] {
            BlockData { params, insts, term: Terminator::Jump { target, args }, .. }
                if params.is_empty() && insts.is_empty() && args.is_empty() =>
            {
                path.push(at);
                at = *target;
            }
            _ => break at,
        }
    };
    for passed in path {
        ends[passed] = Some(end);
    }
}

/// For each block that does nothing but return one of its parameters, which one.
fn returned_params(function: &Function) -> Table<Block, Option<usize>> {
    let mut returned = Table::filled(None, function.blocks.len());
    for (block, data) in function.blocks.iter() {
        if let (true, Terminator::Return(Operand::Value(value))) = (data.insts.is_empty(), &data.term) {
            returned[block] = data.params.iter().position(|param| param == value);
        }
    }
    returned
}

/// For each block that does nothing but hand its parameters on, and that no other block asks for them: where to, and which.
fn handed_params(function: &Function) -> Table<Block, Option<(Block, Vec<usize>)>> {
    let mut handed = Table::filled(None, function.blocks.len());
    for (block, data) in function.blocks.iter() {
        if let (false, true, Terminator::Jump { target, args }) =
            (data.params.is_empty(), data.insts.is_empty(), &data.term)
            && *target != block
        {
            let index = |arg: &Operand| data.params.iter().position(|&param| Operand::Value(param) == *arg);
            handed[block] = args.iter().map(index).collect::<Option<Vec<_>>>().map(|which| (*target, which));
        }
    }
    if handed.values().any(Option::is_some) {
        let mut homes = Table::filled(None, function.value_count as usize);
        for (block, data) in function.blocks.iter().filter(|&(block, _)| handed[block].is_some()) {
            data.params.iter().for_each(|&param| homes[param] = Some(block));
        }
        for (block, data) in function.blocks.iter() {
            let operands = data.insts.iter().flat_map(|inst| inst.op.operands()).chain(data.term.operands());
            for home in operands.filter_map(|operand| homes[operand.as_value()?]).filter(|&home| home != block) {
                handed[home] = None;
            }
        }
    }
    handed
}

/// Joins blocks with their only predecessors.
fn merge(function: &mut Function, cfg: &Cfg) -> Changes {
    let mut substitution = Substitution::new(function);
    let mut changes = Changes::NONE;
    for &block in cfg.order() {
        // The block whose end `block` has by now.
        let mut last = block;
        while let Terminator::Jump { target, .. } = function.blocks[block].term {
            if target == block || cfg.preds(target) != [last] {
                break;
            }
            let gone = BlockData::new(function.blocks[target].term_loc);
            let next = std::mem::replace(&mut function.blocks[target], gone);
            let data = &mut function.blocks[block];
            if let Terminator::Jump { args, .. } = std::mem::replace(&mut data.term, next.term) {
                for (param, arg) in next.params.into_iter().zip(args) {
                    substitution.replace(param, arg);
                }
            }
            data.insts.extend(next.insts);
            data.term_loc = next.term_loc;
            last = target;
            changes = Changes::EDGES.and(Changes::CODE);
        }
    }
    substitution.apply(function);
    changes.add_if(Changes::VALUES, !substitution.is_empty());
    changes
}

/// Stores the reachable blocks alone, in reverse postorder.
fn compact(function: &mut Function, cfg: &Cfg) -> bool {
    if cfg.order().len() == function.blocks.len() && cfg.order().is_sorted() {
        return false;
    }
    let mut blocks = Table::new();
    for &block in cfg.order() {
        let gone = BlockData::new(function.blocks[block].term_loc);
        let mut data = std::mem::replace(&mut function.blocks[block], gone);
        data.term.for_each_successor(|target| {
            if let Some(position) = cfg.position(*target) {
                *target = Block(position);
            }
        });
        blocks.push(data);
    }
    function.blocks = blocks;
    true
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    #[test]
    fn edges_skip_empty_blocks_and_chains_become_one() {
        becomes(
            super::run,
            Endian::Little,
            "
block0:
  v0 = context
  jump block4
block1:
  jump block2
block2:
  jump block3
block3:
  return 1
block4:
  v1 = load.w context v0 + 0
  jump block5(v1)
block5(v2):
  branch.eq32 v2, 0, block1, block6
block6:
  branch.eq32 v2, 1, block2, block7
block7:
  return v2",
            "
block0:
  v0 = context
  v1 = load.w context v0 + 0
  branch.eq32 v1, 0, block2, block1
block1:
  branch.eq32 v1, 1, block2, block3
block2:
  return 1
block3:
  return v1",
        );
    }

    #[test]
    fn a_branch_that_agrees_with_itself_is_a_jump() {
        becomes(
            super::run,
            Endian::Little,
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  jump block2
block2:
  return v0",
            "
block0:
  v0 = context
  return v0",
        );
    }

    #[test]
    fn a_jump_to_a_return_returns() {
        becomes(
            super::run,
            Endian::Little,
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  jump block3(1, 5)
block2:
  v1 = load.w context v0 + 0
  jump block3(2, v1)
block3(v2, v3):
  return v3",
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  return 5
block2:
  v1 = load.w context v0 + 0
  return v1",
        );
    }

    #[test]
    fn parameters_that_are_handed_on_go_straight() {
        let text = "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  v1 = load.w context v0 + 0
  jump block3(7, v1)
block2:
  v2 = load.w context v0 + 4
  jump block3(v2, 1)
block3(v3, v4):
  jump block4(v4, v3)
block4(v5, v6):
  v7 = add64 v5, v6
  return v7";
        let straight = text
            .replace("jump block3(7, v1)", "jump block3(v1, 7)")
            .replace("jump block3(v2, 1)", "jump block3(1, v2)")
            .replace("block3(v3, v4):\n  jump block4(v4, v3)\nblock4(v5", "block3(v5");
        becomes(super::run, Endian::Little, text, &straight);
        // Another block asks for what the block between hands on.
        let asked = text.replace("add64 v5, v6", "add64 v5, v3");
        let joined =
            asked.replace("  jump block4(v4, v3)\nblock4(v5, v6):\n", "").replace("add64 v5, v3", "add64 v4, v3");
        becomes(super::run, Endian::Little, &asked, &joined);
    }

    #[test]
    fn circles_stay_circles() {
        let circle = "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  jump block1
block2:
  return 0";
        becomes(super::run, Endian::Little, circle, circle);
        becomes(
            super::run,
            Endian::Little,
            &circle
                .replace("  jump block1\n", "  jump block3\n")
                .replace("return 0", "return 0\nblock3:\n  jump block1"),
            circle,
        );
    }
}
