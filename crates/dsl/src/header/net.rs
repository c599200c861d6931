//! Ethernet, VLAN, ARP, IPv4, IPv6, ICMP, ICMPv6, TCP and UDP.

use bpfasm_macros::Header;

use crate::value::{Be16, Be32, Be128, Mac, U8, U32};

/// An Ethernet header (`struct ethhdr`, `include/uapi/linux/if_ether.h`).
#[derive(Header)]
#[header(crate = crate)]
pub struct EthHdr {
    /// The destination.
    pub dst: Mac,
    /// The source.
    pub src: Mac,
    /// What the frame carries: `ETH_P_*`.
    pub ethertype: Be16,
}

/// A VLAN tag, behind the addresses of an Ethernet header and its EtherType `ETH_P_8021Q` (IEEE 802.1Q; `struct vlan_hdr`,
/// `include/linux/if_vlan.h`).
///
/// At traffic control hooks the kernel mostly has taken the tag out of the packet: see `vlan_tci` of the context.
#[derive(Header)]
#[header(crate = crate)]
pub struct VlanHdr {
    /// Priority in the upper three bits, the drop bit, the VLAN's number in the lower twelve.
    pub tci: Be16,
    /// What the frame carries: `ETH_P_*`.
    pub ethertype: Be16,
}

impl VlanHdrView {
    /// The VLAN's number.
    #[track_caller]
    pub fn id(&self) -> Be16 {
        self.tci() & 0x0fff
    }
}

/// An ARP packet about IPv4 over Ethernet (RFC 826; `struct arphdr`, `include/uapi/linux/if_arp.h`).
#[derive(Header)]
#[header(crate = crate)]
pub struct ArpHdr {
    /// The kind of hardware: 1 for Ethernet.
    pub hardware: Be16,
    /// The kind of protocol address: `ETH_P_IP`.
    pub protocol: Be16,
    /// Bytes of a hardware address: 6.
    pub hardware_len: U8,
    /// Bytes of a protocol address: 4.
    pub protocol_len: U8,
    /// What is said: 1 asks, 2 answers.
    pub operation: Be16,
    /// The sender's hardware address.
    pub sender_mac: Mac,
    /// The sender's protocol address.
    pub sender_ip: Be32,
    /// The target's hardware address, unknown to one who asks.
    pub target_mac: Mac,
    /// The target's protocol address.
    pub target_ip: Be32,
}

/// An IPv4 header without its options (RFC 791; `struct iphdr`, `include/uapi/linux/ip.h`).
#[derive(Header)]
#[header(crate = crate)]
pub struct Ipv4Hdr {
    /// Version in the upper four bits, header length in 32-bit words in the lower four.
    pub ver_ihl: U8,
    /// Type of service.
    pub tos: U8,
    /// Length of header and payload in bytes.
    pub tot_len: Be16,
    /// Identification, the same for all fragments of a packet.
    pub id: Be16,
    /// Flags in the upper three bits, fragment offset in units of 8 bytes in the others.
    pub frag_off: Be16,
    /// Hops left.
    pub ttl: U8,
    /// What the packet carries: `IPPROTO_*`.
    pub protocol: U8,
    /// Header checksum.
    pub check: Be16,
    /// Source address.
    pub saddr: Be32,
    /// Destination address.
    pub daddr: Be32,
}

impl Ipv4HdrView {
    /// The header's length with its options, in bytes: at most 60.
    #[track_caller]
    pub fn header_len(&self) -> U32 {
        (U32::from(self.ver_ihl()) & 0xf) << 2
    }

    /// The protocol version: 4.
    #[track_caller]
    pub fn version(&self) -> U32 {
        U32::from(self.ver_ihl()) >> 4
    }

    /// Where in the whole packet this fragment belongs, in units of 8 bytes: 0 for the one with the transport header.
    #[track_caller]
    pub fn fragment_offset(&self) -> Be16 {
        self.frag_off() & 0x1fff
    }

    /// Whether this is a fragment that does not begin with the transport header: splits the path.
    #[track_caller]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment_offset() != 0
    }
}

