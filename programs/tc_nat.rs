//! Rewrites the destination of IPv4 packets from a virtual address to a real one, and keeps all checksums right.
//!
//! Hook: `tc`, ingress or egress.
//! Maps: none.
//! See it: `bpfasm run programs/tc_nat.rs --packet HEX` prints the bytes that changed.

use bpfasm::prelude::*;

/// The address that clients use.
pub const VIRTUAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The address that their packets go to.
pub const REAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Sends packets for [`VIRTUAL`] to [`REAL`].
#[program(tc, samples = samples)]
pub fn tc_nat(skb: &mut Tc) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let (old, new) = (ip.daddr(), Be32::from(REAL));
    if old != VIRTUAL {
        return TcAction::OK;
    }
    let (protocol, transport) = (ip.protocol(), ip.header_len() + EthHdr::SIZE);
    let fragment = ip.fragment_offset();
    // From here on the packet may move: `ip` is gone, what was read from it stays.
    // Only the first fragment has the transport header, and with it the checksum over the addresses.
    if fragment == 0 {
        match protocol {
            IPPROTO_TCP => {
                skb.l4_csum_replace(transport + TcpHdr::check, old, new, BPF_F_PSEUDO_HDR);
            }
            IPPROTO_UDP => {
                let flags = BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0;
                skb.l4_csum_replace(transport + UdpHdr::check, old, new, flags);
            }
            _ => {}
        }
    }
    skb.l3_csum_replace(EthHdr::SIZE + Ipv4Hdr::check, old, new);
    skb.store_bytes(EthHdr::SIZE + Ipv4Hdr::daddr, new, 0);
    TcAction::OK
}

fn samples() -> Vec<Sample> {
    let client = Ipv4Addr::new(192, 168, 1, 7);
    vec![
        Sample::new("TCP to the virtual address").eth().ipv4(client, VIRTUAL).tcp(4000, 80).gives(TcAction::OK),
        Sample::new("UDP to the virtual address").eth().ipv4(client, VIRTUAL).udp(4000, 53).gives(TcAction::OK),
        Sample::new("another address").eth().ipv4(client, REAL).udp(4000, 53).gives(TcAction::OK),
    ]
}
