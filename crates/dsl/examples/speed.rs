//! x
use bpfasm_dsl::prelude::*;
use std::time::Instant;
#[program(tc, crate = bpfasm_dsl)]
fn drop_one(skb: &mut Tc) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    if ip.saddr() == Ipv4Addr::new(192, 168, 1, 1) {
        return TcAction::SHOT;
    }
    TcAction::OK
}
#[program(tc, crate = bpfasm_dsl)]
fn blocklist(skb: &mut Tc, blocked: &[Ipv4Addr]) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    for address in blocked {
        if ip.saddr() == *address {
            return TcAction::SHOT;
        }
    }
    TcAction::OK
}
#[program(tc, crate = bpfasm_dsl)]
fn any(skb: &mut Tc, blocked: &[Ipv4Addr]) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    if blocked.iter().any(|b| ip.saddr() == *b) { TcAction::SHOT } else { TcAction::OK }
}
fn time(n: &str, f: &dyn Fn()) {
    let mut best = f64::MAX;
    for _ in 0..50 { let t = Instant::now(); f(); best = best.min(t.elapsed().as_secs_f64()); }
    println!("{n}: {:.1} us", best * 1e6);
}
fn main() {
    time("drop", &|| { drop_one.stage().unwrap(); });
    for n in [100u32, 500] {
        let blocked: Vec<_> = (0..n).map(|n| Ipv4Addr::from(0x0a000000 + n)).collect();
        if std::env::args().count() < 2 { time(&format!("list {n}"), &|| { blocklist.with(&blocked).stage().unwrap(); }); }
        time(&format!("any {n}"), &|| { any.with(&blocked).stage().unwrap(); });
    }
}
