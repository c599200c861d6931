//! Machine IR: BPF instructions whose registers are virtual, still in SSA form.
//!
//! # Invariants
//! - No edge is critical, but those to blocks that return a constant ([`Function::returns_constant`]), of which a branch has at most
//!   one. Blocks are in the order of the code to be, a block after all that dominate it.
//! - A block ends in its one [`Inst::Jump`], [`Inst::Branch`] or [`Inst::Exit`]. Only a jump has arguments.
//! - What an instruction reads and writes is said by [`Inst::operands`] and [`Inst::clobbers`] alone.

use crate::ir::{GlobalRef, HelperId, MapRef, Size, Width, entities};
use crate::source::Loc;
use bpfasm_isa::{AluOp, JmpOp, Reg};
use std::ops::Range;

entities! {
    /// A virtual register.
    VReg = "x";
    /// A block of machine code.
    MachBlock = "code";
    /// An instruction of a function.
    InstIx = "inst";
}

/// A register or a constant of 32 bits, sign-extended where the operation is wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Src {
    Reg(VReg),
    Imm(i32),
}

/// What a relocation stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Symbol {
    Map(MapRef),
    Global(GlobalRef),
}

/// Where an address starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Reg(VReg),
    /// R10.
    Frame,
}

/// An instruction, or a few that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inst {
    /// Takes the context from R1: the first instruction of a function, or none.
    Context { dst: VReg },
    /// A constant.
    Const { dst: VReg, value: u64 },
    /// The address of something outside of the function.
    SymbolAddr { dst: VReg, symbol: Symbol },
    /// R10 plus bytes.
    FrameAddr { dst: VReg, off: i32 },
    /// `dst = a op b`, with `dst` and `a` in one register.
    Alu { op: AluOp, width: Width, dst: VReg, a: VReg, b: Src },
    /// `dst = -a`, in one register.
    Neg { width: Width, dst: VReg, a: VReg },
    /// `a` again: lets a value be in two registers where one would have to be in two places.
    Copy { dst: VReg, a: VReg },
    /// The low 32 bits of `a`, zero-extended.
    Low { dst: VReg, a: VReg },
    /// The low bytes of `a` from or to network order, in one register.
    NetSwap { size: Size, dst: VReg, a: VReg },
    /// The low bytes of `a`, sign-extended (cpu v4).
    SignExtend { from: Size, dst: VReg, a: VReg },
    /// A zero-extending load.
    Load { size: Size, dst: VReg, base: Base, off: i16 },
    /// A store.
    Store { size: Size, base: Base, off: i16, value: Src },
    /// An addition to memory in one step.
    AtomicAdd { size: Size, base: Base, off: i16, value: VReg },
    /// A call; the first `count` of `args` are in R1 and up.
    Call { helper: HelperId, dst: VReg, args: [VReg; 5], count: u8 },
    /// Goes to the one successor.
    Jump,
    /// Goes to the first successor if the condition holds, else to the second.
    Branch { op: JmpOp, width: Width, a: VReg, b: Src },
    /// Ends the program with R0.
    Exit { value: VReg },
}

/// What an instruction wants of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constraint {
    /// Any will do.
    Any,
    /// This one.
    Fixed(Reg),
    /// For a definition: that of the instruction's first use.
    SameAsFirstUse,
}

/// A register that an instruction names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// Written after all uses are read.
    Def(VReg, Constraint),
    /// Read.
    Use(VReg, Constraint),
}

impl Operand {
    fn reg(vreg: VReg) -> Operand {
        Operand::Use(vreg, Constraint::Any)
    }
}

/// The registers of call arguments, in order.
pub(crate) const ARGUMENTS: [Reg; 5] = [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];

impl Inst {
    /// Calls `f` with each register that the instruction names: first the definition, then the uses.
    pub(crate) fn operands(&self, mut f: impl FnMut(Operand)) {
        use Constraint::{Any, Fixed, SameAsFirstUse};
        let def = match *self {
            Inst::Context { dst } => Some((dst, Fixed(Reg::R1))),
            Inst::Const { dst, .. }
            | Inst::SymbolAddr { dst, .. }
            | Inst::FrameAddr { dst, .. }
            | Inst::Copy { dst, .. }
            | Inst::Low { dst, .. }
            | Inst::SignExtend { dst, .. }
            | Inst::Load { dst, .. } => Some((dst, Any)),
            Inst::Alu { dst, .. } | Inst::Neg { dst, .. } | Inst::NetSwap { dst, .. } => Some((dst, SameAsFirstUse)),
            Inst::Call { dst, .. } => Some((dst, Fixed(Reg::R0))),
            Inst::Store { .. } | Inst::AtomicAdd { .. } | Inst::Jump | Inst::Branch { .. } | Inst::Exit { .. } => None,
        };
        if let Some((dst, constraint)) = def {
            f(Operand::Def(dst, constraint));
        }
        match *self {
            Inst::Context { .. }
            | Inst::Const { .. }
            | Inst::SymbolAddr { .. }
            | Inst::FrameAddr { .. }
            | Inst::Jump
            | Inst::Load { base: Base::Frame, .. } => {}
            Inst::Neg { a, .. }
            | Inst::Copy { a, .. }
            | Inst::Low { a, .. }
            | Inst::NetSwap { a, .. }
            | Inst::SignExtend { a, .. } => f(Operand::reg(a)),
            Inst::Load { base: Base::Reg(base), .. } => f(Operand::reg(base)),
            Inst::Alu { a, b, .. } | Inst::Branch { a, b, .. } => {
                f(Operand::reg(a));
                if let Src::Reg(b) = b {
                    f(Operand::reg(b));
                }
            }
            Inst::Store { base, value, .. } => {
                if let Base::Reg(base) = base {
                    f(Operand::reg(base));
                }
                if let Src::Reg(value) = value {
                    f(Operand::reg(value));
                }
            }
            Inst::AtomicAdd { base, value, .. } => {
                if let Base::Reg(base) = base {
                    f(Operand::reg(base));
                }
                f(Operand::reg(value));
            }
            Inst::Call { args, count, .. } => {
                for (&arg, reg) in args.iter().zip(ARGUMENTS).take(usize::from(count)) {
                    f(Operand::Use(arg, Fixed(reg)));
                }
            }
            Inst::Exit { value } => f(Operand::Use(value, Fixed(Reg::R0))),
        }
    }

