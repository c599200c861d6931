//! Sockets that a packet belongs to, or could belong to.

use bpfasm_codegen::ir::{Op, Operand, Size, Space};

use super::layout::layout;
use super::{call, helpers, skb, stack};
use crate::context::{CgroupSkb, FullSock, Handle as _, Held, HelperResult, SockCommon, SockRef, Tc, TcpSock, sk_buff};
use crate::header::Field;
use crate::stage;
use crate::value::{Be16, Be32, Be128, U64};

layout! {
    /// Addresses and ports of a packet to be, IPv4: `struct bpf_sock_tuple` (`include/uapi/linux/bpf.h`).
    TupleV4, 12 bytes {
        /// The address that it comes from.
        0 saddr: Be32;
        /// The address that it goes to.
        4 daddr: Be32;
        /// The port that it comes from.
        8 sport: Be16;
        /// The port that it goes to.
        10 dport: Be16;
    }

    /// Addresses and ports of a packet to be, IPv6: the same struct.
    TupleV6, 36 bytes {
        /// The address that it comes from.
        0 saddr: Be128;
        /// The address that it goes to.
        16 daddr: Be128;
        /// The port that it comes from.
        32 sport: Be16;
        /// The port that it goes to.
        34 dport: Be16;
    }
}

/// What sockets are looked up by.
pub trait SockTuple: Field {}

impl SockTuple for TupleV4 {}
impl SockTuple for TupleV6 {}

macro_rules! owned {
    ($($context:ident)*) => { $(
        impl $context {
            /// The socket that the packet belongs to, where there is one: splits the path. It lives as long as the program runs.
            ///
            /// Since Linux 5.1.
            #[track_caller]
            pub fn sk(&self) -> Option<SockRef<'static, SockCommon>> {
                let load = Op::Load { space: Space::Context, size: Size::DW, base: skb(), off: sk_buff::SK };
                SockRef::checked(stage::emit(load))
            }
        }
    )* };
}

owned! { Tc CgroupSkb }

/// The helper behind a lookup.
macro_rules! lookup {
    ($id:ident, $tuple:expr, $netns:expr, $flags:expr) => {{
        let bytes = stack::put(0, $tuple);
        let pointer: Operand = call!($id, skb(), bytes.address(), T::BYTES, $netns.into(), $flags);
        Held::checked(pointer)
    }};
}

helpers! {
    [Tc, CgroupSkb (5, 8)] SK_LOOKUP_TCP(skb): skb.sk_lookup_tcp(TupleV4::default(), crate::uapi::BPF_F_CURRENT_NETNS, 0) => {
        /// The TCP socket that a packet from and to these addresses would go to, in the namespace with id `netns` or
        /// `BPF_F_CURRENT_NETNS`: splits the path (`bpf_sk_lookup_tcp`). `flags` are 0.
        ///
        /// It is a connection, or else the socket that listens for one. The reference to it is given back where the value is dropped.
        pub fn sk_lookup_tcp<T: SockTuple>(
            &self, tuple: T, netns: impl Into<U64>, flags: u64
        ) -> Option<Held<FullSock>> {
            lookup!(SK_LOOKUP_TCP, tuple, netns, flags)
        }
    }
    [Tc, CgroupSkb (5, 8)] SK_LOOKUP_UDP(skb): skb.sk_lookup_udp(TupleV6::default(), crate::uapi::BPF_F_CURRENT_NETNS, 0) => {
        /// The UDP socket that a packet from and to these addresses would go to: splits the path (`bpf_sk_lookup_udp`). As
        /// [`sk_lookup_tcp`](Self::sk_lookup_tcp).
        pub fn sk_lookup_udp<T: SockTuple>(
            &self, tuple: T, netns: impl Into<U64>, flags: u64
        ) -> Option<Held<FullSock>> {
            lookup!(SK_LOOKUP_UDP, tuple, netns, flags)
        }
    }
    [Tc, CgroupSkb (5, 8)] SKC_LOOKUP_TCP(skb): skb.skc_lookup_tcp(TupleV4::default(), crate::uapi::BPF_F_CURRENT_NETNS, 0) => {
        /// As [`sk_lookup_tcp`](Self::sk_lookup_tcp), but it finds connections that are being made or have ended, too: splits the path
        /// (`bpf_skc_lookup_tcp`).
        pub fn skc_lookup_tcp<T: SockTuple>(
            &self, tuple: T, netns: impl Into<U64>, flags: u64
        ) -> Option<Held<SockCommon>> {
            lookup!(SKC_LOOKUP_TCP, tuple, netns, flags)
        }
    }
    [Tc, CgroupSkb (5, 8)] SK_RELEASE(skb): {
        skb.skc_lookup_tcp(TupleV4::default(), crate::uapi::BPF_F_CURRENT_NETNS, 0).map(|sk| skb.sk_release(sk))
    } => {
        /// Gives the reference to a socket back, as dropping it does (`bpf_sk_release`).
        pub fn sk_release(&self, sk: Held<impl crate::context::Handle>) {
            drop(sk);
        }
    }
    [Tc, CgroupSkb] SK_FULLSOCK(skb): skb.sk().map(|sk| skb.sk_fullsock(&sk).map(|sk| sk.mark())) => {
        /// The full socket behind one of any kind, where it is one: splits the path (`bpf_sk_fullsock`).
        pub fn sk_fullsock<'a>(&self, sk: &'a SockCommon) -> Option<SockRef<'a, FullSock>> {
            SockRef::checked(call!(SK_FULLSOCK, sk.pointer()))
        }
    }
    [Tc, CgroupSkb] TCP_SOCK(skb): skb.sk().map(|sk| skb.tcp_sock(&sk).map(|tcp| tcp.snd_cwnd())) => {
        /// What TCP knows of a socket, where it is one of TCP: splits the path (`bpf_tcp_sock`).
        pub fn tcp_sock<'a>(&self, sk: &'a SockCommon) -> Option<SockRef<'a, TcpSock>> {
            SockRef::checked(call!(TCP_SOCK, sk.pointer()))
        }
    }
    [Tc, CgroupSkb] GET_LISTENER_SOCK(skb): skb.sk().map(|sk| skb.get_listener_sock(&sk).map(|sk| sk.src_port())) => {
        /// The listening socket that a connection is made at, where it is still being made: splits the path
        /// (`bpf_get_listener_sock`).
        pub fn get_listener_sock<'a>(&self, sk: &'a SockCommon) -> Option<SockRef<'a, FullSock>> {
            SockRef::checked(call!(GET_LISTENER_SOCK, sk.pointer()))
        }
    }
    [Tc] SK_ASSIGN(skb): {
        let held = skb.sk_lookup_tcp(TupleV4::default(), crate::uapi::BPF_F_CURRENT_NETNS, 0);
        held.map(|sk| skb.sk_assign(&sk, 0))
    } => {
        /// Makes the packet go to this socket, whatever its addresses (`bpf_sk_assign`). It works at ingress only; `flags` are 0.
        pub fn sk_assign(&mut self, sk: &SockCommon, flags: u64) -> HelperResult {
            call!(SK_ASSIGN, skb(), sk.pointer(), flags)
        }
    }
}
