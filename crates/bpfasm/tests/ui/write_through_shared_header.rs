use bpfasm::prelude::*;

#[program(tc)]
fn writes(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    ip.set_ttl(63);
    TcAction::OK
}

fn main() {}
