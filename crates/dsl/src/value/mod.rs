//! Kernel values: numbers that nobody knows before a packet arrives.
//!
//! A value is a handle to an SSA value or a constant. Arithmetic builds operations; a comparison splits the path and answers with an
//! ordinary `bool` (see [`stage`]).

mod address;
mod bit;
mod net;
mod scalar;

pub use address::{Be128, Mac};
pub use bit::Bit;
pub use net::{Be16, Be32, Be64};
pub use scalar::{I32, I64, U8, U16, U32, U64};

use bpfasm_codegen::fold;
use bpfasm_codegen::ir::{BinOp, DataType, Op, Operand, Size, Width};

use crate::stage;

/// A kernel value that memory can hold: the capitalised number types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no kernel value",
    note = "kernel values are `U8 U16 U32 U64 I32 I64 Be16 Be32 Be64`; turn a number into one with `U32::from(number)`"
)]
pub trait Scalar: Copy + sealed::Sealed {
    /// How many bytes it has in memory.
    const SIZE: Size;
    /// How the kernel shows it.
    const DATA: DataType;
    #[doc(hidden)]
    fn operand(self) -> Operand;
    #[doc(hidden)]
    fn from_operand(operand: Operand) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

/// Arithmetic, at once where both operands are known.
#[track_caller]
pub(crate) fn bin(op: BinOp, width: Width, a: Operand, b: Operand) -> Operand {
    if let (Operand::Const(x), Operand::Const(y)) = (a, b)
        && let Some(known) = fold::fold_bin(op, width, x, y)
    {
        return Operand::Const(known);
    }
    stage::emit(Op::Bin { op, width, a, b })
}

/// Declares a handle around an [`Operand`].
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name(pub(crate) Operand);

        impl $crate::join::Staged for $name {
            fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
                f(&mut self.0);
            }
        }
        impl $crate::join::Dead for $name {
            fn dead() -> Self {
                $name(Operand::Const(0))
            }
        }
    };
}
pub(crate) use handle;

/// Declares a value type: a handle that memory can hold.
macro_rules! scalar_handle {
    ($(#[$doc:meta])* $name:ident, $size:expr, $data:expr) => {
        $crate::value::handle! { $(#[$doc])* $name }

        impl $crate::value::sealed::Sealed for $name {}
        impl $crate::value::Scalar for $name {
            const SIZE: Size = $size;
            const DATA: DataType = $data;
            fn operand(self) -> Operand {
                self.0
            }
            fn from_operand(operand: Operand) -> Self {
                $name(operand)
            }
        }
    };
}
use scalar_handle;

/// Equality with the same type and with a number that is known now: splits the path.
macro_rules! equality {
    ($name:ident, $host:ident, $width:ident) => {
        #[expect(clippy::partialeq_ne_impl, reason = "the default one would hide where it is called")]
        impl PartialEq for $name {
            #[track_caller]
            fn eq(&self, other: &$name) -> bool {
                stage::fork(Cond::Eq, Width::$width, self.0, other.0)
            }
            #[track_caller]
            fn ne(&self, other: &$name) -> bool {
                stage::fork(Cond::Ne, Width::$width, self.0, other.0)
            }
        }
        #[expect(clippy::partialeq_ne_impl, reason = "the default one would hide where it is called")]
        impl PartialEq<$host> for $name {
            #[track_caller]
            fn eq(&self, other: &$host) -> bool {
                *self == $name::from(*other)
            }
            #[track_caller]
            fn ne(&self, other: &$host) -> bool {
                *self != $name::from(*other)
            }
        }
    };
}
use equality;
