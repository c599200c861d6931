//! Instruction selection: IR operations become instructions with immediates where they fit, for one cpu level and byte order.
//!
//! Addresses of stack slots and maps, and constants, are made again at each use: that is one instruction, as short as a move, and
//! keeps registers free.

mod lower;
pub(crate) mod mir;
mod narrow;
mod order;
mod preset;

use crate::error::Error;
use crate::fold::{mask, net_bits};
use crate::ir::{self, Block, Cfg, Function, Op, Operand, Table, Terminator, Value, Width};
use crate::options::Options;
use crate::passes::Bits;
use crate::source::Loc;
use bpfasm_isa::CpuLevel;
use mir::{Inst, MachBlock, Src, Symbol, VReg};
use preset::Presets;

/// Bytes of stack that a program may have (`MAX_BPF_STACK` in `include/linux/filter.h`).
pub(crate) const STACK_LIMIT: u16 = 512;

/// Selects instructions for a verified function without critical edges.
///
/// # Errors
/// [`Error::NeedsCpu`], [`Error::StackTooLarge`].
pub(crate) fn select(function: &Function, program: &str, options: &Options) -> Result<mir::Function, Error> {
    let cfg = order::layout(function);
    let frame = Frame::new(function, program)?;
    let mut select = Select {
        function,
        options,
        uses: Uses::new(function, &cfg),
        vregs: Table::filled(None, function.value_count as usize),
        context: None,
        // Only the levels without 32-bit instructions ask.
        bits: (options.cpu < CpuLevel::V3).then(|| Bits::of_function(function, &cfg)),
        out: mir::Function::new(frame.bytes),
        frame,
        presets: if options.optimize { Presets::new(function, &cfg) } else { Presets::default() },
        first_returned: None,
        loc: function.blocks[function.entry()].term_loc,
    };
    for &block in cfg.order() {
        select.block(&cfg, block)?;
    }
    Ok(select.out)
}

/// Where stack slots lie, in bytes from R10.
struct Frame {
    offsets: Table<ir::StackSlot, i32>,
    bytes: u16,
}

impl Frame {
    fn new(function: &Function, program: &str) -> Result<Frame, Error> {
        let mut offsets = Table::new();
        let mut bytes: u32 = 0;
        for slot in function.slots.values() {
            bytes += u32::from(slot.bytes).next_multiple_of(8);
            offsets.push(i32::try_from(bytes).map_or(i32::MIN, |below| -below));
        }
        match u16::try_from(bytes) {
            Ok(bytes) if bytes <= STACK_LIMIT => Ok(Frame { offsets, bytes }),
            _ => Err(Error::StackTooLarge { program: program.to_owned(), bytes, limit: STACK_LIMIT.into() }),
        }
    }
}

/// How often and where values are used and defined.
struct Uses {
    counts: Table<Value, u32>,
    /// How many returns each value has.
    returns: Table<Value, u32>,
    /// How many 64-bit branches each value decides.
    branches: Table<Value, u32>,
    /// The operation that defines each value, by block and index.
    defs: Table<Value, Option<(Block, u32)>>,
}

impl Uses {
    fn new(function: &Function, cfg: &Cfg) -> Uses {
        let count = function.value_count as usize;
        let mut uses = Uses {
            counts: Table::filled(0, count),
            returns: Table::filled(0, count),
            branches: Table::filled(0, count),
            defs: Table::filled(None, count),
        };
        for &block in cfg.order() {
            let data = &function.blocks[block];
            for (index, inst) in (0..).zip(&data.insts) {
                uses.defs[inst.result] = Some((block, index));
                inst.op.operands().for_each(|operand| uses.note(operand));
            }
            data.term.operands().for_each(|operand| uses.note(operand));
            if let Terminator::Return(Operand::Value(value)) = data.term {
                uses.returns[value] += 1;
            }
            if let Terminator::Branch { width: Width::W64, a, b, .. } = data.term {
                [a, b].iter().filter_map(|operand| operand.as_value()).for_each(|value| uses.branches[value] += 1);
            }
        }
        uses
    }

    fn note(&mut self, operand: Operand) {
        if let Operand::Value(value) = operand {
            self.counts[value] += 1;
        }
    }
}

struct Select<'f> {
    function: &'f Function,
    options: &'f Options,
    uses: Uses,
    vregs: Table<Value, Option<VReg>>,
    /// The one register of the context.
    context: Option<VReg>,
    bits: Option<Bits>,
    frame: Frame,
    out: mir::Function,
    presets: Presets<'f>,
    /// The first value from another block that is returned.
    first_returned: Option<Value>,
    /// Where the operation at hand was written.
    loc: Loc,
}

impl<'f> Select<'f> {
    fn block(&mut self, cfg: &Cfg, block: Block) -> Result<(), Error> {
        let data = &self.function.blocks[block];
        let params: Vec<VReg> = data.params.iter().map(|&param| self.vreg(param)).collect();
        self.out.start_block(params);
        if block == self.function.entry() {
            self.entry(cfg);
        }
        let fused = self.fused_and(block);
        for inst in &data.insts {
            self.loc = inst.loc;
            if Some(inst.result) != fused && !self.is_only_compared(inst.result) {
                self.op(inst.result, &inst.op)?;
            }
        }
        self.loc = data.term_loc;
        self.terminator(cfg, block, &data.term, fused.is_some());
        Ok(())
    }

