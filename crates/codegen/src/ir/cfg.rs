//! The control-flow graph: order and predecessors of what the entry reaches.

use super::{Block, BlockData, Function, Table};

/// The reachable blocks of a function in reverse postorder, and the edges into each.
///
/// In this order a block comes after every block that dominates it, so one walk sees definitions before their uses.
#[derive(Clone, Debug, Default)]
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
        let mut cfg = Cfg { position: Table::filled(UNREACHED, function.blocks.len()), ..Cfg::default() };
        cfg.order = postorder(function, then_is_cold);
        cfg.order.reverse();
        for (at, &block) in (0..).zip(&cfg.order) {
            cfg.position[block] = at;
        }
        cfg.collect_preds(function);
        cfg
    }

    fn collect_preds(&mut self, function: &Function) {
        // Counts per block, summed to the start of each block's run; filling a run moves its start to its end.
        let mut ends = vec![0_u32; function.blocks.len()];
        let edges = || {
            let from = |&block: &Block| function.blocks[block].term.successors().map(move |to| (block, to));
            self.order.iter().flat_map(from)
        };
        for (_, to) in edges() {
            ends[to.0 as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            let count = std::mem::replace(end, total);
            total += count;
        }
        let mut preds = vec![function.entry(); total as usize];
        for (from, to) in edges() {
            let slot = &mut ends[to.0 as usize];
            preds[*slot as usize] = from;
            *slot += 1;
        }
        self.pred_ends = ends;
        self.preds = preds;
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

fn postorder(function: &Function, then_is_cold: impl Fn(&BlockData) -> bool) -> Vec<Block> {
    // The side that is walked last ends up right after its branch.
    let sides = |block: Block| -> [Option<Block>; 2] {
        let data = &function.blocks[block];
        let mut successors = data.term.successors();
        let (then, otherwise) = (successors.next(), successors.next());
        if then_is_cold(data) { [then, otherwise] } else { [otherwise, then] }
    };
    let mut seen = Table::<Block, bool>::filled(false, function.blocks.len());
    let mut order = Vec::with_capacity(function.blocks.len());
    let mut open = vec![(function.entry(), sides(function.entry()))];
    seen[function.entry()] = true;
    while let Some((block, rest)) = open.last_mut() {
        let Some(next) = rest.iter_mut().find_map(Option::take) else {
            order.push(*block);
            open.pop();
            continue;
        };
        if !std::mem::replace(&mut seen[next], true) {
            open.push((next, sides(next)));
        }
    }
    order
}
