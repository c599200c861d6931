//! What a staging run did, block by block, so that a later run of the same path only has to follow it.

use bpfasm_codegen::ir::{Block, Cond, Loc, Op, Operand, Table, Value, Width};

/// A comparison that a program asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub cond: Cond,
    pub width: Width,
    pub a: Operand,
    pub b: Operand,
}

/// One step inside a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// The program asked for the operation that defines `value`, computed now or known from before.
    Op { value: Value, loc: Loc },
    /// The program asked a question whose answer the path already implied.
    Known { question: Question, answer: bool, loc: Loc },
    /// The program asked for packet bytes that the path had already checked.
    Proven { base: Operand, bytes: i64, loc: Loc },
}

/// What identifies a join: paths with equal keys continue together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JoinKey {
    /// The block and the position in it where the joined construct began.
    pub scope: (Block, u32),
    /// The join point in the source.
    pub site: u64,
    /// A digest of the host state that makes continuations differ.
    pub host: u64,
    /// What memory the paths changed since the scope began.
    pub changed: u8,
    /// How many values are joined.
    pub values: u32,
}

/// How the trace of a block ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// Not yet: the next step is new.
    Open,
    /// The path split; `taken` tells which way runs go at present.
    Fork { question: Question, then: Block, otherwise: Block, taken: bool, loc: Loc },
    /// The path joined others.
    Join { key: JoinKey, target: Block, loc: Loc },
    /// The program ended.
    Return { value: Operand, loc: Loc },
}

impl End {
    /// What it was and where, for messages.
    pub fn describe(&self) -> Option<(String, Loc)> {
        match self {
            End::Open => None,
            End::Fork { question, loc, .. } => Some((question.describe(), loc)),
            End::Join { loc, .. } => Some(("a join".to_owned(), loc)),
            End::Return { value, loc } => Some((format!("the return of {}", describe_operand(*value)), loc)),
        }
    }
}

impl Question {
    /// The question in words.
    pub fn describe(&self) -> String {
        format!("the question {} {:?} {}", describe_operand(self.a), self.cond, describe_operand(self.b))
    }
}

/// An operation in words.
pub(crate) fn describe_op(op: &Op) -> String {
    format!("the operation {op:?}")
}

/// An operand in words.
pub(crate) fn describe_operand(operand: Operand) -> String {
    match operand {
        Operand::Value(value) => value.to_string(),
        Operand::Const(number) => number.to_string(),
        Operand::Net(number) => format!("net({})", number.value),
    }
}

/// The trace of one block: its events lie together, since a run that begins a block also ends it.
#[derive(Clone, Copy, Debug)]
struct BlockTrace {
    first: usize,
    len: usize,
    end: End,
}

/// The traces of all blocks.
#[derive(Default)]
pub(crate) struct Traces {
    blocks: Table<Block, BlockTrace>,
    events: Vec<Event>,
    /// What defines each value; a block parameter has no definition.
    definitions: Table<Value, Option<Op>>,
}

impl Traces {
    /// Adds a block without a trace.
    pub fn add_block(&mut self) -> Block {
        self.blocks.push(BlockTrace { first: 0, len: 0, end: End::Open })
    }

    /// Adds a value.
    pub fn add_value(&mut self, op: Option<Op>) -> Value {
        self.definitions.push(op)
    }

    /// Adds an event to a block.
    pub fn record(&mut self, block: Block, event: Event) {
        let trace = &mut self.blocks[block];
        if trace.len == 0 {
            trace.first = self.events.len();
        }
        trace.len += 1;
        self.events.push(event);
    }

    /// The event at a position of a block.
    #[inline]
    pub fn event(&self, block: Block, position: usize) -> Option<&Event> {
        let trace = &self.blocks[block];
        if position < trace.len { self.events.get(trace.first + position) } else { None }
    }

    /// Whether nothing is recorded from this position on.
    pub fn is_open_at(&self, block: Block, position: usize) -> bool {
        let trace = &self.blocks[block];
        position == trace.len && trace.end == End::Open
    }

    /// How a block's trace ends.
    #[inline]
    pub fn end(&self, block: Block) -> &End {
        &self.blocks[block].end
    }

    /// How a block's trace ends, to change.
    pub fn end_mut(&mut self, block: Block) -> &mut End {
        &mut self.blocks[block].end
    }

    /// How the traces of all blocks end.
    pub fn ends(&self) -> impl Iterator<Item = &End> {
        self.blocks.values().map(|trace| &trace.end)
    }

    /// Whether `op` defines `value`.
    #[inline]
    pub fn defines(&self, op: &Op, value: Value) -> bool {
        self.definitions[value].as_ref() == Some(op)
    }

    /// What is recorded at a position, and where it was written, for messages.
    pub fn describe(&self, block: Block, position: usize) -> Option<(String, Loc)> {
        match self.event(block, position) {
            None => self.end(block).describe(),
            Some(Event::Op { value, loc }) => {
                let op = self.definitions[*value].as_ref().map(describe_op);
                Some((op.unwrap_or_else(|| format!("the value {value}")), loc))
            }
            Some(Event::Known { question, loc, .. }) => Some((question.describe(), loc)),
            Some(Event::Proven { bytes, loc, .. }) => Some((format!("the use of {bytes} packet bytes"), loc)),
        }
    }
}
