//! How many low bits of a value can be other than zero.

use crate::fold::width_bits;
use crate::ir::{BinOp, Block, Cfg, Function, Op, Operand, Size, Space, Table, Terminator, Value, Width};

/// An upper bound of each value's significant bits.
///
/// Pointers look like numbers to the IR: the kernel rewrites 32-bit loads from the context to loads of whole pointers, so such a load
/// counts as 64 bits.
pub(crate) struct Bits {
    of: Table<Value, u8>,
    view: View,
}

/// Whose bounds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// What registers can hold.
    Machine,
    /// What the kernel's verifier takes for granted, which is less: a mask that the program has on a quotient must stay, or a loop
    /// that it bounds looks endless (`adjust_scalar_min_max_vals` in `kernel/bpf/verifier.c` knows nothing of `div`, `mod`, `end` and
    /// shifts by what is not known).
    Verifier,
}

impl Bits {
    pub(crate) fn new(function: &Function, view: View) -> Bits {
        Bits { of: Table::filled(64, function.value_count as usize), view }
    }

    /// The bounds of everything in `function` on the machine.
    pub(crate) fn of_function(function: &Function, cfg: &Cfg) -> Bits {
        let mut bits = Bits::new(function, View::Machine);
        for &block in cfg.order() {
            bits.enter(function, cfg, block);
            for inst in &function.blocks[block].insts {
                bits.define(inst.result, &inst.op);
            }
        }
        bits
    }

    /// Bounds the parameters of `block`, if all its predecessors come before it in the graph's order.
    pub(crate) fn enter(&mut self, function: &Function, cfg: &Cfg, block: Block) {
        let params = &function.blocks[block].params;
        let preds = cfg.preds(block);
        if params.is_empty() || preds.iter().any(|&pred| cfg.position(pred) >= cfg.position(block)) {
            return;
        }
        for (index, &param) in params.iter().enumerate() {
            let argument = |&pred: &Block| match &function.blocks[pred].term {
                Terminator::Jump { args, .. } => self.operand(args[index]),
                _ => 64,
            };
            self.of[param] = preds.iter().map(argument).max().unwrap_or(64);
        }
    }

    /// Bounds the result of an operation whose operands are bounded.
    pub(crate) fn define(&mut self, result: Value, op: &Op) {
        self.of[result] = self.result(op);
    }

    /// The bound of an operand.
    pub(crate) fn operand(&self, operand: Operand) -> u8 {
        match operand {
            Operand::Value(value) => self.of[value],
            Operand::Const(number) => significant(number),
            Operand::Net(net) => size_bits(net.size),
        }
    }

    fn result(&self, op: &Op) -> u8 {
        match *op {
            Op::NetSwap { .. } if self.view == View::Verifier => 64,
            Op::Context | Op::StackAddr(_) | Op::MapAddr(_) | Op::GlobalAddr(_) | Op::Call { .. } => 64,
            Op::Store { .. } | Op::AtomicAdd { .. } => 64,
            Op::Load { space: Space::Context, size: Size::W, .. } => 64,
            Op::Load { size, .. } | Op::NetSwap { size, .. } => size_bits(size),
            Op::SignExtend { from, a } if self.operand(a) < size_bits(from) => self.operand(a),
            Op::SignExtend { .. } => 64,
            Op::Bin { op, width, a, b } => self.bin(op, width, a, b),
        }
    }

    /// Whether the verifier forgets what it knew of the operands, of `x` and `y` bits.
    fn is_opaque(&self, op: BinOp, width: Width, (x, y): (u8, u8), known_count: bool) -> bool {
        match op {
            BinOp::Div | BinOp::Mod => true,
            BinOp::Lsh | BinOp::Rsh | BinOp::Arsh => !known_count,
            BinOp::Mul => x.max(y) > width.bits() / 2,
            _ => false,
        }
    }

    fn bin(&self, op: BinOp, width: Width, a: Operand, b: Operand) -> u8 {
        let full = width.bits();
        let (x, y) = (self.operand(a), self.operand(b));
        if self.view == View::Verifier && op != BinOp::And && x.max(y) > full {
            return 64; // cpu levels below v3 compute it with 64 bits
        }
        let (x, y) = (x.min(full), y.min(full));
        let count = b.as_const().and_then(|count| u8::try_from(count & u64::from(width_bits(width) - 1)).ok());
        let bound = match op {
            _ if self.view == View::Verifier && self.is_opaque(op, width, (x, y), count.is_some()) => return 64,
            BinOp::And => x.min(y),
            BinOp::Or | BinOp::Xor => x.max(y),
            BinOp::Add => x.max(y) + 1,
            BinOp::Mul => x + y,
            BinOp::Div | BinOp::Mod => x,
            BinOp::Lsh => count.map_or(full, |count| x + count),
            BinOp::Rsh => x.saturating_sub(count.unwrap_or(0)),
            BinOp::Arsh if x < full => x.saturating_sub(count.unwrap_or(0)),
            BinOp::Sub | BinOp::SDiv | BinOp::SMod | BinOp::Arsh => full,
        };
        bound.min(full)
    }
}

/// How many bits `size` has.
pub(crate) fn size_bits(size: Size) -> u8 {
    size.bytes() * 8
}

/// The bits of a number up to its highest one.
fn significant(number: u64) -> u8 {
    u8::try_from(64 - number.leading_zeros()).expect("at most 64")
}