    /// Takes the context, if anything asks for it.
    fn entry(&mut self, cfg: &Cfg) {
        let insts = cfg.order().iter().flat_map(|&block| &self.function.blocks[block].insts);
        if let Some(first) = insts.into_iter().find(|inst| inst.op == Op::Context) {
            let dst = self.out.new_vreg();
            self.out.push(Inst::Context { dst }, first.loc);
            self.context = Some(dst);
        }
    }

    /// The register of a value that is not made again at each use.
    fn vreg(&mut self, value: Value) -> VReg {
        let out = &mut self.out;
        *self.vregs[value].get_or_insert_with(|| out.new_vreg())
    }

    /// The operation that defines a value, unless it is a parameter.
    fn def(&self, value: Value) -> Option<&'f Op> {
        let (block, index) = self.uses.defs[value]?;
        Some(&self.function.blocks[block].insts[index as usize].op)
    }

    fn def_of(&self, operand: Operand) -> Option<&'f Op> {
        self.def(operand.as_value()?)
    }

    /// The number of a constant of either byte order.
    fn number(&self, operand: Operand) -> Option<u64> {
        match operand {
            Operand::Value(_) => None,
            Operand::Const(number) => Some(number),
            Operand::Net(net) => Some(net_bits(self.options.endian, net)),
        }
    }

    /// An operand in a register.
    fn reg(&mut self, operand: Operand) -> VReg {
        let Operand::Value(value) = operand else {
            return self.constant(self.number(operand).unwrap_or_default());
        };
        match self.def(value) {
            Some(Op::Context) => match self.context {
                Some(context) => context,
                None => self.vreg(value),
            },
            Some(&Op::MapAddr(map)) => self.emit(|dst| Inst::SymbolAddr { dst, symbol: Symbol::Map(map) }),
            Some(&Op::StackAddr(slot)) => {
                let off = self.frame.offsets[slot];
                self.emit(|dst| Inst::FrameAddr { dst, off })
            }
            _ => self.vreg(value),
        }
    }

    /// Makes what is to be made before the branch of a block.
    fn preset(&mut self, block: Block) {
        let mut presets = std::mem::take(&mut self.presets);
        presets.make(block, |constant| self.reg(constant));
        self.presets = presets;
    }

    fn constant(&mut self, value: u64) -> VReg {
        self.emit(|dst| Inst::Const { dst, value })
    }

    /// An operand as an immediate if it fits, else in a register.
    fn src(&mut self, width: Width, operand: Operand) -> Src {
        match self.number(operand).and_then(|number| immediate(width, number)) {
            Some(imm) => Src::Imm(imm),
            None => Src::Reg(self.reg(operand)),
        }
    }

    /// Appends an instruction with a new register as its result.
    fn emit(&mut self, inst: impl FnOnce(VReg) -> Inst) -> VReg {
        let dst = self.out.new_vreg();
        self.push(inst(dst));
        dst
    }

    fn push(&mut self, inst: Inst) {
        self.out.push(inst, self.loc);
    }

    /// A value in a register that can be R0.
    ///
    /// The allocator splits the lives of values that want the same register at the same time into many short ones. So of the values that
    /// live on from another block only the first, if it is returned in one place, is R0 from the start; the others get a copy.
    fn returned(&mut self, block: Block, operand: Operand) -> VReg {
        let a = self.reg(operand);
        let Operand::Value(value) = operand else { return a };
        let is_local = self.uses.defs[value].is_some_and(|(home, _)| home == block);
        let is_first = *self.first_returned.get_or_insert(value) == value && self.uses.returns[value] == 1;
        if is_local || is_first { a } else { self.emit(|dst| Inst::Copy { dst, a }) }
    }

    fn has_32_bit(&self) -> bool {
        self.options.cpu >= CpuLevel::V3
    }

    fn terminator(&mut self, cfg: &Cfg, at: Block, term: &Terminator, fused: bool) {
        let block = |block: Block| cfg.position(block).map(MachBlock);
        match *term {
            Terminator::Jump { target, ref args } => {
                let args: Vec<VReg> = match self.presets.args(at) {
                    Some(regs) => regs.to_vec(),
                    None => args.iter().map(|&arg| self.reg(arg)).collect(),
                };
                self.push(Inst::Jump);
                self.out.end_block([block(target), None], args);
            }
            Terminator::Branch { then, otherwise, .. } if then == otherwise => {
                self.push(Inst::Jump);
                self.out.end_block([block(then), None], []);
            }
            Terminator::Branch { cond, width, a, b, then, otherwise } => {
                self.preset(at);
                let (branch, inverted) =
                    if fused { self.branch_on_bits(cond, width, a) } else { self.branch(cond, width, a, b) };
                self.push(branch);
                let (then, otherwise) = if inverted { (otherwise, then) } else { (then, otherwise) };
                self.out.end_block([block(then), block(otherwise)], []);
            }
            Terminator::Return(value) => {
                let value = self.returned(at, value);
                self.push(Inst::Exit { value });
                self.out.end_block([None, None], []);
            }
            // The verifier saw to it that no reachable block ends so.
            Terminator::Unreachable => {}
        }
    }
}

/// `number` as an immediate of an operation of this width, which sign-extends it to 64 bits or looks at 32 alone.
fn immediate(width: Width, number: u64) -> Option<i32> {
    match width {
        Width::W64 => i32::try_from(number.cast_signed()).ok(),
        Width::W32 => Some(low(number)),
    }
}

/// The low 32 bits.
fn low(number: u64) -> i32 {
    let low = u32::try_from(number & mask(32)).unwrap_or_default();
    low.cast_signed()
}
