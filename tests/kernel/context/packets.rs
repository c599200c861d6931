//! What helpers do to packets, by test runs: bytes, lengths, checksums, tags.

use bpfasm::{loader::TestRun, prelude::*};
use bpfasm_tests::{Case, Need};

use super::{
    CGROUP_TEST_RUN, LOADS,
    table::{TASK_HELPERS, TEXT_HELPERS, TIMESTAMPS},
};

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    const NEEDS: &[&Need] = LOADS;
    vec![
        Case::new("context::packets::vlan_tags_come_and_go", NEEDS, |_| vlan_tags_come_and_go()),
        Case::new("context::packets::lengths_change", NEEDS, |_| lengths_change()),
        Case::new("context::packets::checksums_are_the_protocols", NEEDS, |_| checksums_are_the_protocols()),
        Case::new("context::packets::bytes_are_read_and_written", NEEDS, |_| bytes_are_read_and_written()),
        Case::new("context::packets::a_group_reads_bytes", &[NEEDS, &[&CGROUP_TEST_RUN]].concat(), |_| {
            assert_eq!(run(&relative, &udp()).0, 1);
        }),
        Case::new("context::packets::marks_stick", &[NEEDS, &[&TIMESTAMPS]].concat(), |_| marks_stick()),
        Case::new("context::packets::tunnels_come_back", NEEDS, |_| tunnels_come_back()),
        Case::new("context::packets::the_task_is_this_one", &[NEEDS, &[&TASK_HELPERS]].concat(), |_| {
            the_task_is_this_one()
        }),
        Case::new("context::packets::text_is_read", &[NEEDS, &[&TEXT_HELPERS]].concat(), |_| text_is_read()),
        Case::new("context::packets::headers_are_read", NEEDS, |_| headers_are_read()),
    ]
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 7);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 8);

fn udp() -> Vec<u8> {
    let sample = Sample::new("").eth().ipv4(CLIENT, SERVER).udp(4000, 53).payload(&[7; 60]).gives(TcAction::OK);
    sample.packet().to_vec()
}

/// What a program answers for a packet, and what it makes of it.
#[track_caller]
fn run(program: &impl Load, packet: &[u8]) -> (u32, Vec<u8>) {
    let run = program.load().unwrap().test_run(&TestRun::packet(packet)).unwrap();
    (run.retval, run.data_out)
}

/// The first tag goes beside the packet, where the second one puts it into the packet.
#[program(tc)]
fn two_tags(skb: &mut Tc, pops: u8) -> TcAction {
    if skb.vlan_push(ETH_P_8021Q, 5) != 0 || skb.vlan_push(ETH_P_8021AD, 6) != 0 {
        return TcAction::SHOT;
    }
    for _ in 0..pops {
        if skb.vlan_pop() != 0 {
            return TcAction::SHOT;
        }
    }
    // Without a tag, older kernels leave the number of the last one there.
    if skb.vlan_present() == 0 { TcAction::OK } else { TcAction::from(skb.vlan_tci()) }
}

fn vlan_tags_come_and_go() {
    let packet = udp();
    let tagged = [&packet[..12], &[0x81, 0x00, 0x00, 0x05], &packet[12..]].concat();
    assert_eq!(run(&two_tags.with(0), &packet), (6, tagged));
    assert_eq!(run(&two_tags.with(1), &packet), (5, packet.clone()));
    assert_eq!(run(&two_tags.with(2), &packet), (0, packet));
}

/// What makes a packet longer or shorter.
#[derive(Clone, Copy)]
enum Change {
    Tail(u32),
    Head(u32),
    Room(i32),
    Proto,
}

#[program(tc)]
fn resize(skb: &mut Tc, change: Change) -> TcAction {
    let result = match change {
        Change::Tail(len) => skb.change_tail(len, 0),
        Change::Head(len) => skb.change_head(len, 0),
        Change::Room(len) => skb.adjust_room(len, BPF_ADJ_ROOM_MAC, 0),
        Change::Proto => skb.change_proto(ETH_P_IPV6, 0),
    };
    if result != 0 { TcAction::SHOT } else { TcAction::OK }
}

