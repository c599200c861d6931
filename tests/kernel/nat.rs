//! `tc_nat`: what it makes of packets, byte by byte, and of connections between real sockets.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};

use bpfasm::{
    loader::{
        Program as Loaded, TestRun,
        attach::tc::{self, Attachment, Hook, Options},
    },
    prelude::*,
};
use bpfasm_programs::tc_nat::{REAL, VIRTUAL, tc_nat};
use bpfasm_tests::{
    Case, PATIENCE, eventually,
    need::{CAP_BPF, CAP_NET_ADMIN},
    net::{DEVICE, Direction, Namespace, link, offload},
};

use crate::{hook::Mode, loader::needs_of};

/// In the network of the virtual address.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
/// Where the fragment offset is in a frame.
const FRAG_OFF: usize = 14 + Ipv4Hdr::frag_off as usize;
/// Where the UDP checksum is in a frame without IPv4 options.
const UDP_CHECK: usize = 14 + 20 + UdpHdr::check as usize;

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let needs = [&CAP_BPF, &CAP_NET_ADMIN];
    let mut cases = vec![
        Case::new("nat::rewrites_with_right_checksums", &needs, |_| rewrites_with_right_checksums()),
        Case::new("nat::a_udp_checksum_of_zero_stays", &needs, |_| a_udp_checksum_of_zero_stays()),
        Case::new("nat::later_fragments_have_no_transport_header", &needs, |_| later_fragments()),
        Case::new("nat::leaves_other_packets_alone", &needs, |_| leaves_other_packets_alone()),
        Case::new("nat::a_wrong_checksum_is_noticed", &needs_of(Mode::Auto), |_| a_wrong_checksum_is_noticed()),
    ];
    for end in [End::Server, End::Client] {
        let name = |what: &str| format!("nat::{what}::{end:?}").to_lowercase();
        cases.push(Case::new(name("datagrams_arrive_with_right_checksums"), &needs_of(Mode::Auto), move |_| {
            datagrams_arrive(end);
        }));
        cases.push(Case::new(name("a_connection_has_right_checksums"), &needs_of(Mode::Auto), move |_| {
            a_connection(end);
        }));
    }
    cases
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

/// Sends what comes back from [`REAL`] as if from [`VIRTUAL`].
#[program(tc)]
fn undo_nat(skb: &mut Tc) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let (old, new) = (ip.saddr(), Be32::from(VIRTUAL));
    if old != REAL {
        return TcAction::OK;
    }
    let (protocol, transport) = (ip.protocol(), ip.header_len() + EthHdr::SIZE);
    if protocol == IPPROTO_TCP {
        skb.l4_csum_replace(transport + TcpHdr::check, old, new, BPF_F_PSEUDO_HDR);
    } else if protocol == IPPROTO_UDP {
        skb.l4_csum_replace(transport + UdpHdr::check, old, new, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
    }
    skb.l3_csum_replace(EthHdr::SIZE + Ipv4Hdr::check, old, new);
    skb.store_bytes(EthHdr::SIZE + Ipv4Hdr::saddr, new, 0);
    TcAction::OK
}

/// As `tc_nat`, but for the checksum that is not in the header it changes.
#[program(tc)]
fn forgetful(skb: &mut Tc) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    let (old, new) = (ip.daddr(), Be32::from(REAL));
    if old == VIRTUAL {
        skb.l3_csum_replace(EthHdr::SIZE + Ipv4Hdr::check, old, new);
        skb.store_bytes(EthHdr::SIZE + Ipv4Hdr::daddr, new, 0);
    }
    TcAction::OK
}

/// Where the addresses are rewritten.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Where packets come in: their checksums are complete.
    Server,
    /// Where packets go out: their checksums are completed afterwards.
    Client,
}

/// A server that has both addresses and a client, with programs in between. Checksums are computed, and looked at.
struct Net {
    server: Namespace,
    client: Namespace,
    _programs: Vec<Attachment>,
}

