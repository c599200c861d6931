//! What several blocks do last, before they go on to the same block, is done once behind them.
//!
//! The blocks are the *arms*; what they have in common at their ends moves to a new block that they all jump to. An operand that differs
//! from arm to arm becomes a parameter of it, where that costs nothing: the argument of a call has to be brought to its register anyway,
//! and a value that an arm computes can be computed in the parameter's. Addresses never differ: a call that may get one map or another
//! is slower and sometimes refused (`map_ptr_state` of `struct bpf_insn_aux_data`, `include/linux/bpf_verifier.h`).
//!
//! Arms that are equal as a whole are for the pass `tails`.

use super::homes::Homes;
use super::{Analysis, Changes};
use crate::ir::{Block, BlockData, Cfg, Effect, Function, Inst, Op, Operand, Terminator, Value};
use crate::source::Loc;

/// How many values the arms may hand over: there are this many registers that a call does not need to have saved.
const MAX_PARAMS: usize = 5;

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    let cfg = analysis.cfg(function);
    let homes = Homes::new(function, cfg);
    let mut changes = Changes::NONE;
    for blocks in groups(function, cfg, &homes) {
        let arms = Arms { function, homes: &homes, blocks: &blocks };
        let length = arms.common_length();
        if length > 0 {
            arms.common(length).replace_ends(function, &blocks, length);
            changes = Changes::ALL;
        }
    }
    if changes != Changes::NONE {
        analysis.edges_changed();
    }
    changes
}

/// Blocks whose last operations look alike and that go on alike.
fn groups(function: &Function, cfg: &Cfg, homes: &Homes) -> Vec<Vec<Block>> {
    let mut known: Vec<(Option<Block>, Op, Vec<Block>)> = Vec::new();
    for &block in cfg.order() {
        let data = &function.blocks[block];
        let (target, Some(last)) = (goes_on(&data.term), data.insts.last()) else { continue };
        let Some(target) = target.filter(|&target| target != Some(block) && !homes.escapes(block)) else { continue };
        let shape = shape(&last.op);
        match known.iter_mut().find(|(to, op, _)| *to == target && *op == shape) {
            Some((.., blocks)) => blocks.push(block),
            None => known.push((target, shape, vec![block])),
        }
    }
    known.into_iter().map(|(.., blocks)| blocks).filter(|blocks| blocks.len() > 1).collect()
}

/// Where a jump leads, or nowhere for a return; `None` where there are two ways.
fn goes_on(term: &Terminator) -> Option<Option<Block>> {
    match *term {
        Terminator::Jump { target, .. } => Some(Some(target)),
        Terminator::Return(_) => Some(None),
        Terminator::Branch { .. } | Terminator::Unreachable => None,
    }
}

/// An operation without its operands.
fn shape(op: &Op) -> Op {
    let mut shape = *op;
    shape.for_each_operand(|operand| *operand = Operand::Const(0));
    shape
}

/// One operand of each arm, at the same place.
type Row = Vec<Operand>;

/// What a row comes to.
enum Met {
    /// The same operand in all arms.
    Same(Operand),
    /// The same address, which is made anew at each use.
    Again(Op),
    /// Something else in each arm.
    Differs,
    /// What must not differ, but does.
    Clashes,
}

struct Arms<'f> {
    function: &'f Function,
    homes: &'f Homes,
    blocks: &'f [Block],
}

