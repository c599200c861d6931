//! Packets that go elsewhere.

use super::layout::layout;
use super::{call, helpers, skb, stack};
use crate::context::{HelperResult, TcAction};
use crate::header::Field as _;
use crate::value::{Be32, Be128, U32};

layout! {
    /// Where a packet goes next: `struct bpf_redir_neigh` (`include/uapi/linux/bpf.h`).
    NextHop, 20 bytes {
        /// The address family: `AF_INET` or `AF_INET6`.
        0 family: U32;
        /// The address; one of IPv4 in the first word.
        4 address: Be128;
    }
}

impl NextHop {
    /// An IPv4 address.
    pub fn ipv4(address: impl Into<Be32>) -> NextHop {
        NextHop { family: u32::from(crate::uapi::AF_INET).into(), address: Be128::of_ipv4(address) }
    }

    /// An IPv6 address.
    pub fn ipv6(address: impl Into<Be128>) -> NextHop {
        NextHop { family: u32::from(crate::uapi::AF_INET6).into(), address: address.into() }
    }
}

helpers! {
    [Tc] REDIRECT(skb): skb.redirect(1, 0) => {
        /// Sends the packet out of device `ifindex`, or into it with `BPF_F_INGRESS` in `flags` (`bpf_redirect`). The answer must be the
        /// program's.
        pub fn redirect(&mut self, ifindex: impl Into<U32>, flags: u64) -> TcAction {
            call!(REDIRECT, ifindex.into(), flags)
        }
    }
    [Tc] REDIRECT_PEER(skb): skb.redirect_peer(1, 0) => {
        /// Puts the packet into the other end of device `ifindex`, in the namespace where that is (`bpf_redirect_peer`). It works at
        /// ingress only; `flags` are 0. The answer must be the program's.
        pub fn redirect_peer(&mut self, ifindex: impl Into<U32>, flags: u64) -> TcAction {
            call!(REDIRECT_PEER, ifindex.into(), flags)
        }
    }
    [Tc] REDIRECT_NEIGH(skb): skb.redirect_neigh(1, Some(NextHop::default()), 0) => {
        /// Sends the packet out of device `ifindex` with the Ethernet addresses that the neighbour table has for the next hop, or for
        /// the packet's own destination (`bpf_redirect_neigh`). `flags` are 0. The answer must be the program's.
        pub fn redirect_neigh(
            &mut self, ifindex: impl Into<U32>, next_hop: Option<NextHop>, flags: u64
        ) -> TcAction {
            match next_hop {
                Some(next_hop) => {
                    let bytes = stack::put(0, next_hop);
                    call!(REDIRECT_NEIGH, ifindex.into(), bytes.address(), NextHop::BYTES, flags)
                }
                None => call!(REDIRECT_NEIGH, ifindex.into(), 0_u64, 0_u64, flags),
            }
        }
    }
    [Tc] CLONE_REDIRECT(skb): skb.clone_redirect(1, 0) => {
        /// Sends a copy of the packet out of device `ifindex`, or into it with `BPF_F_INGRESS` in `flags` (`bpf_clone_redirect`).
        pub fn clone_redirect(&mut self, ifindex: impl Into<U32>, flags: u64) -> HelperResult {
            call!(CLONE_REDIRECT, skb(), ifindex.into(), flags)
        }
    }
}
