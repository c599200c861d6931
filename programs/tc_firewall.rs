//! A firewall of rules: the first one that fits an IPv4 packet decides. Each counts what it decided, and user space may overrule it.
//!
//! Hook: `tc`, ingress or egress.
//! Maps: `COUNTERS`, from a rule's number to its packets and bytes; `VERDICTS`, from a rule's number to the `TC_ACT_*` to give instead of
//! its own. Rules count from 0; behind the last one comes the policy for the packets that fit none.
//! See it: `bpfasm run programs/tc_firewall.rs` prints `ssh from the internet  TC_ACT_SHOT`.

use bpfasm::prelude::*;

/// Which packets a rule is about, and what becomes of them. What is `None` fits all.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The network that they come from: an address, and how many of its bits count.
    pub from: Option<(Ipv4Addr, u32)>,
    /// The network that they go to.
    pub to: Option<(Ipv4Addr, u32)>,
    /// What they carry: `IPPROTO_*`.
    pub protocol: Option<u8>,
    /// The TCP or UDP ports that they go to: the first and the last. A packet without ports, as a later fragment is, does not fit.
    pub ports: Option<(u16, u16)>,
    /// The verdict on them.
    pub verdict: TcAction,
}

impl Rule {
    /// A rule that fits all packets and lets them pass.
    pub const PASS: Rule = Rule { from: None, to: None, protocol: None, ports: None, verdict: TcAction::OK };
    /// A rule that fits all packets and drops them.
    pub const DROP: Rule = Rule { verdict: TcAction::SHOT, ..Rule::PASS };
}

/// What a rule decided.
#[derive(BpfStruct)]
pub struct Counter {
    /// Packets.
    pub packets: U64,
    /// Their bytes, from the Ethernet header on.
    pub bytes: U64,
}

/// How many rules there may be, the policy among them.
const MAX_RULES: u32 = 1024;

/// What each rule decided.
#[map]
pub static COUNTERS: Array<Counter> = Array::new(MAX_RULES);

/// Verdicts that overrule those of the rules, from the next packet on.
#[map]
pub static VERDICTS: Hash<U32, U32> = Hash::new(MAX_RULES);

/// The rules that the command line uses: a host of the network 10.0.0.0/8 that serves the web, and ssh for its neighbours.
const RULES: &[Rule] = &[
    Rule {
        from: Some((Ipv4Addr::new(10, 0, 0, 0), 8)),
        protocol: Some(IPPROTO_TCP),
        ports: Some((22, 22)),
        ..Rule::PASS
    },
    Rule { protocol: Some(IPPROTO_TCP), ports: Some((80, 81)), ..Rule::PASS },
    Rule { protocol: Some(IPPROTO_TCP), ..Rule::DROP },
    Rule { from: Some((NOISY, 32)), ..Rule::DROP },
];

/// A host that nobody wants to hear of.
const NOISY: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);

/// Gives the verdict of the first rule that fits, and lets pass what fits none.
#[program(tc, samples = samples, args(rules = RULES))]
pub fn tc_firewall(skb: &mut Tc, rules: &[Rule]) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let (number, verdict) = decide(skb, &ip, rules);
    if let Some(counter) = COUNTERS.lookup(number) {
        counter.packets().add(1);
        counter.bytes().add(skb.len());
    }
    match VERDICTS.lookup(number) {
        Some(other) => TcAction::from(other.get()),
        None => verdict,
    }
}

/// The number of the first rule that fits, and its verdict.
#[staged]
fn decide(skb: &Tc, ip: &Pkt<Ipv4Hdr>, rules: &[Rule]) -> (U32, TcAction) {
    let (source, destination, protocol) = (ip.saddr(), ip.daddr(), ip.protocol());
    let asks_for_ports = rules.iter().any(|rule| rule.ports.is_some());
    let port = if asks_for_ports { destination_port(skb, ip) } else { U32::from(NO_PORT) };
    for (number, rule) in (0..).zip(rules) {
        let fits = rule.from.is_none_or(|network| is_in(source, network))
            && rule.to.is_none_or(|network| is_in(destination, network))
            && rule.protocol.is_none_or(|wanted| protocol == wanted)
            && rule.ports.is_none_or(|(first, last)| port >= u32::from(first) && port <= u32::from(last));
        if fits {
            return (U32::from(number), rule.verdict);
        }
    }
    let policy = u32::try_from(rules.len()).unwrap_or(u32::MAX);
    assert!(policy < MAX_RULES, "at most {} rules", MAX_RULES - 1);
    (U32::from(policy), TcAction::OK)
}

/// Whether an address is one of a network.
fn is_in(address: Be32, (network, bits): (Ipv4Addr, u32)) -> bool {
    let mask = u32::MAX.checked_shl(u32::BITS.saturating_sub(bits)).unwrap_or(0);
    address & mask == u32::from(network) & mask
}

/// In place of a port, where there is none.
const NO_PORT: u32 = 1 << 16;

/// The first fields of a TCP or UDP header.
#[derive(Header)]
struct Ports {
    source: Be16,
    destination: Be16,
}

/// The port that a TCP or UDP packet goes to.
#[staged]
fn destination_port(skb: &Tc, ip: &Pkt<Ipv4Hdr>) -> U32 {
    if (ip.protocol() != IPPROTO_TCP && ip.protocol() != IPPROTO_UDP) || ip.is_later_fragment() {
        return U32::from(NO_PORT);
    }
    match skb.header::<Ports>(ip.header_len() + EthHdr::SIZE) {
        Some(ports) => U32::from(ports.destination().host()),
        None => U32::from(NO_PORT),
    }
}

fn samples() -> Vec<Sample> {
    let (neighbour, stranger, here) =
        (Ipv4Addr::new(10, 9, 9, 9), Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::new(10, 0, 0, 1));
    let packet = |name: &str, from| Sample::new(name).eth().ipv4(from, here);
    vec![
        packet("ssh from the internet", stranger).tcp(4000, 22).gives(TcAction::SHOT),
        packet("ssh from a neighbour", neighbour).tcp(4000, 22).gives(TcAction::OK),
        packet("web from the internet", stranger).tcp(4000, 80).gives(TcAction::OK),
        packet("the last port of a range", stranger).tcp(4000, 81).gives(TcAction::OK),
        packet("the port behind it", stranger).tcp(4000, 82).gives(TcAction::SHOT),
        packet("web behind IP options", stranger).ip_options(&[1; 8]).tcp(4000, 80).gives(TcAction::OK),
        packet("a later fragment has no ports", stranger).fragment(8).tcp(4000, 80).gives(TcAction::SHOT),
        packet("the noisy host, no TCP", NOISY).udp(4000, 53).gives(TcAction::SHOT),
        packet("its neighbour", neighbour).udp(4000, 53).gives(TcAction::OK),
        Sample::new("not IPv4").eth().ethertype(ETH_P_IPV6).payload(&[0x60; 40]).gives(TcAction::OK),
    ]
}
