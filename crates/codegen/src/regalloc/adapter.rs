//! Machine IR as regalloc2 sees it, and its answer in our words.

use super::{Allocation, Move, Place};
use crate::select::mir::{self, Constraint, InstIx, Operand, VReg};
use bpfasm_isa::Reg;
use regalloc2 as ra;

/// What can be reused from one function to the next.
#[derive(Default)]
pub(super) struct Context {
    allocator: ra::Ctx,
}

/// A function in regalloc2's terms.
///
/// regalloc2 wants no critical edges. Those that the machine IR has lead to blocks where no value is wanted, so they do not matter to an
/// allocation and are kept from it: such a block is shown one edge into it, or all that are not critical.
///
/// Lists of all blocks or instructions follow one another in one vector; `*_ends` say where.
struct View<'f> {
    function: &'f mir::Function,
    operands: Vec<ra::Operand>,
    operand_ends: Vec<u32>,
    succs: Vec<ra::Block>,
    succ_ends: Vec<u32>,
    preds: Vec<ra::Block>,
    pred_ends: Vec<u32>,
    /// Parameters and arguments of each block.
    params: Vec<ra::VReg>,
    param_ends: Vec<u32>,
    args: Vec<ra::VReg>,
    arg_ends: Vec<u32>,
}

fn vreg(vreg: VReg) -> ra::VReg {
    ra::VReg::new(vreg.0 as usize, ra::RegClass::Int)
}

fn preg(reg: Reg) -> ra::PReg {
    ra::PReg::new(reg.index().into(), ra::RegClass::Int)
}

fn operand(operand: Operand) -> ra::Operand {
    match operand {
        Operand::Use(reg, Constraint::Fixed(fixed)) => ra::Operand::reg_fixed_use(vreg(reg), preg(fixed)),
        Operand::Use(reg, Constraint::Any | Constraint::SameAsFirstUse) => ra::Operand::reg_use(vreg(reg)),
        Operand::Def(reg, Constraint::Any) => ra::Operand::reg_def(vreg(reg)),
        Operand::Def(reg, Constraint::Fixed(fixed)) => ra::Operand::reg_fixed_def(vreg(reg), preg(fixed)),
        // The definition is the first operand, the first use the second.
        Operand::Def(reg, Constraint::SameAsFirstUse) => ra::Operand::reg_reuse_def(vreg(reg), 1),
    }
}

fn end<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("fewer than 2^32 parts in a function")
}

/// The run of a list that belongs to the item `at`.
fn run<'a, T>(items: &'a [T], ends: &[u32], at: usize) -> &'a [T] {
    let start = if at == 0 { 0 } else { ends[at - 1] as usize };
    &items[start..ends[at] as usize]
}

