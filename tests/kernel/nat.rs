//! `tc_nat`: what it makes of packets, byte by byte.

use std::net::Ipv4Addr;

use bpfasm::{loader::TestRun, prelude::*};
use bpfasm_programs::tc_nat::{REAL, VIRTUAL, tc_nat};
use bpfasm_tests::{
    Case,
    need::{CAP_BPF, CAP_NET_ADMIN},
};

const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 7);
/// Where the fragment offset is in a frame.
const FRAG_OFF: usize = 14 + Ipv4Hdr::frag_off as usize;
/// Where the UDP checksum is in a frame without IPv4 options.
const UDP_CHECK: usize = 14 + 20 + UdpHdr::check as usize;

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let needs = [&CAP_BPF, &CAP_NET_ADMIN];
    vec![
        Case::new("nat::rewrites_with_right_checksums", &needs, |_| rewrites_with_right_checksums()),
        Case::new("nat::a_udp_checksum_of_zero_stays", &needs, |_| a_udp_checksum_of_zero_stays()),
        Case::new("nat::later_fragments_have_no_transport_header", &needs, |_| later_fragments()),
        Case::new("nat::leaves_other_packets_alone", &needs, |_| leaves_other_packets_alone()),
    ]
}

/// What comes out for a packet.
#[track_caller]
fn through(packet: &[u8]) -> Vec<u8> {
    let run = tc_nat.load().unwrap().test_run(&TestRun::packet(packet)).unwrap();
    assert_eq!(run.retval, 0, "TC_ACT_OK");
    run.data_out
}

fn udp(to: Ipv4Addr) -> Vec<u8> {
    let sample = Sample::new("").eth().ipv4(CLIENT, to).udp(4000, 53).payload(b"odd").gives(TcAction::OK);
    sample.packet().to_vec()
}

fn tcp(to: Ipv4Addr) -> Vec<u8> {
    let sample = Sample::new("").eth().ipv4(CLIENT, to).tcp(4000, 80).payload(b"some data").gives(TcAction::OK);
    sample.packet().to_vec()
}

fn rewrites_with_right_checksums() {
    assert_eq!(through(&tcp(VIRTUAL)), tcp(REAL));
    assert_eq!(through(&udp(VIRTUAL)), udp(REAL));
}

fn a_udp_checksum_of_zero_stays() {
    let [mut packet, mut expected] = [udp(VIRTUAL), udp(REAL)];
    packet[UDP_CHECK..UDP_CHECK + 2].fill(0);
    expected[UDP_CHECK..UDP_CHECK + 2].fill(0);
    assert_eq!(through(&packet), expected);
}

fn later_fragments() {
    // The frame's transport bytes are payload now: only the header's checksum may follow the address.
    let fragment = |to| {
        let mut packet = udp(to);
        packet[FRAG_OFF..FRAG_OFF + 2].copy_from_slice(&[0x00, 0x05]);
        packet
    };
    let (before, expected) = (fragment(VIRTUAL), fragment(REAL));
    let after = through(&before);
    assert_eq!(after[34..], before[34..], "the payload is left alone");
    assert_eq!(after[30..34], expected[30..34], "the address is the real one");
    assert_ne!(after[24..26], before[24..26], "the header's checksum followed");
}

fn leaves_other_packets_alone() {
    for packet in [udp(REAL), tcp(CLIENT)] {
        assert_eq!(through(&packet), packet);
    }
    let mut arp = udp(VIRTUAL);
    arp[12..14].copy_from_slice(&ETH_P_ARP.to_be_bytes());
    assert_eq!(through(&arp), arp);
}
