//! Block parameters that always take the same operand give way to it.
//!
//! Optimistic: a parameter is first held to be whatever reaches it first, and becomes a value of its own only when something else
//! reaches it. So parameters that loops merely hand around vanish too. Each changes at most twice, and each change looks at the
//! parameters that it feeds.

use super::substitution::Substitution;
use super::{Analysis, Changes, clear_unreachable};
use crate::ir::{Block, Cfg, Function, Operand, Table, Terminator, Value};

/// What is known to reach a parameter.
#[derive(Clone, Copy, PartialEq)]
enum Reaching {
    Nothing,
    Only(Operand),
    Several,
}

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    if function.blocks.values().all(|data| data.params.is_empty()) {
        return Changes::NONE;
    }
    let cfg = analysis.cfg(function);
    clear_unreachable(function, cfg);
    let solved = Solver::new(function, cfg).solve();
    let mut substitution = Substitution::new(function);
    for &block in cfg.order() {
        remove_params(function, cfg, block, |param| matches!(solved[param], Some(Reaching::Only(_))));
    }
    for (value, reaching) in solved.iter() {
        if let Some(Reaching::Only(operand)) = *reaching {
            substitution.replace(value, operand);
        }
    }
    substitution.apply(function);
    if substitution.is_empty() { Changes::NONE } else { Changes::VALUES.and(Changes::CODE) }
}

/// Takes the parameters of `block` away for which `is_gone` says so, and what its predecessors give them.
pub(super) fn remove_params(function: &mut Function, cfg: &Cfg, block: Block, is_gone: impl Fn(Value) -> bool) -> bool {
    if !function.blocks[block].params.iter().any(|&param| is_gone(param)) {
        return false;
    }
    let mut params = std::mem::take(&mut function.blocks[block].params);
    for &pred in cfg.preds(block) {
        if let Terminator::Jump { args, .. } = &mut function.blocks[pred].term {
            let mut at = params.iter();
            args.retain(|_| at.next().is_none_or(|&param| !is_gone(param)));
        }
    }
    params.retain(|&param| !is_gone(param));
    function.blocks[block].params = params;
    true
}

struct Solver<'f> {
    function: &'f Function,
    cfg: &'f Cfg,
    /// `None` for values that are no parameter of a reachable block.
    reaching: Table<Value, Option<Reaching>>,
    /// The block and index of each parameter.
    home: Table<Value, (Block, usize)>,
    /// The parameters that each parameter is handed to, by ascending giver.
    feeds: Vec<(Value, Value)>,
}

impl<'f> Solver<'f> {
    fn new(function: &'f Function, cfg: &'f Cfg) -> Solver<'f> {
        let count = function.value_count as usize;
        let mut reaching = Table::filled(None, count);
        let mut home = Table::filled((function.entry(), 0), count);
        for &block in cfg.order() {
            for (index, &param) in function.blocks[block].params.iter().enumerate() {
                reaching[param] = Some(Reaching::Nothing);
                home[param] = (block, index);
            }
        }
        let mut feeds = Vec::new();
        for &block in cfg.order() {
            if let Terminator::Jump { target, args } = &function.blocks[block].term {
                for (arg, &param) in args.iter().zip(&function.blocks[*target].params) {
                    feeds.extend(arg.as_value().filter(|&value| reaching[value].is_some()).map(|value| (value, param)));
                }
            }
        }
        feeds.sort_unstable();
        Solver { function, cfg, reaching, home, feeds }
    }

    fn solve(mut self) -> Table<Value, Option<Reaching>> {
        let blocks = self.cfg.order().iter().rev();
        let mut work: Vec<Value> =
            blocks.flat_map(|&block| self.function.blocks[block].params.iter().rev().copied()).collect();
        while let Some(param) = work.pop() {
            let now = self.meet(param);
            if self.reaching[param] != Some(now) {
                self.reaching[param] = Some(now);
                let start = self.feeds.partition_point(|&(giver, _)| giver < param);
                work.extend(self.feeds[start..].iter().take_while(|&&(giver, _)| giver == param).map(|&(_, to)| to));
            }
        }
        self.reaching
    }

    fn meet(&self, param: Value) -> Reaching {
        let (block, index) = self.home[param];
        let mut met = Reaching::Nothing;
        for &pred in self.cfg.preds(block) {
            let Terminator::Jump { args, .. } = &self.function.blocks[pred].term else { return Reaching::Several };
            let arg = args[index];
            let incoming = match arg.as_value().and_then(|value| self.reaching[value]) {
                Some(Reaching::Nothing) => continue,
                Some(Reaching::Only(operand)) => operand,
                Some(Reaching::Several) | None => arg,
            };
            match met {
                Reaching::Nothing => met = Reaching::Only(incoming),
                Reaching::Only(before) if before == incoming => {}
                Reaching::Only(_) | Reaching::Several => return Reaching::Several,
            }
        }
        if self.reaching[param] == Some(Reaching::Several) { Reaching::Several } else { met }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    #[test]
    fn equal_arguments_replace_the_parameter() {
        becomes(
            super::run,
            Endian::Little,
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  jump block3(7, v0, 1)
block2:
  jump block3(7, v0, 2)
block3(v1, v2, v3):
  v4 = add64 v1, v2
  v5 = add64 v4, v3
  return v5",
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  jump block3(1)
block2:
  jump block3(2)
block3(v3):
  v4 = add64 7, v0
  v5 = add64 v4, v3
  return v5",
        );
    }

    #[test]
    fn what_nested_loops_hand_around_is_no_parameter() {
        becomes(
            super::run,
            Endian::Little,
            "
block0:
  v0 = context
  jump block1(v0, 0)
block1(v1, v2):
  branch.lt64 v2, 10, block2, block5
block2:
  jump block3(v1, v2)
block3(v3, v4):
  branch.eq64 v4, v3, block4, block6
block4:
  jump block3(v3, 5)
block5:
  return v1
block6:
  v6 = add64 v4, 1
  jump block1(v3, v6)",
            "
block0:
  v0 = context
  jump block1(0)
block1(v2):
  branch.lt64 v2, 10, block2, block5
block2:
  jump block3(v2)
block3(v4):
  branch.eq64 v4, v0, block4, block6
block4:
  jump block3(5)
block5:
  return v0
block6:
  v6 = add64 v4, 1
  jump block1(v6)",
        );
    }
}
