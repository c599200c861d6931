//! What a path knows: values it has computed, answers it has been given, packet bytes it has proven.
//!
//! Everything known is recorded with the block in which it became known, and holds wherever that block is on the current path: after
//! a join the blocks inside of the joined construct are off the path, and what they taught is forgotten with them.

use bpfasm_codegen::fold;
use bpfasm_codegen::ir::{Block, Cond, Effect, Entity, Op, Operand, Space, Value};
use rustc_hash::FxHashMap;

use super::trace::Question;

/// Which version of each memory a path sees, and its packet pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The version of each space's content, by [`space_index`].
    versions: [u32; 4],
    /// The version of the packet's place: pointers of an older one are dead.
    generation: u32,
    /// The packet's start and end, once read.
    pub packet: Option<(Operand, Operand)>,
}

/// The bit of [`Memory::changed_since`] that says the packet moved.
const MOVED: u8 = 1 << 4;

/// What counts as changed at every join, so that paths join that differ in nothing else: what a program has read of maps and of its own
/// stack, it rarely wants again.
const FORGOTTEN: u8 = 1 << 2 | 1 << 3;

fn space_index(space: Space) -> usize {
    match space {
        Space::Context => 0,
        Space::Packet => 1,
        Space::Map => 2,
        Space::Stack => 3,
    }
}

impl Memory {
    pub fn new() -> Memory {
        Memory { versions: [0; 4], generation: 0, packet: None }
    }

    /// Takes the effect of the operation that defines `result`.
    #[inline]
    pub fn apply(&mut self, effect: Effect, result: Value) {
        let version = result.0 * 2 + 1;
        match effect {
            Effect::Pure | Effect::Reads(_) => {}
            Effect::Writes(space) => self.versions[space_index(space)] = version,
            Effect::Calls { moves_packet } => {
                self.versions = [version; 4];
                if moves_packet {
                    self.generation = version;
                    self.packet = None;
                }
            }
        }
    }

    /// Which spaces are to count as changed since `before`, as a bit set.
    pub fn changed_since(&self, before: &Memory) -> u8 {
        if self.versions == before.versions {
            return FORGOTTEN; // a packet that moved changed its contents too
        }
        let contents =
            (0..4).filter(|&i| self.versions[i] != before.versions[i]).fold(FORGOTTEN, |set, i| set | 1 << i);
        if self.generation == before.generation { contents } else { contents | MOVED }
    }

    /// What all paths see that come to the join in `block` and changed what `changed` says since `before`.
    pub fn joined(before: &Memory, changed: u8, block: Block) -> Memory {
        let version = block.0 * 2 + 2;
        let mut memory = *before;
        for (i, known) in memory.versions.iter_mut().enumerate() {
            if changed & 1 << i != 0 {
                *known = version;
            }
        }
        if changed & MOVED != 0 {
            memory.generation = version;
            memory.packet = None;
        }
        memory
    }

    /// Only whether the packet moved: a loop's head takes any change of contents for granted.
    pub fn moved(changed: u8) -> u8 {
        changed & MOVED
    }

    /// The set in which every content changed.
    pub fn all_contents(changed: u8) -> u8 {
        changed | 0b1111
    }

    fn version_seen_by(&self, op: &Op) -> u32 {
        match op.effect() {
            Effect::Reads(space) => self.versions[space_index(space)],
            _ => 0,
        }
    }
}

/// What was learnt, and in which blocks, in the order of the blocks.
#[derive(Default)]
pub(crate) struct Knowledge {
    values: FxHashMap<(Op, u32), Vec<(Block, Value)>>,
    answers: FxHashMap<Question, Vec<(Block, bool)>>,
    equal: FxHashMap<(Operand, bool), Vec<(Block, Operand)>>,
    proven: FxHashMap<(Operand, u32), Vec<(Block, i64)>>,
    places: Places,
}

/// Which blocks are on the path, and which are done with.
#[derive(Default)]
struct Places {
    /// The blocks that the path went through, without those that it left to join others: the first `len`. Behind them lies what is
    /// left of the run before, which the next one mostly follows.
    path: Vec<Block>,
    len: usize,
    /// Whether a block is among the first `marked` ones of `path`: a replay has no need to know, so marks are set late.
    on_path: Vec<bool>,
    marked: usize,
    /// Blocks that no later run goes through: forks are taken up again innermost first, so whatever came behind the first way of
    /// the fork that this run takes up is explored. `then` is that way's block, the others lie in a range.
    explored: Option<Explored>,
}

#[derive(Clone, Copy)]
struct Explored {
    then: Block,
    others: (usize, usize),
}

impl Places {
    /// The path goes on in `block`.
    #[inline]
    fn enter(&mut self, block: Block) {
        if self.path.get(self.len) != Some(&block) {
            self.cut();
            self.path.push(block);
        }
        self.len += 1;
    }

    /// Drops what is left of the run before.
    fn cut(&mut self) {
        let len = self.len;
        for block in self.path.drain(len..).take(self.marked.saturating_sub(len)) {
            self.on_path[block.index()] = false;
        }
        self.marked = self.marked.min(len);
    }

