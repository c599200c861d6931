//! The order of the blocks in the code.

use crate::ir::{BlockData, Cfg, Function, Terminator};

/// The graph in the order of the code to be: each block after all that dominate it, the way on right after the branch that leaves it,
/// and the ways out at the end.
pub(super) fn layout(function: &Function) -> Cfg {
    Cfg::with_order(function, |data| match data.term {
        Terminator::Branch { then, otherwise, .. } => {
            let is_exit = |block| leaves(function, &function.blocks[block]);
            is_exit(then) && !is_exit(otherwise)
        }
        _ => false,
    })
}

/// Whether a block does nothing but leave, directly or over the edge block that a split made.
fn leaves(function: &Function, data: &BlockData) -> bool {
    let returns = |data: &BlockData| data.insts.is_empty() && matches!(data.term, Terminator::Return(_));
    match &data.term {
        Terminator::Jump { target, .. } => data.insts.is_empty() && returns(&function.blocks[*target]),
        _ => returns(data),
    }
}
