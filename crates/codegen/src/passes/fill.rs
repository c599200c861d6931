//! A store of zeros to the stack and the store of a narrower number over their low end are one store: a number in a register has zeros above
//! it anyway.
//!
//! Keys of maps ask for this: what is between and behind their fields has to be zero.

use super::{Analysis, Bits, Changes, clear_unreachable};
use crate::fold::truncate;
use crate::ir::{Effect, Function, Inst, Op, Operand, Size, Space, StackSlot, Table, Value};
use bpfasm_isa::Endian;

/// How far behind the zeros the number is looked for, in operations.
const REACH: usize = 64;

pub(super) fn run(function: &mut Function, analysis: &mut Analysis) -> Changes {
    if function.slots.is_empty() {
        return Changes::NONE;
    }
    let endian = analysis.endian;
    let cfg = analysis.cfg(function);
    clear_unreachable(function, cfg);
    let bits = Bits::of_function(function, cfg);
    let mut slots = Table::filled(None, function.value_count as usize);
    let mut changed = false;
    for &block in cfg.order() {
        let insts = &mut function.blocks[block].insts;
        let mut at = 0;
        while at < insts.len() {
            if let Op::StackAddr(slot) = insts[at].op {
                slots[insts[at].result] = Some(slot);
            }
            match fill(insts, at, &slots, &bits, endian) {
                Some((over, value)) => {
                    let Op::Store { value: zero, .. } = &mut insts[at].op else { break };
                    *zero = value;
                    insts[over].op = insts[at].op;
                    insts.remove(at);
                    changed = true;
                }
                None => at += 1,
            }
        }
    }
    if changed { Changes::CODE } else { Changes::NONE }
}

/// A store to the stack.
#[derive(Clone, Copy)]
struct Store {
    slot: Option<StackSlot>,
    start: i32,
    bytes: i32,
    size: Size,
    value: Operand,
}

impl Store {
    fn of(inst: &Inst, slots: &Table<Value, Option<StackSlot>>) -> Option<Store> {
        let Op::Store { space: Space::Stack, size, base, off, value } = inst.op else { return None };
        let slot = base.as_value().and_then(|base| slots[base]);
        Some(Store { slot, start: off.into(), bytes: size.bytes().into(), size, value })
    }

    /// Whether the two may touch the same byte.
    fn meets(&self, other: &Store) -> bool {
        match (self.slot, other.slot) {
            (Some(a), Some(b)) if a != b => false,
            (Some(_), Some(_)) => self.start < other.start + other.bytes && other.start < self.start + self.bytes,
            _ => true,
        }
    }

    /// Whether `other` is where the low bytes of a number stored here would be.
    fn has_low_end(&self, other: &Store, endian: Endian) -> bool {
        let low = match endian {
            Endian::Little => self.start,
            Endian::Big => self.start + self.bytes - other.bytes,
        };
        self.slot.is_some() && self.slot == other.slot && other.bytes < self.bytes && other.start == low
    }
}

/// If the operation `at` stores zeros over whose low end a number is stored before anyone looks: that store, and the number.
fn fill(
    insts: &[Inst],
    at: usize,
    slots: &Table<Value, Option<StackSlot>>,
    bits: &Bits,
    endian: Endian,
) -> Option<(usize, Operand)> {
    let zeros = Store::of(&insts[at], slots).filter(|store| store.value == Operand::Const(0))?;
    for (over, inst) in insts.iter().enumerate().skip(at + 1).take(REACH) {
        match Store::of(inst, slots) {
            Some(number) if zeros.has_low_end(&number, endian) => {
                let value = match number.value {
                    Operand::Const(constant) => Some(Operand::Const(truncate(number.size, constant))),
                    value => (i32::from(bits.operand(value)) <= 8 * number.bytes).then_some(value),
                };
                return value.map(|value| (over, value));
            }
            Some(other) if zeros.meets(&other) => return None,
            Some(_) => {}
            None if may_look(&inst.op) => return None,
            None => {}
        }
    }
    None
}

/// Whether an operation may read or write the stack.
fn may_look(op: &Op) -> bool {
    let elsewhere = match op.effect() {
        Effect::Pure => true,
        Effect::Reads(space) => space != Space::Stack,
        Effect::Writes(space) => space != Space::Stack && !matches!(op, Op::Call { .. }),
        Effect::Calls { .. } => false,
    };
    !elsewhere
}

#[cfg(test)]
mod tests {
    use super::super::test::becomes;
    use bpfasm_isa::Endian;

    const KEY: &str = "
slot0: 16 bytes
block0:
  v0 = context
  v1 = load.b packet v0 + 9
  v2 = address slot0
  store.w stack v2 + 8, 0
  v3 = load.w packet v0 + 12
  store.w stack v2 + 0, v3
  store.b stack v2 + 8, v1
  return 0";

    #[test]
    fn zeros_above_a_number_are_part_of_it() {
        let filled = KEY.replace("  store.w stack v2 + 8, 0\n", "");
        becomes(
            super::run,
            Endian::Little,
            KEY,
            &filled.replace("store.b stack v2 + 8, v1", "store.w stack v2 + 8, v1"),
        );
        becomes(super::run, Endian::Big, KEY, KEY);
        let big = |text: &str| text.replace("store.b stack v2 + 8", "store.b stack v2 + 11");
        becomes(
            super::run,
            Endian::Big,
            &big(KEY),
            &big(&filled).replace("store.b stack v2 + 11, v1", "store.w stack v2 + 8, v1"),
        );
        let constant = |text: &str| text.replace("+ 8, v1", "+ 8, 0x107");
        becomes(
            super::run,
            Endian::Little,
            &constant(KEY),
            &filled.replace("store.b stack v2 + 8, v1", "store.w stack v2 + 8, 7"),
        );
    }

    #[test]
    fn what_is_looked_at_or_too_wide_stays() {
        let stays = |from: &str, to: &str| {
            let text = KEY.replace(from, to);
            assert_ne!(text, KEY);
            becomes(super::run, Endian::Little, &text, &text);
        };
        stays("store.w stack v2 + 0, v3", "store.w stack v2 + 6, v3");
        stays("load.w packet v0 + 12", "load.w stack v2 + 12");
        stays("load.w packet v0 + 12", "call map_lookup_elem(v0, v2)");
        stays("load.b packet v0 + 9", "load.h packet v0 + 9");
        stays("+ 8, 0", "+ 8, 1");
        stays("store.b stack v2 + 8, v1", "store.b stack v2 + 9, v1");
    }
}
