//! The contexts' fields, helpers and headers, by the verifier's word: it refuses a field or helper that the kernel does not offer, and a
//! field that is not to be written.

mod packets;
mod routes;
mod sockets;
mod table;

use bpfasm::{dsl::context::TcpSock, loader::TestRun, prelude::*};
use bpfasm_programs::cgroup_ingress::cgroup_ingress;
use bpfasm_tests::{
    Case, Need,
    need::{CAP_BPF, CAP_NET_ADMIN},
};

/// What it takes to load a program.
const LOADS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN];

/// Test runs that show programs of control groups the packet's bytes.
static CGROUP_TEST_RUN: Need = Need::new("CGROUP_TEST_RUN", || {
    let program = cgroup_ingress.load().map_err(|error| error.to_string())?;
    program.test_run(&TestRun::packet(&[0; 64])).map(drop).map_err(|error| error.to_string())
});

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let (task, time) = ([LOADS, &[&table::TASK_HELPERS]].concat(), [LOADS, &[&table::TIMESTAMPS]].concat());
    let own = vec![
        Case::new("context::tc::table_of_fields", &time, |_| table::fields::<Tc>(table::TC)),
        Case::new("context::tc::helpers_load", &task, |_| table::helpers_load::<Tc>(table::TC)),
        Case::new("context::tc::table_of_helpers", &task, |_| table::helpers_are_the_kernels::<Tc>(table::TC)),
        Case::new("context::cgroup_skb::table_of_fields", &time, |_| table::fields::<CgroupSkb>(table::CGROUP_SKB)),
        Case::new("context::cgroup_skb::helpers_load", &task, |_| table::helpers_load::<CgroupSkb>(table::CGROUP_SKB)),
        Case::new("context::cgroup_skb::table_of_helpers", &task, |_| {
            table::helpers_are_the_kernels::<CgroupSkb>(table::CGROUP_SKB);
        }),
        Case::new("context::table_of_sockets", LOADS, |_| table::sockets()),
        Case::new("context::tc_fields", &time, |_| drop(tc_fields.load().unwrap())),
        Case::new("context::cgroup_skb_fields", &time, |_| drop(cgroup_skb_fields.load().unwrap())),
        Case::new("context::cgroup_skb_reads_bytes", LOADS, |_| cgroup_skb_reads_bytes()),
        Case::new("context::congestion_is_for_egress", LOADS, |_| congestion_is_for_egress()),
        Case::new("context::cgroup_ingress_loads", LOADS, |_| drop(cgroup_ingress.load().unwrap())),
    ];
    [own, packets::cases(), routes::cases(), sockets::cases()].into_iter().flatten().collect()
}

/// Reads every field that tc has, and writes every one that it may.
#[program(tc)]
fn tc_fields(skb: &mut Tc) -> TcAction {
    let sum = skb.len() + skb.pkt_type() + skb.queue_mapping() + skb.vlan_present() + skb.vlan_tci() + skb.priority();
    let sum = sum + skb.ingress_ifindex() + skb.ifindex() + skb.tc_index() + skb.hash() + skb.tc_classid();
    let sum =
        sum + skb.napi_id() + skb.wire_len() + skb.gso_segs() + skb.gso_size() + skb.protocol().host() + skb.mark();
    let sum = sum + skb.cb::<0>() + skb.cb::<4>() + skb.vlan_proto().host() + skb.tstamp_type();
    let sum = sum + skb.hwtstamp().low32();
    if let Some(meta) = skb.meta::<UdpHdr>(4) {
        skb.set_mark(meta.dest().host());
    }
    if let Some(sk) = skb.sk() {
        let sum = sum + sk.bound_dev_if() + sk.family() + sk.src_port() + sk.state() + sk.rx_queue_mapping().unsigned();
        let sum = sum + sk.src_ip4().host() + sk.dst_ip4().host() + sk.dst_port().host();
        if sk.src_ip6() == sk.dst_ip6() {
            skb.set_mark(sum);
        }
        if let Some(full) = skb.sk_fullsock(&sk) {
            skb.set_mark(full.kind() + full.protocol() + full.mark() + full.priority());
        }
    }
    skb.set_mark(sum);
    skb.set_queue_mapping(sum);
    skb.set_priority(sum);
    skb.set_tc_index(sum);
    skb.set_tc_classid(sum);
    skb.set_tstamp(skb.tstamp());
    skb.set_cb::<0>(sum);
    skb.set_cb::<4>(sum);
    TcAction::OK
}