impl Arms<'_> {
    /// The operation of each arm that is followed by `back` others, if all have one.
    fn insts(&self, back: usize) -> Option<Vec<Inst>> {
        let inst = |&block: &Block| self.function.blocks[block].insts.iter().rev().nth(back).copied();
        self.blocks.iter().map(inst).collect()
    }

    /// The rows of operations that look alike.
    fn rows(insts: &[Inst]) -> Vec<Row> {
        let count = insts[0].op.operands().count();
        let row = |at: usize| insts.iter().filter_map(|inst| inst.op.operands().nth(at)).collect();
        (0..count).map(row).collect()
    }

    /// The rows of the ends.
    fn end_rows(&self) -> Vec<Row> {
        let terms = || self.blocks.iter().map(|&block| &self.function.blocks[block].term);
        let count = terms().next().map_or(0, |term| term.operands().count());
        (0..count).map(|at| terms().filter_map(|term| term.operands().nth(at)).collect()).collect()
    }

    fn meet(&self, row: &Row) -> Met {
        if row.iter().all(|operand| *operand == row[0]) {
            return Met::Same(row[0]);
        }
        let is_address = |op: &&Op| op.effect() == Effect::Pure && op.operands().next().is_none();
        let address = |operand: Operand| self.homes.op(self.function, operand).filter(is_address);
        match address(row[0]) {
            Some(op) if row.iter().all(|&operand| address(operand) == Some(op)) => Met::Again(*op),
            _ if row.iter().any(|&operand| address(operand).is_some()) => Met::Clashes,
            _ => Met::Differs,
        }
    }

    /// Whether every operand is a value that its arm defines.
    fn is_own(&self, row: &Row) -> bool {
        self.blocks.iter().zip(row).all(|(&block, &operand)| self.homes.position(block, operand).is_some())
    }

    /// How many operations at their ends the arms have in common.
    fn common_length(&self) -> usize {
        let mut handed = Vec::new();
        if !self.hand(&mut handed, self.end_rows(), |_, _| true) {
            return 0;
        }
        let mut length = 0;
        while let Some(insts) = self.insts(length)
            && let Some(now) = self.handed_before(&insts, &handed)
        {
            handed = now;
            length += 1;
        }
        length
    }

    /// What the arms would have to hand over if `insts` were in common as well, given what they hand over behind them.
    fn handed_before(&self, insts: &[Inst], handed: &[Row]) -> Option<Vec<Row>> {
        let op = insts[0].op;
        let results: Row = insts.iter().map(|inst| Operand::Value(inst.result)).collect();
        if insts.iter().any(|inst| shape(&inst.op) != shape(&op)) {
            return None;
        }
        let mut now: Vec<Row> = handed.iter().filter(|row| **row != results).cloned().collect();
        // A result that is wanted beside another operand than its twin has to stay in its arm.
        let is_mixed = |row: &Row| row.iter().zip(&results).any(|(operand, result)| operand == result);
        // A constant costs nothing, unless it has to be kept over a call.
        let is_constant = |row: &Row| row.iter().any(|operand| operand.as_value().is_none());
        let is_call = matches!(op, Op::Call { .. });
        if now.iter().any(|row| is_mixed(row) || is_call && is_constant(row)) {
            return None;
        }
        let is_free = |at: usize, row: &Row| match op {
            Op::Call { .. } => true,
            Op::AtomicAdd { .. } => at == 1 || self.is_own(row),
            _ => self.is_own(row),
        };
        self.hand(&mut now, Arms::rows(insts), is_free).then_some(now)
    }

    /// Adds the rows that differ to those that are handed over; whether that is possible and free.
    fn hand(&self, handed: &mut Vec<Row>, rows: Vec<Row>, is_free: impl Fn(usize, &Row) -> bool) -> bool {
        for (at, row) in rows.into_iter().enumerate() {
            match self.meet(&row) {
                Met::Same(_) | Met::Again(_) => {}
                Met::Differs if is_free(at, &row) => {
                    if !handed.contains(&row) {
                        handed.push(row);
                    }
                }
                Met::Differs | Met::Clashes => return false,
            }
        }
        handed.len() <= MAX_PARAMS
    }

    /// What the arms have in common: their last `length` operations and their ends.
    fn common(&self, length: usize) -> Common {
        let loc = self.function.blocks[self.blocks[0]].term_loc;
        let mut common = Common {
            next: self.function.value_count,
            data: BlockData::new(loc),
            handed: Vec::new(),
            results: Vec::new(),
        };
        for insts in (0..length).rev().filter_map(|back| self.insts(back)) {
            let Inst { mut op, loc, .. } = insts[0];
            let operands: Vec<Operand> = Arms::rows(&insts).iter().map(|row| common.operand(self, row, loc)).collect();
            let mut operands = operands.into_iter();
            op.for_each_operand(|operand| *operand = operands.next().unwrap_or(*operand));
            let result = common.push(op, loc);
            common.results.push((insts.iter().map(|inst| Operand::Value(inst.result)).collect(), result));
        }
        let operands: Vec<Operand> = self.end_rows().iter().map(|row| common.operand(self, row, loc)).collect();
        let (mut term, mut operands) = (self.function.blocks[self.blocks[0]].term.clone(), operands.into_iter());
        term.for_each_operand(|operand| *operand = operands.next().unwrap_or(*operand));
        common.data.term = term;
        common
    }
}

/// What arms have in common, as a block in the making.
struct Common {
    /// The next value that nothing defines yet.
    next: u32,
    data: BlockData,
    /// What the arms hand over: a row for each parameter.
    handed: Vec<Row>,
    /// The rows of results that are computed here, each with its value.
    results: Vec<(Row, Value)>,
}

impl Common {
    fn new_value(&mut self) -> Value {
        self.next += 1;
        Value(self.next - 1)
    }

    fn push(&mut self, op: Op, loc: Loc) -> Value {
        let result = self.new_value();
        self.data.insts.push(Inst { result, op, loc });
        result
    }

    /// What stands for a row.
    fn operand(&mut self, arms: &Arms<'_>, row: &Row, loc: Loc) -> Operand {
        match arms.meet(row) {
            Met::Same(operand) => operand,
            Met::Again(op) => Operand::Value(self.push(op, loc)),
            Met::Differs | Met::Clashes => {
                if let Some((_, result)) = self.results.iter().find(|(results, _)| results == row) {
                    return Operand::Value(*result);
                }
                let at = self.handed.iter().position(|handed| handed == row).unwrap_or_else(|| {
                    self.handed.push(row.clone());
                    let param = self.new_value();
                    self.data.params.push(param);
                    self.handed.len() - 1
                });
                Operand::Value(self.data.params[at])
            }
        }
    }

