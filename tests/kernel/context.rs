//! The contexts' fields and headers, by the verifier's word: it refuses a field that the kernel does not offer, or not to be
//! written.

use bpfasm::prelude::*;
use bpfasm_programs::cgroup_ingress::cgroup_ingress;
use bpfasm_tests::{
    Case, Need,
    need::{CAP_BPF, CAP_NET_ADMIN},
};

/// What it takes to load a program.
const LOADS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN];

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("context::tc_fields", LOADS, |_| drop(tc_fields.load().unwrap())),
        Case::new("context::cgroup_skb_fields", LOADS, |_| drop(cgroup_skb_fields.load().unwrap())),
        Case::new("context::cgroup_skb_reads_bytes", LOADS, |_| cgroup_skb_reads_bytes()),
        Case::new("context::congestion_is_for_egress", LOADS, |_| congestion_is_for_egress()),
        Case::new("context::cgroup_ingress_loads", LOADS, |_| drop(cgroup_ingress.load().unwrap())),
    ]
}

/// Reads every field that tc has, and writes every one that it may.
#[program(tc)]
fn tc_fields(skb: &mut Tc) -> TcAction {
    let sum = skb.len() + skb.pkt_type() + skb.queue_mapping() + skb.vlan_present() + skb.vlan_tci() + skb.priority();
    let sum = sum + skb.ingress_ifindex() + skb.ifindex() + skb.tc_index() + skb.hash() + skb.tc_classid();
    let sum =
        sum + skb.napi_id() + skb.wire_len() + skb.gso_segs() + skb.gso_size() + skb.protocol().host() + skb.mark();
    let sum = sum + skb.cb::<0>() + skb.cb::<4>();
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
    let sum = sum + skb.cb::<0>() + skb.cb::<4>();
    skb.set_mark(sum);
    skb.set_priority(sum);
    skb.set_tstamp(skb.tstamp());
    skb.set_cb::<0>(sum);
    skb.set_cb::<4>(sum);
    Cgroup::PASS_CN
}

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
    use bpfasm::loader::{ErrorKind, TestRun};
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
