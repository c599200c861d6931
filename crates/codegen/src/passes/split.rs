//! Splits critical edges: from a block with two successors to one with several predecessors. Register allocation needs a place of its
//! own for what happens on such an edge; where nothing does, emission leaves no trace of it.

use crate::ir::{Block, BlockData, Function, Table, Terminator};

pub(crate) fn critical_edges(function: &mut Function) {
    let mut preds = Table::<Block, u32>::filled(0, function.blocks.len());
    for data in function.blocks.values() {
        data.term.successors().for_each(|target| preds[target] += 1);
    }
    for block in function.blocks.keys() {
        let data = &mut function.blocks[block];
        if !matches!(data.term, Terminator::Branch { .. }) {
            continue;
        }
        let loc = data.term_loc;
        let mut term = std::mem::replace(&mut data.term, Terminator::Unreachable);
        term.for_each_successor(|target| {
            if preds[*target] > 1 {
                let edge = BlockData { term: Terminator::jump(*target), ..BlockData::new(loc) };
                *target = function.blocks.push(edge);
            }
        });
        function.blocks[block].term = term;
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::{Cfg, parse::parse};

    #[test]
    fn no_edge_is_critical_afterwards() {
        let mut function = parse(
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  branch.eq64 v0, 1, block1, block2
block2:
  branch.eq64 v0, 2, block3, block3
block3:
  return 0",
        );
        super::critical_edges(&mut function);
        let cfg = Cfg::new(&function);
        for (_, data) in function.blocks.iter() {
            let successors: Vec<_> = data.term.successors().collect();
            assert!(successors.len() < 2 || successors.iter().all(|&to| cfg.preds(to).len() == 1), "{function}");
        }
        assert_eq!(function.blocks.len(), 4 + 6);
    }
}
