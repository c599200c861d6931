//! What memory holds: kernel values as map keys, map values and parts of them.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::Ipv6Addr;

use bpfasm_codegen::ir::DataType;
use bpfasm_object::MapData;

use super::reference::{Elements, NoFields};
use crate::header::{Bytes, Field};
use crate::join::{Dead, Staged};
use crate::value::{Be16, Be32, Be64, Be128, I32, I64, Mac, Scalar, U8, U16, U32, U64};

/// A kernel value that maps can hold, or a part of one.
///
/// Number types and [`Mac`] are, arrays are as fields, and structs with `#[derive(BpfStruct)]`. User space sees the host type: `u32` for
/// `U32` as for `Be32` (a number as people write it), `Ipv6Addr` for `Be128`, `[u8; 6]` for `Mac`, the struct that the derive makes.
#[diagnostic::on_unimplemented(
    message = "a map cannot hold `{Self}`",
    label = "not a kernel value of known layout",
    note = "maps hold `U8 U16 U32 U64 I32 I64 Be16 Be32 Be64 Be128 Mac`, and structs of them: add `#[derive(BpfStruct)]` to yours"
)]
pub trait Stored: Field + Staged + Dead {
    /// What user space holds.
    type Host: Copy + Debug + Eq + Hash;
    /// The fields of it in memory.
    #[doc(hidden)]
    type View: From<Bytes> + Copy;
    /// Its type for BTF.
    #[doc(hidden)]
    const DATA: DataType;
    /// What its place is a multiple of, in bytes.
    #[doc(hidden)]
    const ALIGN: u32;
    /// The same value again: a handle is as good as another.
    #[doc(hidden)]
    fn copied(&self) -> Self;
    /// Writes what user space holds.
    #[doc(hidden)]
    fn encode(host: &Self::Host, bytes: &mut [u8]);
    /// Reads what user space holds.
    #[doc(hidden)]
    fn decode(bytes: &[u8]) -> Self::Host;
}

/// Makes [`Stored`] types what user space can read and write of a map.
macro_rules! map_data {
    ($($kernel:ident)*) => { $(
        impl MapData for $kernel {
            type Value = <$kernel as Stored>::Host;
            const SIZE: usize = <$kernel as Field>::BYTES as usize;
            fn encode(value: &Self::Value, bytes: &mut [u8]) {
                <$kernel as Stored>::encode(value, bytes);
            }
            fn decode(bytes: &[u8]) -> Self::Value {
                <$kernel as Stored>::decode(bytes)
            }
        }
    )* };
}

/// One row a type: its host type, and how that gets to bytes and back.
macro_rules! numbers {
    ($($kernel:ident: $host:ident, $to:ident, $from:ident;)*) => { $(
        impl Stored for $kernel {
            type Host = $host;
            type View = NoFields;
            const DATA: DataType = <$kernel as Scalar>::DATA;
            const ALIGN: u32 = <$kernel as Field>::BYTES;
            fn copied(&self) -> Self {
                *self
            }
            fn encode(host: &$host, bytes: &mut [u8]) {
                bytes.copy_from_slice(&host.$to());
            }
            fn decode(bytes: &[u8]) -> $host {
                $host::$from(bytes.try_into().expect("as many bytes as the type has"))
            }
        }
        map_data! { $kernel }
    )* };
}

numbers! {
    U8: u8, to_ne_bytes, from_ne_bytes;
    U16: u16, to_ne_bytes, from_ne_bytes;
    U32: u32, to_ne_bytes, from_ne_bytes;
    U64: u64, to_ne_bytes, from_ne_bytes;
    I32: i32, to_ne_bytes, from_ne_bytes;
    I64: i64, to_ne_bytes, from_ne_bytes;
    Be16: u16, to_be_bytes, from_be_bytes;
    Be32: u32, to_be_bytes, from_be_bytes;
    Be64: u64, to_be_bytes, from_be_bytes;
}

impl Stored for Mac {
    type Host = [u8; 6];
    type View = NoFields;
    const DATA: DataType = DataType::Array { element: &<U8 as Scalar>::DATA, len: 6 };
    const ALIGN: u32 = 1;
    fn copied(&self) -> Self {
        *self
    }
    fn encode(host: &[u8; 6], bytes: &mut [u8]) {
        bytes.copy_from_slice(host);
    }
    fn decode(bytes: &[u8]) -> [u8; 6] {
        bytes.try_into().expect("as many bytes as the type has")
    }
}
map_data! { Mac }

impl Stored for Be128 {
    type Host = Ipv6Addr;
    type View = NoFields;
    const DATA: DataType = DataType::Array { element: &<U8 as Scalar>::DATA, len: 16 };
    const ALIGN: u32 = 4;
    fn copied(&self) -> Self {
        *self
    }
    fn encode(host: &Ipv6Addr, bytes: &mut [u8]) {
        bytes.copy_from_slice(&host.octets());
    }
    fn decode(bytes: &[u8]) -> Ipv6Addr {
        let octets: [u8; 16] = bytes.try_into().expect("as many bytes as the type has");
        octets.into()
    }
}
map_data! { Be128 }

impl<T: Stored, const N: usize> Stored for [T; N] {
    type Host = [T::Host; N];
    type View = Elements<T, N>;
    const DATA: DataType = DataType::Array { element: &T::DATA, len: <Self as Field>::BYTES / T::BYTES };
    const ALIGN: u32 = T::ALIGN;
    fn copied(&self) -> Self {
        self.each_ref().map(T::copied)
    }
    fn encode(host: &[T::Host; N], bytes: &mut [u8]) {
        for (item, bytes) in host.iter().zip(bytes.chunks_mut(T::BYTES as usize)) {
            T::encode(item, bytes);
        }
    }
    fn decode(bytes: &[u8]) -> [T::Host; N] {
        let mut items = bytes.chunks(T::BYTES as usize);
        std::array::from_fn(|_| T::decode(items.next().unwrap_or_default()))
    }
}
