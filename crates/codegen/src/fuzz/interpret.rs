//! The meaning of IR, step by step.

use super::world::{CONTEXT, FRAME, FUEL, Outcome, World};
use crate::fold::{fold_bin, fold_cond, fold_sign_extend, net_bits, swap_for};
use crate::ir::{Block, Function, Op, Operand, Table, Terminator, Value};
use bpfasm_isa::Endian;

/// Runs a verified function.
pub(super) fn run(function: &Function, world: World) -> Outcome {
    let mut machine = Interpreter {
        function,
        endian: world.endian(),
        values: Table::filled(0, function.value_count as usize),
        world,
    };
    match machine.run() {
        Ok(value) => machine.world.finish(value),
        Err(reason) => Outcome::Failed(reason),
    }
}

struct Interpreter<'f> {
    function: &'f Function,
    endian: Endian,
    values: Table<Value, u64>,
    world: World,
}

impl Interpreter<'_> {
    fn run(&mut self) -> Result<u64, String> {
        let mut block = self.function.entry();
        for _ in 0..FUEL {
            let data = &self.function.blocks[block];
            for inst in &data.insts {
                self.values[inst.result] = self.op(&inst.op).ok_or_else(|| format!("stray access by {inst}"))?;
            }
            block = match &data.term {
                Terminator::Jump { target, args } => self.enter(*target, args),
                Terminator::Branch { cond, width, a, b, then, otherwise } => {
                    if fold_cond(*cond, *width, self.operand(*a), self.operand(*b)) { *then } else { *otherwise }
                }
                Terminator::Return(value) => return Ok(self.operand(*value)),
                Terminator::Unreachable => return Err("unreachable".to_owned()),
            };
        }
        Err("no end".to_owned())
    }

    fn enter(&mut self, target: Block, args: &[Operand]) -> Block {
        let args: Vec<u64> = args.iter().map(|&arg| self.operand(arg)).collect();
        for (&param, arg) in self.function.blocks[target].params.iter().zip(args) {
            self.values[param] = arg;
        }
        target
    }

    fn operand(&self, operand: Operand) -> u64 {
        match operand {
            Operand::Value(value) => self.values[value],
            Operand::Const(number) => number,
            Operand::Net(net) => net_bits(self.endian, net),
        }
    }

    fn op(&mut self, op: &Op) -> Option<u64> {
        let at = |base: u64, off: i16| base.wrapping_add_signed(off.into());
        match *op {
            Op::Context => Some(CONTEXT),
            Op::Bin { op, width, a, b } => fold_bin(op, width, self.operand(a), self.operand(b)),
            Op::NetSwap { size, a } => Some(swap_for(self.endian, size, self.operand(a))),
            Op::SignExtend { from, a } => Some(fold_sign_extend(from, self.operand(a))),
            Op::Load { size, base, off, .. } => self.world.load(size, at(self.operand(base), off)),
            Op::Store { size, base, off, value, .. } => {
                self.world.store(size, at(self.operand(base), off), self.operand(value)).map(|()| 0)
            }
            Op::AtomicAdd { size, base, off, value, .. } => {
                self.world.atomic_add(size, at(self.operand(base), off), self.operand(value)).map(|()| 0)
            }
            Op::StackAddr(slot) => {
                let above: u64 = self.function.slots.keys().take_while(|&other| other != slot).map(|_| 32).sum();
                Some(FRAME - 32 - above)
            }
            Op::GlobalAddr(global) => Some(World::global_address(global)),
            Op::MapAddr(map) => Some(World::map_address(map)),
            Op::Call { helper, args } => {
                let args: Vec<u64> = args.as_slice().iter().map(|&arg| self.operand(arg)).collect();
                Some(self.world.call(helper, &args))
            }
        }
    }
}
