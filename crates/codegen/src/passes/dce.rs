//! Drops operations and block parameters whose values nothing needs.
//!
//! What is needed: the operands of effects, branches and returns, and of whatever computes a needed value. A parameter needs its
//! arguments, so values that only circle through a loop go as well.

use super::params::remove_params;
use super::{Analysis, Changes, clear_unreachable};
use crate::ir::{Block, Cfg, Function, Op, Operand, Table, Terminator, Value};

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    let cfg = analysis.cfg(function);
    clear_unreachable(function, cfg);
    let needed = Marker::new(function, cfg).mark();
    let mut changed = false;
    for &block in cfg.order() {
        let insts = &mut function.blocks[block].insts;
        let before = insts.len();
        insts.retain(|inst| needed[inst.result] || !inst.op.is_removable());
        changed |= insts.len() != before;
        changed |= remove_params(function, cfg, block, |param| !needed[param]);
    }
    if changed { Changes::CODE } else { Changes::NONE }
}

/// What defines a value in a reachable block.
#[derive(Clone, Copy)]
enum Def {
    None,
    Inst(Block, u32),
    Param(Block, u32),
}

struct Marker<'f> {
    function: &'f Function,
    cfg: &'f Cfg,
    defs: Table<Value, Def>,
    needed: Table<Value, bool>,
    work: Vec<Value>,
}

impl<'f> Marker<'f> {
    fn new(function: &'f Function, cfg: &'f Cfg) -> Marker<'f> {
        let mut defs = Table::filled(Def::None, function.value_count as usize);
        for &block in cfg.order() {
            let data = &function.blocks[block];
            for (index, &param) in (0..).zip(&data.params) {
                defs[param] = Def::Param(block, index);
            }
            for (index, inst) in (0..).zip(&data.insts) {
                defs[inst.result] = Def::Inst(block, index);
            }
        }
        Marker { function, cfg, needed: Table::filled(false, defs.len()), defs, work: Vec::new() }
    }

    fn mark(mut self) -> Table<Value, bool> {
        for &block in self.cfg.order() {
            let data = &self.function.blocks[block];
            for inst in data.insts.iter().filter(|inst| !inst.op.is_removable()) {
                self.need_op(&inst.op);
            }
            if !matches!(data.term, Terminator::Jump { .. }) {
                data.term.operands().for_each(|operand| self.need(operand));
            }
        }
        while let Some(value) = self.work.pop() {
            match self.defs[value] {
                Def::None => {}
                Def::Inst(block, index) => {
                    let op = &self.function.blocks[block].insts[index as usize].op;
                    if op.is_removable() {
                        self.need_op(op);
                    }
                }
                Def::Param(block, index) => {
                    for &pred in self.cfg.preds(block) {
                        if let Terminator::Jump { args, .. } = &self.function.blocks[pred].term {
                            self.need(args[index as usize]);
                        }
                    }
                }
            }
        }
        self.needed
    }

    fn need_op(&mut self, op: &Op) {
        op.operands().for_each(|operand| self.need(operand));
    }

    fn need(&mut self, operand: Operand) {
        if let Operand::Value(value) = operand
            && !std::mem::replace(&mut self.needed[value], true)
        {
            self.work.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    #[test]
    fn effects_and_what_they_need_stay() {
        becomes(
            super::run,
            Endian::Little,
            "
slot0: 8 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 0
  v2 = add64 v1, 1
  v3 = address slot0
  store.w stack v3 + 0, v1
  v4 = load.w stack v3 + 0
  v5 = call ktime_get_ns()
  return 0",
            "
slot0: 8 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 0
  v3 = address slot0
  store.w stack v3 + 0, v1
  v5 = call ktime_get_ns()
  return 0",
        );
    }

    #[test]
    fn a_value_that_only_feeds_itself_goes() {
        becomes(
            super::run,
            Endian::Little,
            "
block0:
  v0 = context
  jump block1(0, v0)
block1(v1, v2):
  v3 = add64 v1, 1
  v4 = mul64 v2, 3
  branch.lt64 v3, 10, block2, block3
block2:
  jump block1(v3, v4)
block3:
  return v3",
            "
block0:
  jump block1(0)
block1(v1):
  v3 = add64 v1, 1
  branch.lt64 v3, 10, block2, block3
block2:
  jump block1(v3)
block3:
  return v3",
        );
    }
}
