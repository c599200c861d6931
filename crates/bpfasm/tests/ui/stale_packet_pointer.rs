use bpfasm::prelude::*;

#[program(tc)]
fn stale(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    skb.store_bytes(30u32, Be32::from(Ipv4Addr::LOCALHOST), 0);
    if ip.daddr() == Ipv4Addr::LOCALHOST {
        return TcAction::SHOT;
    }
    TcAction::OK
}

fn main() {}
