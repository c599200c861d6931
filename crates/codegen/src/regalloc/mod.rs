//! Register allocation: machine IR in, a register for each operand and moves between instructions out.
//!
//! regalloc2 does it behind [`allocate`], the one boundary; the checker proves each result anew in debug builds and tests.

mod adapter;
mod checker;
mod renumber;
mod tidy;

use crate::select::mir::{self, InstIx};
use bpfasm_isa::Reg;
use std::cell::Cell;

/// Where a value is between instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Reg(Reg),
    /// A spill slot of 8 bytes, by number.
    Spill(u32),
}

/// A copy that precedes an instruction, after the moves before it in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) before: InstIx,
    pub(crate) from: Place,
    pub(crate) to: Place,
}

/// Where everything is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allocation {
    /// The registers of all operands, an instruction's in the order of [`mir::Inst::operands`].
    regs: Vec<Reg>,
    /// Where each instruction's registers start; they end where the next one's start.
    starts: Vec<u32>,
    /// By ascending instruction.
    moves: Vec<Move>,
    spill_slots: u32,
}

impl Allocation {
    /// The registers of an instruction's operands: first the definition, then the uses.
    pub(crate) fn regs(&self, inst: InstIx) -> &[Reg] {
        let at = inst.0 as usize;
        let end = self.starts.get(at + 1).map_or(self.regs.len(), |&end| end as usize);
        &self.regs[self.starts[at] as usize..end]
    }

    /// Where the registers of an instruction start.
    fn start(&self, inst: InstIx) -> usize {
        self.starts[inst.0 as usize] as usize
    }

    /// All moves, by ascending instruction.
    pub(crate) fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// How many spill slots there are.
    pub(crate) fn spill_slots(&self) -> u32 {
        self.spill_slots
    }
}

/// The largest function after which the allocator's memory is kept for the next one, in instructions.
const KEPT_INSTS: usize = 8192;

thread_local! {
    /// The memory of the last allocation of this thread: most programs are small, and making it anew would take as long as using it.
    static CONTEXT: Cell<Option<Box<adapter::Context>>> = const { Cell::new(None) };
}

/// Allocates registers.
///
/// # Errors
/// What the allocator or, in debug builds and tests, the checker has to say: either is a mistake of this crate.
pub(crate) fn allocate(function: &mir::Function) -> Result<Allocation, String> {
    let mut context = CONTEXT.take().unwrap_or_default();
    let mut allocation = adapter::allocate(function, &mut context)?;
    if function.inst_count() <= KEPT_INSTS {
        CONTEXT.set(Some(context));
    }
    let check = |allocation: &Allocation| match cfg!(any(debug_assertions, feature = "fuzz")) {
        true => checker::check(function, allocation).map_err(|error| error.to_string()),
        false => Ok(()),
    };
    check(&allocation)?;
    tidy::tidy(function, &mut allocation);
    renumber::renumber(&mut allocation);
    check(&allocation)?;
    Ok(allocation)
}