fn lengths_change() {
    let packet = udp();
    let len = packet.len();
    assert_eq!(run(&resize.with(Change::Tail(64)), &packet), (0, packet[..64].to_vec()));
    let longer = [&packet[..], &[0; 38]].concat();
    assert_eq!(run(&resize.with(Change::Tail(u32::try_from(len).unwrap() + 38)), &packet), (0, longer));
    assert_eq!(run(&resize.with(Change::Head(14)), &packet), (0, [&[0; 14], &packet[..]].concat()));
    // Room is made behind the Ethernet header, or taken there; what is in it is not said.
    let (verdict, wider) = run(&resize.with(Change::Room(8)), &packet);
    assert_eq!((verdict, wider.len(), &wider[..14], &wider[22..]), (0, len + 8, &packet[..14], &packet[14..]));
    let (verdict, translated) = run(&resize.with(Change::Proto), &packet);
    assert_eq!((verdict, translated.len(), &translated[54..]), (0, len + 20, &packet[34..]));
}

/// Leaves the checksum in the packet's first bytes.
#[program(tc)]
fn checksum(skb: &mut Tc, from: [u32; 3], to: Option<[u32; 2]>, seed: u32) -> TcAction {
    let from = from.map(Be32::from);
    let sum = match to {
        Some(to) => skb.csum_diff(from, to.map(Be32::from), seed),
        None => skb.csum_diff(from, (), seed),
    };
    if sum < 0 {
        return TcAction::SHOT;
    }
    skb.store_bytes(0, sum.unsigned(), 0);
    TcAction::OK
}

/// A sum in ones' complement, folded to 16 bits (RFC 1071).
fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// The sum that the kernel has of words in network order, as this machine's order sees them.
fn sum(words: &[u32]) -> u64 {
    let halves = words.iter().flat_map(|word| {
        let [a, b, c, d] = word.to_be_bytes();
        [u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])]
    });
    halves.map(u64::from).sum()
}

fn checksums_are_the_protocols() {
    let rows: [([u32; 3], Option<[u32; 2]>, u32); 4] = [
        ([0, 0, 0], Some([1, 2]), 0),
        ([0xc0a8_0101, 0xc0a8_0102, 0x1234_5678], Some([0x0a00_0001, 0x0a00_0002]), 0),
        ([0xffff_0000, 1, 0x8000_8000], Some([0xffff_ffff, 3]), 0x0001_2345),
        ([1, 2, 3], None, 0xffff),
    ];
    for (from, to, seed) in rows {
        let (verdict, packet) = run(&checksum.with(from, to, seed), &udp());
        let complement = from.map(|word| !word);
        let to = to.as_ref().map_or(&[][..], |to| &to[..]);
        let expected = fold(u64::from(seed) + sum(&complement) + sum(to));
        let found = u64::from_ne_bytes(packet[..8].try_into().unwrap());
        assert_eq!((verdict, fold(found)), (0, expected), "{from:x?} {to:x?} {seed:x}");
    }
}

/// Copies the IP destination, read from the network header on, over the first bytes of the frame, and a whole address after it.
#[program(tc)]
fn copies(skb: &mut Tc) -> TcAction {
    let Some(address) = skb.load_bytes_relative::<Be32>(Ipv4Hdr::daddr, BPF_HDR_START_NET) else {
        return TcAction::SHOT;
    };
    let Some(source) = skb.load_bytes_relative::<Mac>(EthHdr::src, BPF_HDR_START_MAC) else { return TcAction::SHOT };
    let Some(ports) = skb.load_bytes::<[Be16; 2]>(EthHdr::SIZE + Ipv4Hdr::SIZE) else { return TcAction::SHOT };
    if skb.load_bytes::<U8>(0xffff).is_some() || ports != [Be16::from(4000), Be16::from(53)] {
        return TcAction::SHOT;
    }
    if source != [2, 0, 0, 0, 0, 1] {
        return TcAction::SHOT;
    }
    skb.store_bytes(0, Mac::from([1, 2, 3, 4, 5, 6]), 0);
    skb.store_bytes(6, [address, address], 0);
    TcAction::OK
}

#[program(cgroup_skb/ingress)]
fn relative(skb: &mut CgroupSkb) -> Cgroup {
    let Some(version) = skb.load_bytes_relative::<U8>(0, BPF_HDR_START_NET) else { return Cgroup::DROP };
    if version == 0x45 { Cgroup::PASS } else { Cgroup::DROP }
}

