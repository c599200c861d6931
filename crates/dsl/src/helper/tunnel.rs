//! Tunnels: what the packet came out of, or shall go into. And IPsec.

use super::layout::layout;
use super::{call, helpers, skb, stack};
use crate::context::HelperResult;
use crate::header::Field;
use crate::value::{Be32, Be128, U8, U16, U32};

layout! {
    /// The outer side of a tunnel: `struct bpf_tunnel_key` (`include/uapi/linux/bpf.h`), as kernels since 4.17 know it.
    TunnelKey, 28 bytes {
        /// The tunnel's number, such as the VNI of VXLAN.
        0 id: U32;
        /// The address of the other end. One of IPv4 is in the first word, in *host* order: see [`remote_ipv4`](Self::remote_ipv4).
        4 remote: Be128;
        /// The type of service.
        20 tos: U8;
        /// Hops left.
        21 ttl: U8;
        /// Flags of the tunnel, in network order, with `BPF_F_TUNINFO_FLAGS`.
        22 flags: U16;
        /// The flow label of IPv6.
        24 label: U32;
    }

    /// A transformation of IPsec: `struct bpf_xfrm_state` (`include/uapi/linux/bpf.h`).
    XfrmState, 28 bytes {
        /// The id that policies refer to.
        0 reqid: U32;
        /// The security parameter index.
        4 spi: Be32;
        /// The address family: `AF_INET` or `AF_INET6`.
        8 family: U16;
        /// The address of the other end; one of IPv4 in the first word.
        12 remote: Be128;
    }
}

impl TunnelKey {
    /// The IPv4 address of the other end.
    #[track_caller]
    pub fn remote_ipv4(&self) -> Be32 {
        let [first, ..] = self.remote.words();
        U32(first.0).to_be()
    }

    /// The same key with this IPv4 address of the other end.
    #[must_use]
    #[track_caller]
    pub fn with_remote_ipv4(mut self, address: impl Into<Be32>) -> TunnelKey {
        let [first, ..] = &mut self.remote.words;
        *first = Be32(address.into().host().0);
        self
    }
}

helpers! {
    [Tc] SKB_GET_TUNNEL_KEY(skb): skb.get_tunnel_key(0) => {
        /// What tunnel the packet came out of (`bpf_skb_get_tunnel_key`). It is `None` where it came out of none: splits the path.
        /// `flags` may be `BPF_F_TUNINFO_IPV6`.
        pub fn get_tunnel_key(&self, flags: u64) -> Option<TunnelKey> {
            let room = stack::uninit::<TunnelKey>(0);
            let result: HelperResult = call!(SKB_GET_TUNNEL_KEY, skb(), room.address(), TunnelKey::BYTES, flags);
            if result < 0 { None } else { Some(room.load(0)) }
        }
    }
    [Tc] SKB_SET_TUNNEL_KEY(skb): skb.set_tunnel_key(TunnelKey::default(), 0) => {
        /// Sends the packet through a tunnel, where the device makes them by packet (`bpf_skb_set_tunnel_key`). `flags` are
        /// `BPF_F_TUNINFO_IPV6`, `BPF_F_ZERO_CSUM_TX` and so on.
        pub fn set_tunnel_key(&mut self, key: TunnelKey, flags: u64) -> HelperResult {
            let bytes = stack::put(0, key);
            call!(SKB_SET_TUNNEL_KEY, skb(), bytes.address(), TunnelKey::BYTES, flags)
        }
    }
    [Tc] SKB_GET_TUNNEL_OPT(skb): skb.get_tunnel_opt::<[U32; 2]>() => {
        /// The options of the tunnel that the packet came out of (`bpf_skb_get_tunnel_opt`): how many bytes there are, negative where
        /// there are none or more than fit, and the bytes.
        pub fn get_tunnel_opt<T: Field>(&self) -> (HelperResult, T) {
            let room = stack::uninit::<T>(0);
            let result = call!(SKB_GET_TUNNEL_OPT, skb(), room.address(), T::BYTES);
            (result, room.load(0))
        }
    }
    [Tc] SKB_SET_TUNNEL_OPT(skb): skb.set_tunnel_opt([U32::from(1), U32::from(2)]) => {
        /// Gives the tunnel that the packet goes through options: whole words of 32 bits (`bpf_skb_set_tunnel_opt`).
        pub fn set_tunnel_opt<T: Field>(&mut self, options: T) -> HelperResult {
            let bytes = stack::put(0, options);
            call!(SKB_SET_TUNNEL_OPT, skb(), bytes.address(), T::BYTES)
        }
    }
    [Tc] SKB_GET_XFRM_STATE(skb): skb.get_xfrm_state(0, 0) => {
        /// The `index`th transformation that the packet went through (`bpf_skb_get_xfrm_state`). It is `None` where there is none:
        /// splits the path. `flags` are 0.
        pub fn get_xfrm_state(&self, index: impl Into<U32>, flags: u64) -> Option<XfrmState> {
            let room = stack::uninit::<XfrmState>(0);
            let result: HelperResult =
                call!(SKB_GET_XFRM_STATE, skb(), index.into(), room.address(), XfrmState::BYTES, flags);
            if result < 0 { None } else { Some(room.load(0)) }
        }
    }
}
