use bpfasm::prelude::*;

#[program(tc)]
fn stale(skb: &mut Tc) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    skb.vlan_pop();
    if eth.ethertype() == ETH_P_IP {
        return TcAction::SHOT;
    }
    TcAction::OK
}

#[program(tc)]
fn gone(skb: &mut Tc) -> TcAction {
    let Some(sk) = skb.sk_lookup_tcp(TupleV4::default(), BPF_F_CURRENT_NETNS, 0) else { return TcAction::OK };
    let tcp = skb.tcp_sock(&sk);
    drop(sk);
    if tcp.is_some_and(|tcp| tcp.snd_cwnd() > 9) {
        return TcAction::SHOT;
    }
    TcAction::OK
}

fn main() {}
