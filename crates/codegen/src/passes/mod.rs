//! Passes over the IR. Each file is one pass; each keeps what the function does and every IR invariant.
//!
//! The passes feed each other, so they run in rounds until none finds anything, each linear in the function (but for sorting).

mod bits;
mod dce;
mod params;
mod simplify;
mod split;
mod straighten;
mod substitution;
mod tails;
#[cfg(test)]
mod test;
mod widen;

pub(crate) use bits::Bits;
pub(crate) use split::critical_edges as split_critical_edges;

use crate::ir::{BlockData, Cfg, Function, verify};
use bpfasm_isa::Endian;

/// A round rarely leaves work for more than two others; this many bound the time that a chain of discoveries can take.
const MAX_ROUNDS: usize = 10;

/// Makes `function` smaller for a target of this byte order.
pub(crate) fn optimize(function: &mut Function, endian: Endian) {
    for _ in 0..MAX_ROUNDS {
        let mut changed = false;
        for (name, pass) in PASSES {
            changed |= pass(function, endian);
            debug_assert!(is_valid(function, name));
        }
        if !changed {
            break;
        }
    }
}

/// A pass: whether it changed anything that another pass may profit from.
type Pass = fn(&mut Function, Endian) -> bool;

/// The passes of a round, in order.
pub(crate) const PASSES: &[(&str, Pass)] = &[
    ("simplify", simplify::run),
    ("params", |function, _| params::run(function)),
    ("dce", |function, _| dce::run(function)),
    ("straighten", |function, _| straighten::run(function)),
    ("widen", |function, _| widen::run(function)),
    ("tails", |function, _| tails::run(function)),
];

/// Empties the blocks that nothing reaches, so that a pass need not keep them in step.
fn clear_unreachable(function: &mut Function, cfg: &Cfg) {
    for block in function.blocks.keys().filter(|&block| !cfg.is_reachable(block)) {
        let loc = function.blocks[block].term_loc;
        function.blocks[block] = BlockData::new(loc);
    }
}

fn is_valid(function: &Function, pass: &str) -> bool {
    match verify::function(function, usize::MAX) {
        Ok(()) => true,
        Err(error) => panic!("{pass} broke the IR: {error}\n{function}"),
    }
}
