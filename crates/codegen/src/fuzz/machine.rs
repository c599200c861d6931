//! A BPF machine in a page: enough to run what the emitter makes, straight from the slots (RFC 9669).

use super::world::{CONTEXT, FRAME, FUEL, Outcome, World};
use crate::emit::Code;
use crate::fold::{fold_bin, fold_cond, fold_sign_extend, swap_for};
use crate::ir::{BinOp, Cond, HelperId, Size, Width};
use crate::select::mir::Symbol;
use bpfasm_isa::{Endian, Slot, SlotIx};

/// Runs emitted code.
pub(super) fn run(code: &Code, world: World) -> Outcome {
    // What a program must not read is not zero.
    let mut regs = [0xdead_beef_dead_beef; 11];
    regs[1] = CONTEXT;
    regs[10] = FRAME;
    let mut machine = Machine { code, endian: world.endian(), regs, at: 0, world };
    for _ in 0..FUEL {
        let Some(&slot) = usize::try_from(machine.at).ok().and_then(|at| code.slots.get(at)) else {
            return Outcome::Failed(format!("ran to slot {}", machine.at));
        };
        machine.at += 1;
        if slot.code == 0x95 {
            let value = machine.regs[0];
            return machine.world.finish(value);
        }
        if machine.step(slot).is_none() {
            return Outcome::Failed(format!("slot {}: {slot:?} in {:x?}", machine.at - 1, machine.regs));
        }
    }
    Outcome::Failed("no end".to_owned())
}

/// The mode of atomic operations, in the upper three bits of an opcode.
const ATOMIC: u8 = 0xc0;

struct Machine<'c> {
    code: &'c Code,
    endian: Endian,
    regs: [u64; 11],
    /// The next slot.
    at: i64,
    world: World,
}

