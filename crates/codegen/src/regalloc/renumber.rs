//! Names the registers that calls keep by how often they are used: the x86-64 JIT needs a byte less for each instruction with R6 than with
//! R7 to R9, and to save it (`reg2hex` and `is_ereg` in `arch/x86/net/bpf_jit_comp.c`).
//!
//! No instruction asks for one of them, so any permutation of them is as right as the other.

use super::{Allocation, Place};
use bpfasm_isa::Reg;

/// The registers that calls keep.
const KEPT: [Reg; 4] = [Reg::R6, Reg::R7, Reg::R8, Reg::R9];

pub(super) fn renumber(allocation: &mut Allocation) {
    let mut counts = [0_usize; KEPT.len()];
    each_reg(allocation, |reg| {
        if let Some(at) = KEPT.iter().position(|kept| kept == reg) {
            counts[at] += 1;
        }
    });
    let mut by_use = [0, 1, 2, 3];
    by_use.sort_by_key(|&at: &usize| std::cmp::Reverse(counts[at]));
    let mut names = KEPT;
    for (name, at) in KEPT.into_iter().zip(by_use) {
        names[at] = name;
    }
    if names != KEPT {
        each_reg(allocation, |reg| {
            if let Some(at) = KEPT.iter().position(|kept| kept == reg) {
                *reg = names[at];
            }
        });
    }
}

/// Calls `f` with each register that is named.
fn each_reg(allocation: &mut Allocation, mut f: impl FnMut(&mut Reg)) {
    allocation.regs.iter_mut().for_each(&mut f);
    for m in &mut allocation.moves {
        for place in [&mut m.from, &mut m.to] {
            if let Place::Reg(reg) = place {
                f(reg);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regalloc::Move;
    use crate::select::mir::InstIx;

    #[test]
    fn the_one_used_most_is_r6() {
        let (r8, spill) = (Place::Reg(Reg::R8), Place::Spill(0));
        let mut allocation = Allocation {
            regs: vec![Reg::R9, Reg::R7, Reg::R0, Reg::R7, Reg::R8],
            moves: vec![
                Move { before: InstIx(0), from: r8, to: spill },
                Move { before: InstIx(1), from: spill, to: r8 },
            ],
            ..Allocation::default()
        };
        renumber(&mut allocation);
        assert_eq!(allocation.regs, [Reg::R8, Reg::R7, Reg::R0, Reg::R7, Reg::R6]);
        let r6 = Place::Reg(Reg::R6);
        assert_eq!((allocation.moves[0].from, allocation.moves[1].to), (r6, r6));
    }
}
