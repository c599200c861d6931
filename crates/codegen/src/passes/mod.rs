//! Passes over the IR. Each file is one pass; each keeps what the function does and every IR invariant.
//!
//! A pass runs until it finds no more of its own; then it says what it changed, which wakes the passes that look at that. Each is linear in
//! the function, but for sorting.

mod bits;
mod dce;
mod fill;
mod homes;
mod params;
mod simplify;
mod sink;
mod split;
mod stores;
mod straighten;
mod substitution;
mod sums;
mod tails;
#[cfg(test)]
mod test;
mod thread;
mod widen;

pub(crate) use bits::Bits;
pub(crate) use split::critical_edges as split_critical_edges;

use crate::ir::{BlockData, Cfg, Function, verify};
use bpfasm_isa::Endian;

/// What a pass changed: a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changes(u8);

impl Changes {
    const NONE: Changes = Changes(0);
    /// Operands: something may be folded now.
    const VALUES: Changes = Changes(1);
    /// Operations: there are others, or fewer.
    const CODE: Changes = Changes(2);
    /// The graph: edges lead elsewhere.
    const EDGES: Changes = Changes(4);
    const ALL: Changes = Changes(7);

    const fn and(self, other: Changes) -> Changes {
        Changes(self.0 | other.0)
    }

    const fn touches(self, other: Changes) -> bool {
        self.0 & other.0 != 0
    }

    fn add_if(&mut self, other: Changes, happened: bool) {
        if happened {
            *self = self.and(other);
        }
    }
}

/// What passes know of the function and need not find out again.
pub(crate) struct Analysis {
    endian: Endian,
    cfg: Cfg,
    is_current: bool,
}

impl Analysis {
    pub(crate) fn new(endian: Endian) -> Analysis {
        Analysis { endian, cfg: Cfg::default(), is_current: false }
    }

    /// The graph of the function.
    fn cfg(&mut self, function: &Function) -> &Cfg {
        if !self.is_current {
            self.cfg.recompute(function);
            self.is_current = true;
        }
        debug_assert_eq!(self.cfg, Cfg::new(function), "a pass changed edges and kept it to itself");
        &self.cfg
    }

    /// Says that edges or blocks are not what they were.
    fn edges_changed(&mut self) {
        self.is_current = false;
    }
}

/// A pass, and what changes make another run worthwhile.
pub(crate) struct Pass {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Function, &mut Analysis) -> Changes,
    looks_at: Changes,
}

/// The passes in the order in which they run first.
pub(crate) const PASSES: &[Pass] = &[
    Pass { name: "simplify", run: simplify::run, looks_at: Changes::VALUES },
    Pass { name: "sums", run: sums::run, looks_at: Changes::VALUES.and(Changes::CODE) },
    Pass { name: "params", run: params::run, looks_at: Changes::VALUES.and(Changes::EDGES) },
    Pass { name: "fill", run: fill::run, looks_at: Changes::VALUES.and(Changes::CODE) },
    Pass { name: "stores", run: stores::run, looks_at: Changes::ALL },
    Pass { name: "dce", run: dce::run, looks_at: Changes::ALL },
    Pass { name: "straighten", run: straighten::run, looks_at: Changes::CODE.and(Changes::EDGES) },
    Pass { name: "thread", run: thread::run, looks_at: Changes::CODE.and(Changes::EDGES) },
    Pass { name: "tails", run: tails::run, looks_at: Changes::ALL },
    Pass { name: "sink", run: sink::run, looks_at: Changes::CODE.and(Changes::EDGES) },
    Pass { name: "widen", run: widen::run, looks_at: Changes::VALUES.and(Changes::EDGES) },
];

/// A round rarely leaves work for more than two others; this many bound the time that a chain of discoveries can take.
const MAX_ROUNDS: usize = 10;

/// Makes `function` smaller for a target of this byte order.
pub(crate) fn optimize(function: &mut Function, endian: Endian) {
    let mut analysis = Analysis::new(endian);
    let mut pending = [Changes::ALL; PASSES.len()];
    for _ in 0..MAX_ROUNDS {
        for (index, pass) in PASSES.iter().enumerate() {
            if !pending[index].touches(pass.looks_at) {
                continue;
            }
            let changes = (pass.run)(function, &mut analysis);
            debug_assert!(is_valid(function, pass.name));
            for (other, pending) in pending.iter_mut().enumerate() {
                *pending = if other == index { Changes::NONE } else { pending.and(changes) };
            }
        }
        if !pending.iter().zip(PASSES).any(|(pending, pass)| pending.touches(pass.looks_at)) {
            break;
        }
    }
}

/// Empties the blocks that nothing reaches, so that a pass need not keep them in step.
fn clear_unreachable(function: &mut Function, cfg: &Cfg) {
    if cfg.order().len() == function.blocks.len() {
        return;
    }
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
