//! Functions and modules.

use super::{Block, Cond, DataType, Entity, GlobalRef, Loc, MapRef, Op, Operand, StackSlot, Table, Value, Width};
use bpfasm_object::kernel::MapType;

/// One operation of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inst {
    /// The value it defines.
    pub result: Value,
    /// The operation.
    pub op: Op,
    /// Where it was written.
    pub loc: Loc,
}

/// How a block ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Terminator {
    /// Goes to `target`, whose parameters take `args`.
    Jump {
        /// The next block.
        target: Block,
        /// One operand a parameter.
        args: Vec<Operand>,
    },
    /// Goes to `then` when the condition holds, else to `otherwise`; neither has parameters.
    Branch {
        /// The condition.
        cond: Cond,
        /// The width at which it compares.
        width: Width,
        /// The left operand.
        a: Operand,
        /// The right operand.
        b: Operand,
        /// Where it holds.
        then: Block,
        /// Where it does not.
        otherwise: Block,
    },
    /// Ends the program with R0.
    Return(Operand),
    /// No path leads here. Staging leaves it in blocks that it never entered.
    Unreachable,
}

impl Terminator {
    /// A jump without arguments.
    pub fn jump(target: Block) -> Terminator {
        Terminator::Jump { target, args: Vec::new() }
    }

    /// The blocks that control may go to, one an edge: a branch whose sides agree names its target twice.
    pub fn successors(&self) -> impl DoubleEndedIterator<Item = Block> + use<> {
        let (first, second) = match *self {
            Terminator::Jump { target, .. } => (Some(target), None),
            Terminator::Branch { then, otherwise, .. } => (Some(then), Some(otherwise)),
            Terminator::Return(_) | Terminator::Unreachable => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Calls `f` with each successor, to change it.
    pub fn for_each_successor(&mut self, mut f: impl FnMut(&mut Block)) {
        match self {
            Terminator::Jump { target, .. } => f(target),
            Terminator::Branch { then, otherwise, .. } => {
                f(then);
                f(otherwise);
            }
            Terminator::Return(_) | Terminator::Unreachable => {}
        }
    }

    /// Calls `f` with each operand, to change it.
    pub fn for_each_operand(&mut self, mut f: impl FnMut(&mut Operand)) {
        match self {
            Terminator::Jump { args, .. } => args.iter_mut().for_each(f),
            Terminator::Branch { a, b, .. } => {
                f(a);
                f(b);
            }
            Terminator::Return(value) => f(value),
            Terminator::Unreachable => {}
        }
    }

    /// The operands in order.
    pub fn operands(&self) -> impl Iterator<Item = Operand> {
        let (pair, args): ([Option<Operand>; 2], &[Operand]) = match self {
            Terminator::Jump { args, .. } => ([None, None], args),
            Terminator::Branch { a, b, .. } => ([Some(*a), Some(*b)], &[]),
            Terminator::Return(value) => ([Some(*value), None], &[]),
            Terminator::Unreachable => ([None, None], &[]),
        };
        pair.into_iter().flatten().chain(args.iter().copied())
    }
}

/// A basic block.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockData {
    /// Values that the jumps to this block supply.
    pub params: Vec<Value>,
    /// The operations in order.
    pub insts: Vec<Inst>,
    /// The end.
    pub term: Terminator,
    /// Where the end was written.
    pub term_loc: Loc,
}

impl BlockData {
    /// An empty block that nothing reaches yet.
    pub fn new(loc: Loc) -> BlockData {
        BlockData { params: Vec::new(), insts: Vec::new(), term: Terminator::Unreachable, term_loc: loc }
    }
}

/// A piece of the stack frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotData {
    /// Its size in bytes; it is aligned to 8.
    pub bytes: u16,
}

/// A function in SSA form. The first block is its entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// The blocks.
    pub blocks: Table<Block, BlockData>,
    /// The stack slots.
    pub slots: Table<StackSlot, SlotData>,
    /// How many values there are: every [`Value`] is below it.
    pub value_count: u32,
}

impl Function {
    /// A function with an empty entry block.
    pub fn new(loc: Loc) -> Function {
        let mut blocks = Table::new();
        blocks.push(BlockData::new(loc));
        Function { blocks, slots: Table::new(), value_count: 0 }
    }

    /// The entry block.
    pub fn entry(&self) -> Block {
        Block::new(0)
    }

    /// Calls `f` with each operand of the function, to change it.
    pub fn for_each_operand(&mut self, mut f: impl FnMut(&mut Operand)) {
        for block in self.blocks.values_mut() {
            for inst in &mut block.insts {
                inst.op.for_each_operand(&mut f);
            }
            block.term.for_each_operand(&mut f);
        }
    }

    /// How many operations there are.
    pub fn inst_count(&self) -> usize {
        self.blocks.values().map(|block| block.insts.len()).sum()
    }

    /// A value that nothing defines yet.
    pub fn new_value(&mut self) -> Value {
        let value = Value(self.value_count);
        self.value_count += 1;
        value
    }
}

/// A program's C signature, for its BTF: `int NAME(struct CONTEXT *PARAM)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The kernel's name of the context struct (`__sk_buff`, `xdp_md`, …; `include/uapi/linux/bpf.h`).
    pub context: &'static str,
    /// The parameter's name.
    pub param: &'static str,
}

/// A function that the kernel runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The symbol: the Rust function's name.
    pub name: String,
    /// The ELF section, which tells the program type (libbpf's names: `tc`, `xdp`, `cgroup_skb/ingress`, …).
    pub section: String,
    /// The signature for BTF.
    pub signature: Signature,
    /// Where the program was declared: its first line record.
    pub loc: Loc,
    /// The code.
    pub function: Function,
}

/// A map that programs of the module use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDecl {
    /// The symbol.
    pub name: String,
    /// The kind of map.
    pub map_type: MapType,
    /// The key's type, where this kind of map has keys.
    pub key: Option<DataType>,
    /// The value's type, where this kind of map has values.
    pub value: Option<DataType>,
    /// How many entries it can hold.
    pub max_entries: u32,
    /// `BPF_F_*` of `BPF_MAP_CREATE`.
    pub flags: u32,
}

/// A global variable that programs of the module use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalDecl {
    /// The symbol.
    pub name: String,
    /// Its type.
    pub data: DataType,
    /// What it starts with, in the byte order of this machine.
    pub value: Vec<u8>,
    /// Whether programs only read it.
    pub read_only: bool,
}

/// What is compiled to one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// The licence that the kernel is told, usually `GPL`.
    pub license: String,
    /// The programs, in the order of the source.
    pub programs: Vec<Program>,
    /// The maps that they name.
    pub maps: Table<MapRef, MapDecl>,
    /// The global variables that they name.
    pub globals: Table<GlobalRef, GlobalDecl>,
}
