//! Proves an allocation: every use reads the value it names, on every path.
//!
//! By abstract interpretation. The state before an instruction says for each place which virtual registers' values it holds for sure; a
//! place can hold several that are equal. Where paths meet, only what all of them agree on is kept, until nothing changes. Then every
//! instruction is looked at once:
//!
//! - each use is in a register that holds it, and each fixed register and each tie of a definition to a use is respected;
//! - a definition takes its value away from all places but its own, which holds nothing else unless it is a copy;
//! - a call leaves nothing sensible in R1 to R5;
//! - a move copies what its source holds, and reads nothing that nothing was written to;
//! - R10 is never written, and spill slots exist.

use super::{Allocation, Move, Place};
use crate::select::mir::{self, Constraint, InstIx, MachBlock, Operand, VReg};
use bpfasm_isa::Reg;

/// What is wrong with an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("{inst}: {vreg} is read from {reg}, which may hold something else")]
    WrongValue { inst: InstIx, vreg: VReg, reg: Reg },
    #[error("{inst}: {vreg} is in {reg}, not in {wanted}")]
    WrongRegister { inst: InstIx, vreg: VReg, reg: Reg, wanted: Reg },
    #[error("{inst}: R10 is written")]
    FramePointer { inst: InstIx },
    #[error("{inst}: a move from or to a spill slot that does not exist")]
    NoSpillSlot { inst: InstIx },
    #[error("{inst}: a move between two spill slots")]
    MoveInMemory { inst: InstIx },
    #[error("{inst}: a move from a place that may hold nothing")]
    MoveOfNothing { inst: InstIx },
    #[error("{inst} has as many registers as operands, or moves out of order")]
    Shape { inst: InstIx },
}

/// Registers that no spill slot's number reaches.
const REGS: usize = Reg::ALL.len();

fn index(place: Place) -> usize {
    match place {
        Place::Reg(reg) => reg.index().into(),
        Place::Spill(slot) => REGS + slot as usize,
    }
}

/// The virtual registers whose value each place holds, ascending.
#[derive(Clone, Debug, PartialEq)]
struct State(Vec<Vec<VReg>>);

impl State {
    fn hold(&mut self, place: usize, vreg: VReg) {
        if let Err(at) = self.0[place].binary_search(&vreg) {
            self.0[place].insert(at, vreg);
        }
    }

    fn forget(&mut self, vreg: VReg) {
        for held in &mut self.0 {
            held.retain(|&other| other != vreg);
        }
    }

    /// Keeps what `other` says too; whether that is less.
    fn meet(&mut self, other: &State) -> bool {
        let mut changed = false;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            let before = mine.len();
            mine.retain(|vreg| theirs.binary_search(vreg).is_ok());
            changed |= mine.len() != before;
        }
        changed
    }

    /// What holds at the start of the block that a jump leads to: all parameters take their arguments at once.
    fn enter(&mut self, params: &[VReg], args: &[VReg]) {
        let taken: Vec<(usize, VReg)> = (0..self.0.len())
            .flat_map(|place| params.iter().zip(args).map(move |(&param, &arg)| (place, param, arg)))
            .filter(|(place, _, arg)| self.0[*place].binary_search(arg).is_ok())
            .map(|(place, param, _)| (place, param))
            .collect();
        params.iter().for_each(|&param| self.forget(param));
        taken.into_iter().for_each(|(place, param)| self.hold(place, param));
    }
}

struct Checker<'f> {
    function: &'f mir::Function,
    allocation: &'f Allocation,
}

pub(super) fn check(function: &mir::Function, allocation: &Allocation) -> Result<(), Error> {
    let checker = Checker { function, allocation };
    checker.shape()?;
    let mut starts: Vec<Option<State>> = vec![None; function.block_count()];
    let places = REGS + allocation.spill_slots as usize;
    starts[0] = Some(State(vec![Vec::new(); places]));
    let mut work = vec![MachBlock(0)];
    while let Some(block) = work.pop() {
        let Some(mut state) = starts[block.0 as usize].clone() else { continue };
        // Errors of states that still shrink may not be real; those that stay are found below.
        let _ = checker.block(block, &mut state);
        for succ in function.succs(block) {
            let mut state = state.clone();
            state.enter(function.params(succ), function.args(block));
            let changed = match &mut starts[succ.0 as usize] {
                Some(known) => known.meet(&state),
                unknown => {
                    *unknown = Some(state);
                    true
                }
            };
            if changed {
                work.push(succ);
            }
        }
    }
    for (block, start) in function.blocks().zip(starts) {
        if let Some(mut state) = start {
            checker.block(block, &mut state)?;
        }
    }
    Ok(())
}

