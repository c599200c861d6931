//! Blocks TCP port 8080 for the sockets of a control group.
//!
//! Hook: `cgroup_skb/ingress`.
//! Maps: none.
//! See it: `bpfasm run programs/cgroup_ingress.rs` prints `port 8080  drop`.

use bpfasm::prelude::*;

/// The port that is blocked.
const BLOCKED: u16 = 8080;

/// Drops TCP segments to port `BLOCKED` and lets everything else pass.
///
/// Here a packet begins with its IP header. The TCP header follows the IP options, and only the first fragment has it.
#[program(cgroup_skb/ingress, samples = samples)]
pub fn cgroup_ingress(skb: &mut CgroupSkb) -> Cgroup {
    if skb.protocol() != ETH_P_IP {
        return Cgroup::PASS;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(0) else { return Cgroup::PASS };
    if ip.protocol() != IPPROTO_TCP || ip.is_later_fragment() {
        return Cgroup::PASS;
    }
    let Some(tcp) = skb.header::<TcpHdr>(ip.header_len()) else { return Cgroup::PASS };
    if tcp.dest() == BLOCKED { Cgroup::DROP } else { Cgroup::PASS }
}

fn samples() -> Vec<Sample> {
    let [client, server] = [1, 2].map(|host| Ipv4Addr::new(192, 168, 1, host));
    let packet = |name: &str| Sample::new(name).eth().ipv4(client, server);
    vec![
        packet("port 8080").tcp(4000, BLOCKED).gives(Cgroup::DROP),
        packet("the port above").tcp(4000, BLOCKED + 1).gives(Cgroup::PASS),
        packet("from port 8080").tcp(BLOCKED, 4000).gives(Cgroup::PASS),
        packet("port 8080 of UDP").udp(4000, BLOCKED).gives(Cgroup::PASS),
        packet("8080 behind IP options").ip_options(&[1; 8]).tcp(4000, BLOCKED).gives(Cgroup::DROP),
        packet("8080 in a later fragment").fragment(8).tcp(4000, BLOCKED).gives(Cgroup::PASS),
        packet("cut in the TCP header").tcp(4000, BLOCKED).cut(14 + 20 + 10).gives(Cgroup::PASS),
        Sample::new("not IPv4").eth().ethertype(ETH_P_IPV6).payload(&[0x60; 40]).gives(Cgroup::PASS),
    ]
}
