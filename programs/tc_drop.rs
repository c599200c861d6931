//! Drops IPv4 packets from one source address.
//!
//! Hook: `tc`, ingress or egress.
//! Maps: none.
//! See it: `bpfasm run programs/tc_drop.rs` prints `blocked source  TC_ACT_SHOT`.

use bpfasm::prelude::*;

/// Whose packets are dropped.
const BLOCKED: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

/// Drops IPv4 packets from `BLOCKED` and lets everything else pass.
#[program(tc, samples = samples)]
pub fn tc_drop(skb: &mut Tc) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    if ip.saddr() == BLOCKED {
        return TcAction::SHOT;
    }
    TcAction::OK
}

fn samples() -> Vec<Sample> {
    let (neighbour, here) = (Ipv4Addr::new(192, 168, 1, 2), Ipv4Addr::new(192, 168, 1, 9));
    vec![
        Sample::new("blocked source").eth().ipv4(BLOCKED, here).udp(4000, 5000).gives(TcAction::SHOT),
        Sample::new("its neighbour").eth().ipv4(neighbour, here).udp(4000, 5000).gives(TcAction::OK),
        Sample::new("blocked, but as destination").eth().ipv4(here, BLOCKED).tcp(4000, 80).gives(TcAction::OK),
        Sample::new("not IPv4").eth().ethertype(ETH_P_ARP).payload(&[0; 28]).gives(TcAction::OK),
    ]
}
