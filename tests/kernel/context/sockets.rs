//! Sockets that programs look up: found where they are, and given back on every path.

use std::{
    mem,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
};

use bpfasm::{
    loader::{
        TestRun,
        attach::cgroup::{self, Hook, Mode, Options},
    },
    object::kernel::AttachType,
    prelude::*,
};
use bpfasm_tests::{
    Case, Need, Sandbox,
    cgroup::inside,
    need::{CAP_BPF, CAP_NET_ADMIN, CGROUP2},
    net::link,
};

use super::LOADS;

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    const IN_GROUP: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &CGROUP2];
    vec![
        Case::new("context::sockets::a_listening_one_is_found", LOADS, |_| a_listening_one_is_found()),
        Case::new("context::sockets::a_reference_that_is_kept_is_refused", LOADS, |_| a_kept_reference_is_refused()),
        Case::new("context::sockets::references_live_through_joins", LOADS, |_| drop(holds_two.load().unwrap())),
        Case::new("context::sockets::a_group_sees_its_own", IN_GROUP, a_group_sees_its_own),
    ]
}

const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// `BPF_TCP_LISTEN`.
const LISTEN: u32 = 10;

/// What a look-up is made of.
#[derive(Clone, Copy)]
enum By {
    Tcp,
    TcpCommon,
    Udp,
}

/// 1 where the port has a socket as it should be, 2 where it is another, 3 where there is none. Every way out gives the reference back.
#[program(tc)]
fn look_up(skb: &mut Tc, by: By, port: u16) -> TcAction {
    let tuple = TupleV4 { saddr: LOCAL.into(), daddr: LOCAL.into(), sport: 9.into(), dport: port.into() };
    let none = TcAction::from(U32::from(3));
    match by {
        By::Tcp => {
            let Some(sk) = skb.sk_lookup_tcp(tuple, BPF_F_CURRENT_NETNS, 0) else { return none };
            // The packet may change while the reference is held.
            skb.set_mark(sk.mark());
            if skb.change_tail(80, 0) != 0 {
                return TcAction::SHOT;
            }
            if sk.kind() != 1 || sk.protocol() != u32::from(IPPROTO_TCP) {
                return TcAction::SHOT;
            }
            if sk.state() == LISTEN && sk.src_port() == u32::from(port) && sk.src_ip4() == LOCAL {
                return TcAction::from(U32::from(1));
            }
            TcAction::from(U32::from(2))
        }
        By::TcpCommon => {
            let found = skb.skc_lookup_tcp(tuple, BPF_F_CURRENT_NETNS, 0);
            let Some(sk) = found else { return none };
            let full = skb.sk_fullsock(&sk);
            let is_listening = full.is_some_and(|sk| sk.state() == LISTEN);
            skb.sk_release(sk);
            TcAction::from(U32::from(if is_listening { 1 } else { 2 }))
        }
        By::Udp => {
            let Some(sk) = skb.sk_lookup_udp(tuple, BPF_F_CURRENT_NETNS, 0) else { return none };
            TcAction::from(U32::from(if sk.src_port() == u32::from(port) && sk.kind() == 2 { 1 } else { 2 }))
        }
    }
}

fn a_listening_one_is_found() {
    link::set_up("lo", &[]).unwrap();
    let tcp = TcpListener::bind((LOCAL, 0)).unwrap();
    let udp = UdpSocket::bind((LOCAL, 0)).unwrap();
    let packet = vec![0; 64];
    let ask =
        |by: By, port: u16| look_up.with(by, port).load().unwrap().test_run(&TestRun::packet(&packet)).unwrap().retval;
    let port = tcp.local_addr().unwrap().port();
    assert_eq!((ask(By::Tcp, port), ask(By::TcpCommon, port)), (1, 1));
    assert_eq!(ask(By::Udp, udp.local_addr().unwrap().port()), 1);
    drop(tcp);
    drop(udp);
    assert_eq!((ask(By::Tcp, port), ask(By::TcpCommon, port), ask(By::Udp, port)), (3, 3, 3));
}

/// Holds two references while paths join and loops turn.
#[program(tc)]
fn holds_two(skb: &mut Tc) -> TcAction {
    let Some(tcp) = skb.sk_lookup_tcp(TupleV6::default(), BPF_F_CURRENT_NETNS, 0) else { return TcAction::OK };
    let mut sum = U32::from(0);
    if skb.len() > 100 {
        sum += tcp.mark();
    } else {
        sum += 2;
    }
    let Some(udp) = skb.sk_lookup_udp(TupleV4::default(), BPF_F_CURRENT_NETNS, 0) else { return TcAction::SHOT };
    for turn in range(0, 4) {
        sum += turn;
        if sum == 77 {
            return TcAction::SHOT;
        }
    }
    drop(tcp);
    skb.set_mark(sum + udp.mark());
    TcAction::OK
}

/// Never gives the reference back.
#[program(tc)]
fn keeps(skb: &mut Tc) -> TcAction {
    mem::forget(skb.sk_lookup_tcp(TupleV4::default(), BPF_F_CURRENT_NETNS, 0));
    TcAction::OK
}

fn a_kept_reference_is_refused() {
    let error = keeps.load().unwrap_err();
    assert_eq!(error.kind(), bpfasm::ErrorKind::Rejected, "{error}");
    assert!(format!("{error:?}").contains("eference"), "{error:?}");
}

/// Drops what comes from this port, and what the packet and its socket do not tell alike.
#[program(cgroup_skb/ingress)]
fn by_socket(skb: &mut CgroupSkb, blocked: u16) -> Cgroup {
    let Some(sk) = skb.sk() else { return Cgroup::DROP };
    let full = skb.sk_fullsock(&sk);
    if full.is_none() || skb.tcp_sock(&sk).is_none() {
        return Cgroup::DROP;
    }
    let ports = skb.remote_port().host() == U32::from(sk.dst_port().host()) && skb.local_port() == sk.src_port();
    let addresses = skb.remote_ip4() == sk.dst_ip4() && skb.local_ip4() == LOCAL && skb.family() == sk.family();
    if !ports || !addresses || skb.cgroup_id() != skb.sk_cgroup_id(&sk) || skb.get_socket_cookie() == 0 {
        return Cgroup::DROP;
    }
    if sk.dst_port() == blocked { Cgroup::DROP } else { Cgroup::PASS }
}

fn a_group_sees_its_own(sandbox: &Sandbox) {
    link::set_up("lo", &[]).unwrap();
    let group = sandbox.cgroup();
    let servers = [0, 1].map(|_| TcpListener::bind((LOCAL, 0)).unwrap());
    let to = servers.each_ref().map(|server| server.local_addr().unwrap());
    let connects = |to: SocketAddr| {
        let soon = std::time::Duration::from_millis(500);
        inside(group, || TcpStream::connect_timeout(&to, soon)).is_ok()
    };
    let program = by_socket.with(to[0].port()).load().unwrap().into_program();
    let hook = Hook::new(group, AttachType::CGROUP_INET_INGRESS).unwrap();
    let attachment = cgroup::attach(&program, &hook, &Options::new().mode(Mode::Link)).unwrap();
    assert_eq!(to.map(connects), [false, true]);
    drop(attachment);
    assert_eq!(to.map(connects), [true, true]);
}