    /// Cuts the common end off each arm, and lets it jump here.
    fn replace_ends(self, function: &mut Function, blocks: &[Block], length: usize) {
        function.value_count = self.next;
        let target = function.blocks.push(self.data);
        for (arm, &block) in blocks.iter().enumerate() {
            let data = &mut function.blocks[block];
            data.insts.truncate(data.insts.len() - length);
            data.term = Terminator::Jump { target, args: self.handed.iter().map(|row| row[arm]).collect() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    #[track_caller]
    fn little(before: &str, after: &str) {
        becomes(super::run, Endian::Little, before, after);
    }

    const CALLS: &str = "
block0:
  v0 = context
  v1 = load.w context v0 + 0
  branch.eq32 v1, 0, block1, block2
block1:
  v2 = add64 v1, 16
  v3 = call l4_csum_replace(v0, v2, v1, 7, 20)
  v4 = add64 v3, v1
  jump block3(v4, 1)
block2:
  v5 = add64 v1, 6
  v6 = call l4_csum_replace(v0, v5, v1, 7, 52)
  v7 = add64 v6, v1
  jump block3(v7, 1)
block3(v8, v9):
  v10 = add64 v8, v9
  return v10";

    #[test]
    fn calls_that_differ_in_arguments_become_one() {
        little(
            CALLS,
            "
block0:
  v0 = context
  v1 = load.w context v0 + 0
  branch.eq32 v1, 0, block1, block2
block1:
  v2 = add64 v1, 16
  jump block4(v2, 20)
block2:
  v5 = add64 v1, 6
  jump block4(v5, 52)
block3(v8, v9):
  v10 = add64 v8, v9
  return v10
block4(v11, v12):
  v13 = call l4_csum_replace(v0, v11, v1, 7, v12)
  v14 = add64 v13, v1
  jump block3(v14, 1)",
        );
    }

    #[test]
    fn a_constant_is_not_kept_over_a_call() {
        let text = CALLS.replace("block3(v7, 1)", "block3(v7, 2)");
        let after = "
block1:
  v2 = add64 v1, 16
  v3 = call l4_csum_replace(v0, v2, v1, 7, 20)
  jump block4(v3, 1)
block2:
  v5 = add64 v1, 6
  v6 = call l4_csum_replace(v0, v5, v1, 7, 52)
  jump block4(v6, 2)
block3(v8, v9):
  v10 = add64 v8, v9
  return v10
block4(v11, v13):
  v12 = add64 v11, v1
  jump block3(v12, v13)";
        let (start, _) = text.split_once("\nblock1").unwrap();
        little(&text, &format!("{start}{after}"));
    }

    const LOOKUPS: &str = "
slot0: 4 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 0
  branch.eq32 v1, 0, block1, block2
block1:
  v2 = address slot0
  v3 = address map0
  v4 = call map_delete_elem(v3, v2)
  return 0
block2:
  v5 = address slot0
  v6 = address map0
  store.w stack v5 + 0, 9
  v7 = call map_delete_elem(v6, v5)
  return 0";

    #[test]
    fn addresses_are_made_anew_and_never_differ() {
        little(
            LOOKUPS,
            "
slot0: 4 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 0
  branch.eq32 v1, 0, block1, block2
block1:
  v2 = address slot0
  v3 = address map0
  jump block3
block2:
  v5 = address slot0
  v6 = address map0
  store.w stack v5 + 0, 9
  jump block3
block3:
  v9 = address map0
  v10 = address slot0
  v11 = call map_delete_elem(v9, v10)
  return 0",
        );
        let other = LOOKUPS.replace("v6 = address map0", "v6 = address slot0");
        little(&other, &other);
    }

    #[test]
    fn an_immediate_stays_where_it_is_free() {
        let stores = |second: &str| {
            format!(
                "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  v1 = load.w context v0 + 8
  store.w context v0 + 4, v1
  store.w context v0 + 0, 1
  return 0
block2:
  v2 = load.w context v0 + 12
  store.w context v0 + 4, v2
  store.w context v0 + 0, {second}
  return 0"
            )
        };
        little(&stores("2"), &stores("2"));
        little(
            &stores("1"),
            "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  v1 = load.w context v0 + 8
  jump block3(v1)
block2:
  v2 = load.w context v0 + 12
  jump block3(v2)
block3(v7):
  store.w context v0 + 4, v7
  store.w context v0 + 0, 1
  return 0",
        );
    }

    #[test]
    fn what_other_blocks_use_stays() {
        // The loop's head uses what the block before it loads.
        let text = "
block0:
  v0 = context
  v1 = load.w context v0 + 0
  jump block1
block1:
  branch.eq32 v1, 0, block2, block3
block2:
  v2 = load.w context v0 + 0
  jump block1
block3:
  return 0";
        little(text, text);
    }
}
