//! The control-flow graph: order and predecessors of what the entry reaches.

use super::{Block, BlockData, Function, Table};

/// The reachable blocks of a function in reverse postorder, and the edges into each.
///
/// In this order a block comes after every block that dominates it, so one walk sees definitions before their uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cfg {
    order: Vec<Block>,
    /// Positions in `order`; `u32::MAX` for what nothing reaches.
    position: Table<Block, u32>,
    /// Where the predecessors of each block end in `preds`; they start where the block before it ends.
    pred_ends: Vec<u32>,
    preds: Vec<Block>,
}

const UNREACHED: u32 = u32::MAX;

impl Cfg {
    /// The graph of `function`. The `then` side of a branch comes right after it, unless other edges lead there.
    pub fn new(function: &Function) -> Cfg {
        Cfg::with_order(function, |_| false)
    }

    /// The graph with the `then` side of those branches last for which `then_is_cold` says so.
    pub fn with_order(function: &Function, then_is_cold: impl Fn(&BlockData) -> bool) -> Cfg {
        let mut cfg = Cfg::default();
        cfg.fill(function, then_is_cold);
        cfg
    }

    /// Becomes the graph of `function`, in the memory that it has.
    pub fn recompute(&mut self, function: &Function) {
        self.fill(function, |_| false);
    }

    fn fill(&mut self, function: &Function, then_is_cold: impl Fn(&BlockData) -> bool) {
        self.position.refill(UNREACHED, function.blocks.len());
        self.postorder(function, then_is_cold);
        self.order.reverse();
        for (at, &block) in (0..).zip(&self.order) {
            self.position[block] = at;
        }
        self.collect_preds(function);
    }

    /// Collects the reachable blocks into `order`, each after what it leads to, and marks them in `position`.
    fn postorder(&mut self, function: &Function, then_is_cold: impl Fn(&BlockData) -> bool) {
        // The side that is walked last ends up right after its branch.
        let sides = |block: Block| -> [Option<Block>; 2] {
            let data = &function.blocks[block];
            let mut successors = data.term.successors();
            let (then, otherwise) = (successors.next(), successors.next());
            if then_is_cold(data) { [then, otherwise] } else { [otherwise, then] }
        };
        self.order.clear();
        let mut open = Vec::with_capacity(16);
        open.push((function.entry(), sides(function.entry())));
        self.position[function.entry()] = 0;
        while let Some((block, rest)) = open.last_mut() {
            let Some(next) = rest.iter_mut().find_map(Option::take) else {
                self.order.push(*block);
                open.pop();
                continue;
            };
            if self.position[next] == UNREACHED {
                self.position[next] = 0;
                open.push((next, sides(next)));
            }
        }
    }

    fn collect_preds(&mut self, function: &Function) {
        // Counts per block, summed to the start of each block's run; filling a run moves its start to its end.
        let Cfg { order, pred_ends: ends, preds, .. } = self;
        ends.clear();
        ends.resize(function.blocks.len(), 0);
        let edges = || {
            let from = |&block: &Block| function.blocks[block].term.successors().map(move |to| (block, to));
            order.iter().flat_map(from)
        };
        for (_, to) in edges() {
            ends[to.0 as usize] += 1;
        }
        let mut total = 0;
        for end in ends.iter_mut() {
            let count = std::mem::replace(end, total);
            total += count;
        }
        preds.clear();
        preds.resize(total as usize, function.entry());
        for (from, to) in edges() {
            let slot = &mut ends[to.0 as usize];
            preds[*slot as usize] = from;
            *slot += 1;
        }
    }

    /// The reachable blocks, each after its dominators.
    pub fn order(&self) -> &[Block] {
        &self.order
    }

    /// Whether a path from the entry leads to `block`.
    pub fn is_reachable(&self, block: Block) -> bool {
        self.position[block] != UNREACHED
    }

    /// The place of a reachable block in [`order`](Cfg::order).
    pub fn position(&self, block: Block) -> Option<u32> {
        Some(self.position[block]).filter(|&at| at != UNREACHED)
    }

    /// The reachable blocks with an edge to `block`, one an edge.
    pub fn preds(&self, block: Block) -> &[Block] {
        let start = match block.0.checked_sub(1) {
            Some(before) => self.pred_ends[before as usize] as usize,
            None => 0,
        };
        &self.preds[start..self.pred_ends[block.0 as usize] as usize]
    }
}
