//! Slots from machine IR with registers.

use super::layout::{End, Layout};
use crate::ir::{MapRef, Size, Width};
use crate::options::Options;
use crate::regalloc::{Allocation, Move, Place};
use crate::select::mir::{Base, Function, Inst, InstIx, Src};
use crate::source::Loc;
use bpfasm_isa::{self as isa, AluOp, Assembler, CpuLevel, Insn, Label, LabelError, Reg, Slot, SlotIx};

/// The code of a function.
pub(crate) struct Code {
    /// Its slots.
    pub(crate) slots: Vec<Slot>,
    /// The LDDWs that load maps, by ascending slot.
    pub(crate) maps: Vec<(SlotIx, MapRef)>,
    /// Where the code from each slot on was written, by strictly ascending slot, the first at slot 0.
    pub(crate) places: Vec<(SlotIx, Loc)>,
}

/// Emits a function that was declared at `declared`: its first instruction is shown there.
///
/// # Errors
/// A jump that is too far.
pub(crate) fn emit(
    function: &Function,
    allocation: &Allocation,
    options: &Options,
    declared: Loc,
) -> Result<Code, LabelError> {
    let mut asm = Assembler::with_level(options.cpu);
    let labels = (0..function.block_count()).map(|_| asm.new_label()).collect();
    let mut emitter = Emitter {
        function,
        allocation,
        level: options.cpu,
        asm,
        labels,
        maps: Vec::new(),
        places: vec![(SlotIx(0), declared)],
        next_move: 0,
    };
    let layout = Layout::new(function, allocation);
    for (block, next) in layout.blocks() {
        emitter.asm.bind(emitter.labels[block.0 as usize]);
        let insts = function.block_insts(block);
        let last = InstIx(insts.end - 1);
        for at in (insts.start..last.0).map(InstIx) {
            emitter.moves_before(at);
            emitter.inst(at);
        }
        emitter.moves_before(last);
        let end = layout.ending(function, block, function.inst(last), next, options.cpu);
        emitter.end(last, end);
    }
    Ok(Code { slots: emitter.asm.finish()?, maps: emitter.maps, places: emitter.places })
}

struct Emitter<'f> {
    function: &'f Function,
    allocation: &'f Allocation,
    level: CpuLevel,
    asm: Assembler,
    labels: Vec<Label>,
    maps: Vec<(SlotIx, MapRef)>,
    places: Vec<(SlotIx, Loc)>,
    /// The first move that is not emitted yet.
    next_move: usize,
}

impl Emitter<'_> {
    /// Appends an instruction, and says where it comes from if that is news.
    fn push(&mut self, insn: Insn, loc: Loc) {
        self.place(loc);
        self.asm.push(insn);
    }

    fn place(&mut self, loc: Loc) {
        let here = self.asm.here();
        if let Some(&(at, last)) = self.places.last()
            && at < here
            && (last.line(), last.column(), last.file()) != (loc.line(), loc.column(), loc.file())
        {
            self.places.push((here, loc));
        }
    }

    /// Emits the moves before an instruction; they belong to its line.
    fn moves_before(&mut self, at: InstIx) {
        let moves = self.allocation.moves();
        while let Some(m) = moves.get(self.next_move).filter(|m| m.before <= at) {
            self.next_move += 1;
            // Those of blocks that are not emitted never come: an empty block has no moves.
            if let Some(insn) = self.copy(m) {
                self.push(insn, self.function.loc(at));
            }
        }
    }

    fn copy(&self, m: &Move) -> Option<Insn> {
        match (m.from, m.to) {
            (from, to) if from == to => None,
            (Place::Reg(from), Place::Reg(to)) => Some(Insn::mov(Width::W64, to, from)),
            (Place::Reg(from), Place::Spill(to)) => Some(Insn::store(Size::DW, Reg::FP, self.spill_offset(to), from)),
            (Place::Spill(from), Place::Reg(to)) => Some(Insn::load(Size::DW, to, Reg::FP, self.spill_offset(from))),
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
            // Already where it belongs; ends are emitted by `end`.
            Inst::Context { .. } | Inst::Jump | Inst::Branch { .. } | Inst::Exit { .. } => {}
            Inst::Const { value, .. } => self.push(constant(self.level, regs[0], value), loc),
            Inst::MapAddr { map, .. } => {
                self.maps.push((self.asm.here(), map));
                self.push(Insn::lddw(regs[0], 0), loc);
            }
            Inst::FrameAddr { off, .. } => {
                self.push(Insn::mov(Width::W64, regs[0], Reg::FP), loc);
                self.push(Insn::alu(Width::W64, AluOp::Add, regs[0], off), loc);
            }
            Inst::Alu { op, width, b, .. } => self.push(Insn::alu(width, op, regs[0], source(b, &regs[1..])), loc),
            Inst::Neg { width, .. } => self.push(Insn::neg(width, regs[0]), loc),
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
                let (base, used) = address(base, regs);
                self.push(Insn::store(size, base, off, store_source(value, &regs[used..])), loc);
            }
            Inst::Call { helper, .. } => self.push(Insn::call_helper(helper), loc),
        }
    }

    fn end(&mut self, at: InstIx, end: End) {
        let (inst, loc) = (*self.function.inst(at), self.function.loc(at));
        if end != End::Fall {
            self.place(loc);
        }
        match (end, inst) {
            (End::Branch { op, swapped, to, otherwise }, Inst::Branch { width, b, .. }) => {
                let regs = self.allocation.regs(at);
                let (a, b) = match source(b, regs) {
                    isa::Src::Reg(b) if swapped => (b, isa::Src::Reg(regs[0])),
                    b => (regs[0], b),
                };
                self.asm.jump_if(width, op, a, b, self.labels[to.0 as usize]);
                if let Some(otherwise) = otherwise {
                    self.asm.jump(self.labels[otherwise.0 as usize]);
                }
            }
            (End::Jump(to), _) => {
                self.asm.jump(self.labels[to.0 as usize]);
            }
            (End::Exit, _) => {
                self.asm.push(Insn::exit());
            }
            (End::Fall | End::Branch { .. }, _) => {}
        }
    }
}

/// The second source of an instruction whose uses start with the first one's register.
fn source(src: Src, uses: &[Reg]) -> isa::Src {
    match src {
        Src::Reg(_) => isa::Src::Reg(uses[1]),
        Src::Imm(imm) => isa::Src::Imm(imm),
    }
}

/// What a store writes, if `uses` starts with its register.
fn store_source(src: Src, uses: &[Reg]) -> isa::Src {
    match src {
        Src::Reg(_) => isa::Src::Reg(uses[0]),
        Src::Imm(imm) => isa::Src::Imm(imm),
    }
}

/// The register of an address, and how many of the uses' registers it takes.
fn address(base: Base, uses: &[Reg]) -> (Reg, usize) {
    match base {
        Base::Reg(_) => (uses[0], 1),
        Base::Frame => (Reg::FP, 0),
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