    /// The registers that hold nothing sensible afterwards, besides the definition (RFC 9669 section 2.2).
    pub(crate) fn clobbers(&self) -> &'static [Reg] {
        match self {
            Inst::Call { .. } => &ARGUMENTS,
            _ => &[],
        }
    }

    pub(crate) fn is_branch(&self) -> bool {
        matches!(self, Inst::Jump | Inst::Branch { .. })
    }

    pub(crate) fn is_exit(&self) -> bool {
        matches!(self, Inst::Exit { .. })
    }
}

/// A block's share of the function's tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockInfo {
    insts: Range<u32>,
    params: Range<u32>,
    args: Range<u32>,
    succs: [Option<MachBlock>; 2],
}

/// A function of machine IR.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    insts: Vec<Inst>,
    locs: Vec<Loc>,
    blocks: Vec<BlockInfo>,
    /// The parameters and arguments of all blocks.
    vregs: Vec<VReg>,
    vreg_count: u32,
    /// Bytes of the frame that stack slots take; spill slots come below.
    pub(crate) frame_bytes: u16,
}

fn slice<'a, T>(all: &'a [T], range: &Range<u32>) -> &'a [T] {
    &all[range.start as usize..range.end as usize]
}

/// How long a table is, as the ranges of [`BlockInfo`] count.
fn len<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("fewer than 2^32 parts in a function")
}

impl Function {
    /// A function without code, whose stack slots take `frame_bytes`.
    pub(crate) fn new(frame_bytes: u16) -> Function {
        Function {
            insts: Vec::new(),
            locs: Vec::new(),
            blocks: Vec::new(),
            vregs: Vec::new(),
            vreg_count: 0,
            frame_bytes,
        }
    }

    /// A virtual register that nothing defines yet.
    pub(crate) fn new_vreg(&mut self) -> VReg {
        let vreg = VReg(self.vreg_count);
        self.vreg_count += 1;
        vreg
    }

    /// Starts the next block.
    pub(crate) fn start_block(&mut self, params: impl IntoIterator<Item = VReg>) {
        let start = len(&self.vregs);
        self.vregs.extend(params);
        let (params, insts) = (start..len(&self.vregs), len(&self.insts)..len(&self.insts));
        self.blocks.push(BlockInfo { insts, params, ..BlockInfo::default() });
    }

    /// Appends an instruction to the block that was started last.
    pub(crate) fn push(&mut self, inst: Inst, loc: Loc) {
        self.insts.push(inst);
        self.locs.push(loc);
        let end = len(&self.insts);
        if let Some(block) = self.blocks.last_mut() {
            block.insts.end = end;
        }
    }

    /// Says where the block that was started last leads, and with which arguments.
    pub(crate) fn end_block(&mut self, succs: [Option<MachBlock>; 2], args: impl IntoIterator<Item = VReg>) {
        let start = len(&self.vregs);
        self.vregs.extend(args);
        let args = start..len(&self.vregs);
        if let Some(block) = self.blocks.last_mut() {
            block.succs = succs;
            block.args = args;
        }
    }

    pub(crate) fn vreg_count(&self) -> usize {
        self.vreg_count as usize
    }

    pub(crate) fn inst_count(&self) -> usize {
        self.insts.len()
    }

    pub(crate) fn block_count(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn blocks(&self) -> impl DoubleEndedIterator<Item = MachBlock> + use<> {
        (0..len(&self.blocks)).map(MachBlock)
    }

    pub(crate) fn insts(&self) -> &[Inst] {
        &self.insts
    }

    pub(crate) fn inst(&self, at: InstIx) -> &Inst {
        &self.insts[at.0 as usize]
    }

    pub(crate) fn loc(&self, at: InstIx) -> Loc {
        self.locs[at.0 as usize]
    }

    fn info(&self, block: MachBlock) -> &BlockInfo {
        &self.blocks[block.0 as usize]
    }

    /// The instructions of a block; the last one ends it.
    pub(crate) fn block_insts(&self, block: MachBlock) -> Range<u32> {
        self.info(block).insts.clone()
    }

    /// Whether a block does nothing but return a constant: no value is wanted there, wherever control comes from.
    pub(crate) fn returns_constant(&self, block: MachBlock) -> bool {
        let BlockInfo { insts, params, .. } = self.info(block);
        params.is_empty() && matches!(slice(&self.insts, insts), [Inst::Const { .. }, Inst::Exit { .. }])
    }

    pub(crate) fn params(&self, block: MachBlock) -> &[VReg] {
        slice(&self.vregs, &self.info(block).params)
    }

    /// What the block's jump gives to the parameters of its target.
    pub(crate) fn args(&self, block: MachBlock) -> &[VReg] {
        slice(&self.vregs, &self.info(block).args)
    }

    pub(crate) fn succs(&self, block: MachBlock) -> impl Iterator<Item = MachBlock> + use<> {
        self.info(block).succs.into_iter().flatten()
    }
}
