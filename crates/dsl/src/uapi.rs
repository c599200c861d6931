//! Constants of protocols and flags, under the names of the kernel's headers.

/// IPv4 in an Ethernet frame (`include/uapi/linux/if_ether.h`).
pub const ETH_P_IP: u16 = 0x0800;
/// ARP in an Ethernet frame.
pub const ETH_P_ARP: u16 = 0x0806;
/// A VLAN tag in an Ethernet frame.
pub const ETH_P_8021Q: u16 = 0x8100;
/// IPv6 in an Ethernet frame.
pub const ETH_P_IPV6: u16 = 0x86dd;

/// ICMP in an IPv4 packet (`include/uapi/linux/in.h`).
pub const IPPROTO_ICMP: u8 = 1;
/// TCP in an IP packet.
pub const IPPROTO_TCP: u8 = 6;
/// UDP in an IP packet.
pub const IPPROTO_UDP: u8 = 17;

/// For `update`: whether or not there is an entry (`include/uapi/linux/bpf.h`).
pub const BPF_ANY: u64 = 0;
/// For `update`: only where there is no entry yet.
pub const BPF_NOEXIST: u64 = 1;
/// For `update`: only where there is an entry.
pub const BPF_EXIST: u64 = 2;

/// For `store_bytes`: correct the checksum of a packet whose sum the device computed (`include/uapi/linux/bpf.h`).
pub const BPF_F_RECOMPUTE_CSUM: u64 = 1;
/// For `store_bytes`: forget the flow hash.
pub const BPF_F_INVALIDATE_HASH: u64 = 1 << 1;
/// For `l4_csum_replace`: the field belongs to the pseudo-header.
pub const BPF_F_PSEUDO_HDR: u64 = 1 << 4;
/// For `l4_csum_replace`: a UDP checksum of 0 means none, and stays so.
pub const BPF_F_MARK_MANGLED_0: u64 = 1 << 5;
/// For `redirect`: into the device instead of out of it.
pub const BPF_F_INGRESS: u64 = 1;
