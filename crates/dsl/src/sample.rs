//! Samples: packets with the verdicts that they must get.

use std::net::Ipv4Addr;

use etherparse::{EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, TcpHeader, UdpHeader};

use crate::context::Verdict;

/// A named packet with the verdict that a program must give it.
///
/// ```
/// # use bpfasm_dsl::{context::TcAction, sample::Sample};
/// # use std::net::Ipv4Addr;
/// let [src, dst] = [Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(192, 168, 1, 9)];
/// let sample = Sample::new("blocked source").eth().ipv4(src, dst).udp(4000, 5000).gives(TcAction::SHOT);
/// assert_eq!(sample.packet().len(), 14 + 20 + 8);
/// assert_eq!(sample.expected(), Some(2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    name: String,
    packet: Vec<u8>,
    expected: Option<u32>,
}

/// The most bytes of options that an IPv4 header has: the 60 that its length field can tell, less the fixed 20 (RFC 791).
const IPV4_OPTIONS_MAX: u8 = 40;

/// A sample in the making.
#[derive(Clone, Debug)]
pub struct SampleBuilder {
    name: String,
    ethernet: Option<Ethernet2Header>,
    ipv4: Option<Ipv4Header>,
    transport: Transport,
    payload: Vec<u8>,
    length: Option<usize>,
}

#[derive(Clone, Debug)]
enum Transport {
    None,
    Udp(UdpHeader),
    Tcp(Box<TcpHeader>),
}

impl Sample {
    /// Begins a sample. Tabs and line breaks of the name become spaces.
    #[allow(clippy::new_ret_no_self, reason = "the sentence `Sample::new(…)….gives(…)` is the whole interface")]
    pub fn new(name: &str) -> SampleBuilder {
        SampleBuilder {
            name: name.replace(['\t', '\n', '\r'], " "),
            ethernet: None,
            ipv4: None,
            transport: Transport::None,
            payload: Vec::new(),
            length: None,
        }
    }

    /// What it shows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The packet, from its Ethernet header on.
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// The number of the verdict that the packet must get.
    pub fn expected(&self) -> Option<u32> {
        self.expected
    }
}

impl SampleBuilder {
    /// An Ethernet header between two addresses of the locally administered range.
    pub fn eth(mut self) -> Self {
        self.ethernet = Some(Ethernet2Header {
            source: [0x02, 0, 0, 0, 0, 1],
            destination: [0x02, 0, 0, 0, 0, 2],
            ether_type: EtherType(0),
        });
        self
    }

    /// Sets the EtherType, where no layer above does.
    pub fn ethertype(mut self, ethertype: u16) -> Self {
        if let Some(ethernet) = &mut self.ethernet {
            ethernet.ether_type = EtherType(ethertype);
        }
        self
    }

    /// An IPv4 header without options.
    pub fn ipv4(mut self, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        let header = Ipv4Header {
            time_to_live: 64,
            dont_fragment: true,
            source: source.octets(),
            destination: destination.octets(),
            ..Ipv4Header::default()
        };
        self.ipv4 = Some(header);
        self.ethertype(EtherType::IPV4.0)
    }

    /// The options of the IPv4 header: at most 40 bytes, filled up with zeros to whole words.
    pub fn ip_options(mut self, options: &[u8]) -> Self {
        let mut words: Vec<u8> = options.iter().copied().take(usize::from(IPV4_OPTIONS_MAX)).collect();
        words.resize(words.len().next_multiple_of(4), 0);
        if let Some(ip) = &mut self.ipv4
            && let Ok(options) = Ipv4Options::try_from(words.as_slice())
        {
            ip.options = options;
        }
        self
    }

    /// Makes it a fragment of an IPv4 packet, `offset` units of 8 bytes behind its beginning; the field has 13 bits.
    pub fn fragment(mut self, offset: u16) -> Self {
        if let Some(ip) = &mut self.ipv4
            && let Ok(offset) = IpFragOffset::try_new(offset & IpFragOffset::MAX_U16)
        {
            ip.dont_fragment = false;
            ip.fragment_offset = offset;
        }
        self
    }

    /// A UDP header.
    pub fn udp(mut self, source: u16, destination: u16) -> Self {
        let header = UdpHeader { source_port: source, destination_port: destination, ..UdpHeader::default() };
        self.transport = Transport::Udp(header);
        self
    }

    /// The header of a TCP segment that opens a connection.
    pub fn tcp(mut self, source: u16, destination: u16) -> Self {
        let mut header = TcpHeader::new(source, destination, 1, 64_240);
        header.syn = true;
        self.transport = Transport::Tcp(Box::new(header));
        self
    }

    /// What follows the headers.
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// Cuts the packet after `length` bytes.
    pub fn cut(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// The sample, with lengths and checksums filled in.
    pub fn gives(self, verdict: impl Verdict) -> Sample {
        let SampleBuilder { name, ethernet, ipv4, transport, payload, length } = self;
        let mut packet = Vec::new();
        if let Some(ethernet) = ethernet {
            packet.extend_from_slice(&ethernet.to_bytes());
        }
        let transport = transport_bytes(transport, ipv4.as_ref(), &payload);
        if let Some(mut ip) = ipv4 {
            ip.protocol = transport.protocol;
            let total = ip.header_len() + transport.bytes.len() + payload.len();
            ip.total_len = u16::try_from(total).unwrap_or(u16::MAX);
            ip.header_checksum = ip.calc_header_checksum();
            packet.extend_from_slice(&ip.to_bytes());
        }
        packet.extend_from_slice(&transport.bytes);
        packet.extend_from_slice(&payload);
        packet.truncate(length.unwrap_or(usize::MAX));
        Sample { name, packet, expected: verdict.known() }
    }
}

struct TransportBytes {
    protocol: IpNumber,
    bytes: Vec<u8>,
}

fn transport_bytes(transport: Transport, ip: Option<&Ipv4Header>, payload: &[u8]) -> TransportBytes {
    match transport {
        Transport::None => TransportBytes { protocol: IpNumber(0xfd), bytes: Vec::new() },
        Transport::Udp(mut udp) => {
            let length = usize::from(UdpHeader::LEN_U16) + payload.len();
            udp.length = u16::try_from(length).unwrap_or(u16::MAX);
            let checksum = ip.and_then(|ip| udp.calc_checksum_ipv4(ip, payload).ok());
            udp.checksum = checksum.unwrap_or(0);
            TransportBytes { protocol: IpNumber::UDP, bytes: udp.to_bytes().to_vec() }
        }
        Transport::Tcp(mut tcp) => {
            let checksum = ip.and_then(|ip| tcp.calc_checksum_ipv4(ip, payload).ok());
            tcp.checksum = checksum.unwrap_or(0);
            TransportBytes { protocol: IpNumber::TCP, bytes: tcp.to_bytes().to_vec() }
        }
    }
}
