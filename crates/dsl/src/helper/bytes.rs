//! Bytes of the packet through a copy, wherever they lie.

use super::{call, helpers, skb, stack};
use crate::context::HelperResult;
use crate::header::Field;
use crate::value::U32;

helpers! {
    [Tc, CgroupSkb] SKB_LOAD_BYTES(skb): skb.load_bytes::<[crate::value::U8; 6]>(0) => {
        /// Reads a value at `offset` bytes (`bpf_skb_load_bytes`), wherever the bytes lie. It is `None` behind the packet's end: splits
        /// the path.
        pub fn load_bytes<T: Field>(&self, offset: impl Into<U32>) -> Option<T> {
            let room = stack::uninit::<T>(0);
            let result: HelperResult = call!(SKB_LOAD_BYTES, skb(), offset.into(), room.address(), T::BYTES);
            if result < 0 { None } else { Some(room.load(0)) }
        }
    }
    [Tc, CgroupSkb] SKB_LOAD_BYTES_RELATIVE(skb): skb.load_bytes_relative::<U32>(0, crate::uapi::BPF_HDR_START_NET) => {
        /// Reads a value at `offset` bytes from the header that `start` names, `BPF_HDR_START_MAC` or `BPF_HDR_START_NET`
        /// (`bpf_skb_load_bytes_relative`). It is `None` behind the packet's end, and where there is no such header: splits the path.
        pub fn load_bytes_relative<T: Field>(&self, offset: impl Into<U32>, start: u32) -> Option<T> {
            let room = stack::uninit::<T>(0);
            let result: HelperResult =
                call!(SKB_LOAD_BYTES_RELATIVE, skb(), offset.into(), room.address(), T::BYTES, start);
            if result < 0 { None } else { Some(room.load(0)) }
        }
    }
    [Tc] SKB_STORE_BYTES(skb): skb.store_bytes(0, U32::from(1), 0) => {
        /// Writes `value` at `offset` bytes (`bpf_skb_store_bytes`). `flags` are `BPF_F_RECOMPUTE_CSUM` and `BPF_F_INVALIDATE_HASH`.
        pub fn store_bytes<T: Field>(&mut self, offset: impl Into<U32>, value: T, flags: u64) -> HelperResult {
            let bytes = stack::put(0, value);
            call!(SKB_STORE_BYTES, skb(), offset.into(), bytes.address(), T::BYTES, flags)
        }
    }
    [Tc] SKB_PULL_DATA(skb): skb.pull_data(0) => {
        /// Makes the first `len` bytes linear, so that [`header`](Self::header) reaches them (`bpf_skb_pull_data`); 0 asks for all.
        pub fn pull_data(&mut self, len: impl Into<U32>) -> HelperResult {
            call!(SKB_PULL_DATA, skb(), len.into())
        }
    }
}
