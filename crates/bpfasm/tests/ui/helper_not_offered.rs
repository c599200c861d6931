use bpfasm::prelude::*;

#[program(tc)]
fn not_offered(skb: &mut Tc) -> TcAction {
    skb.msg_redirect_hash();
    skb.set_len(5);
    skb.remote_ip6();
    TcAction::OK
}

#[program(cgroup_skb/egress)]
fn not_offered_there(skb: &mut CgroupSkb) -> Cgroup {
    let Some(_ip) = skb.header_mut::<Ipv4Hdr>(0) else { return Cgroup::PASS };
    skb.set_mark(skb.wire_len());
    skb.redirect(1, 0);
    skb.vlan_pop();
    Cgroup::PASS
}

fn main() {}
