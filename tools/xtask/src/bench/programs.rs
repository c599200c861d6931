//! Programs that are measured and useful to nobody else.

use bpfasm::dsl::build::Entry;
use bpfasm::prelude::*;

/// Programs with a twin in C.
pub const TWINNED: &[&Entry] = &[];

/// Drops packets from any address of a list: one comparison and one early exit for each.
#[program(tc)]
pub fn blocklist(skb: &mut Tc, blocked: &[Ipv4Addr]) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let source = ip.saddr();
    for address in blocked {
        if source == *address {
            return TcAction::SHOT;
        }
    }
    TcAction::OK
}

/// That many different addresses, none a neighbour of another.
pub fn addresses(count: u32) -> Vec<Ipv4Addr> {
    let network = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    (0..count).map(|n| Ipv4Addr::from(network + n * 257)).collect()
}