/// The same of a control group's packets.
#[program(cgroup_skb/egress)]
fn cgroup_skb_fields(skb: &mut CgroupSkb) -> Cgroup {
    let sum = skb.len() + skb.pkt_type() + skb.queue_mapping() + skb.vlan_present() + skb.vlan_tci() + skb.priority();
    let sum = sum + skb.ingress_ifindex() + skb.ifindex() + skb.tc_index() + skb.hash() + skb.napi_id();
    let sum = sum + skb.gso_segs() + skb.gso_size() + skb.protocol().host() + skb.mark() + skb.family();
    let sum = sum + skb.remote_ip4().host() + skb.local_ip4().host() + skb.remote_port().host() + skb.local_port();
    let sum = sum + skb.cb::<0>() + skb.cb::<4>() + skb.vlan_proto().host() + skb.hwtstamp().low32();
    if skb.remote_ip6() == Ipv6Addr::LOCALHOST && skb.local_ip6() & Ipv6Addr::from(!0) != Ipv6Addr::UNSPECIFIED {
        return Cgroup::DROP;
    }
    if let Some(sk) = skb.sk()
        && let Some(tcp) = skb.tcp_sock(&sk)
    {
        skb.set_mark(TCP_FIELDS.iter().fold(U32::from(0), |sum, field| sum + field(&tcp)));
        skb.set_tstamp(tcp.bytes_received() + tcp.bytes_acked());
        return Cgroup::PASS;
    }
    skb.set_mark(sum);
    skb.set_priority(sum);
    skb.set_tstamp(skb.tstamp());
    skb.set_cb::<0>(sum);
    skb.set_cb::<4>(sum);
    Cgroup::PASS_CN
}

/// What TCP tells of a connection, in words of 32 bits.
const TCP_FIELDS: [fn(&TcpSock) -> U32; 24] = [
    TcpSock::snd_cwnd,
    TcpSock::srtt_us,
    TcpSock::rtt_min,
    TcpSock::snd_ssthresh,
    TcpSock::rcv_nxt,
    TcpSock::snd_nxt,
    TcpSock::snd_una,
    TcpSock::mss_cache,
    TcpSock::ecn_flags,
    TcpSock::rate_delivered,
    TcpSock::rate_interval_us,
    TcpSock::packets_out,
    TcpSock::retrans_out,
    TcpSock::total_retrans,
    TcpSock::segs_in,
    TcpSock::data_segs_in,
    TcpSock::segs_out,
    TcpSock::data_segs_out,
    TcpSock::lost_out,
    TcpSock::sacked_out,
    TcpSock::dsack_dups,
    TcpSock::delivered,
    TcpSock::delivered_ce,
    TcpSock::icsk_retransmits,
];

/// Drops ICMP over IPv6 with hop limit 255 and IPv4 echo requests, read in both ways there are.
#[program(cgroup_skb/ingress)]
fn echoes(skb: &mut CgroupSkb) -> Cgroup {
    let Some(version) = skb.load_bytes::<U8>(0) else { return Cgroup::PASS };
    if U32::from(version) >> 4 == 6 {
        let Some(ip) = skb.header::<Ipv6Hdr>(0) else { return Cgroup::PASS };
        return if ip.next_header() == 58 && ip.hop_limit() == 255 { Cgroup::DROP } else { Cgroup::PASS };
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(0) else { return Cgroup::PASS };
    if ip.protocol() != IPPROTO_ICMP {
        return Cgroup::PASS;
    }
    let Some(icmp) = skb.header::<IcmpHdr>(ip.header_len()) else { return Cgroup::PASS };
    if icmp.kind() == 8 && icmp.code() == 0 { Cgroup::DROP } else { Cgroup::PASS }
}

fn cgroup_skb_reads_bytes() {
    use bpfasm::loader::ErrorKind;
    let program = echoes.load().unwrap();
    // Ethernet header, then the packet from its IP header on.
    let frame = |ethertype: u16, packet: &[u8]| {
        let mut frame = vec![2; 12];
        frame.extend(ethertype.to_be_bytes());
        frame.extend(packet);
        frame
    };
    let ipv6 = |next: u8, hops: u8| {
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, next, hops];
        packet.extend([0; 32 + 8]);
        frame(ETH_P_IPV6, &packet)
    };
    let ipv4 = |options: usize, protocol: u8, kind: u8| {
        let words = u8::try_from(5 + options).unwrap();
        let mut packet = vec![0x40 | words, 0, 0, 28, 0, 0, 0, 0, 64, protocol];
        packet.extend(vec![0; 10 + 4 * options]);
        packet.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        frame(ETH_P_IP, &packet)
    };
    let rows = [
        (ipv6(58, 255), 0),
        (ipv6(58, 64), 1),
        (ipv6(6, 255), 1),
        (ipv4(0, IPPROTO_ICMP, 8), 0),
        (ipv4(3, IPPROTO_ICMP, 8), 0),
        (ipv4(0, IPPROTO_ICMP, 0), 1),
        (ipv4(0, IPPROTO_TCP, 8), 1),
    ];
    for (packet, verdict) in rows {
        match program.test_run(&TestRun::packet(&packet)) {
            Ok(run) => assert_eq!(run.retval, verdict, "{packet:02x?}"),
            // A kernel that runs them on nothing: then there is no verdict, rather than a wrong one.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
        }
    }
}

/// Tells of congestion where nobody can be told.
#[program(cgroup_skb/ingress)]
fn congested(_skb: &mut CgroupSkb) -> Cgroup {
    Cgroup::PASS_CN
}

fn congestion_is_for_egress() {
    let error = congested.load().unwrap_err();
    assert_eq!(error.kind(), bpfasm::ErrorKind::Rejected, "{error}");
}
