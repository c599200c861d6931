//! Packets that grow, shrink, or become something else.

use super::{call, helpers, skb};
use crate::context::HelperResult;
use crate::value::{Be16, I32, U16, U32, U64};

helpers! {
    [Tc] SKB_VLAN_PUSH(skb): skb.vlan_push(crate::uapi::ETH_P_8021Q, 5) => {
        /// Puts a VLAN tag in front, of EtherType `proto` with tag control information `tci` (`bpf_skb_vlan_push`).
        pub fn vlan_push(&mut self, proto: impl Into<Be16>, tci: impl Into<U16>) -> HelperResult {
            call!(SKB_VLAN_PUSH, skb(), proto.into(), tci.into())
        }
    }
    [Tc] SKB_VLAN_POP(skb): skb.vlan_pop() => {
        /// Takes the foremost VLAN tag off (`bpf_skb_vlan_pop`).
        pub fn vlan_pop(&mut self) -> HelperResult {
            call!(SKB_VLAN_POP, skb())
        }
    }
    [Tc] SKB_CHANGE_PROTO(skb): skb.change_proto(crate::uapi::ETH_P_IPV6, 0) => {
        /// Makes an IPv4 packet an IPv6 packet, or the other way round: room for the other header, whose bytes are then to be written
        /// (`bpf_skb_change_proto`). `flags` are 0.
        pub fn change_proto(&mut self, proto: impl Into<Be16>, flags: u64) -> HelperResult {
            call!(SKB_CHANGE_PROTO, skb(), proto.into(), flags)
        }
    }
    [Tc] SKB_CHANGE_TYPE(skb): skb.change_type(crate::uapi::PACKET_HOST) => {
        /// Says for whom the packet is: `PACKET_HOST` and so on (`bpf_skb_change_type`).
        pub fn change_type(&mut self, pkt_type: impl Into<U32>) -> HelperResult {
            call!(SKB_CHANGE_TYPE, skb(), pkt_type.into())
        }
    }
    [Tc] SKB_CHANGE_TAIL(skb): skb.change_tail(64, 0) => {
        /// Cuts the packet to `len` bytes or fills it up with zeros (`bpf_skb_change_tail`). `flags` are 0.
        pub fn change_tail(&mut self, len: impl Into<U32>, flags: u64) -> HelperResult {
            call!(SKB_CHANGE_TAIL, skb(), len.into(), flags)
        }
    }
    [Tc] SKB_CHANGE_HEAD(skb): skb.change_head(14, 0) => {
        /// Puts `len` bytes of zeros in front, where a packet without an Ethernet header shall have one (`bpf_skb_change_head`).
        /// `flags` are 0.
        pub fn change_head(&mut self, len: impl Into<U32>, flags: u64) -> HelperResult {
            call!(SKB_CHANGE_HEAD, skb(), len.into(), flags)
        }
    }
    [Tc] SKB_ADJUST_ROOM(skb): skb.adjust_room(8, crate::uapi::BPF_ADJ_ROOM_NET, 0) => {
        /// Grows the packet by `len_diff` bytes, or shrinks it, behind its Ethernet header (`mode` `BPF_ADJ_ROOM_MAC`) or behind its IP
        /// header (`BPF_ADJ_ROOM_NET`; `bpf_skb_adjust_room`). `flags` are `BPF_F_ADJ_ROOM_*`.
        pub fn adjust_room(&mut self, len_diff: impl Into<I32>, mode: u32, flags: u64) -> HelperResult {
            call!(SKB_ADJUST_ROOM, skb(), len_diff.into(), mode, flags)
        }
    }
    [Tc, CgroupSkb] SKB_ECN_SET_CE(skb): skb.ecn_set_ce() => {
        /// Marks the packet as one that met congestion, where its IP header allows (`bpf_skb_ecn_set_ce`): 1 where it is marked now.
        pub fn ecn_set_ce(&mut self) -> HelperResult {
            call!(SKB_ECN_SET_CE, skb())
        }
    }
    [Tc] SKB_SET_TSTAMP(skb): skb.set_tstamp_type(0, crate::uapi::BPF_SKB_CLOCK_REALTIME) => {
        /// Sets the time with the clock that it is of, `BPF_SKB_CLOCK_*` (`bpf_skb_set_tstamp`). See [`tstamp`](Self::tstamp).
        pub fn set_tstamp_type(&mut self, tstamp: impl Into<U64>, clock: u32) -> HelperResult {
            call!(SKB_SET_TSTAMP, skb(), tstamp.into(), clock)
        }
    }
}