impl<'f> View<'f> {
    fn new(function: &'f mir::Function) -> View<'f> {
        let (insts, blocks) = (function.inst_count(), function.block_count());
        let mut view = View {
            function,
            operands: Vec::with_capacity(insts * 2),
            operand_ends: Vec::with_capacity(insts),
            succs: Vec::with_capacity(blocks * 2),
            succ_ends: Vec::with_capacity(blocks),
            preds: Vec::new(),
            pred_ends: vec![0; blocks],
            params: Vec::new(),
            param_ends: Vec::with_capacity(blocks),
            args: Vec::new(),
            arg_ends: Vec::with_capacity(blocks),
        };
        for inst in function.insts() {
            inst.operands(|op| view.operands.push(operand(op)));
            view.operand_ends.push(end(&view.operands));
        }
        let mut shown = vec![false; blocks];
        for block in function.blocks().filter(|&block| function.succs(block).count() == 1) {
            function.succs(block).for_each(|to| shown[to.0 as usize] = true);
        }
        for block in function.blocks() {
            let is_branch = function.succs(block).count() > 1;
            for to in function.succs(block) {
                let is_shown = std::mem::replace(&mut shown[to.0 as usize], true);
                if !(is_branch && is_shown && function.returns_constant(to)) {
                    view.succs.push(ra::Block::new(to.0 as usize));
                }
            }
            view.succ_ends.push(end(&view.succs));
            view.params.extend(function.params(block).iter().copied().map(vreg));
            view.param_ends.push(end(&view.params));
            view.args.extend(function.args(block).iter().copied().map(vreg));
            view.arg_ends.push(end(&view.args));
        }
        view.collect_preds();
        view
    }

    fn collect_preds(&mut self) {
        for to in &self.succs {
            self.pred_ends[to.index()] += 1;
        }
        let mut total = 0;
        for end in &mut self.pred_ends {
            let count = std::mem::replace(end, total);
            total += count;
        }
        self.preds.resize(self.succs.len(), ra::Block::new(0));
        for from in self.function.blocks() {
            for to in run(&self.succs, &self.succ_ends, from.0 as usize) {
                let slot = &mut self.pred_ends[to.index()];
                self.preds[*slot as usize] = ra::Block::new(from.0 as usize);
                *slot += 1;
            }
        }
    }

    fn inst(&self, inst: ra::Inst) -> &mir::Inst {
        &self.function.insts()[inst.index()]
    }
}

impl ra::Function for View<'_> {
    fn num_insts(&self) -> usize {
        self.function.inst_count()
    }
    fn num_blocks(&self) -> usize {
        self.function.block_count()
    }
    fn entry_block(&self) -> ra::Block {
        ra::Block::new(0)
    }
    fn block_insns(&self, block: ra::Block) -> ra::InstRange {
        let range = self.function.block_insts(mir::MachBlock(block.raw_u32()));
        ra::InstRange::new(ra::Inst::new(range.start as usize), ra::Inst::new(range.end as usize))
    }
    fn block_succs(&self, block: ra::Block) -> &[ra::Block] {
        run(&self.succs, &self.succ_ends, block.index())
    }
    fn block_preds(&self, block: ra::Block) -> &[ra::Block] {
        run(&self.preds, &self.pred_ends, block.index())
    }
    fn block_params(&self, block: ra::Block) -> &[ra::VReg] {
        run(&self.params, &self.param_ends, block.index())
    }
    fn is_ret(&self, inst: ra::Inst) -> bool {
        self.inst(inst).is_exit()
    }
    fn is_branch(&self, inst: ra::Inst) -> bool {
        self.inst(inst).is_branch()
    }
    fn branch_blockparams(&self, block: ra::Block, _: ra::Inst, _: usize) -> &[ra::VReg] {
        run(&self.args, &self.arg_ends, block.index())
    }
    fn inst_operands(&self, inst: ra::Inst) -> &[ra::Operand] {
        run(&self.operands, &self.operand_ends, inst.index())
    }
    fn inst_clobbers(&self, inst: ra::Inst) -> ra::PRegSet {
        self.inst(inst).clobbers().iter().map(|&reg| preg(reg)).collect()
    }
    fn num_vregs(&self) -> usize {
        self.function.vreg_count()
    }
    fn spillslot_size(&self, _: ra::RegClass) -> usize {
        1
    }
}

/// The registers: R0 to R5 first, since the JIT saves R6 to R9 when they are used; R10 never.
fn environment() -> ra::MachineEnv {
    let set = |range: std::ops::Range<usize>| Reg::ALL[range].iter().map(|&reg| preg(reg)).collect::<ra::PRegSet>();
    let none = ra::PRegSet::empty();
    ra::MachineEnv {
        preferred_regs_by_class: [set(0..6), none, none],
        non_preferred_regs_by_class: [set(6..10), none, none],
        scratch_by_class: [None; 3],
        fixed_stack_slots: Vec::new(),
    }
}

pub(super) fn allocate(function: &mir::Function, context: &mut Context) -> Result<Allocation, String> {
    let view = View::new(function);
    let options =
        ra::RegallocOptions { verbose_log: false, validate_ssa: cfg!(debug_assertions), algorithm: ra::Algorithm::Ion };
    let output = ra::run_with_ctx(&view, &environment(), &options, &mut context.allocator)
        .map_err(|error| format!("{error:?}"))?;
    let mut allocation = Allocation {
        regs: Vec::with_capacity(output.allocs.len()),
        starts: output.inst_alloc_offsets.clone(),
        moves: Vec::with_capacity(output.edits.len()),
        spill_slots: u32::try_from(output.num_spillslots).map_err(|error| error.to_string())?,
    };
    for alloc in &output.allocs {
        match place(*alloc) {
            Some(Place::Reg(reg)) => allocation.regs.push(reg),
            _ => return Err(format!("an operand is in {alloc}")),
        }
    }
    for (point, ra::Edit::Move { from, to }) in &output.edits {
        let (Some(from), Some(to)) = (place(*from), place(*to)) else {
            return Err(format!("a move from {from} to {to}"));
        };
        // Nothing comes between the end of an instruction and the start of the next; blocks do not end in what has an "after".
        let after = u32::from(point.pos() == ra::InstPosition::After);
        allocation.moves.push(Move { before: InstIx(point.inst().raw_u32() + after), from, to });
    }
    Ok(allocation)
}

fn place(allocation: ra::Allocation) -> Option<Place> {
    match allocation.kind() {
        ra::AllocationKind::None => None,
        ra::AllocationKind::Reg => {
            let index = u8::try_from(allocation.as_reg()?.hw_enc()).ok()?;
            Reg::from_index(index).map(Place::Reg)
        }
        ra::AllocationKind::Stack => u32::try_from(allocation.as_stack()?.index()).ok().map(Place::Spill),
    }
}
