//! Splits critical edges: from a block with two successors to one with several predecessors. Register allocation needs a place of its
//! own for what happens on such an edge; where nothing does, emission leaves no trace of it.
//!
//! Edges to a block that only returns a constant stay as they are, since no value can be wanted there; but of each branch one edge at
//! least is split or not critical. A long list of rules has little else, and each edge would cost a block.
//!
//! An edge to a block that only returns a value gets a return of its own, and one to a block that only takes constants elsewhere does so
//! itself: where values are may differ from edge to edge, and emission takes those that turn out equal together.

use crate::ir::{Block, BlockData, Function, Operand, Table, Terminator};

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
        let mut spared = false;
        term.for_each_successor(|target| {
            if preds[*target] < 2 || !spared && returns_constant(&function.blocks[*target]) {
                spared |= preds[*target] > 1;
                return;
            }
            let term = match &function.blocks[*target] {
                BlockData { params, insts, term, .. } if params.is_empty() && insts.is_empty() && leads_on(term) => {
                    term.clone()
                }
                _ => Terminator::jump(*target),
            };
            let edge = BlockData { term, ..BlockData::new(loc) };
            *target = function.blocks.push(edge);
        });
        function.blocks[block].term = term;
    }
}

/// Whether a block's end can be that of the edges to it as well: a return, or a jump with constants.
fn leads_on(term: &Terminator) -> bool {
    match term {
        Terminator::Return(_) => true,
        Terminator::Jump { args, .. } => args.iter().all(|arg| arg.as_value().is_none()),
        Terminator::Branch { .. } | Terminator::Unreachable => false,
    }
}

/// Whether a block does nothing but return a constant.
fn returns_constant(data: &BlockData) -> bool {
    let constant = matches!(data.term, Terminator::Return(Operand::Const(_) | Operand::Net(_)));
    constant && data.insts.is_empty() && data.params.is_empty()
}

#[cfg(test)]
mod tests {
    use super::returns_constant;
    use crate::ir::{Cfg, parse::parse};

    #[test]
    fn no_edge_with_values_on_it_is_critical_afterwards() {
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
  branch.eq64 v0, 3, block4, block5
block4:
  branch.eq64 v0, 4, block5, block6
block5:
  return 0
block6:
  branch.eq64 v0, 5, block5, block7
block7:
  return 7",
        );
        super::critical_edges(&mut function);
        let cfg = Cfg::new(&function);
        let mut spared = 0;
        for (_, data) in function.blocks.iter() {
            let successors: Vec<_> = data.term.successors().collect();
            let critical = successors.iter().filter(|&&to| successors.len() > 1 && cfg.preds(to).len() > 1);
            for &to in critical.clone() {
                assert!(returns_constant(&function.blocks[to]), "{function}");
            }
            assert!(critical.clone().count() < 2, "{function}");
            spared += critical.count();
        }
        assert_eq!((function.blocks.len(), spared), (8 + 6, 3));
    }
}