    /// Marks the blocks of the path.
    fn mark(&mut self) {
        self.cut();
        for block in &self.path[self.marked..] {
            if self.on_path.len() <= block.index() {
                self.on_path.resize(block.index() + 1, false);
            }
            self.on_path[block.index()] = true;
        }
        self.marked = self.path.len();
    }

    /// Drops what is known of blocks that are done with.
    fn prune<T>(&self, known: &mut Vec<(Block, T)>) {
        let Some(Explored { then, others: (from, to) }) = self.explored else { return };
        while let Some(&(block, _)) = known.last() {
            let is_explored = block == then || (from..to).contains(&block.index());
            if !is_explored {
                return;
            }
            known.pop();
        }
    }

    fn latest<T: Copy>(&mut self, known: Option<&mut Vec<(Block, T)>>) -> Option<T> {
        let known = known?;
        self.prune(known);
        self.mark();
        known.iter().rev().find(|(block, _)| self.on_path.get(block.index()) == Some(&true)).map(|(_, fact)| *fact)
    }

    fn learn<T>(&self, known: &mut Vec<(Block, T)>, block: Block, fact: T) {
        self.prune(known);
        known.push((block, fact));
    }
}

impl Knowledge {
    /// Starts a path anew at `entry`.
    pub fn restart(&mut self, entry: Block) {
        self.places.len = 0;
        self.enter(entry);
    }

    /// The path to come takes the other way of a fork: `then` and the `blocks` from `otherwise` on are done with.
    pub fn take_up(&mut self, then: Block, otherwise: Block, blocks: usize) {
        self.places.explored = Some(Explored { then, others: (otherwise.index() + 1, blocks) });
    }

    /// How many blocks the path went through, without those that it left to join others.
    #[inline]
    pub fn depth(&self) -> usize {
        self.places.len
    }

    /// The path goes on in `block`.
    #[inline]
    pub fn enter(&mut self, block: Block) {
        self.places.enter(block);
    }

    /// The path leaves all blocks but its first `depth`, to join others.
    pub fn leave_to(&mut self, depth: usize) {
        self.places.len = depth;
    }

    /// The value that already holds the result of `op`.
    pub fn value_of(&mut self, op: &Op, memory: &Memory) -> Option<Value> {
        self.places.latest(self.values.get_mut(&(*op, memory.version_seen_by(op))))
    }

    /// Remembers the result of `op`.
    pub fn learn_value(&mut self, block: Block, op: Op, memory: &Memory, value: Value) {
        let known = self.values.entry((op, memory.version_seen_by(&op))).or_default();
        self.places.learn(known, block, value);
    }

    /// The answer that the path already implies.
    pub fn answer(&mut self, question: &Question) -> Option<bool> {
        let (canonical, negated) = canonical(question);
        if let Some(answer) = self.places.latest(self.answers.get_mut(&canonical)) {
            return Some(answer != negated);
        }
        let equal = self.places.latest(self.equal.get_mut(&(question.a, wide(question))))?;
        match (equal, question.b) {
            (Operand::Const(known), Operand::Const(asked)) => {
                Some(fold::fold_cond(question.cond, question.width, known, asked))
            }
            (Operand::Net(known), Operand::Net(asked)) => match question.cond {
                Cond::Eq => Some(known == asked),
                Cond::Ne => Some(known != asked),
                _ => None,
            },
            _ => None,
        }
    }

    /// Remembers the answer that holds in `block`.
    pub fn learn_answer(&mut self, block: Block, question: &Question, answer: bool) {
        let (canonical, negated) = canonical(question);
        let holds = answer != negated;
        self.places.learn(self.answers.entry(canonical).or_default(), block, holds);
        if canonical.cond == Cond::Eq && holds && !matches!(canonical.b, Operand::Value(_)) {
            let known = self.equal.entry((canonical.a, wide(question))).or_default();
            self.places.learn(known, block, canonical.b);
        }
    }

    /// How many bytes from `base` are known to lie inside of the packet.
    pub fn proven(&mut self, base: Operand, memory: &Memory) -> i64 {
        self.places.latest(self.proven.get_mut(&(base, memory.generation))).unwrap_or(0)
    }

    /// Remembers that `bytes` from `base` lie inside of the packet.
    pub fn learn_proven(&mut self, block: Block, base: Operand, memory: &Memory, bytes: i64) {
        let known = self.proven.entry((base, memory.generation)).or_default();
        self.places.learn(known, block, bytes);
    }
}

fn wide(question: &Question) -> bool {
    question.width == bpfasm_codegen::ir::Width::W64
}

/// The question with its condition brought to one of a pair, and whether that negates the answer.
fn canonical(question: &Question) -> (Question, bool) {
    let negated = matches!(question.cond, Cond::Ne | Cond::Le | Cond::Lt | Cond::SLe | Cond::SLt);
    let cond = if negated { question.cond.inverse() } else { question.cond };
    (Question { cond, ..*question }, negated)
}