fn bytes_are_read_and_written() {
    let (verdict, packet) = run(&copies, &udp());
    let address = SERVER.octets();
    assert_eq!((verdict, &packet[..14]), (0, &[&[1, 2, 3, 4, 5, 6], &address[..], &address[..]].concat()[..]));
}

/// Says by bits what did not stick.
#[program(tc)]
fn marks(skb: &mut Tc) -> TcAction {
    let mut wrong = U32::from(0);
    skb.set_hash(0x1234_5678);
    if skb.hash() != 0x1234_5678 || skb.get_hash_recalc() != 0x1234_5678 {
        wrong |= 1;
    }
    skb.set_hash_invalid();
    if skb.hash() != 0 {
        wrong |= 2;
    }
    skb.change_type(PACKET_OTHERHOST);
    if skb.pkt_type() != PACKET_OTHERHOST {
        wrong |= 4;
    }
    skb.set_tstamp_type(1_000_000, BPF_SKB_CLOCK_MONOTONIC);
    if skb.tstamp_type() != 1 || skb.tstamp() != 1_000_000 {
        wrong |= 8;
    }
    if skb.ecn_set_ce() != 1 {
        wrong |= 16;
    }
    let (fits, mtu) = skb.check_mtu(0, 0, 0, 0);
    if fits != 0 || mtu != 65536 {
        wrong |= 32;
    }
    let (fits, _) = skb.check_mtu(0, 0, 1 << 17, 0);
    if fits != 1 {
        wrong |= 64;
    }
    TcAction::from(wrong)
}

fn marks_stick() {
    let mut packet = udp();
    packet[15] |= 0b10; // ECT(0): the checksum is the kernel's to keep right.
    let (wrong, after) = run(&marks, &packet);
    assert_eq!(wrong, 0, "{wrong:#b}");
    assert_eq!(after[15] & 0b11, 0b11);
}

#[program(tc)]
fn through_a_tunnel(skb: &mut Tc) -> TcAction {
    if skb.get_tunnel_key(0).is_some() {
        return TcAction::SHOT;
    }
    let key = TunnelKey { id: 77.into(), tos: 4.into(), ttl: 9.into(), ..TunnelKey::default() };
    if skb.set_tunnel_key(key.with_remote_ipv4(SERVER), 0) != 0 {
        return TcAction::SHOT;
    }
    let words = [U32::from(0xaabb_ccdd), U32::from(5)];
    if skb.set_tunnel_opt(words) != 0 {
        return TcAction::SHOT;
    }
    let Some(key) = skb.get_tunnel_key(0) else { return TcAction::SHOT };
    let (bytes, options) = skb.get_tunnel_opt::<[U32; 2]>();
    let same = key.id == 77 && key.tos == 4 && key.ttl == 9 && bytes == 8 && options == words;
    if same { TcAction::OK } else { TcAction::SHOT }
}

fn tunnels_come_back() {
    assert_eq!(run(&through_a_tunnel, &udp()).0, 0);
}

/// Whether the current task has these numbers and this name. A test run is one of the task that asks for it.
#[program(tc)]
fn task(skb: &mut Tc, dev: u64, ino: u64, tgid: u32, name: [u8; 16]) -> TcAction {
    let _ = skb;
    let Some(who) = helper::get_ns_current_pid_tgid(dev, ino) else { return TcAction::from(U32::from(1)) };
    if who.tgid != tgid {
        return TcAction::from(U32::from(2));
    }
    if helper::get_current_comm() != name.map(U8::from) {
        return TcAction::from(U32::from(3));
    }
    if helper::ktime_get_ns() > helper::ktime_get_boot_ns() || helper::jiffies64() == 0 {
        return TcAction::from(U32::from(4));
    }
    if (helper::get_current_uid_gid() & 0xffff_ffff) != 0 {
        return TcAction::from(U32::from(5));
    }
    TcAction::OK
}

fn the_task_is_this_one() {
    use std::os::unix::fs::MetadataExt as _;
    let namespace = std::fs::metadata("/proc/self/ns/pid").unwrap();
    let mut name = [0; 16];
    let comm = std::fs::read("/proc/thread-self/comm").unwrap();
    let comm = comm.trim_ascii_end();
    name[..comm.len()].copy_from_slice(comm);
    let ask = |tgid| run(&task.with(namespace.dev(), namespace.ino(), tgid, name), &udp()).0;
    assert_eq!(ask(std::process::id()), 0);
    assert_eq!(ask(std::process::id() + 1), 2);
}

