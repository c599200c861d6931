use bpfasm::prelude::*;

#[program(tc)]
fn adds(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let next = ip.saddr() + 1;
    if next == ip.daddr() {
        return TcAction::SHOT;
    }
    TcAction::OK
}

fn main() {}
