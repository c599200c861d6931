//! One staging: the graph that is built, and the run that is under way.

use bpfasm_codegen::fold;
use bpfasm_codegen::ir::{
    BinOp, Block, BlockData, Cond, Effect, Entity, Function, Inst, Loc, NetConst, Op, Operand, Size, SlotData, Space,
    StackSlot, Terminator, Value, Width,
};
use rustc_hash::FxHashMap;

use super::knowledge::{Knowledge, Memory};
use super::statics::{Graph, Statics};
use super::trace::{Cursor, End, Event, Implied, JoinKey, Question, Traces, describe_op, describe_operand};
use super::{Caught, Limits, Mismatch, StageError, StageErrorKind};

/// How many steps a dead run may take before it counts as caught in a loop.
const DEAD_STEPS: u32 = 1 << 20;

/// Where a joined construct began.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    block: Block,
    position: u32,
    /// Which of the constructs that begin there: one around a call and one in the function that is called may begin at one place.
    ordinal: u32,
    /// How many blocks the path had gone through.
    depth: usize,
    memory: Memory,
}

/// A join point in the source, and the host state with which a path reaches it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinAt {
    /// Tells the join point from others.
    pub site: u64,
    /// A digest of the host state that makes continuations differ.
    pub host: u64,
    pub kind: JoinKind,
}

/// What kind of place joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    /// The end of a construct.
    After,
    /// The start of a loop's next turn: what the loop changes is unknown.
    Head,
}

/// What the run under way is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Following the trace, or building where it ends.
    Live,
    /// Checking that a joined continuation would be the same.
    Shadow,
    /// Nothing more.
    Dead,
}

/// One staging.
pub(crate) struct Session {
    function: Function,
    traces: Traces,
    joins: FxHashMap<JoinKey, Block>,
    knowledge: Knowledge,
    statics: Statics,
    /// Forks whose other way is still to be explored, innermost last.
    pending: Vec<Block>,
    /// Where the run is.
    at: Cursor,
    memory: Memory,
    mode: Mode,
    /// Loop heads that the shadowing run has been through.
    shadow_heads: Vec<Block>,
    dead_steps: u32,
    /// Where the program function returns in this run.
    return_loc: Option<Loc>,
    runs: u32,
    limits: Limits,
    error: Option<StageError>,
}

/// The answer to a comparison of constants.
#[inline]
pub(crate) fn decide(cond: Cond, width: Width, a: Operand, b: Operand) -> Option<bool> {
    match (a, b) {
        (Operand::Const(a), Operand::Const(b)) => Some(fold::fold_cond(cond, width, a, b)),
        (Operand::Net(a), Operand::Net(b)) if cond == Cond::Eq => Some(a == b),
        (Operand::Net(a), Operand::Net(b)) if cond == Cond::Ne => Some(a != b),
        _ => None,
    }
}

impl Session {
    pub fn new(limits: Limits, loc: Loc) -> Session {
        let mut traces = Traces::default();
        let entry = traces.add_block();
        let at = traces.start(entry);
        let mut session = Session {
            function: Function::new(loc),
            traces,
            joins: FxHashMap::default(),
            knowledge: Knowledge::default(),
            statics: Statics::default(),
            pending: Vec::new(),
            at,
            memory: Memory::new(),
            mode: Mode::Live,
            shadow_heads: Vec::new(),
            dead_steps: 0,
            return_loc: None,
            runs: 0,
            limits,
            error: None,
        };
        session.begin_run();
        session
    }

    fn begin_run(&mut self) {
        self.runs += 1;
        self.at = self.traces.start(self.function.entry());
        self.memory = Memory::new();
        self.mode = Mode::Live;
        self.return_loc = None;
        self.knowledge.restart(self.at.block);
    }

