use bpfasm::prelude::*;

#[program(tc)]
fn mixes(skb: &mut Tc) -> TcAction {
    let Some(udp) = skb.header::<UdpHdr>(34) else { return TcAction::OK };
    let port: U16 = udp.source().host();
    if udp.dest() == port {
        return TcAction::SHOT;
    }
    TcAction::OK
}

fn main() {}