impl Checker<'_> {
    /// One register an operand, and moves in order.
    fn shape(&self) -> Result<(), Error> {
        for (inst, at) in self.function.insts().iter().zip((0..).map(InstIx)) {
            let mut count = 0;
            inst.operands(|_| count += 1);
            if self.allocation.regs(at).len() != count {
                return Err(Error::Shape { inst: at });
            }
        }
        match self.allocation.moves.windows(2).find(|pair| pair[0].before > pair[1].before) {
            Some(pair) => Err(Error::Shape { inst: pair[1].before }),
            None => Ok(()),
        }
    }

    /// Runs a block. After an error the state is what it would be without that mistake.
    fn block(&self, block: MachBlock, state: &mut State) -> Result<(), Error> {
        let moves = &self.allocation.moves;
        let range = self.function.block_insts(block);
        let mut next = moves.partition_point(|m| m.before.0 < range.start);
        let mut result = Ok(());
        for at in range.map(InstIx) {
            while let Some(m) = moves.get(next).filter(|m| m.before == at) {
                result = result.and(copy(m, state));
                next += 1;
            }
            result = result.and(self.inst(at, state));
        }
        result
    }

    fn inst(&self, at: InstIx, state: &mut State) -> Result<(), Error> {
        let (inst, regs) = (self.function.inst(at), self.allocation.regs(at));
        let mut result = Ok(());
        let mut defined = None;
        let mut first_use = None;
        let mut index = 0;
        inst.operands(|operand| {
            let reg = regs[index];
            index += 1;
            let (vreg, constraint) = match operand {
                Operand::Def(vreg, constraint) => {
                    defined = Some((vreg, reg, constraint));
                    (vreg, constraint)
                }
                Operand::Use(vreg, constraint) => {
                    first_use.get_or_insert(reg);
                    if state.0[usize::from(reg.index())].binary_search(&vreg).is_err() {
                        result = result.and(Err(Error::WrongValue { inst: at, vreg, reg }));
                    }
                    (vreg, constraint)
                }
            };
            if let Constraint::Fixed(wanted) = constraint
                && wanted != reg
            {
                result = result.and(Err(Error::WrongRegister { inst: at, vreg, reg, wanted }));
            }
        });
        for reg in inst.clobbers() {
            state.0[usize::from(reg.index())].clear();
        }
        if let Some((vreg, reg, constraint)) = defined {
            if let (Constraint::SameAsFirstUse, Some(wanted)) = (constraint, first_use)
                && wanted != reg
            {
                result = result.and(Err(Error::WrongRegister { inst: at, vreg, reg, wanted }));
            }
            if reg == Reg::FP {
                result = result.and(Err(Error::FramePointer { inst: at }));
            }
            let copied = match (inst, first_use) {
                (mir::Inst::Copy { .. }, Some(from)) => state.0[usize::from(from.index())].clone(),
                _ => Vec::new(),
            };
            state.forget(vreg);
            let place = usize::from(reg.index());
            state.0[place] = copied;
            state.0[place].retain(|&other| other != vreg);
            state.hold(place, vreg);
        }
        result
    }
}

