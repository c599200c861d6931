//! Checksums, and what the kernel knows of them.

use super::{call, helpers, skb, stack};
use crate::context::HelperResult;
use crate::header::Field;
use crate::value::{Be32, I64, Scalar, U32};

helpers! {
    [Tc] L3_CSUM_REPLACE(skb): skb.l3_csum_replace(24, Be32::from(1), Be32::from(2)) => {
        /// Corrects the IPv4 header checksum at `offset` bytes for a field that goes `from` one value `to` another
        /// (`bpf_l3_csum_replace`).
        pub fn l3_csum_replace<T: Scalar>(&mut self, offset: impl Into<U32>, from: T, to: T) -> HelperResult {
            call!(L3_CSUM_REPLACE, skb(), offset.into(), from, to, u64::from(T::SIZE.bytes()))
        }
    }
    [Tc] L4_CSUM_REPLACE(skb): skb.l4_csum_replace(50, Be32::from(1), Be32::from(2), 0) => {
        /// Corrects the TCP or UDP checksum at `offset` bytes for a field that goes `from` one value `to` another
        /// (`bpf_l4_csum_replace`). `flags` are `BPF_F_PSEUDO_HDR`, where the field belongs to the pseudo-header, and
        /// `BPF_F_MARK_MANGLED_0`, for UDP.
        pub fn l4_csum_replace<T: Scalar>(
            &mut self, offset: impl Into<U32>, from: T, to: T, flags: u64
        ) -> HelperResult {
            call!(L4_CSUM_REPLACE, skb(), offset.into(), from, to, flags | u64::from(T::SIZE.bytes()))
        }
    }
    [Tc] CSUM_DIFF(skb): skb.csum_diff(Be32::from(1), [Be32::from(2), Be32::from(3)], 0) => {
        /// The sum over data when the bytes `from` go and the bytes `to` come, where it was `seed` (`bpf_csum_diff`): whole words of 32
        /// bits each, or `()` for none. The kernel may leave it to be folded to 16 bits. Negative where it cannot tell.
        pub fn csum_diff<A: Field, B: Field>(&self, from: A, to: B, seed: impl Into<U32>) -> I64 {
            const { assert!(A::BYTES % 4 == 0 && B::BYTES % 4 == 0, "checksums are of whole words of 32 bits") }
            let (from, to) = (stack::put_or_null(0, from), stack::put_or_null(1, to));
            call!(CSUM_DIFF, from, A::BYTES, to, B::BYTES, seed.into())
        }
    }
    [Tc] CSUM_UPDATE(skb): skb.csum_update(1) => {
        /// Adds `csum` to the checksum that a device computed of the packet (`bpf_csum_update`); negative where there is none.
        pub fn csum_update(&mut self, csum: impl Into<U32>) -> I64 {
            call!(CSUM_UPDATE, skb(), csum.into())
        }
    }
    [Tc] CSUM_LEVEL(skb): skb.csum_level(crate::uapi::BPF_CSUM_LEVEL_QUERY) => {
        /// Changes or asks how many checksums, from the outermost on, a device has checked (`bpf_csum_level`): `level` is
        /// `BPF_CSUM_LEVEL_*`.
        pub fn csum_level(&mut self, level: u64) -> HelperResult {
            call!(CSUM_LEVEL, skb(), level)
        }
    }
}
