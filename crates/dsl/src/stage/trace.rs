//! What a staging run did, block by block, so that a later run of the same path only has to follow it.

use bpfasm_codegen::ir::{Block, Cond, Loc, Op, Operand, Table, Width};

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
    /// The program asked for `op` and got `result`, computed now or known from before.
    Op { op: Op, result: Operand, loc: Loc },
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

impl Event {
    /// What it was and where, for messages.
    pub fn describe(&self) -> (String, Loc) {
        match self {
            Event::Op { op, loc, .. } => (describe_op(op), loc),
            Event::Known { question, loc, .. } => (question.describe(), loc),
            Event::Proven { bytes, loc, .. } => (format!("the use of {bytes} packet bytes"), loc),
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

/// The trace of one block.
#[derive(Clone, Debug)]
pub(crate) struct BlockTrace {
    pub events: Vec<Event>,
    pub end: End,
}

impl Default for BlockTrace {
    fn default() -> Self {
        BlockTrace { events: Vec::new(), end: End::Open }
    }
}

/// The traces of all blocks.
pub(crate) type Traces = Table<Block, BlockTrace>;
