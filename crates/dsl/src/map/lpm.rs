//! Keys of tables of prefixes.

use bpfasm_codegen::ir::{DataType, Field as DataField, Operand};
use bpfasm_object::MapData;

use super::{Layout, NoFields, Stored};
use crate::header::{Bytes, Field};
use crate::join::{Dead, HostKey, Staged};
use crate::value::{Scalar, U32};

/// A key of an [`LpmTrie`](super::LpmTrie): the first bits of some data (`struct bpf_lpm_trie_key`, `include/uapi/linux/bpf.h`).
///
/// Data alone stands for all of its bits: `ROUTES.lookup(ip.daddr())`.
#[derive(Clone, Copy, Debug)]
pub struct LpmKey<D> {
    /// How many bits count.
    pub prefix_len: U32,
    /// The data, of which the first byte's highest bit is the first.
    pub data: D,
}

impl<D> LpmKey<D> {
    /// The first `prefix_len` bits of `data`.
    pub fn new(prefix_len: impl Into<U32>, data: impl Into<D>) -> LpmKey<D> {
        LpmKey { prefix_len: prefix_len.into(), data: data.into() }
    }
}

impl<D: Stored> From<D> for LpmKey<D> {
    /// All bits of `data`.
    fn from(data: D) -> LpmKey<D> {
        LpmKey { prefix_len: U32::from(D::BYTES * 8), data }
    }
}

/// An [`LpmKey`] as user space holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LpmKeyValue<H> {
    /// How many bits count.
    pub prefix_len: u32,
    /// The data.
    pub data: H,
}

impl<D: Stored> LpmKey<D> {
    const LAYOUT: Layout<2> = {
        let layout = Layout::new([(4, 4), (D::BYTES, D::ALIGN)]);
        assert!(
            layout.offsets[1] == 4,
            "the kernel wants the data of a prefix right behind its length: a `Be64` is none"
        );
        layout
    };
}

impl<D: Stored> Field for LpmKey<D> {
    const BYTES: u32 = Self::LAYOUT.bytes;

    #[track_caller]
    fn load(bytes: &Bytes, offset: u32) -> Self {
        LpmKey { prefix_len: U32::load(bytes, offset), data: D::load(bytes, offset + 4) }
    }

    #[track_caller]
    fn store(self, bytes: &mut Bytes, offset: u32) {
        self.prefix_len.store(bytes, offset);
        self.data.store(bytes, offset + 4);
    }
}

impl<D: Stored> Staged for LpmKey<D> {
    fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
        self.prefix_len.each_part(f);
        self.data.each_part(f);
    }
    fn host_part(&self, key: &mut HostKey) {
        self.data.host_part(key);
    }
}

impl<D: Dead> Dead for LpmKey<D> {
    fn dead() -> Self {
        LpmKey { prefix_len: U32::dead(), data: D::dead() }
    }
}

impl<D: Stored> Stored for LpmKey<D> {
    type Host = LpmKeyValue<D::Host>;
    type View = NoFields;
    const DATA: DataType = DataType::Struct {
        name: "lpm_key",
        bytes: Self::LAYOUT.bytes,
        fields: &[
            DataField { name: "prefixlen", offset: 0, ty: <U32 as Scalar>::DATA },
            DataField { name: "data", offset: 4, ty: D::DATA },
        ],
    };
    const ALIGN: u32 = Self::LAYOUT.align;

    fn copied(&self) -> Self {
        LpmKey { prefix_len: self.prefix_len, data: self.data.copied() }
    }

    fn encode(host: &Self::Host, bytes: &mut [u8]) {
        <U32 as Stored>::encode(&host.prefix_len, &mut bytes[..4]);
        D::encode(&host.data, &mut bytes[4..][..D::BYTES as usize]);
    }

    fn decode(bytes: &[u8]) -> Self::Host {
        LpmKeyValue {
            prefix_len: <U32 as Stored>::decode(&bytes[..4]),
            data: D::decode(&bytes[4..][..D::BYTES as usize]),
        }
    }
}

impl<D: Stored> MapData for LpmKey<D> {
    type Value = LpmKeyValue<D::Host>;
    const SIZE: usize = <Self as Field>::BYTES as usize;
    fn encode(value: &Self::Value, bytes: &mut [u8]) {
        <Self as Stored>::encode(value, bytes);
    }
    fn decode(bytes: &[u8]) -> Self::Value {
        <Self as Stored>::decode(bytes)
    }
}