impl Net {
    /// `there` is for packets to the server, `back` for those from it.
    fn new(end: End, there: &Loaded, back: &Loaded) -> Self {
        let (server, client) = (Namespace::current().unwrap(), Namespace::new().unwrap());
        link::add_veth(DEVICE, DEVICE, Some(client.as_fd())).unwrap();
        for (namespace, addresses) in [(&server, &[REAL, VIRTUAL][..]), (&client, &[CLIENT])] {
            namespace.run(|| {
                offload::compute_checksums(DEVICE).unwrap();
                link::set_up(DEVICE, addresses).unwrap();
            });
        }
        for namespace in [&server, &client] {
            eventually("both ends run", || {
                namespace.run(|| link::is_running(DEVICE).is_ok_and(|running| running)).then_some(())
            });
        }
        let (namespace, directions) = match end {
            End::Server => (&server, [Direction::Ingress, Direction::Egress]),
            End::Client => (&client, [Direction::Egress, Direction::Ingress]),
        };
        let attach = |(program, direction): (&Loaded, Direction)| {
            let direction = match direction {
                Direction::Ingress => tc::Direction::Ingress,
                Direction::Egress => tc::Direction::Egress,
            };
            tc::attach(program, &Hook::new(DEVICE, direction).unwrap(), &Options::new()).unwrap()
        };
        let programs = namespace.run(|| [there, back].into_iter().zip(directions).map(attach).collect());
        Net { server, client, _programs: programs }
    }

    fn nat(end: End) -> Self {
        Net::new(end, &tc_nat.load().unwrap(), &undo_nat.load().unwrap())
    }

    /// The packets that came in with wrong checksums, in either namespace.
    fn wrong_checksums(&self) -> u64 {
        [&self.server, &self.client].into_iter().map(|namespace| namespace.run(wrong_checksums)).sum()
    }
}

/// `InCsumErrors` of ICMP, TCP and UDP, and `InHdrErrors` of IP.
fn wrong_checksums() -> u64 {
    let table = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let lines: Vec<&str> = table.lines().collect();
    let columns = lines.chunks(2).flat_map(|pair| pair[0].split(' ').zip(pair[1].split(' ')));
    let wanted = columns.filter(|(name, _)| ["InCsumErrors", "InHdrErrors"].contains(name));
    let counts: Vec<u64> = wanted.map(|(_, count)| count.parse().unwrap()).collect();
    assert!(counts.len() >= 3, "{table}");
    counts.iter().sum()
}

/// Of every parity and length, below what a packet holds.
const LENGTHS: [usize; 6] = [0, 1, 2, 3, 1000, 1471];

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

fn datagrams_arrive(end: End) {
    let net = Net::nat(end);
    let server = net.server.run(|| UdpSocket::bind((REAL, 0)).unwrap());
    let port = server.local_addr().unwrap().port();
    let client = net.client.run(|| UdpSocket::bind((CLIENT, 0)).unwrap());
    client.connect((VIRTUAL, port)).unwrap();
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let mut buffer = [0; 2048];
    for length in LENGTHS {
        client.send(&payload(length)).unwrap();
        let (received, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..received], payload(length));
        server.send_to(&buffer[..received], from).unwrap();
        // A connected socket takes datagrams from nobody but the address that it is connected to.
        let received = client.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..received], payload(length));
    }
    assert_eq!(net.wrong_checksums(), 0);
}

fn a_connection(end: End) {
    const LENGTH: usize = 300_000;
    let net = Net::nat(end);
    let listener = net.server.run(|| TcpListener::bind((REAL, 0)).unwrap());
    let to = (VIRTUAL, listener.local_addr().unwrap().port());
    let echo = thread::spawn(move || -> io::Result<_> {
        let (mut stream, from) = listener.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut received = Vec::new();
        stream.read_to_end(&mut received)?;
        stream.write_all(&received)?;
        Ok((stream.local_addr()?.ip(), from.ip()))
    });
    let received = net.client.run(|| {
        let mut stream = TcpStream::connect_timeout(&to.into(), PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&payload(LENGTH)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    assert!(received == payload(LENGTH), "{} bytes came back", received.len());
    assert_eq!(echo.join().unwrap().unwrap(), (REAL.into(), CLIENT.into()));
    assert_eq!(net.wrong_checksums(), 0);
}

/// The receiver does look at checksums: a program that leaves a wrong one behind is found out.
fn a_wrong_checksum_is_noticed() {
    let net = Net::new(End::Server, &forgetful.load().unwrap(), &undo_nat.load().unwrap());
    let server = net.server.run(|| UdpSocket::bind((REAL, 0)).unwrap());
    server.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let client = net.client.run(|| UdpSocket::bind((CLIENT, 0)).unwrap());
    client.send_to(b"data", (VIRTUAL, server.local_addr().unwrap().port())).unwrap();
    eventually("a wrong checksum is counted", || (net.wrong_checksums() > 0).then_some(()));
    let received = server.recv(&mut [0; 16]);
    assert_eq!(received.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
