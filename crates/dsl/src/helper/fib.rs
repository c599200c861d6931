//! Routes and their limits.

use super::layout::layout;
use super::{call, helpers, skb, stack};
use crate::context::HelperResult;
use crate::header::Field as _;
use crate::value::{Be16, Be32, Be128, I32, Mac, U8, U16, U32};

layout! {
    /// What to look up a route for: `struct bpf_fib_lookup` (`include/uapi/linux/bpf.h`) as a program fills it.
    ///
    /// ```
    /// # use bpfasm_dsl::{helper::FibLookup, prelude::*};
    /// let to = FibLookup { ifindex: 1.into(), ..FibLookup::ipv4(Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, 1)) };
    /// ```
    FibLookup, 64 bytes {
        /// The address family: `AF_INET` or `AF_INET6`.
        0 family: U8;
        /// What the packet carries, for rules that ask: `IPPROTO_*`.
        1 l4_protocol: U8;
        /// Its source port.
        2 sport: Be16;
        /// Its destination port.
        4 dport: Be16;
        /// Its length from the IP header on, to be compared with the route's MTU; 0 for no comparison.
        6 tot_len: U16;
        /// The device where it arrived; with `BPF_FIB_LOOKUP_OUTPUT`, where it shall leave.
        8 ifindex: U32;
        /// IPv6: class and flow label. IPv4: the type of service in the first byte.
        12 flow: Be32;
        /// The source address; one of IPv4 in the first word.
        16 src: Be128;
        /// The destination address; one of IPv4 in the first word.
        32 dst: Be128;
        /// The routing table to look at, with `BPF_FIB_LOOKUP_TBID`.
        48 tbid: U32;
        /// The mark, with `BPF_FIB_LOOKUP_MARK`.
        52 mark: U32;
    }

    /// A route that was found: the same struct as the kernel leaves it.
    FibRoute, 64 bytes {
        /// The route's MTU, where the packet is longer.
        6 mtu_result: U16;
        /// The device where the packet is to leave.
        8 ifindex: U32;
        /// The route's metric.
        12 rt_metric: U32;
        /// The source address to use, with `BPF_FIB_LOOKUP_SRC`.
        16 src: Be128;
        /// The next hop.
        32 dst: Be128;
        /// The EtherType of the tag to put in front, where that device is a VLAN.
        48 vlan_proto: Be16;
        /// The tag control information of that tag.
        50 vlan_tci: Be16;
        /// The Ethernet address of that device.
        52 smac: Mac;
        /// The Ethernet address of the next hop.
        58 dmac: Mac;
    }
}

impl FibLookup {
    /// A route between two IPv4 addresses.
    pub fn ipv4(src: impl Into<Be32>, dst: impl Into<Be32>) -> FibLookup {
        let (src, dst) = (Be128::of_ipv4(src), Be128::of_ipv4(dst));
        FibLookup { family: crate::uapi::AF_INET.into(), src, dst, ..FibLookup::default() }
    }

    /// A route between two IPv6 addresses.
    pub fn ipv6(src: impl Into<Be128>, dst: impl Into<Be128>) -> FibLookup {
        let (src, dst) = (src.into(), dst.into());
        FibLookup { family: crate::uapi::AF_INET6.into(), src, dst, ..FibLookup::default() }
    }
}

helpers! {
    [Tc] FIB_LOOKUP(skb): skb.fib_lookup(FibLookup::default(), 0) => {
        /// Looks up a route (`bpf_fib_lookup`). The result is `BPF_FIB_LKUP_RET_*`: 0 where a packet can be forwarded by what comes with
        /// it; negative where the question was no good. `flags` are `BPF_FIB_LOOKUP_*`.
        pub fn fib_lookup(&self, lookup: FibLookup, flags: u32) -> (HelperResult, FibRoute) {
            let bytes = stack::put(0, lookup);
            let result = call!(FIB_LOOKUP, skb(), bytes.address(), FibLookup::BYTES, flags);
            (result, bytes.load(0))
        }
    }
    [Tc] CHECK_MTU(skb): skb.check_mtu(0, 0, 0, 0) => {
        /// Compares the packet's length with the MTU of device `ifindex`, 0 for its own, as if it were `len_diff` bytes longer
        /// (`bpf_check_mtu`). `len`, unless 0, is taken for the packet's length from the IP header on. The result is
        /// `BPF_MTU_CHK_RET_*`: 0 where it fits; the number beside it is the MTU. `flags` are `BPF_MTU_CHK_*`.
        pub fn check_mtu(
            &self, ifindex: impl Into<U32>, len: impl Into<U32>, len_diff: impl Into<I32>, flags: u64
        ) -> (HelperResult, U32) {
            let bytes = stack::put::<U32>(0, len.into());
            let result = call!(CHECK_MTU, skb(), ifindex.into(), bytes.address(), len_diff.into(), flags);
            (result, bytes.load(0))
        }
    }
}
