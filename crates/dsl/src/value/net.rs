//! Numbers in network byte order, as packets hold them.
//!
//! They can be compared for equality with numbers as people write them, and masked. Everything else first needs
//! [`host`](Be16::host): so no byte order is ever mixed up. Addresses of more than 64 bits are in [`address`](super::address).

use std::net::Ipv4Addr;
use std::ops::{BitAnd, BitOr, BitXor};

use bpfasm_codegen::fold;
use bpfasm_codegen::ir::{BinOp, Cond, DataType, NetConst, Op, Operand, Size, Width};

use super::{Bit, U16, U32, U64, bin, equality, scalar_handle};
use crate::stage::{self, Session};

macro_rules! network {
    ($($(#[$doc:meta])* $name:ident($host:ident) $kernel:ident: $size:ident, $width:ident, $c_name:literal;)*) => { $(
        scalar_handle! {
            $(#[$doc])*
            $name, Size::$size, DataType::Int { name: $c_name, bytes: Size::$size.bytes(), signed: false }
        }

        impl From<$host> for $name {
            /// The number as people write it.
            fn from(number: $host) -> $name {
                $name(Session::net(Size::$size, number.into()))
            }
        }
        impl $name {
            /// The number in host byte order.
            #[track_caller]
            pub fn host(self) -> $kernel {
                $kernel(swap(Size::$size, self.0))
            }
            /// Whether it equals `other`, as a value: the path does not split.
            #[track_caller]
            pub fn eq_bit(self, other: impl Into<$name>) -> Bit {
                Bit::of(Cond::Eq, Width::$width, self.0, other.into().0)
            }
        }
        impl $kernel {
            /// The number in network byte order.
            #[track_caller]
            pub fn to_be(self) -> $name {
                $name(swap(Size::$size, self.0))
            }
        }
        equality!($name, $host, $width);
        masks!($name, $size, $width, $name $host);
    )* };
}

/// Bitwise operators keep the byte order, so both sides must have it.
macro_rules! masks {
    ($name:ident, $size:ident, $width:ident, $($right:ident)*) => { $(
        masks!(@one $name, $size, $width, $right, BitAnd bitand And);
        masks!(@one $name, $size, $width, $right, BitOr bitor Or);
        masks!(@one $name, $size, $width, $right, BitXor bitxor Xor);
    )* };
    (@one $name:ident, $size:ident, $width:ident, $right:ident, $trait:ident $method:ident $op:ident) => {
        impl $trait<$right> for $name {
            type Output = $name;
            #[track_caller]
            fn $method(self, right: $right) -> $name {
                $name(mask(BinOp::$op, Width::$width, Size::$size, self.0, $name::from(right).0))
            }
        }
    };
}

network! {
    /// A 16-bit number in network byte order.
    Be16(u16) U16: H, W32, "__be16";
    /// A 32-bit number in network byte order.
    Be32(u32) U32: W, W32, "__be32";
    /// A 64-bit number in network byte order.
    Be64(u64) U64: DW, W64, "__be64";
}

impl From<Ipv4Addr> for Be32 {
    fn from(address: Ipv4Addr) -> Be32 {
        u32::from(address).into()
    }
}

#[expect(clippy::partialeq_ne_impl, reason = "the default one would hide where it is called")]
impl PartialEq<Ipv4Addr> for Be32 {
    #[track_caller]
    fn eq(&self, other: &Ipv4Addr) -> bool {
        *self == Be32::from(*other)
    }
    #[track_caller]
    fn ne(&self, other: &Ipv4Addr) -> bool {
        *self != Be32::from(*other)
    }
}

masks!(Be32, W, W32, Ipv4Addr);

/// Exchanges network and host order, at once where the number is known.
#[track_caller]
fn swap(size: Size, a: Operand) -> Operand {
    match a {
        Operand::Net(NetConst { value, .. }) => Operand::Const(value),
        Operand::Const(value) => Session::net(size, fold::truncate(size, value)),
        Operand::Value(_) => stage::emit(Op::NetSwap { size, a }),
    }
}

#[track_caller]
fn mask(op: BinOp, width: Width, size: Size, a: Operand, b: Operand) -> Operand {
    if let (Operand::Net(x), Operand::Net(y)) = (a, b)
        && let Some(value) = fold::fold_bin(op, width, x.value, y.value)
    {
        return Session::net(size, value);
    }
    bin(op, width, a, b)
}
