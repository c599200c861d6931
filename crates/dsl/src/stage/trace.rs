//! What a staging run did, block by block, so that a later run of the same path only has to follow it.

use bpfasm_codegen::ir::{Block, Cond, Op, Operand, Table, Value, Width};

/// A comparison that a program asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub cond: Cond,
    pub width: Width,
    pub a: Operand,
    pub b: Operand,
}

/// One step inside a block. Kept small: a replay walks over many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// The program asked for the operation that defines this value, which changes nothing; computed now or known from before.
    Op(Value),
    /// The program asked for the operation that defines this value, which changes memory.
    Effect(Value),
    /// The program asked something that the path already implied.
    Implied(ImpliedIx),
}

/// Something that a path already implied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Implied {
    /// The answer to a question.
    Answer { question: Question, answer: bool },
    /// That so many bytes from `base` lie inside of the packet.
    Proven { base: Operand, bytes: i64 },
}

/// An index into what paths implied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ImpliedIx(u32);

/// What identifies a join: paths with equal keys continue together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JoinKey {
    /// The block and the position in it where the joined construct began, and which of those that began there it is.
    pub scope: (Block, u32, u32),
    /// The join point in the source.
    pub site: u64,
    /// A digest of the host state that makes continuations differ.
    pub host: u64,
    /// What memory the paths changed since the scope began.
    pub changed: u8,
    /// How many values are joined.
    pub values: u32,
}

/// How the trace of a block ends. Where it was written is the terminator's place in the function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// Not yet: the next step is new.
    Open,
    /// The path split; `taken` tells which way runs go at present.
    Fork { question: Question, then: Block, otherwise: Block, taken: bool },
    /// The path joined others.
    Join { key: JoinKey, target: Block },
    /// The program ended.
    Return { value: Operand },
}

impl End {
    /// What it was, for messages.
    pub fn describe(&self) -> String {
        match self {
            End::Open => "nothing more".to_owned(),
            End::Fork { question, .. } => question.describe(),
            End::Join { .. } => "a join".to_owned(),
            End::Return { value } => format!("the return of {}", describe_operand(*value)),
        }
    }
}

impl Question {
    /// Whether it is the same question. Most steps of most runs end in this comparison, so it is spelled out to be inlined.
    #[inline(always)]
    pub fn is(&self, other: &Question) -> bool {
        self.cond == other.cond && self.width == other.width && same(&self.a, &other.a) && same(&self.b, &other.b)
    }

    /// The question in words.
    pub fn describe(&self) -> String {
        format!("the question {} {:?} {}", describe_operand(self.a), self.cond, describe_operand(self.b))
    }
}

/// Whether two operands are equal.
#[inline(always)]
fn same(a: &Operand, b: &Operand) -> bool {
    match (a, b) {
        (Operand::Value(a), Operand::Value(b)) => a == b,
        (Operand::Const(a), Operand::Const(b)) => a == b,
        (Operand::Net(a), Operand::Net(b)) => a.value == b.value && a.size == b.size,
        _ => false,
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

/// A place in the trace of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    pub block: Block,
    first: usize,
    next: usize,
    end: usize,
    /// How many joined constructs began right here.
    scopes: u32,
}

impl Cursor {
    /// Tells the construct that begins here from those that began right here before it, around it.
    #[inline]
    pub fn open_scope(&mut self) -> u32 {
        self.scopes += 1;
        self.scopes
    }

    /// How many events of the block lie before it.
    #[inline]
    pub fn position(&self) -> usize {
        self.next - self.first
    }

    /// Goes on by an event.
    #[inline]
    pub fn advance(&mut self) {
        self.next += 1;
        self.scopes = 0;
    }
}

/// The traces of all blocks.
#[derive(Default)]
pub(crate) struct Traces {
    blocks: Table<Block, BlockTrace>,
    events: Vec<Event>,
    implied: Vec<Implied>,
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

    /// Adds what a path implied.
    pub fn add_implied(&mut self, implied: Implied) -> Event {
        let ix = u32::try_from(self.implied.len()).expect("fewer events than a staging may have operations");
        self.implied.push(implied);
        Event::Implied(ImpliedIx(ix))
    }

    /// The start of a block's trace.
    #[inline]
    pub fn start(&self, block: Block) -> Cursor {
        let BlockTrace { first, len, .. } = self.blocks[block];
        Cursor { block, first, next: first, end: first + len, scopes: 0 }
    }

    /// Adds an event where a block's trace ends, and goes behind it.
    pub fn record(&mut self, cursor: &mut Cursor, event: Event) {
        let trace = &mut self.blocks[cursor.block];
        if trace.len == 0 {
            trace.first = self.events.len();
        }
        trace.len += 1;
        let next = trace.first + trace.len;
        *cursor = Cursor { block: cursor.block, first: trace.first, next, end: next, scopes: 0 };
        self.events.push(event);
    }

    /// The event at a place.
    #[inline]
    pub fn event(&self, cursor: &Cursor) -> Option<Event> {
        if cursor.next < cursor.end { self.events.get(cursor.next).copied() } else { None }
    }

    /// What a path implied.
    pub fn implied(&self, ImpliedIx(ix): ImpliedIx) -> Implied {
        self.implied[ix as usize]
    }

    /// Whether nothing is recorded from this place on.
    pub fn is_open_at(&self, cursor: &Cursor) -> bool {
        cursor.next == cursor.end && *self.end(cursor.block) == End::Open
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
    pub fn ends(&self) -> impl Iterator<Item = (Block, &End)> {
        self.blocks.iter().map(|(block, trace)| (block, &trace.end))
    }

    /// Whether `op` defines `value`.
    #[inline]
    pub fn defines(&self, op: &Op, value: Value) -> bool {
        match (op, &self.definitions[value]) {
            (
                Op::Load { space, size, base, off },
                Some(Op::Load { space: known_space, size: known_size, base: known_base, off: known_off }),
            ) => space == known_space && size == known_size && off == known_off && same(base, known_base),
            (op, known) => known.as_ref() == Some(op),
        }
    }

    /// What is recorded at a place, for messages.
    pub fn describe(&self, cursor: &Cursor) -> String {
        match self.event(cursor) {
            None => self.end(cursor.block).describe(),
            Some(Event::Op(value) | Event::Effect(value)) => match &self.definitions[value] {
                Some(op) => describe_op(op),
                None => format!("the value {value}"),
            },
            Some(Event::Implied(ix)) => match self.implied(ix) {
                Implied::Answer { question, .. } => question.describe(),
                Implied::Proven { bytes, .. } => format!("the use of {bytes} packet bytes"),
            },
        }
    }
}