    /// Ends a run; whether another one is needed.
    pub fn end_run(&mut self, result: Result<Operand, Caught>, loc: Loc) -> bool {
        match result {
            Ok(value) => {
                let loc = self.return_loc.take().unwrap_or(loc);
                self.finish_path(value, loc);
            }
            // A dead run has arbitrary answers: what it panics about can happen on no path.
            Err(_) if self.mode == Mode::Dead => {}
            Err(caught) => {
                let at = caught.at.unwrap_or_else(|| loc.into());
                self.error.get_or_insert(StageError {
                    program: String::new(),
                    kind: StageErrorKind::Panic { message: caught.message },
                    at,
                });
            }
        }
        if self.error.is_some() {
            return false;
        }
        let Some(fork) = self.pending.pop() else { return false };
        if self.runs >= self.limits.paths {
            self.path_limit();
            return false;
        }
        if let End::Fork { taken, then, otherwise, .. } = self.traces.end_mut(fork) {
            *taken = false;
            self.knowledge.take_up(*then, *otherwise, self.function.blocks.len());
        }
        self.begin_run();
        true
    }

    /// The graph, and what it names.
    pub fn finish(self) -> Result<Graph, StageError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.statics.with(self.function)),
        }
    }

    /// The statics that the program names, and whether the run under way may name more: only what is built counts, another run may ask
    /// for anything.
    pub fn statics(&mut self) -> (&mut Statics, bool) {
        (&mut self.statics, self.mode == Mode::Live)
    }

    /// Whether the run under way has nothing left to say.
    pub fn is_dead(&self) -> bool {
        self.mode == Mode::Dead
    }

    fn fail(&mut self, kind: StageErrorKind, loc: Loc) {
        self.mode = Mode::Dead;
        self.error.get_or_insert_with(|| kind.at(loc));
    }

    /// Reports an error of the program, unless this run has nothing left to say.
    pub fn fail_at(&mut self, kind: StageErrorKind, loc: Loc) {
        if self.mode != Mode::Dead {
            self.fail(kind, loc);
        }
    }

    fn path_limit(&mut self) {
        let mut forks: FxHashMap<(&str, u32), (usize, Loc)> = FxHashMap::default();
        for (block, end) in self.traces.ends() {
            let loc = self.function.blocks[block].term_loc;
            if let End::Fork { .. } = end {
                forks.entry((loc.file(), loc.line())).or_insert((0, loc)).0 += 1;
            }
        }
        let most = forks.into_iter().max_by_key(|&((file, line), (count, _))| (count, std::cmp::Reverse((file, line))));
        if let Some((_, (forks, loc))) = most {
            self.fail(StageErrorKind::PathLimit { limit: self.limits.paths, forks }, loc);
        }
    }

    /// Counts a step of a dead run.
    fn dead_step(&mut self, loc: Loc) {
        self.dead_steps += 1;
        if self.dead_steps == DEAD_STEPS {
            self.error.get_or_insert_with(|| StageErrorKind::EndlessLoop.at(loc));
        }
        if self.dead_steps >= DEAD_STEPS {
            panic!("a loop on a kernel value does not end while staging");
        }
    }

    /// The run does `now`, but the trace has something else at this point.
    fn mismatch(&mut self, now: String, loc: Loc) {
        let before = self.traces.describe(&self.at);
        let earlier = match self.recorded() {
            Some(Event::Op(value) | Event::Effect(value)) => {
                let insts = self.function.blocks.values().flat_map(|block| &block.insts);
                insts.filter(|inst| inst.result == value).map(|inst| inst.loc).next()
            }
            Some(Event::Implied(_)) => None,
            None => Some(self.function.blocks[self.at.block].term_loc),
        };
        let earlier = earlier.unwrap_or(loc);
        let mismatch = Box::new(Mismatch { now, before, earlier: earlier.into() });
        let kind = match self.mode {
            Mode::Shadow => StageErrorKind::HostStateDiffers(mismatch),
            _ => StageErrorKind::NotDeterministic(mismatch),
        };
        self.fail(kind, loc);
    }

    /// The recorded event at the run's place, if there is one.
    #[inline]
    fn recorded(&self) -> Option<Event> {
        self.traces.event(&self.at)
    }

    /// Whether the run is where the trace ends and it may build.
    fn at_open_end(&self) -> bool {
        self.traces.is_open_at(&self.at)
    }

    fn record(&mut self, event: Event) {
        self.traces.record(&mut self.at, event);
    }

    /// Emits an operation and gives its result. What a replay does comes first: most steps of most runs are replayed.
    #[inline]
    pub fn emit(&mut self, op: &Op, loc: Loc) -> Operand {
        if self.mode != Mode::Dead {
            match self.recorded() {
                Some(Event::Op(value)) if self.traces.defines(op, value) => {
                    self.at.advance();
                    return Operand::Value(value);
                }
                Some(Event::Effect(value)) if self.traces.defines(op, value) => {
                    self.at.advance();
                    self.memory.apply(op.effect(), value);
                    return Operand::Value(value);
                }
                _ => {}
            }
        }
        self.emit_beyond(op, loc)
    }

    /// Emits an operation that is not the recorded one.
    #[cold]
    fn emit_beyond(&mut self, op: &Op, loc: Loc) -> Operand {
        match self.mode {
            Mode::Dead => self.dead_step(loc),
            _ if !self.at_open_end() => self.mismatch(describe_op(op), loc),
            Mode::Shadow => self.mode = Mode::Dead,
            Mode::Live => return self.emit_new(*op, loc),
        }
        Operand::Const(0)
    }

    fn emit_new(&mut self, op: Op, loc: Loc) -> Operand {
        let effect = op.effect();
        let reusable = matches!(effect, Effect::Pure | Effect::Reads(_));
        let known = if reusable { self.knowledge.value_of(&op, &self.memory) } else { None };
        let value = match known {
            Some(value) => value,
            None => {
                let value = self.new_value(Some(op));
                if value.0 >= self.limits.operations {
                    self.fail(StageErrorKind::TooLong { limit: self.limits.operations }, loc);
                    return Operand::Const(0);
                }
                self.function.blocks[self.at.block].insts.push(Inst { result: value, op, loc });
                if reusable {
                    self.knowledge.learn_value(self.at.block, op, &self.memory, value);
                }
                value
            }
        };
        self.memory.apply(effect, value);
        self.record(if reusable { Event::Op(value) } else { Event::Effect(value) });
        Operand::Value(value)
    }

    /// Splits the path on a comparison and tells which way this run goes.
    #[inline]
    pub fn fork(&mut self, cond: Cond, width: Width, a: Operand, b: Operand, loc: Loc) -> bool {
        let question = match a {
            Operand::Value(_) => Question { cond, width, a, b },
            _ => Question { cond: cond.swapped(), width, a: b, b: a },
        };
        if self.mode != Mode::Dead {
            match (self.recorded(), self.traces.end(self.at.block)) {
                (Some(Event::Implied(ix)), _) => {
                    if let Implied::Answer { question: before, answer } = self.traces.implied(ix)
                        && before == question
                    {
                        self.at.advance();
                        return answer;
                    }
                }
                (None, End::Fork { question: before, then, otherwise, taken }) if before.is(&question) => {
                    let way = *taken || self.mode == Mode::Shadow;
                    let block = if way { *then } else { *otherwise };
                    self.go(block);
                    return way;
                }
                _ => {}
            }
        }
        self.fork_beyond(question, loc)
    }

    /// Asks a question that is not the recorded one.
    #[cold]
    fn fork_beyond(&mut self, question: Question, loc: Loc) -> bool {
        match self.mode {
            Mode::Dead => self.dead_step(loc),
            _ if !self.at_open_end() => self.mismatch(question.describe(), loc),
            Mode::Shadow => self.mode = Mode::Dead,
            Mode::Live => return self.fork_new(question, loc),
        }
        false
    }

    fn fork_new(&mut self, question: Question, loc: Loc) -> bool {
        if let Some(answer) = self.knowledge.answer(&question) {
            let event = self.traces.add_implied(Implied::Answer { question, answer });
            self.record(event);
            return answer;
        }
        if self.function.blocks.len() >= self.limits.blocks as usize {
            self.fail(StageErrorKind::TooLong { limit: self.limits.blocks }, loc);
            return false;
        }
        let (then, otherwise) = (self.new_block(loc), self.new_block(loc));
        let Question { cond, width, a, b } = question;
        self.end_block(Terminator::Branch { cond, width, a, b, then, otherwise }, loc);
        *self.traces.end_mut(self.at.block) = End::Fork { question, then, otherwise, taken: true };
        self.pending.push(self.at.block);
        self.knowledge.learn_answer(then, &question, true);
        self.knowledge.learn_answer(otherwise, &question, false);
        self.go(then);
        true
    }

    fn new_block(&mut self, loc: Loc) -> Block {
        self.traces.add_block();
        self.function.blocks.push(BlockData::new(loc))
    }

    /// A value that `op` defines, or a block parameter.
    fn new_value(&mut self, op: Option<Op>) -> Value {
        self.traces.add_value(op);
        self.function.new_value()
    }

    fn end_block(&mut self, term: Terminator, loc: Loc) {
        let block = &mut self.function.blocks[self.at.block];
        block.term = term;
        block.term_loc = loc;
    }

    #[inline]
    fn go(&mut self, block: Block) {
        self.at = self.traces.start(block);
        self.knowledge.enter(block);
    }

    /// The program function returns from here.
    pub fn returns_at(&mut self, loc: Loc) {
        self.return_loc = Some(loc);
    }

    /// A program's path ends with `value`.
    fn finish_path(&mut self, value: Operand, loc: Loc) {
        if self.mode == Mode::Dead {
            return;
        }
        match *self.traces.end(self.at.block) {
            End::Open if self.mode == Mode::Live && self.at_open_end() => {
                self.end_block(Terminator::Return(value), loc);
                *self.traces.end_mut(self.at.block) = End::Return { value };
            }
            End::Return { value: before } if before == value && self.recorded().is_none() => {}
            End::Open if self.mode == Mode::Shadow && self.at_open_end() => {}
            _ => self.mismatch(format!("the return of {}", describe_operand(value)), loc),
        }
    }

    #[inline]
    pub fn scope(&mut self) -> Scope {
        Scope {
            ordinal: self.at.open_scope(),
            block: self.at.block,
            position: u32::try_from(self.at.position()).unwrap_or(u32::MAX),
            depth: self.knowledge.depth(),
            memory: self.memory,
        }
    }

    /// Whether the path went through more than `blocks` blocks since `scope`, or has nothing left to say.
    #[inline]
    pub fn forked_since(&self, scope: &Scope, blocks: usize) -> bool {
        self.mode == Mode::Dead || self.knowledge.depth() > scope.depth + blocks || self.knowledge.depth() < scope.depth
    }

    /// Joins this path with others that came from `scope`: `values` become the joined ones. Whether this path ends here.
    pub fn join(&mut self, scope: &Scope, join: JoinAt, values: &mut [Operand], loc: Loc) -> bool {
        let JoinAt { site, host, kind } = join;
        if self.mode == Mode::Dead {
            self.dead_step(loc);
            return true;
        }
        if kind == JoinKind::After && scope.block == self.at.block {
            return false; // nothing split the path since
        }
        let mut changed = self.memory.changed_since(&scope.memory);
        if kind == JoinKind::Head {
            changed = Memory::all_contents(Memory::moved(changed));
        }
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let key = JoinKey { scope: (scope.block, scope.position, scope.ordinal), site, host, changed, values: count };
        match self.traces.end(self.at.block) {
            End::Join { key: before, target } if *before == key && self.recorded().is_none() => {
                let target = *target;
                if self.mode == Mode::Shadow && kind == JoinKind::Head && !self.shadow_enters(target) {
                    self.mode = Mode::Dead;
                    return true;
                }
                self.enter_join(scope, changed, target, values);
                return false;
            }
            End::Open if self.at_open_end() => {}
            _ => {
                self.mismatch("a join".to_owned(), loc);
                return true;
            }
        }
        if self.mode == Mode::Shadow {
            self.mode = Mode::Dead;
            return true;
        }
        self.join_new(scope, key, values, loc)
    }

    /// Notes that the shadowing run enters a loop's head; whether it is the first time.
    fn shadow_enters(&mut self, head: Block) -> bool {
        let first = !self.shadow_heads.contains(&head);
        if first {
            self.shadow_heads.push(head);
        }
        first
    }

    fn join_new(&mut self, scope: &Scope, key: JoinKey, values: &mut [Operand], loc: Loc) -> bool {
        let (target, first) = match self.joins.get(&key) {
            Some(&target) => (target, false),
            None => {
                let target = self.new_block(loc);
                let params = values.iter().map(|_| self.new_value(None)).collect();
                self.function.blocks[target].params = params;
                self.joins.insert(key, target);
                (target, true)
            }
        };
        self.end_block(Terminator::Jump { target, args: values.to_vec() }, loc);
        *self.traces.end_mut(self.at.block) = End::Join { key, target };
        if !first {
            self.mode = Mode::Shadow;
            self.shadow_heads.clear();
            self.shadow_enters(target);
        }
        self.enter_join(scope, key.changed, target, values);
        false
    }

    fn enter_join(&mut self, scope: &Scope, changed: u8, target: Block, values: &mut [Operand]) {
        self.knowledge.leave_to(scope.depth);
        self.memory = Memory::joined(&scope.memory, changed, target);
        self.go(target);
        for (value, param) in values.iter_mut().zip(&self.function.blocks[target].params) {
            *value = Operand::Value(*param);
        }
    }

    /// The stack slot that the `nth` argument in memory of any call may use.
    pub fn scratch(&mut self, nth: usize, bytes: u16) -> StackSlot {
        while self.function.slots.len() <= nth {
            self.function.slots.push(SlotData { bytes: 0 });
        }
        let slot = StackSlot::new(nth);
        let data = &mut self.function.slots[slot];
        data.bytes = data.bytes.max(bytes);
        slot
    }

    /// The packet's first byte and the byte behind its last one, read from the context at these offsets.
    pub fn packet(&mut self, data: i16, data_end: i16, loc: Loc) -> (Operand, Operand) {
        if let Some(known) = self.memory.packet {
            return known;
        }
        let base = self.emit(&Op::Context, loc);
        let load = |off| Op::Load { space: Space::Context, size: Size::W, base, off };
        let end = self.emit(&load(data_end), loc);
        let start = self.emit(&load(data), loc);
        self.memory.packet = Some((start, end));
        (start, end)
    }

    /// Splits the path on whether `bytes` bytes from `base` lie inside of the packet that ends at `end`.
    pub fn in_packet(&mut self, base: Operand, bytes: i64, end: Operand, loc: Loc) -> bool {
        if self.mode == Mode::Dead {
            self.dead_step(loc);
            return true;
        }
        match self.recorded() {
            Some(Event::Implied(ix)) if self.traces.implied(ix) == (Implied::Proven { base, bytes }) => {
                self.at.advance();
                return true;
            }
            None if self.mode == Mode::Live
                && self.at_open_end()
                && self.knowledge.proven(base, &self.memory) >= bytes =>
            {
                let event = self.traces.add_implied(Implied::Proven { base, bytes });
                self.record(event);
                return true;
            }
            _ => {}
        }
        let limit = Op::Bin { op: BinOp::Add, width: Width::W64, a: base, b: Operand::Const(bytes.cast_unsigned()) };
        let limit = self.emit(&limit, loc);
        if self.fork(Cond::Gt, Width::W64, limit, end, loc) {
            return false;
        }
        if self.mode == Mode::Live && self.at.position() == 0 && self.at_open_end() {
            self.knowledge.learn_proven(self.at.block, base, &self.memory, bytes);
        }
        true
    }

    /// A constant in network order.
    pub fn net(size: Size, value: u64) -> Operand {
        Operand::Net(NetConst { size, value })
    }
}
