//! Dominators, by the semi-NCA method.
//!
//! # References
//! L. Georgiadis, *Linear-Time Algorithms for Dominators and Related Problems*, Princeton 2005, section 2.3.

use super::{Block, Cfg, Function, Table};

/// Which block lies on every path to which.
#[derive(Clone, Debug)]
pub struct Dominators {
    /// The run of numbers that a block's subtree takes in a preorder of the dominator tree; empty for unreachable blocks.
    subtree: Table<Block, (u32, u32)>,
}

impl Dominators {
    /// The dominators of `function`, whose graph is `cfg`.
    pub fn new(function: &Function, cfg: &Cfg) -> Dominators {
        let tree = SpanningTree::new(function);
        let idom = immediate_dominators(&tree, cfg);
        let mut size = vec![1_u32; idom.len()];
        for node in (1..idom.len()).rev() {
            size[idom[node] as usize] += size[node];
        }
        // Where the next child of each node starts: parents have smaller numbers than their children.
        let mut next = vec![0_u32; idom.len()];
        let mut subtree = Table::filled((0, 0), function.blocks.len());
        for (node, &block) in tree.vertex.iter().enumerate() {
            let start = if node == 0 { 0 } else { next[idom[node] as usize] };
            if node != 0 {
                next[idom[node] as usize] += size[node];
            }
            next[node] = start + 1;
            subtree[block] = (start, start + size[node]);
        }
        Dominators { subtree }
    }

    /// Whether every path from the entry to `below` passes `above`; a block dominates itself. False for unreachable blocks.
    pub fn dominates(&self, above: Block, below: Block) -> bool {
        let ((start, end), (at, at_end)) = (self.subtree[above], self.subtree[below]);
        at != at_end && (start..end).contains(&at)
    }
}

/// A depth-first spanning tree; nodes are numbered in preorder.
struct SpanningTree {
    vertex: Vec<Block>,
    number: Table<Block, u32>,
    parent: Vec<u32>,
}

impl SpanningTree {
    fn new(function: &Function) -> SpanningTree {
        let mut tree = SpanningTree {
            vertex: Vec::new(),
            number: Table::filled(u32::MAX, function.blocks.len()),
            parent: Vec::new(),
        };
        let mut open = vec![(function.entry(), 0)];
        let mut count = 0;
        while let Some((block, parent)) = open.pop() {
            if tree.number[block] != u32::MAX {
                continue;
            }
            tree.number[block] = count;
            tree.vertex.push(block);
            tree.parent.push(parent);
            open.extend(function.blocks[block].term.successors().map(|next| (next, count)));
            count += 1;
        }
        tree
    }
}

/// The immediate dominator of each node of the tree; the root's is itself.
fn immediate_dominators(tree: &SpanningTree, cfg: &Cfg) -> Vec<u32> {
    let count = tree.vertex.len();
    let mut forest = Forest {
        ancestor: tree.parent.clone(),
        label: (0..).take(count).collect(),
        semi: (0..).take(count).collect(),
        path: Vec::new(),
    };
    for node in (1..count).rev() {
        let mut semi = tree.parent[node];
        for &pred in cfg.preds(tree.vertex[node]) {
            let label = forest.eval(tree.number[pred], node);
            semi = semi.min(forest.semi[label as usize]);
        }
        forest.semi[node] = semi;
    }
    let mut idom = tree.parent.clone();
    for node in 1..count {
        while idom[node] > forest.semi[node] {
            idom[node] = idom[idom[node] as usize];
        }
    }
    idom
}

/// The nodes above `linked` that are joined to their parents, with compressed paths.
struct Forest {
    ancestor: Vec<u32>,
    label: Vec<u32>,
    semi: Vec<u32>,
    path: Vec<u32>,
}

impl Forest {
    /// The node of least semidominator on the linked path from `node` up; nodes from `linked + 1` on are linked.
    fn eval(&mut self, node: u32, linked: usize) -> u32 {
        let is_linked = |node: u32| node as usize > linked;
        if !is_linked(node) {
            return node;
        }
        let mut at = node;
        while is_linked(self.ancestor[at as usize]) {
            self.path.push(at);
            at = self.ancestor[at as usize];
        }
        let mut below = at;
        while let Some(at) = self.path.pop() {
            let (at, above) = (at as usize, below as usize);
            self.ancestor[at] = self.ancestor[above];
            if self.semi[self.label[above] as usize] < self.semi[self.label[at] as usize] {
                self.label[at] = self.label[above];
            }
            below = u32::try_from(at).expect("a node number");
        }
        self.label[node as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{BlockData, Cond, Operand, Terminator, Width};
    use proptest::prelude::*;

    /// A function of empty blocks with up to two edges each.
    fn graph(edges: &[(u8, Option<u8>)]) -> Function {
        let loc = core::panic::Location::caller();
        let mut function = Function::new(loc);
        let count = edges.len() + 1;
        for _ in 1..count {
            function.blocks.push(BlockData::new(loc));
        }
        let block = |n: u8| Block(u32::from(n) % u32::try_from(count - 1).unwrap() + 1);
        for (data, &(then, otherwise)) in function.blocks.values_mut().zip(edges) {
            data.term = match otherwise {
                None => Terminator::jump(block(then)),
                Some(otherwise) => Terminator::Branch {
                    cond: Cond::Eq,
                    width: Width::W32,
                    a: Operand::Const(0),
                    b: Operand::Const(0),
                    then: block(then),
                    otherwise: block(otherwise),
                },
            };
        }
        function
    }

    /// The blocks that the entry reaches without passing `without`.
    fn reached(function: &Function, without: Option<Block>) -> Vec<Block> {
        let mut seen = Vec::new();
        let mut open = vec![function.entry()];
        while let Some(block) = open.pop() {
            if Some(block) != without && !seen.contains(&block) {
                seen.push(block);
                open.extend(function.blocks[block].term.successors());
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn a_dominator_is_a_block_that_cuts_every_path(
            edges in prop::collection::vec((any::<u8>(), any::<Option<u8>>()), 1..12),
        ) {
            let function = graph(&edges);
            let cfg = Cfg::new(&function);
            let dominators = Dominators::new(&function, &cfg);
            let all = reached(&function, None);
            prop_assert_eq!(cfg.order().len(), all.len());
            for above in function.blocks.keys() {
                let without = reached(&function, Some(above));
                for below in function.blocks.keys() {
                    let cut = all.contains(&below) && !without.contains(&below);
                    prop_assert_eq!(dominators.dominates(above, below), cut, "{} over {}", above, below);
                }
                for &pred in cfg.preds(above) {
                    prop_assert!(function.blocks[pred].term.successors().any(|to| to == above));
                }
            }
        }
    }
}
