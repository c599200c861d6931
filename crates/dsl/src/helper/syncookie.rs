//! Connections without a memory of their first packet.

use super::{call, helpers};
use crate::context::{Handle as _, HelperResult, SockCommon};
use crate::header::{Header, Ipv4Hdr, Ipv6Hdr, Pkt, TcpHdr};
use crate::value::I64;

/// A header of IP.
pub trait IpHeader: Header {}

impl IpHeader for Ipv4Hdr {}
impl IpHeader for Ipv6Hdr {}

/// Runs `$body` with the IP and TCP headers of an example.
macro_rules! with_headers {
    ($skb:ident, $ip:ident: $ip_header:ident, $tcp:ident, $body:expr) => {
        $skb.header::<$ip_header>(14).map(|$ip| $skb.header::<TcpHdr>(14 + $ip_header::SIZE).map(|$tcp| $body))
    };
}

helpers! {
    [Tc] TCP_CHECK_SYNCOOKIE(skb): {
        skb.sk().map(|sk| with_headers!(skb, ip: Ipv4Hdr, tcp, skb.tcp_check_syncookie(&sk, &ip, &tcp)))
    } => {
        /// Whether a packet without a connection carries a cookie of the listening socket `sk`: 0 if so (`bpf_tcp_check_syncookie`).
        pub fn tcp_check_syncookie<I: IpHeader>(
            &self, sk: &SockCommon, ip: &Pkt<'_, I>, tcp: &Pkt<'_, TcpHdr>
        ) -> HelperResult {
            call!(TCP_CHECK_SYNCOOKIE, sk.pointer(), ip.address(), I::SIZE, tcp.address(), TcpHdr::SIZE)
        }
    }
    [Tc] TCP_GEN_SYNCOOKIE(skb): {
        skb.sk().map(|sk| with_headers!(skb, ip: Ipv6Hdr, tcp, skb.tcp_gen_syncookie(&sk, &ip, &tcp)))
    } => {
        /// A cookie for the listening socket `sk` to answer a SYN with: cookie in the lower 32 bits, segment size above; negative where
        /// there is none (`bpf_tcp_gen_syncookie`). `tcp` is the header with all of its options.
        pub fn tcp_gen_syncookie<I: IpHeader, T: Header>(
            &self, sk: &SockCommon, ip: &Pkt<'_, I>, tcp: &Pkt<'_, T>
        ) -> I64 {
            call!(TCP_GEN_SYNCOOKIE, sk.pointer(), ip.address(), I::SIZE, tcp.address(), T::SIZE)
        }
    }
    [Tc] TCP_RAW_GEN_SYNCOOKIE_IPV4(skb): {
        with_headers!(skb, ip: Ipv4Hdr, tcp, skb.tcp_raw_gen_syncookie_ipv4(&ip, &tcp))
    } => {
        /// A cookie to answer a SYN with, without a listening socket; as [`tcp_gen_syncookie`](Self::tcp_gen_syncookie)
        /// (`bpf_tcp_raw_gen_syncookie_ipv4`).
        pub fn tcp_raw_gen_syncookie_ipv4<T: Header>(&self, ip: &Pkt<'_, Ipv4Hdr>, tcp: &Pkt<'_, T>) -> I64 {
            call!(TCP_RAW_GEN_SYNCOOKIE_IPV4, ip.address(), tcp.address(), T::SIZE)
        }
    }
    [Tc] TCP_RAW_GEN_SYNCOOKIE_IPV6(skb): {
        with_headers!(skb, ip: Ipv6Hdr, tcp, skb.tcp_raw_gen_syncookie_ipv6(&ip, &tcp))
    } => {
        /// A cookie to answer a SYN with, without a listening socket; as [`tcp_gen_syncookie`](Self::tcp_gen_syncookie)
        /// (`bpf_tcp_raw_gen_syncookie_ipv6`).
        pub fn tcp_raw_gen_syncookie_ipv6<T: Header>(&self, ip: &Pkt<'_, Ipv6Hdr>, tcp: &Pkt<'_, T>) -> I64 {
            call!(TCP_RAW_GEN_SYNCOOKIE_IPV6, ip.address(), tcp.address(), T::SIZE)
        }
    }
    [Tc] TCP_RAW_CHECK_SYNCOOKIE_IPV4(skb): {
        with_headers!(skb, ip: Ipv4Hdr, tcp, skb.tcp_raw_check_syncookie_ipv4(&ip, &tcp))
    } => {
        /// Whether a packet without a connection carries a cookie: 0 if so (`bpf_tcp_raw_check_syncookie_ipv4`).
        pub fn tcp_raw_check_syncookie_ipv4(&self, ip: &Pkt<'_, Ipv4Hdr>, tcp: &Pkt<'_, TcpHdr>) -> HelperResult {
            call!(TCP_RAW_CHECK_SYNCOOKIE_IPV4, ip.address(), tcp.address())
        }
    }
    [Tc] TCP_RAW_CHECK_SYNCOOKIE_IPV6(skb): {
        with_headers!(skb, ip: Ipv6Hdr, tcp, skb.tcp_raw_check_syncookie_ipv6(&ip, &tcp))
    } => {
        /// Whether a packet without a connection carries a cookie: 0 if so (`bpf_tcp_raw_check_syncookie_ipv6`).
        pub fn tcp_raw_check_syncookie_ipv6(&self, ip: &Pkt<'_, Ipv6Hdr>, tcp: &Pkt<'_, TcpHdr>) -> HelperResult {
            call!(TCP_RAW_CHECK_SYNCOOKIE_IPV6, ip.address(), tcp.address())
        }
    }
}