/// The number in text, and how many bytes it has.
#[program(tc)]
fn numbers(skb: &mut Tc) -> TcAction {
    let _ = skb;
    let (bytes, number) = helper::strtol([b'-', b'4', b'2', b' '].map(U8::from), 10);
    if bytes != 3 || number != -42 {
        return TcAction::SHOT;
    }
    let (bytes, number) = helper::strtoul([b'0', b'x', b'f', b'f'].map(U8::from), 16);
    if bytes != 4 || number != 255 {
        return TcAction::SHOT;
    }
    let (bytes, _) = helper::strtoul([b'x'; 4].map(U8::from), 10);
    if bytes >= 0 {
        return TcAction::SHOT;
    }
    TcAction::OK
}

fn text_is_read() {
    assert_eq!(run(&numbers, &udp()).0, 0);
}

/// Which of the headers it is, with what is told apart in it.
#[program(tc)]
fn header(skb: &mut Tc) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::SHOT };
    let mut kind = eth.ethertype();
    let mut at = EthHdr::SIZE;
    if kind == ETH_P_8021Q {
        let Some(tag) = skb.header::<VlanHdr>(at) else { return TcAction::SHOT };
        if tag.id() != 9 {
            return TcAction::SHOT;
        }
        kind = tag.ethertype();
        at += VlanHdr::SIZE;
    }
    if kind == ETH_P_ARP {
        let Some(arp) = skb.header::<ArpHdr>(at) else { return TcAction::SHOT };
        let asks = arp.hardware() == 1 && arp.protocol() == ETH_P_IP && arp.operation() == 1;
        let who = arp.sender_mac() == [2, 0, 0, 0, 0, 1] && arp.target_mac() == [0; 6];
        let whom = arp.sender_ip() == CLIENT && arp.target_ip() == SERVER;
        return TcAction::from(U32::from(if asks && who && whom { 10 } else { 11 }));
    }
    if kind != ETH_P_IPV6 {
        return TcAction::SHOT;
    }
    let Some(ip) = skb.header::<Ipv6Hdr>(at) else { return TcAction::SHOT };
    let local = ip.saddr() & Ipv6Addr::new(0xffc0, 0, 0, 0, 0, 0, 0, 0) == Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
    if !local || ip.daddr() != Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1) || ip.next_header() != IPPROTO_ICMPV6 {
        return TcAction::from(U32::from(20));
    }
    let Some(icmp) = skb.header::<Icmpv6Hdr>(at + Ipv6Hdr::SIZE) else { return TcAction::SHOT };
    let echo = icmp.kind() == 128 && icmp.code() == 0 && icmp.rest() == 0x0001_0002;
    TcAction::from(U32::from(if echo { 21 } else { 22 }))
}

fn headers_are_read() {
    let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let ask = |operation: u8| {
        let head = [0, 1, 0x08, 0x00, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1];
        [&head[..], &CLIENT.octets(), &[0; 6], &SERVER.octets()].concat()
    };
    let echo = |source: Ipv6Addr, kind: u8| {
        let head = [0x60, 0, 0, 0, 0, 8, IPPROTO_ICMPV6, 255];
        let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        [&head[..], &source.octets(), &to.octets(), &[kind, 0, 0, 0, 0, 1, 0, 2]].concat()
    };
    let near = Ipv6Addr::new(0xfe80, 0, 0, 0, 1, 2, 3, 4);
    let far = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let rows = [
        (ETH_P_ARP, ask(1), 10),
        (ETH_P_ARP, ask(2), 11),
        (ETH_P_IPV6, echo(near, 128), 21),
        (ETH_P_IPV6, echo(near, 129), 22),
        (ETH_P_IPV6, echo(far, 128), 20),
    ];
    for (ethertype, packet, verdict) in rows {
        let plain = [&ethernet[..], &ethertype.to_be_bytes(), &packet].concat();
        let tagged = [&ethernet[..], &[0x81, 0x00, 0xe0, 9], &ethertype.to_be_bytes(), &packet].concat();
        assert_eq!(run(&header, &plain).0, verdict, "{plain:02x?}");
        assert_eq!(run(&header, &tagged).0, verdict, "{tagged:02x?}");
    }
}