impl Machine<'_> {
    fn step(&mut self, slot: Slot) -> Option<()> {
        match slot.code & 7 {
            0 => self.lddw(slot),
            1 => self.load(slot),
            3 if slot.code & 0xe0 == ATOMIC => {
                let address = self.reg(slot.dst).wrapping_add_signed(slot.off.into());
                // An `imm` of 0 is an addition that does not fetch.
                (slot.imm == 0).then_some(())?;
                self.world.atomic_add(size(slot.code & !0xe0 | 0x60)?, address, self.reg(slot.src))
            }
            2 | 3 => {
                let value = if slot.code & 7 == 2 { extend(slot.imm) } else { self.reg(slot.src) };
                let address = self.reg(slot.dst).wrapping_add_signed(slot.off.into());
                self.world.store(size(slot.code)?, address, value)
            }
            4 => self.alu(slot, Width::W32),
            5 => self.jump(slot, Width::W64),
            6 => self.jump(slot, Width::W32),
            _ => self.alu(slot, Width::W64),
        }
    }

    fn reg(&self, index: u8) -> u64 {
        self.regs[usize::from(index)]
    }

    /// The frame pointer is not written.
    fn set(&mut self, index: u8, value: u64) -> Option<()> {
        (index != 10).then(|| self.regs[usize::from(index)] = value)
    }

    fn source(&self, slot: Slot) -> u64 {
        if slot.code & 8 == 0 { extend(slot.imm) } else { self.reg(slot.src) }
    }

    fn lddw(&mut self, slot: Slot) -> Option<()> {
        let here = SlotIx(u32::try_from(self.at - 1).ok()?);
        let high = self.code.slots.get(usize::try_from(self.at).ok()?)?;
        self.at += 1;
        let low = u64::from(slot.imm.cast_unsigned());
        let value = match self.code.symbols.iter().find(|(at, _)| *at == here) {
            Some(&(_, Symbol::Map(map))) => World::map_address(map),
            Some(&(_, Symbol::Global(global))) => World::global_address(global),
            None => low | u64::from(high.imm.cast_unsigned()) << 32,
        };
        (slot.code == 0x18).then_some(())?;
        self.set(slot.dst, value)
    }

    fn load(&mut self, slot: Slot) -> Option<()> {
        let size = size(slot.code)?;
        let value = self.world.load(size, self.reg(slot.src).wrapping_add_signed(slot.off.into()))?;
        let value = if slot.code & 0xe0 == 0x80 { fold_sign_extend(size, value) } else { value };
        self.set(slot.dst, value)
    }

    fn alu(&mut self, slot: Slot, width: Width) -> Option<()> {
        let (a, b) = (self.reg(slot.dst), self.source(slot));
        let op = match slot.code >> 4 {
            0x0 => BinOp::Add,
            0x1 => BinOp::Sub,
            0x2 => BinOp::Mul,
            0x3 if slot.off == 1 => BinOp::SDiv,
            0x3 => BinOp::Div,
            0x4 => BinOp::Or,
            0x5 => BinOp::And,
            0x6 => BinOp::Lsh,
            0x7 => BinOp::Rsh,
            0x8 => return self.set(slot.dst, fold_bin(BinOp::Sub, width, 0, a)?),
            0x9 if slot.off == 1 => BinOp::SMod,
            0x9 => BinOp::Mod,
            0xa => BinOp::Xor,
            0xb => {
                let from = match slot.off {
                    0 => return self.set(slot.dst, fold_bin(BinOp::Or, width, b, 0)?),
                    8 => Size::B,
                    16 => Size::H,
                    _ => Size::W,
                };
                return self.set(slot.dst, fold_sign_extend(from, b));
            }
            0xc => BinOp::Arsh,
            0xd => return self.swap(slot, width),
            _ => return None,
        };
        // The kernel's verifier refuses these.
        let is_shift = matches!(op, BinOp::Lsh | BinOp::Rsh | BinOp::Arsh);
        let is_division = matches!(op, BinOp::Div | BinOp::SDiv | BinOp::Mod | BinOp::SMod);
        if slot.code & 8 == 0 && (is_division && slot.imm == 0 || is_shift && b >= u64::from(width.bits())) {
            return None;
        }
        self.set(slot.dst, fold_bin(op, width, a, b)?)
    }

    fn swap(&mut self, slot: Slot, width: Width) -> Option<()> {
        let size = Size::from_bytes(u64::try_from(slot.imm).ok()? / 8)?;
        let endian = match (width, slot.code & 8 != 0, self.endian) {
            (Width::W64, ..) => Endian::Little,
            (Width::W32, true, endian) => endian,
            (Width::W32, false, Endian::Little) => Endian::Big,
            (Width::W32, false, Endian::Big) => Endian::Little,
        };
        self.set(slot.dst, swap_for(endian, size, self.reg(slot.dst)))
    }

    fn jump(&mut self, slot: Slot, width: Width) -> Option<()> {
        let (a, b) = (self.reg(slot.dst), self.source(slot));
        let cond = match slot.code >> 4 {
            0x0 => {
                self.at += if width == Width::W32 { i64::from(slot.imm) } else { i64::from(slot.off) };
                return Some(());
            }
            0x1 => Cond::Eq,
            0x2 => Cond::Gt,
            0x3 => Cond::Ge,
            0x4 => {
                let bits = fold_bin(BinOp::And, width, a, b)?;
                self.at += if bits == 0 { 0 } else { i64::from(slot.off) };
                return Some(());
            }
            0x5 => Cond::Ne,
            0x6 => Cond::SGt,
            0x7 => Cond::SGe,
            0x8 => return self.call(slot),
            0xa => Cond::Lt,
            0xb => Cond::Le,
            0xc => Cond::SLt,
            0xd => Cond::SLe,
            _ => return None,
        };
        if fold_cond(cond, width, a, b) {
            self.at += i64::from(slot.off);
        }
        Some(())
    }

    fn call(&mut self, slot: Slot) -> Option<()> {
        let helper = HelperId(slot.imm.cast_unsigned());
        let count = super::generate::argument_count(helper);
        let args: Vec<u64> = self.regs[1..=count].to_vec();
        let result = self.world.call(helper, &args);
        self.regs[1..=5].fill(0xc10b_be2e_d000_0000);
        self.set(0, result)
    }
}

fn extend(imm: i32) -> u64 {
    i64::from(imm).cast_unsigned()
}

fn size(code: u8) -> Option<Size> {
    let is_plain = matches!(code & 0xe0, 0x60 | 0x80);
    is_plain.then_some(match code & 0x18 {
        0x00 => Size::W,
        0x08 => Size::H,
        0x10 => Size::B,
        _ => Size::DW,
    })
}
