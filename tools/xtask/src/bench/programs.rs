//! Programs that are measured and useful to nobody else.

use bpfasm::dsl::build::Entry;
use bpfasm::dsl::sample::SampleBuilder;
use bpfasm::prelude::*;

/// Programs with a twin in C.
pub const TWINNED: &[&Entry] = &[&__BPFASM_limit, &__BPFASM_flows, &__BPFASM_networks];

/// Drops packets from any address of a list: one comparison and one early exit for each.
#[program(tc)]
pub fn blocklist(skb: &mut Tc, blocked: &[Ipv4Addr]) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let source = ip.saddr();
    for address in blocked {
        if source == *address {
            return TcAction::SHOT;
        }
    }
    TcAction::OK
}

/// That many different addresses, none a neighbour of another.
pub fn addresses(count: u32) -> Vec<Ipv4Addr> {
    let network = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    (0..count).map(|n| Ipv4Addr::from(network + n * 257)).collect()
}

/// Packets from each source.
#[map]
static SEEN: Hash<Be32, U64> = Hash::new(1024);

/// Counts packets by their source, and drops all behind the first two.
#[program(tc, samples = twice)]
pub fn limit(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let source = ip.saddr();
    if let Some(seen) = SEEN.lookup(source) {
        seen.add(1);
        return if seen.get() > 2 { TcAction::SHOT } else { TcAction::OK };
    }
    SEEN.update(source, 1, BPF_ANY);
    TcAction::OK
}

/// What makes a flow.
#[derive(BpfStruct)]
struct Flow {
    saddr: Be32,
    daddr: Be32,
    source: Be16,
    dest: Be16,
    protocol: U8,
}

/// What was seen of a flow.
#[derive(BpfStruct)]
struct Traffic {
    packets: U64,
    bytes: U64,
}

/// What was seen of each flow.
#[map]
static FLOWS: Hash<Flow, Traffic> = Hash::new(1024);

/// Counts packets and bytes of each flow, and drops all packets behind the first two.
#[program(tc, samples = twice)]
pub fn flows(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let Some(udp) = skb.header::<UdpHdr>(ip.header_len() + EthHdr::SIZE) else { return TcAction::OK };
    let flow =
        Flow { saddr: ip.saddr(), daddr: ip.daddr(), source: udp.source(), dest: udp.dest(), protocol: ip.protocol() };
    if let Some(known) = FLOWS.lookup(&flow) {
        known.packets().add(1);
        known.bytes().add(skb.len());
        return if known.packets().get() > 2 { TcAction::SHOT } else { TcAction::OK };
    }
    FLOWS.update(flow, Traffic { packets: U64::from(1), bytes: skb.len().into() }, BPF_ANY);
    TcAction::OK
}

/// Networks with their verdicts.
#[map]
static NETWORKS: LpmTrie<Be32, U32> = LpmTrie::new(1024);

/// Drops what comes from a network that has sent a datagram before.
#[program(tc, samples = datagram_first)]
pub fn networks(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let shot = 2;
    if ip.protocol() == IPPROTO_UDP {
        NETWORKS.update(LpmKey::new(24, ip.saddr()), shot, BPF_ANY);
        return TcAction::OK;
    }
    match NETWORKS.lookup(ip.saddr()) {
        Some(verdict) if verdict.get() == shot => TcAction::SHOT,
        _ => TcAction::OK,
    }
}

fn packet(name: &str, host: u8) -> SampleBuilder {
    Sample::new(name).eth().ipv4(Ipv4Addr::new(10, 0, 0, host), Ipv4Addr::new(10, 0, 1, 1))
}

/// Three packets from one source, one from another.
fn twice() -> Vec<Sample> {
    vec![
        packet("the first", 7).udp(4000, 53).gives(TcAction::OK),
        packet("the second", 7).udp(4000, 53).gives(TcAction::OK),
        packet("the third", 7).udp(4000, 53).gives(TcAction::SHOT),
        packet("another", 8).udp(4000, 53).gives(TcAction::OK),
        Sample::new("too short").eth().ethertype(ETH_P_ARP).payload(&[0; 4]).gives(TcAction::OK),
    ]
}

/// A segment, a datagram, segments from its network and from another.
fn datagram_first() -> Vec<Sample> {
    let elsewhere = Sample::new("elsewhere").eth().ipv4(Ipv4Addr::new(10, 0, 1, 7), Ipv4Addr::new(10, 0, 0, 1));
    vec![
        packet("before", 7).tcp(4000, 80).gives(TcAction::OK),
        packet("a datagram", 7).udp(4000, 53).gives(TcAction::OK),
        packet("behind it", 8).tcp(4000, 80).gives(TcAction::SHOT),
        elsewhere.tcp(4000, 80).gives(TcAction::OK),
    ]
}
