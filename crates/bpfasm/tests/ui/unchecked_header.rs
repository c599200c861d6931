use bpfasm::prelude::*;

#[program(tc)]
fn unchecked(skb: &mut Tc) -> TcAction {
    let ip = skb.header::<Ipv4Hdr>(14);
    if ip.ttl() == 1 { TcAction::SHOT } else { TcAction::OK }
}

fn main() {}
