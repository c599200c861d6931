//! Numbers in host byte order.

use std::cmp::Ordering;
use std::ops::{
    Add, AddAssign, BitAnd, BitAndAssign, BitOr, BitOrAssign, BitXor, BitXorAssign, Div, DivAssign, Mul, MulAssign,
    Neg, Not, Rem, RemAssign, Shl, ShlAssign, Shr, ShrAssign, Sub, SubAssign,
};

use bpfasm_codegen::fold;
use bpfasm_codegen::ir::{BinOp, Cond, DataType, Op, Operand, Size, Width};

use super::{Bit, bin, equality, scalar_handle};
use crate::stage;

/// One row a type: name, host type, size, width of comparison, how the kernel names it, its conditions.
macro_rules! scalars {
    ($($(#[$doc:meta])* $name:ident($host:ident): $size:ident, $width:ident, $c_name:literal, $signed:literal,
        [$lt:ident $le:ident $gt:ident $ge:ident];)*) => { $(
        scalar_handle! {
            $(#[$doc])*
            $name, Size::$size, DataType::Int { name: $c_name, bytes: Size::$size.bytes(), signed: $signed }
        }

        impl From<$host> for $name {
            fn from(number: $host) -> $name {
                $name(Operand::Const(known_bits(number)))
            }
        }
        equality!($name, $host, $width);
        impl PartialOrd for $name {
            #[track_caller]
            fn partial_cmp(&self, other: &$name) -> Option<Ordering> {
                Some(if self == other {
                    Ordering::Equal
                } else if self < other {
                    Ordering::Less
                } else {
                    Ordering::Greater
                })
            }
            #[track_caller]
            fn lt(&self, other: &$name) -> bool {
                stage::fork(Cond::$lt, Width::$width, self.0, other.0)
            }
            #[track_caller]
            fn le(&self, other: &$name) -> bool {
                stage::fork(Cond::$le, Width::$width, self.0, other.0)
            }
            #[track_caller]
            fn gt(&self, other: &$name) -> bool {
                stage::fork(Cond::$gt, Width::$width, self.0, other.0)
            }
            #[track_caller]
            fn ge(&self, other: &$name) -> bool {
                stage::fork(Cond::$ge, Width::$width, self.0, other.0)
            }
        }
        impl PartialOrd<$host> for $name {
            #[track_caller]
            fn partial_cmp(&self, other: &$host) -> Option<Ordering> {
                self.partial_cmp(&$name::from(*other))
            }
            #[track_caller]
            fn lt(&self, other: &$host) -> bool {
                *self < $name::from(*other)
            }
            #[track_caller]
            fn le(&self, other: &$host) -> bool {
                *self <= $name::from(*other)
            }
            #[track_caller]
            fn gt(&self, other: &$host) -> bool {
                *self > $name::from(*other)
            }
            #[track_caller]
            fn ge(&self, other: &$host) -> bool {
                *self >= $name::from(*other)
            }
        }
        impl $name {
            /// Whether it equals `other`, as a value: the path does not split.
            #[track_caller]
            pub fn eq_bit(self, other: impl Into<$name>) -> Bit {
                Bit::of(Cond::Eq, Width::$width, self.0, other.into().0)
            }
            /// Whether it is less than `other`, as a value: the path does not split.
            #[track_caller]
            pub fn lt_bit(self, other: impl Into<$name>) -> Bit {
                Bit::of(Cond::$lt, Width::$width, self.0, other.into().0)
            }
        }
    )* };
}

scalars! {
    /// An unsigned byte.
    U8(u8): B, W32, "__u8", false, [Lt Le Gt Ge];
    /// An unsigned 16-bit number.
    U16(u16): H, W32, "__u16", false, [Lt Le Gt Ge];
    /// An unsigned 32-bit number. Arithmetic wraps; shifts take their count modulo 32.
    U32(u32): W, W32, "__u32", false, [Lt Le Gt Ge];
    /// An unsigned 64-bit number. Arithmetic wraps; shifts take their count modulo 64.
    U64(u64): DW, W64, "__u64", false, [Lt Le Gt Ge];
    /// A signed 32-bit number. Arithmetic wraps; division needs cpu v4.
    I32(i32): W, W32, "__s32", true, [SLt SLe SGt SGe];
    /// A signed 64-bit number. Arithmetic wraps; division needs cpu v4.
    I64(i64): DW, W64, "__s64", true, [SLt SLe SGt SGe];
}

/// A number's bits as a register holds them: zero-extended.
fn known_bits<T: Bits>(number: T) -> u64 {
    number.bits()
}

trait Bits {
    fn bits(self) -> u64;
}

macro_rules! bits {
    ($($host:ident => |$n:ident| $bits:expr;)*) => { $(
        impl Bits for $host {
            fn bits(self) -> u64 {
                let $n = self;
                $bits
            }
        }
    )* };
}

bits! {
    u8 => |n| n.into();
    u16 => |n| n.into();
    u32 => |n| n.into();
    u64 => |n| n;
    i32 => |n| n.cast_unsigned().into();
    i64 => |n| n.cast_unsigned();
}

/// Operators of `$name` for the right-hand types that turn into it: concrete types, so that `x + 1` needs no suffix.
macro_rules! operators {
    ($name:ident, $width:ident, $rights:tt, [$($trait:ident $method:ident $assign:ident $assign_method:ident $op:ident;)*]) => {
        $(operators!(@one $name, $width, $rights, $trait $method $assign $assign_method $op);)*
    };
    (@one $name:ident, $width:ident, [$($right:ident)*], $trait:ident $method:ident $assign:ident $assign_method:ident $op:ident) => { $(
        impl $trait<$right> for $name {
            type Output = $name;
            #[track_caller]
            fn $method(self, right: $right) -> $name {
                $name(bin(BinOp::$op, Width::$width, self.0, $name::from(right).0))
            }
        }
        impl $assign<$right> for $name {
            #[track_caller]
            fn $assign_method(&mut self, right: $right) {
                self.0 = bin(BinOp::$op, Width::$width, self.0, $name::from(right).0);
            }
        }
    )* };
}

macro_rules! arithmetic {
    ($name:ident, $width:ident, $rights:tt, $div:ident, $rem:ident, $shr:ident) => {
        operators!($name, $width, $rights, [
            Add add AddAssign add_assign Add;
            Sub sub SubAssign sub_assign Sub;
            Mul mul MulAssign mul_assign Mul;
            Div div DivAssign div_assign $div;
            Rem rem RemAssign rem_assign $rem;
            BitAnd bitand BitAndAssign bitand_assign And;
            BitOr bitor BitOrAssign bitor_assign Or;
            BitXor bitxor BitXorAssign bitxor_assign Xor;
            Shl shl ShlAssign shl_assign Lsh;
            Shr shr ShrAssign shr_assign $shr;
        ]);
        impl Not for $name {
            type Output = $name;
            #[track_caller]
            fn not(self) -> $name {
                $name(bin(BinOp::Xor, Width::$width, self.0, all_ones(Width::$width)))
            }
        }
    };
}

fn all_ones(width: Width) -> Operand {
    Operand::Const(match width {
        Width::W32 => u64::from(u32::MAX),
        Width::W64 => u64::MAX,
    })
}

arithmetic!(U32, W32, [u32 U32 U16 U8], Div, Mod, Rsh);
arithmetic!(U64, W64, [u64 U64 U32 U16 U8], Div, Mod, Rsh);
arithmetic!(I32, W32, [i32 I32], SDiv, SMod, Arsh);
arithmetic!(I64, W64, [i64 I64 I32], SDiv, SMod, Arsh);

impl Neg for I32 {
    type Output = I32;
    #[track_caller]
    fn neg(self) -> I32 {
        I32::from(0) - self
    }
}

impl Neg for I64 {
    type Output = I64;
    #[track_caller]
    fn neg(self) -> I64 {
        I64::from(0) - self
    }
}

/// Widening is free: registers are zero-extended.
macro_rules! widen {
    ($($from:ident => $($to:ident)*;)*) => { $($(
        impl From<$from> for $to {
            fn from(value: $from) -> $to {
                $to(value.0)
            }
        }
    )*)* };
}

widen! {
    U8 => U16 U32 U64 I32 I64;
    U16 => U32 U64 I32 I64;
    U32 => U64 I64;
}

impl From<I32> for I64 {
    #[track_caller]
    fn from(value: I32) -> I64 {
        if let Operand::Const(known) = value.0 {
            return I64(Operand::Const(fold::fold_sign_extend(Size::W, known)));
        }
        I64(stage::emit(Op::SignExtend { from: Size::W, a: value.0 }))
    }
}

/// Narrowing is explicit: it keeps the low bits.
macro_rules! narrow {
    ($($from:ident, $width:ident: [$($method:ident $to:ident $mask:literal),*];)*) => { $(
        impl $from { $(
            #[doc = concat!("Its low bits as a [`", stringify!($to), "`].")]
            #[track_caller]
            pub fn $method(self) -> $to {
                $to(bin(BinOp::And, Width::$width, self.0, Operand::Const($mask)))
            }
        )* }
    )* };
}

narrow! {
    U16, W32: [low8 U8 0xff];
    U32, W32: [low8 U8 0xff, low16 U16 0xffff];
    U64, W64: [low8 U8 0xff, low16 U16 0xffff, low32 U32 0xffff_ffff];
}

impl U32 {
    /// The same bits as a signed number.
    pub fn signed(self) -> I32 {
        I32(self.0)
    }
}

impl I32 {
    /// The same bits as an unsigned number.
    pub fn unsigned(self) -> U32 {
        U32(self.0)
    }
}

impl U64 {
    /// The same bits as a signed number.
    pub fn signed(self) -> I64 {
        I64(self.0)
    }
}

impl I64 {
    /// The same bits as an unsigned number.
    pub fn unsigned(self) -> U64 {
        U64(self.0)
    }
}