/// An IPv6 header without its extension headers (RFC 8200; `struct ipv6hdr`, `include/uapi/linux/ipv6.h`).
#[derive(Header)]
#[header(crate = crate)]
pub struct Ipv6Hdr {
    /// Version in the upper four bits, traffic class in the next eight, flow label in the others.
    pub ver_class_flow: Be32,
    /// Length of what follows this header in bytes, extension headers counted.
    pub payload_len: Be16,
    /// What follows: an extension header, or `IPPROTO_*`.
    pub next_header: U8,
    /// Hops left.
    pub hop_limit: U8,
    /// Source address.
    pub saddr: Be128,
    /// Destination address.
    pub daddr: Be128,
}

/// An ICMP header (RFC 792; `struct icmphdr`, `include/uapi/linux/icmp.h`).
#[derive(Header)]
#[header(crate = crate)]
pub struct IcmpHdr {
    /// What kind of message: `ICMP_*`.
    pub kind: U8,
    /// Which of that kind.
    pub code: U8,
    /// Checksum of the whole message.
    pub check: Be16,
    /// What the kind makes of it: identifier and sequence number of an echo, the MTU of a refusal.
    pub rest: Be32,
}

/// The start of every ICMPv6 message (RFC 4443; `struct icmp6hdr`, `include/uapi/linux/icmpv6.h`).
#[derive(Header)]
#[header(crate = crate)]
pub struct Icmpv6Hdr {
    /// What kind of message: below 128 an error, from 128 on information.
    pub kind: U8,
    /// Which of that kind.
    pub code: U8,
    /// Checksum of pseudo-header and message.
    pub check: Be16,
    /// What the kind makes of it: identifier and sequence number of an echo, the MTU of a packet too big.
    pub rest: Be32,
}

/// A TCP header without its options (RFC 9293; `struct tcphdr`, `include/uapi/linux/tcp.h`).
#[derive(Header)]
#[header(crate = crate)]
pub struct TcpHdr {
    /// Source port.
    pub source: Be16,
    /// Destination port.
    pub dest: Be16,
    /// Sequence number.
    pub seq: Be32,
    /// Acknowledgment number.
    pub ack_seq: Be32,
    /// Header length in 32-bit words in the upper four bits; the others are reserved.
    pub data_off: U8,
    /// FIN, SYN, RST, PSH, ACK, URG, ECE, CWR from the lowest bit up.
    pub flags: U8,
    /// Window.
    pub window: Be16,
    /// Checksum of pseudo-header, header and data.
    pub check: Be16,
    /// Urgent pointer.
    pub urg_ptr: Be16,
}

impl TcpHdrView {
    /// The header's length with its options, in bytes: at most 60.
    #[track_caller]
    pub fn header_len(&self) -> U32 {
        (U32::from(self.data_off()) >> 4) << 2
    }
}

/// A UDP header (RFC 768; `struct udphdr`, `include/uapi/linux/udp.h`).
#[derive(Header)]
#[header(crate = crate)]
pub struct UdpHdr {
    /// Source port.
    pub source: Be16,
    /// Destination port.
    pub dest: Be16,
    /// Length of header and data in bytes.
    pub len: Be16,
    /// Checksum of pseudo-header, header and data; 0 where there is none.
    pub check: Be16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Header;

    #[test]
    fn layouts_are_those_of_the_protocols() {
        let sizes = [
            (EthHdr::SIZE, 14),
            (VlanHdr::SIZE, 4),
            (ArpHdr::SIZE, 28),
            (Ipv4Hdr::SIZE, 20),
            (Ipv6Hdr::SIZE, 40),
            (IcmpHdr::SIZE, 8),
            (Icmpv6Hdr::SIZE, 8),
            (TcpHdr::SIZE, 20),
            (UdpHdr::SIZE, 8),
        ];
        assert!(sizes.iter().all(|(size, expected)| size == expected), "{sizes:?}");
        assert_eq!((EthHdr::ethertype, VlanHdr::ethertype), (12, 2));
        assert_eq!((ArpHdr::operation, ArpHdr::sender_ip, ArpHdr::target_mac, ArpHdr::target_ip), (6, 14, 18, 24));
        assert_eq!((Ipv4Hdr::protocol, Ipv4Hdr::check, Ipv4Hdr::saddr, Ipv4Hdr::daddr), (9, 10, 12, 16));
        assert_eq!((TcpHdr::flags, TcpHdr::check, UdpHdr::check), (13, 16, 6));
    }
}