fn copy(m: &Move, state: &mut State) -> Result<(), Error> {
    let (from, to, inst) = (index(m.from), index(m.to), m.before);
    let count = state.0.len();
    if from >= count || to >= count {
        return Err(Error::NoSpillSlot { inst });
    }
    state.0[to] = state.0[from].clone();
    match (m.from, m.to) {
        (Place::Spill(_), Place::Spill(_)) => Err(Error::MoveInMemory { inst }),
        (_, Place::Reg(Reg::FP)) => Err(Error::FramePointer { inst }),
        _ if state.0[from].is_empty() => Err(Error::MoveOfNothing { inst }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse::parse;
    use crate::options::Options;
    use crate::regalloc::allocate;
    use crate::select::select;

    /// Values that live over calls and around a loop.
    const BUSY: &str = "
slot0: 8 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 0
  v2 = load.w context v0 + 4
  v3 = load.w context v0 + 8
  v4 = load.w context v0 + 12
  v5 = load.w context v0 + 16
  jump block1(0, v5)
block1(v6, v7):
  branch.lt64 v6, 9, block2, block4
block2:
  v8 = address slot0
  store.dw stack v8 + 0, v7
  v9 = call skb_store_bytes(v0, v6, v8, v4, v7)
  v10 = add64 v7, v9
  v11 = add64 v6, 1
  branch.eq64 v9, 0, block3, block4
block3:
  jump block1(v11, v10)
block4:
  v12 = xor64 v1, v2
  v13 = xor64 v12, v3
  v14 = xor64 v13, v4
  v15 = xor64 v14, v7
  return v15";

    fn allocated() -> (mir::Function, Allocation) {
        let mut function = parse(BUSY);
        crate::passes::split_critical_edges(&mut function);
        let machine = select(&function, "busy", &Options::new()).unwrap();
        let allocation = allocate(&machine).unwrap();
        (machine, allocation)
    }

    #[test]
    fn every_move_is_missed() {
        let (function, good) = allocated();
        assert_eq!(check(&function, &good), Ok(()));
        assert!(good.spill_slots > 0 && good.moves.len() > 8, "a test of something: {:?}", good.moves);
        for missing in 0..good.moves.len() {
            let mut bad = good.clone();
            bad.moves.remove(missing);
            assert!(check(&function, &bad).is_err(), "without {:?}", good.moves[missing]);
        }
    }

    #[test]
    fn another_register_is_noticed() {
        let (function, good) = allocated();
        for (inst, at) in function.insts().iter().zip((0..).map(InstIx)) {
            let mut roles = Vec::new();
            inst.operands(|operand| roles.push(operand));
            for (index, role) in roles.into_iter().enumerate() {
                let mut bad = good.clone();
                let place = bad.start(at) + index;
                bad.regs[place] = Reg::R10;
                let found = check(&function, &bad);
                match role {
                    Operand::Def(..) => assert!(found.is_err(), "{at} {inst:?} operand {index}"),
                    Operand::Use(vreg, _) => {
                        assert_eq!(found, Err(Error::WrongValue { inst: at, vreg, reg: Reg::R10 }), "{inst:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn calls_ruin_argument_registers() {
        let (function, good) = allocated();
        let is_call = |inst: &mir::Inst| matches!(inst, mir::Inst::Call { .. });
        let call = (0..).map(InstIx).zip(function.insts()).find(|(_, inst)| is_call(inst)).unwrap().0;
        let kept = [Reg::R6, Reg::R7, Reg::R8, Reg::R9];
        // Whatever lives over the call in a register that it keeps cannot live in one that it ruins.
        let mut bad = good.clone();
        let swap = |reg: Reg| if reg == kept[0] { Reg::R5 } else { reg };
        bad.regs.iter_mut().for_each(|reg| *reg = swap(*reg));
        for m in &mut bad.moves {
            for place in [&mut m.from, &mut m.to] {
                if let Place::Reg(reg) = place {
                    *reg = swap(*reg);
                }
            }
        }
        assert!(good.regs.contains(&kept[0]), "something lives over {call}");
        assert!(check(&function, &bad).is_err());
    }

    #[test]
    fn moves_need_places_that_are_there() {
        let (function, good) = allocated();
        let inst = good.moves[0].before;
        let with = |from, to| {
            let mut bad = good.clone();
            bad.moves.insert(0, Move { before: inst, from, to });
            check(&function, &bad)
        };
        let (register, slot) = (Place::Reg(Reg::R0), Place::Spill(good.spill_slots));
        assert_eq!(with(register, slot), Err(Error::NoSpillSlot { inst }));
        assert_eq!(with(Place::Spill(0), Place::Spill(0)), Err(Error::MoveInMemory { inst }));
        assert_eq!(with(register, Place::Reg(Reg::R10)), Err(Error::FramePointer { inst }));
    }
}
