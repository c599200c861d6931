//! Well-formed functions from bytes.
//!
//! Structured: statements, `if`s with joins, bounded loops, early returns, bounds checks; two arms are sometimes made from the same bytes,
//! so that there is something to merge. When the bytes run out every choice is the first, which leads to an end.

use super::world::{CONTEXT_NUMBERS, DATA, DATA_END, GLOBAL_BYTES, VALUE_BYTES};
use crate::fold::truncate;
use crate::ir::{
    Args, BinOp, Block, BlockData, Cond, Function, GlobalRef, HelperId, Inst, Loc, MapRef, NetConst, Op, Operand, Size,
    SlotData, Space, StackSlot, Terminator, Value, Width,
};

/// How many maps a module of these functions has.
pub(super) const MAPS: usize = 2;

/// Bytes of a stack slot.
const SLOT_BYTES: u16 = 32;

const HELPERS: [HelperId; 4] =
    [HelperId::KTIME_GET_NS, HelperId::MAP_LOOKUP_ELEM, HelperId::SKB_STORE_BYTES, HelperId::TRACE_PRINTK];

/// How many arguments the calls of the generated functions have.
pub(super) fn argument_count(helper: HelperId) -> usize {
    match helper {
        HelperId::KTIME_GET_NS => 0,
        HelperId::MAP_LOOKUP_ELEM => 2,
        HelperId::SKB_STORE_BYTES => 5,
        _ => 3,
    }
}

const SIZES: [Size; 4] = [Size::B, Size::H, Size::W, Size::DW];

/// Numbers at which operations change their behaviour.
const NUMBERS: [u64; 20] = [
    0,
    1,
    2,
    3,
    8,
    31,
    32,
    63,
    64,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff0,
    0xffff_ffff,
    0x1_0000_0000,
    0x1234_5678_9abc_def0,
    1 << 63,
    u64::MAX,
];

/// The function that `bytes` describe.
pub fn function(bytes: &[u8]) -> Function {
    let loc: Loc = core::panic::Location::caller();
    let mut generator = Generator {
        bytes,
        loc,
        block: Block(0),
        function: Function::new(loc),
        scope: Vec::new(),
        exits: Vec::new(),
        statements: 60,
    };
    for _ in 0..2 {
        generator.function.slots.push(SlotData { bytes: SLOT_BYTES });
    }
    let context = generator.emit(Op::Context);
    generator.scope.push(context);
    // Stack slots are never read before they are written.
    for slot in [StackSlot(0), StackSlot(1)] {
        let base = generator.emit(Op::StackAddr(slot)).into();
        for off in (0..32).step_by(8) {
            let value = Operand::Const(0);
            generator.effect(Op::Store { space: Space::Stack, size: Size::DW, base, off, value });
        }
    }
    generator.body(0);
    let result = generator.digest();
    generator.end(Terminator::Return(result));
    generator.function
}

struct Generator<'b> {
    bytes: &'b [u8],
    loc: Loc,
    function: Function,
    /// The block that grows.
    block: Block,
    /// What is defined on every path to here.
    scope: Vec<Value>,
    /// Blocks that do nothing but leave.
    exits: Vec<Block>,
    /// How many more statements there may be.
    statements: u32,
}

