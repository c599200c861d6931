//! Routes that programs look up, and packets that they send elsewhere, over a real wire.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use bpfasm::{
    loader::{
        TestRun,
        attach::tc::{self, Attachment, Hook, Options},
    },
    prelude::*,
};
use bpfasm_tests::{
    Case, Need, PATIENCE,
    need::{CAP_BPF, CAP_NET_ADMIN, CLS_BPF, CLSACT, VETH},
    net::{DEVICE, Direction, FIRST, TARGET, Wire, link},
};

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    const NEEDS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &VETH, &CLSACT, &CLS_BPF];
    vec![
        Case::new("context::routes::a_route_is_found", NEEDS, |_| a_route_is_found()),
        Case::new("context::routes::a_neighbour_gets_it", NEEDS, |_| a_neighbour_gets_it()),
        Case::new("context::routes::a_clone_comes_second", NEEDS, |_| a_clone_comes_second()),
    ]
}

/// An address that no route leads to.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// Leaves what is known of the route at the start of the packet: device, own and next Ethernet address. Answers as the look-up does.
#[program(tc)]
fn route(skb: &mut Tc, ifindex: u32, to: Ipv4Addr) -> TcAction {
    let lookup = FibLookup { ifindex: ifindex.into(), tot_len: 60.into(), ..FibLookup::ipv4(FIRST, to) };
    let (result, route) = skb.fib_lookup(lookup, 0);
    skb.store_bytes(0, route.ifindex, 0);
    skb.store_bytes(4, route.smac, 0);
    skb.store_bytes(10, route.dmac, 0);
    TcAction::from(result.unsigned().low32())
}

fn a_route_is_found() {
    let wire = Wire::new(Direction::Egress).unwrap();
    wire.assert_all_received(); // and the neighbour is known
    fs::write(format!("/proc/sys/net/ipv4/conf/{DEVICE}/forwarding"), "1").unwrap();
    let ifindex = link::index(DEVICE).unwrap();
    let ask = |to: Ipv4Addr| {
        let program = route.with(ifindex, to).load().unwrap();
        program.test_run(&TestRun::packet(&[0; 64])).unwrap()
    };
    let found = ask(TARGET);
    assert_eq!(i64::from(found.retval), BPF_FIB_LKUP_RET_SUCCESS);
    assert_eq!(found.data_out[..4], ifindex.to_ne_bytes());
    let own = fs::read_to_string(format!("/sys/class/net/{DEVICE}/address")).unwrap();
    assert_eq!(address(&found.data_out[4..10]), own.trim());
    let neighbours = fs::read_to_string("/proc/net/arp").unwrap();
    let next = address(&found.data_out[10..16]);
    let entry = |line: &str| line.starts_with(&TARGET.to_string()) && line.contains(&next);
    assert!(neighbours.lines().any(entry), "{next}: {neighbours}");
    assert_eq!(i64::from(ask(NOWHERE).retval), BPF_FIB_LKUP_RET_NOT_FWDED);
}

/// An Ethernet address as people write it.
fn address(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The mark of packets that a program has sent on.
const SENT_ON: u32 = 7;

/// Breaks the Ethernet addresses of UDP and has the kernel write them anew.
#[program(tc)]
fn by_neighbour(skb: &mut Tc, ifindex: u32, next_hop: Option<Ipv4Addr>) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    if skb.protocol() != ETH_P_IP || ip.protocol() != IPPROTO_UDP || skb.mark() == SENT_ON {
        return TcAction::OK;
    }
    skb.set_mark(SENT_ON);
    skb.store_bytes(EthHdr::dst, [Mac::from([2; 6]), Mac::from([4; 6])], 0);
    skb.redirect_neigh(ifindex, next_hop.map(NextHop::ipv4), 0)
}

/// Sends UDP on, and a copy before it.
#[program(tc)]
fn twice(skb: &mut Tc, ifindex: u32) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    if skb.protocol() != ETH_P_IP || ip.protocol() != IPPROTO_UDP || skb.mark() == SENT_ON {
        return TcAction::OK;
    }
    skb.set_mark(SENT_ON);
    if skb.clone_redirect(ifindex, 0) != 0 { TcAction::SHOT } else { TcAction::OK }
}

#[track_caller]
fn attach(program: &impl Load) -> Attachment {
    let program = program.load().unwrap().into_program();
    tc::attach(&program, &Hook::new(DEVICE, tc::Direction::Egress).unwrap(), &Options::new()).unwrap()
}

fn a_neighbour_gets_it() {
    let wire = Wire::new(Direction::Egress).unwrap();
    let ifindex = link::index(DEVICE).unwrap();
    for next_hop in [None, Some(TARGET)] {
        let attachment = attach(&by_neighbour.with(ifindex, next_hop));
        wire.assert_all_received();
        drop(attachment);
    }
}

fn a_clone_comes_second() {
    let wire = Wire::new(Direction::Egress).unwrap();
    let receiver = wire.far().run(|| UdpSocket::bind((TARGET, 0))).unwrap();
    let sender = UdpSocket::bind((FIRST, 0)).unwrap();
    let attachment = attach(&twice.with(link::index(DEVICE).unwrap()));
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    sender.send_to(b"once", receiver.local_addr().unwrap()).unwrap();
    let mut received = [0; 8];
    for _ in 0..2 {
        let (bytes, _) = receiver.recv_from(&mut received).unwrap();
        assert_eq!(&received[..bytes], b"once");
    }
    drop(attachment);
    receiver.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    sender.send_to(b"alone", receiver.local_addr().unwrap()).unwrap();
    assert_eq!(receiver.recv_from(&mut received).unwrap().0, 5);
    assert!(receiver.recv_from(&mut received).is_err(), "one packet only");
}
