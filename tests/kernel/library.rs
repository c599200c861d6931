//! The facade crate as a library user sees it: stage, compile, load, run on packets, attach, and guards that detach.

use std::net::Ipv4Addr;

use bpfasm::{loader::TestRun, prelude::*};
use bpfasm_programs::tc_drop::tc_drop;
use bpfasm_tests::{
    Case, Need,
    need::{CAP_BPF, CAP_NET_ADMIN},
    net::{Direction, FIRST, SECOND, TARGET, Wire},
};

use crate::{
    hook::Mode,
    loader::{assert_bare, attach, needs_of},
};

/// What it takes to load a program and to run it on packets.
const LOADS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN];

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("library::verdicts_of_packets", LOADS, |_| verdicts_of_packets()),
        Case::new("library::a_host_argument_is_in_the_program", LOADS, |_| a_host_argument_is_in_the_program()),
        Case::new("library::a_program_is_known_by_name_and_types", LOADS, |_| a_program_is_known_by_name_and_types()),
    ];
    cases.extend(Direction::ALL.map(|direction| {
        let name = format!("library::drops_until_the_guard_is_dropped::{}", direction.name());
        Case::new(name, &needs_of(Mode::Auto), move |_| drops_until_the_guard_is_dropped(direction))
    }));
    cases
}

fn verdicts_of_packets() {
    let program = tc_drop.load().unwrap();
    let rows = [
        Sample::new("blocked source, UDP").eth().ipv4(FIRST, TARGET).udp(1, 2).gives(TcAction::SHOT),
        Sample::new("blocked source, TCP").eth().ipv4(FIRST, TARGET).tcp(1, 2).gives(TcAction::SHOT),
        Sample::new("another source").eth().ipv4(SECOND, TARGET).udp(1, 2).gives(TcAction::OK),
        Sample::new("blocked address as destination").eth().ipv4(TARGET, FIRST).udp(1, 2).gives(TcAction::OK),
        Sample::new("ARP").eth().ethertype(ETH_P_ARP).payload(&[0; 28]).gives(TcAction::OK),
        Sample::new("a bare IPv4 header").eth().ipv4(FIRST, TARGET).cut(34).gives(TcAction::SHOT),
    ];
    for sample in rows {
        let expected = sample.expected().unwrap();
        let run = program.test_run(&TestRun::packet(sample.packet())).unwrap();
        assert_eq!(run.retval, expected, "{}", sample.name());
        assert_eq!(run.data_out, sample.packet(), "{}: the packet is left alone", sample.name());
    }
}

/// Drops IPv4 packets from a source that is known when the program is staged.
#[program(tc)]
fn drop_from(skb: &mut Tc, blocked: Ipv4Addr) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    if ip.saddr() == blocked { TcAction::SHOT } else { TcAction::OK }
}

fn a_host_argument_is_in_the_program() {
    let packets = [FIRST, SECOND].map(|from| Sample::new("UDP").eth().ipv4(from, TARGET).udp(1, 2).gives(TcAction::OK));
    for (blocked, verdicts) in [(FIRST, [2, 0]), (SECOND, [0, 2]), (TARGET, [0, 0])] {
        let program = drop_from.with(blocked).load().unwrap();
        let run = |packet: &Sample| program.test_run(&TestRun::packet(packet.packet())).unwrap().retval;
        assert_eq!(packets.each_ref().map(run), verdicts, "{blocked} blocked");
    }
}

fn a_program_is_known_by_name_and_types() {
    let info = tc_drop.load().unwrap().info().unwrap();
    assert_eq!(info.name, "tc_drop");
    assert!(info.gpl_compatible);
    assert!(info.btf_id.is_some());
}

fn drops_until_the_guard_is_dropped(direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    let program = drop_from.with(FIRST).load().unwrap();
    let attachment = attach(&program, Mode::Auto, direction);
    wire.assert_first_dropped();
    drop(attachment);
    assert_bare(direction);
    wire.assert_all_received();
}
