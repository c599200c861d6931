//! Truth as a value.

use std::ops::{BitAnd, BitOr, BitXor, Not};

use bpfasm_codegen::ir::{BinOp, Cond, DataType, Operand, Size, Width};

use super::{U32, bin, scalar_handle};
use crate::join;
use crate::stage;

scalar_handle! {
    /// 0 or 1: the answer to a comparison as data, where a `bool` would split the path.
    ///
    /// `a.eq_bit(1) & b.eq_bit(2)` computes both and combines them; [`is_set`](Bit::is_set) then splits the path once.
    Bit, Size::B, DataType::Int { name: "__u8", bytes: 1, signed: false }
}

impl Bit {
    /// The answer to a comparison.
    #[track_caller]
    pub(crate) fn of(cond: Cond, width: Width, a: Operand, b: Operand) -> Bit {
        let scope = stage::scope();
        let mut answer = Bit::from(stage::fork(cond, width, a, b));
        join::merge_one(&scope, &mut answer);
        answer
    }

    /// Whether it is 1: splits the path.
    #[track_caller]
    pub fn is_set(self) -> bool {
        stage::fork(Cond::Ne, Width::W32, self.0, Operand::Const(0))
    }
}

impl From<bool> for Bit {
    fn from(known: bool) -> Bit {
        Bit(Operand::Const(known.into()))
    }
}

impl From<Bit> for U32 {
    fn from(bit: Bit) -> U32 {
        U32(bit.0)
    }
}

macro_rules! combine {
    ($($trait:ident $method:ident $op:ident;)*) => { $(
        impl $trait for Bit {
            type Output = Bit;
            #[track_caller]
            fn $method(self, right: Bit) -> Bit {
                Bit(bin(BinOp::$op, Width::W32, self.0, right.0))
            }
        }
    )* };
}

combine! {
    BitAnd bitand And;
    BitOr bitor Or;
    BitXor bitxor Xor;
}

impl Not for Bit {
    type Output = Bit;
    #[track_caller]
    fn not(self) -> Bit {
        Bit(bin(BinOp::Xor, Width::W32, self.0, Operand::Const(1)))
    }
}