impl Generator<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn width(&mut self) -> Width {
        self.pick(&[Width::W64, Width::W32])
    }

    fn emit(&mut self, op: Op) -> Value {
        let result = self.function.new_value();
        self.function.blocks[self.block].insts.push(Inst { result, op, loc: self.loc });
        result
    }

    fn effect(&mut self, op: Op) {
        self.emit(op);
    }

    /// Emits an operation whose result may be used from here on.
    fn define(&mut self, op: Op) -> Value {
        let value = self.emit(op);
        self.scope.push(value);
        value
    }

    fn new_block(&mut self) -> Block {
        self.function.blocks.push(BlockData::new(self.loc))
    }

    fn end(&mut self, term: Terminator) {
        self.function.blocks[self.block].term = term;
    }

    fn branch(&mut self, then: Block, otherwise: Block) {
        let (mut cond, width) = (self.pick(Cond::ALL), self.width());
        let (mut a, mut b) = (self.operand(), self.operand());
        if self.below(4) == 3 {
            // A test of some bits, which is one jump when it is against zero and nothing else wants them.
            let width = self.width();
            a = self.emit(Op::Bin { op: BinOp::And, width, a, b }).into();
            b = Operand::Const(u64::from(self.byte() % 3));
            cond = self.pick(&[Cond::Eq, Cond::Ne]);
        }
        self.end(Terminator::Branch { cond, width, a, b, then, otherwise });
    }

    fn value(&mut self) -> Value {
        // Late values are used more often.
        let back = self.below(self.scope.len()).min(self.below(self.scope.len()));
        self.scope[self.scope.len() - 1 - back]
    }

    fn operand(&mut self) -> Operand {
        match self.below(8) {
            0..=4 => Operand::Value(self.value()),
            5 => Operand::Const(self.byte().into()),
            6 => Operand::Const(self.pick(&NUMBERS)),
            _ => {
                let size = self.pick(&SIZES[1..]);
                Operand::Net(NetConst { size, value: truncate(size, self.pick(&NUMBERS)) })
            }
        }
    }

    fn body(&mut self, depth: u32) {
        let count = if depth == 0 { 4 + self.below(24) } else { self.below(6) };
        for _ in 0..count {
            if self.statements == 0 {
                return;
            }
            self.statements -= 1;
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u32) {
        match self.below(18) {
            0..=5 => self.arithmetic(),
            6 => {
                let (size, a) = (self.pick(&SIZES[1..]), self.operand());
                self.define(Op::NetSwap { size, a });
            }
            7 => {
                let (from, a) = (self.pick(&SIZES[..3]), self.operand());
                self.define(Op::SignExtend { from, a });
            }
            8 | 9 => self.memory(),
            10 => self.call(),
            11 | 12 => self.packet(),
            13 => self.leave(),
            14 | 15 if depth < 3 => self.choice(depth),
            16 if depth < 2 => self.repeat(depth),
            17 if depth < 3 => self.twins(depth),
            _ => self.arithmetic(),
        }
    }

    fn arithmetic(&mut self) {
        // Signed division is rare: only one level has it.
        let rare = matches!((self.byte(), self.bytes.len()), (0xff, 1..));
        let op = if rare {
            self.pick(&[BinOp::SDiv, BinOp::SMod])
        } else {
            let plain = BinOp::ALL.iter().copied().filter(|op| !matches!(op, BinOp::SDiv | BinOp::SMod));
            self.pick(&plain.collect::<Vec<_>>())
        };
        let (width, a, b) = (self.width(), self.operand(), self.operand());
        self.define(Op::Bin { op, width, a, b });
    }

    /// A place in a region of `bytes` that an access of `size` fits.
    fn offset(&mut self, bytes: u64, size: Size) -> i16 {
        let places = usize::try_from(bytes / u64::from(size.bytes())).unwrap_or(1);
        let place = self.below(places) * usize::from(size.bytes());
        i16::try_from(place).unwrap_or(0)
    }

    fn memory(&mut self) {
        let size = self.pick(&SIZES);
        let (space, base, bytes) = match self.below(5) {
            0 | 1 => (Space::Context, self.emit(Op::Context), CONTEXT_NUMBERS),
            2 => {
                let slot = self.pick(&[StackSlot(0), StackSlot(1)]);
                (Space::Stack, self.emit(Op::StackAddr(slot)), SLOT_BYTES.into())
            }
            3 => {
                let global = self.pick(&[GlobalRef(0), GlobalRef(1)]);
                (Space::Map, self.emit(Op::GlobalAddr(global)), GLOBAL_BYTES)
            }
            _ => {
                let args = Args::new(&[self.emit(Op::MapAddr(MapRef(0))).into(), self.operand()]);
                (Space::Map, self.define(Op::Call { helper: HelperId::MAP_LOOKUP_ELEM, args }), VALUE_BYTES)
            }
        };
        let off = self.offset(bytes, size);
        self.access(space, size, base, off);
    }

    fn access(&mut self, space: Space, size: Size, base: Value, off: i16) {
        let base = Operand::Value(base);
        match self.below(4) {
            0 => {
                let value = self.operand();
                self.effect(Op::Store { space, size, base, off, value });
            }
            1 if matches!(size, Size::W | Size::DW) && space == Space::Map => {
                let value = self.operand();
                self.effect(Op::AtomicAdd { space, size, base, off, value });
            }
            _ => {
                self.define(Op::Load { space, size, base, off });
            }
        }
    }

    fn call(&mut self) {
        let helper = self.pick(&HELPERS);
        let count = argument_count(helper);
        let mut args = Vec::new();
        for _ in 0..count {
            args.push(match self.below(6) {
                0 => self.emit(Op::StackAddr(StackSlot(0))).into(),
                1 => self.emit(Op::MapAddr(MapRef(1))).into(),
                _ => self.operand(),
            });
        }
        self.define(Op::Call { helper, args: Args::new(&args) });
    }

    /// A bounds check, and accesses to the packet behind it.
    fn packet(&mut self) {
        let context = self.emit(Op::Context).into();
        let pointer = |off| Op::Load { space: Space::Context, size: Size::W, base: context, off };
        let end = self.define(pointer(DATA_END));
        let mut base = self.define(pointer(DATA));
        if self.below(3) == 0 {
            let a = self.operand();
            let index = self.emit(Op::Bin { op: BinOp::And, width: Width::W64, a, b: Operand::Const(15) });
            base = self.define(Op::Bin { op: BinOp::Add, width: Width::W64, a: base.into(), b: index.into() });
        }
        for _ in 0..=self.below(3) {
            let bytes = 1 + self.below(24);
            let reach = Operand::Const(bytes as u64);
            let limit = self.define(Op::Bin { op: BinOp::Add, width: Width::W64, a: base.into(), b: reach });
            let (fail, pass) = (self.exit(), self.new_block());
            let (limit, end) = (Operand::Value(limit), Operand::Value(end));
            let width = Width::W64;
            let check = match self.below(3) {
                0 => Terminator::Branch { cond: Cond::Gt, width, a: limit, b: end, then: fail, otherwise: pass },
                1 => Terminator::Branch { cond: Cond::Le, width, a: limit, b: end, then: pass, otherwise: fail },
                _ => Terminator::Branch { cond: Cond::Lt, width, a: end, b: limit, then: fail, otherwise: pass },
            };
            self.end(check);
            self.block = pass;
            for _ in 0..self.below(3) {
                let size = self.pick(&SIZES);
                if usize::from(size.bytes()) <= bytes {
                    let off = self.offset(bytes as u64, size);
                    self.access(Space::Packet, size, base, off);
                }
            }
        }
    }

    /// A block that returns a constant, often one that is there already.
    fn exit(&mut self) -> Block {
        if !self.exits.is_empty() && self.below(3) > 0 {
            let exits = self.exits.clone();
            return self.pick(&exits);
        }
        let exit = self.new_block();
        let verdict = u64::from(self.byte() % 3);
        self.function.blocks[exit].term = Terminator::Return(Operand::Const(verdict));
        self.exits.push(exit);
        exit
    }

    /// An early return.
    fn leave(&mut self) {
        let (leave, stay) = (self.exit(), self.new_block());
        self.branch(leave, stay);
        self.block = stay;
    }

    /// An `if` with a join that takes values from its arms.
    fn choice(&mut self, depth: u32) {
        let (then, otherwise, join) = (self.new_block(), self.new_block(), self.new_block());
        let params = self.below(3);
        self.branch(then, otherwise);
        for arm in [then, otherwise] {
            self.arm(arm, join, params, depth);
        }
        self.block = join;
        for _ in 0..params {
            let param = self.function.new_value();
            self.function.blocks[join].params.push(param);
            self.scope.push(param);
        }
    }

    /// Fills a block that goes to `join`; nothing that it defines is known there.
    fn arm(&mut self, arm: Block, join: Block, params: usize, depth: u32) {
        let outside = self.scope.len();
        self.block = arm;
        self.body(depth + 1);
        if self.below(5) == 4 {
            let value = self.operand();
            self.end(Terminator::Return(value));
        } else {
            let args = (0..params).map(|_| self.operand()).collect();
            self.end(Terminator::Jump { target: join, args });
        }
        self.scope.truncate(outside);
    }

    /// Two arms from the same bytes.
    fn twins(&mut self, depth: u32) {
        let (then, otherwise, join) = (self.new_block(), self.new_block(), self.new_block());
        self.branch(then, otherwise);
        let (bytes, statements) = (self.bytes, self.statements);
        self.arm(then, join, 0, depth);
        (self.bytes, self.statements) = (bytes, self.statements.min(statements));
        self.arm(otherwise, join, 0, depth);
        self.block = join;
    }

    /// A loop with a counter and a few values that it carries.
    fn repeat(&mut self, depth: u32) {
        let (head, body, after) = (self.new_block(), self.new_block(), self.new_block());
        let carried = self.below(3);
        let rounds = Operand::Const(self.below(4) as u64);
        let mut args = vec![Operand::Const(0)];
        args.extend((0..carried).map(|_| self.operand()));
        self.end(Terminator::Jump { target: head, args });
        for _ in 0..=carried {
            let param = self.function.new_value();
            self.function.blocks[head].params.push(param);
            self.scope.push(param);
        }
        let counter = Operand::Value(self.function.blocks[head].params[0]);
        self.block = head;
        let width = self.width();
        self.end(Terminator::Branch { cond: Cond::Lt, width, a: counter, b: rounds, then: body, otherwise: after });
        let outside = self.scope.len();
        self.block = body;
        self.body(depth + 1);
        let next = Op::Bin { op: BinOp::Add, width, a: counter, b: Operand::Const(1) };
        let mut args = vec![self.emit(next).into()];
        args.extend((0..carried).map(|_| self.operand()));
        self.end(Terminator::Jump { target: head, args });
        self.scope.truncate(outside);
        self.block = after;
    }

    /// A value that depends on many others, so that they stay alive to the end.
    fn digest(&mut self) -> Operand {
        let count = self.below(24).min(self.scope.len());
        let values: Vec<Value> = self.scope[self.scope.len() - count..].to_vec();
        let mut sum = Operand::Const(self.byte().into());
        for value in values {
            let op = self.pick(&[BinOp::Xor, BinOp::Add, BinOp::Sub]);
            sum = self.emit(Op::Bin { op, width: Width::W64, a: sum, b: value.into() }).into();
        }
        sum
    }
}
