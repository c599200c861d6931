//! Instructions block by block, before anything is known of distances.

use crate::ir::{Size, Width};
use crate::regalloc::{Allocation, Move, Place};
use crate::select::mir::{Base, Function, Inst, InstIx, MachBlock, Src, Symbol};
use crate::source::Loc;
use bpfasm_isa::{self as isa, AluOp, AtomicOp, CpuLevel, Insn, JmpOp, Reg};
use std::ops::Range;

/// An instruction inside of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) insn: Insn,
    /// What it loads the address of.
    pub(super) symbol: Option<Symbol>,
    pub(super) loc: Loc,
}

/// How a block ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Jump(MachBlock),
    Branch { op: JmpOp, width: Width, a: Reg, b: isa::Src, then: MachBlock, otherwise: MachBlock },
    Exit,
}

impl End {
    /// Where it can lead.
    pub(super) fn targets(&self) -> impl Iterator<Item = MachBlock> + use<> {
        let (first, second) = match *self {
            End::Jump(to) => (Some(to), None),
            End::Branch { then, otherwise, .. } => (Some(then), Some(otherwise)),
            End::Exit => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// A block's instructions.
#[derive(Clone, Debug)]
pub(super) struct BlockCode {
    items: Range<usize>,
    pub(super) end: End,
    /// Where the end was written.
    pub(super) loc: Loc,
}

/// The instructions of a function.
#[derive(Clone, Debug)]
pub(super) struct Body {
    items: Vec<Item>,
    blocks: Vec<BlockCode>,
}

impl Body {
    /// The instructions of `function`, each operand in its register, with the moves between them.
    pub(super) fn new(function: &Function, allocation: &Allocation, level: CpuLevel) -> Body {
        let items = Vec::with_capacity(function.inst_count() + allocation.moves().len());
        let body = Body { items, blocks: Vec::with_capacity(function.block_count()) };
        let mut writer = Writer { function, allocation, level, body, next_move: 0 };
        for block in function.blocks() {
            writer.block(block);
        }
        writer.body
    }

    pub(super) fn blocks(&self) -> impl DoubleEndedIterator<Item = MachBlock> + ExactSizeIterator + use<> {
        (0..u32::try_from(self.blocks.len()).unwrap_or(u32::MAX)).map(MachBlock)
    }

    pub(super) fn block(&self, block: MachBlock) -> &BlockCode {
        &self.blocks[block.0 as usize]
    }

    /// The instructions of a block without its end.
    pub(super) fn items(&self, block: MachBlock) -> &[Item] {
        &self.items[self.block(block).items.clone()]
    }
}

struct Writer<'f> {
    function: &'f Function,
    allocation: &'f Allocation,
    level: CpuLevel,
    body: Body,
    /// The first move that is not written yet.
    next_move: usize,
}

impl Writer<'_> {
    fn push(&mut self, insn: Insn, loc: Loc) {
        self.body.items.push(Item { insn, symbol: None, loc });
    }

    fn block(&mut self, block: MachBlock) {
        let start = self.body.items.len();
        let insts = self.function.block_insts(block);
        let last = InstIx(insts.end - 1);
        for at in insts.map(InstIx) {
            self.moves_before(at);
            self.inst(at);
        }
        let code =
            BlockCode { items: start..self.body.items.len(), end: self.end(block, last), loc: self.function.loc(last) };
        self.body.blocks.push(code);
    }

    /// Writes the moves before an instruction; they belong to its line.
    fn moves_before(&mut self, at: InstIx) {
        while let Some(m) = self.allocation.moves().get(self.next_move).filter(|m| m.before == at) {
            self.next_move += 1;
            if let Some(insn) = self.copy(m) {
                self.push(insn, self.function.loc(at));
            }
        }
    }

    fn copy(&self, m: &Move) -> Option<Insn> {
        match (m.from, m.to) {
            (Place::Reg(from), Place::Reg(to)) => (from != to).then(|| Insn::mov(Width::W64, to, from)),
            (Place::Reg(from), Place::Spill(to)) => Some(Insn::store(Size::DW, Reg::FP, self.spill_offset(to), from)),
            (Place::Spill(from), Place::Reg(to)) => Some(Insn::load(Size::DW, to, Reg::FP, self.spill_offset(from))),
            // Refused by the boundary to the allocator.
            (Place::Spill(_), Place::Spill(_)) => None,
        }
    }

    /// Where a spill slot is, in bytes from R10. The frame's size was checked to be small.
    fn spill_offset(&self, slot: u32) -> i16 {
        let below = u32::from(self.function.frame_bytes) + 8 * (slot + 1);
        i16::try_from(below).map_or(i16::MIN, |below| -below)
    }

    fn inst(&mut self, at: InstIx) {
        let (inst, loc) = (*self.function.inst(at), self.function.loc(at));
        let regs = self.allocation.regs(at);
        match inst {
            // The context is where it belongs; ends have their own place.
            Inst::Context { .. } | Inst::Jump | Inst::Branch { .. } | Inst::Exit { .. } => {}
            Inst::Const { value, .. } => self.push(constant(self.level, regs[0], value), loc),
            Inst::SymbolAddr { symbol, .. } => {
                self.body.items.push(Item { insn: Insn::lddw(regs[0], 0), symbol: Some(symbol), loc });
            }
            Inst::FrameAddr { off, .. } => {
                self.push(Insn::mov(Width::W64, regs[0], Reg::FP), loc);
                self.push(Insn::alu(Width::W64, AluOp::Add, regs[0], off), loc);
            }
            Inst::Alu { op, width, b, .. } => self.push(Insn::alu(width, op, regs[0], second(b, &regs[1..])), loc),
            Inst::Neg { width, .. } => self.push(Insn::neg(width, regs[0]), loc),
            Inst::Copy { .. } if regs[0] == regs[1] => {}
            Inst::Copy { .. } => self.push(Insn::mov(Width::W64, regs[0], regs[1]), loc),
            Inst::Low { .. } => self.push(Insn::mov(Width::W32, regs[0], regs[1]), loc),
            Inst::NetSwap { size, .. } => self.push(net_swap(size, regs[0]), loc),
            Inst::SignExtend { from, .. } => {
                let insn = Insn::movsx(Width::W64, from, regs[0], regs[1]);
                self.push(insn.expect("the IR extends from fewer than 8 bytes"), loc);
            }
            Inst::Load { size, base, off, .. } => {
                let (base, _) = address(base, &regs[1..]);
                self.push(Insn::load(size, regs[0], base, off), loc);
            }
            Inst::Store { size, base, off, value } => {
                let (base, rest) = address(base, regs);
                let value = match value {
                    Src::Reg(_) => isa::Src::Reg(rest[0]),
                    Src::Imm(imm) => isa::Src::Imm(imm),
                };
                self.push(Insn::store(size, base, off, value), loc);
            }
            Inst::AtomicAdd { size, base, off, .. } => {
                let (base, rest) = address(base, regs);
                let insn = Insn::atomic(AtomicOp::Add, false, size, base, off, rest[0]);
                self.push(insn.expect("the IR adds to 4 or 8 bytes"), loc);
            }
            Inst::Call { helper, .. } => self.push(Insn::call_helper(helper), loc),
        }
    }

    fn end(&self, block: MachBlock, at: InstIx) -> End {
        let mut succs = self.function.succs(block);
        match (*self.function.inst(at), succs.next(), succs.next()) {
            (Inst::Branch { op, width, b, .. }, Some(then), Some(otherwise)) => {
                let regs = self.allocation.regs(at);
                End::Branch { op, width, a: regs[0], b: second(b, regs), then, otherwise }
            }
            (_, Some(to), _) => End::Jump(to),
            (_, None, _) => End::Exit,
        }
    }
}

/// The second source of an instruction; `uses` starts with the register of the first.
fn second(src: Src, uses: &[Reg]) -> isa::Src {
    match src {
        Src::Reg(_) => isa::Src::Reg(uses[1]),
        Src::Imm(imm) => isa::Src::Imm(imm),
    }
}

/// The register of an address, and the registers after it.
fn address(base: Base, uses: &[Reg]) -> (Reg, &[Reg]) {
    match base {
        Base::Reg(_) => (uses[0], &uses[1..]),
        Base::Frame => (Reg::FP, uses),
    }
}

/// The shortest way to a constant.
fn constant(level: CpuLevel, dst: Reg, value: u64) -> Insn {
    match (u32::try_from(value), i32::try_from(value.cast_signed())) {
        (Ok(low), _) if level >= CpuLevel::V3 => Insn::mov(Width::W32, dst, low.cast_signed()),
        (_, Ok(imm)) => Insn::mov(Width::W64, dst, imm),
        _ => Insn::lddw(dst, value),
    }
}

/// `dst` between the host's order and big endian, which is the network's.
fn net_swap(size: Size, dst: Reg) -> Insn {
    let bits = match size {
        Size::B | Size::H => isa::SwapBits::B16,
        Size::W => isa::SwapBits::B32,
        Size::DW => isa::SwapBits::B64,
    };
    Insn::to_be(bits, dst)
}
