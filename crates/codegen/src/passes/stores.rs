//! Drops stores to the stack of what is there already.
//!
//! A key that is looked up, and then added when nothing was found, is stored for each call; helpers that only read it leave it in place.
//! What is known of a slot at the end of a block holds at the start of the next one, unless several lead there: then it is what they
//! agree on, and nothing where one of them comes later, as at the head of a loop.

use super::{Analysis, Changes, clear_unreachable};
use crate::ir::{Block, Cfg, Effect, Function, Inst, Op, Operand, Size, Space, StackSlot, Table, Value};

/// How many facts are kept: each store looks at all of them.
const MAX_FACTS: usize = 64;

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    if function.slots.is_empty() {
        return Changes::NONE;
    }
    let cfg = analysis.cfg(function);
    clear_unreachable(function, cfg);
    let mut slots = Table::filled(None, function.value_count as usize);
    let mut ends: Table<Block, Option<Contents>> = Table::filled(None, function.blocks.len());
    let mut changed = false;
    for &block in cfg.order() {
        let mut contents = Contents::at_start(cfg, block, &ends);
        let insts = &mut function.blocks[block].insts;
        let before = insts.len();
        insts.retain(|inst| !contents.step(&mut slots, inst));
        changed |= insts.len() != before;
        ends[block] = Some(contents);
    }
    if changed { Changes::CODE } else { Changes::NONE }
}

/// That some bytes of a slot hold the low bytes of an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fact {
    slot: StackSlot,
    off: i16,
    size: Size,
    value: Operand,
}

impl Fact {
    fn overlaps(&self, other: &Fact) -> bool {
        let end = |fact: &Fact| i32::from(fact.off) + i32::from(fact.size.bytes());
        self.slot == other.slot && i32::from(self.off) < end(other) && i32::from(other.off) < end(self)
    }
}

/// What the stack is known to hold.
#[derive(Clone, Debug, Default)]
struct Contents(Vec<Fact>);

impl Contents {
    fn at_start(cfg: &Cfg, block: Block, ends: &Table<Block, Option<Contents>>) -> Contents {
        let mut preds = cfg.preds(block).iter().map(|&pred| ends[pred].as_ref());
        let Some(Some(first)) = preds.next() else { return Contents::default() };
        let mut known = first.clone();
        for pred in preds {
            let Some(pred) = pred else { return Contents::default() };
            known.0.retain(|fact| pred.0.contains(fact));
        }
        known
    }

    /// Takes an operation into account; whether it changes nothing. `slots` knows the slot of each value that is one's address.
    fn step(&mut self, slots: &mut Table<Value, Option<StackSlot>>, inst: &Inst) -> bool {
        let slot_of = |operand: Operand| operand.as_value().and_then(|value| slots[value]);
        match inst.op {
            Op::StackAddr(slot) => slots[inst.result] = Some(slot),
            Op::Store { space: Space::Stack, size, base, off, value } => match slot_of(base) {
                Some(slot) => return self.store(Fact { slot, off, size, value }),
                None => self.0.clear(),
            },
            _ if inst.op.effect() == Effect::Writes(Space::Stack) => self.0.clear(),
            _ if matches!(inst.op.effect(), Effect::Calls { .. }) => self.0.clear(),
            _ => {}
        }
        false
    }

    /// Whether a store's bytes are there already; from now on they are.
    fn store(&mut self, fact: Fact) -> bool {
        if self.0.contains(&fact) {
            return true;
        }
        self.0.retain(|known| !known.overlaps(&fact));
        if self.0.len() < MAX_FACTS {
            self.0.push(fact);
        }
        false
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

    #[test]
    fn a_key_that_is_there_is_not_stored_again() {
        let text = |again: &str| {
            format!(
                "
slot0: 8 bytes
slot1: 8 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 8
  v2 = address slot0
  store.w stack v2 + 0, v1
  v3 = address map0
  v4 = call map_lookup_elem(v3, v2)
  branch.ne64 v4, 0, block1, block2
block1:
  return 0
block2:
{again}  v5 = address slot1
  store.dw stack v5 + 0, 1
  v6 = call map_update_elem(v3, v2, v5, 0)
  return 0"
            )
        };
        little(&text("  store.w stack v2 + 0, v1\n"), &text(""));
        // Other bytes of the slot, other values, another slot.
        for other in ["store.w stack v2 + 4, v1", "store.w stack v2 + 0, 7", "store.h stack v2 + 0, v1"] {
            let text = text(&format!("  {other}\n"));
            little(&text, &text);
        }
    }

    #[test]
    fn what_overlaps_or_may_be_written_is_forgotten() {
        let text = |between: &str| {
            format!(
                "
slot0: 8 bytes
block0:
  v0 = address slot0
  store.w stack v0 + 0, 7
  {between}
  store.w stack v0 + 0, 7
  return 0"
            )
        };
        for between in [
            "store.b stack v0 + 3, 1",
            "store.dw stack v0 + 0, 7",
            "v1 = call skb_load_bytes(v0, 0, v0, 4)",
            "atomic_add.w stack v0 + 0, 1",
        ] {
            little(&text(between), &text(between));
        }
        let harmless = "store.w stack v0 + 4, 1";
        let once = text(harmless).replacen("  store.w stack v0 + 0, 7\n  return", "  return", 1);
        little(&text(harmless), &once);
    }

    #[test]
    fn paths_have_to_agree_and_loops_start_anew() {
        let join = |second: &str, last: &str| {
            format!(
                "
slot0: 8 bytes
block0:
  v0 = address slot0
  v1 = context
  branch.eq64 v1, 0, block1, block2
block1:
  store.w stack v0 + 0, 7
  jump block3
block2:
  store.w stack v0 + 0, {second}
  jump block3
block3:
{last}  return 0"
            )
        };
        let last = "  store.w stack v0 + 0, 7\n";
        little(&join("7", last), &join("7", ""));
        little(&join("8", last), &join("8", last));
        let looped = "
slot0: 8 bytes
block0:
  v0 = address slot0
  store.w stack v0 + 0, 0
  jump block1(0)
block1(v1):
  store.w stack v0 + 0, 0
  v2 = add32 v1, 1
  store.w stack v0 + 0, v2
  branch.lt32 v2, 10, block2, block3
block2:
  jump block1(v2)
block3:
  return 0";
        little(looped, looped);
    }
}
