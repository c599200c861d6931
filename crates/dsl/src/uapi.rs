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

/// IPv4 as an address family (`include/linux/socket.h`).
pub const AF_INET: u8 = 2;
/// IPv6 as an address family.
pub const AF_INET6: u8 = 10;

/// ICMPv6 in an IPv6 packet (`include/uapi/linux/in6.h`).
pub const IPPROTO_ICMPV6: u8 = 58;

/// A service provider's VLAN tag in an Ethernet frame (`include/uapi/linux/if_ether.h`).
pub const ETH_P_8021AD: u16 = 0x88a8;

/// For `pkt_type`: to this host (`include/uapi/linux/if_packet.h`).
pub const PACKET_HOST: u32 = 0;
/// For `pkt_type`: to all.
pub const PACKET_BROADCAST: u32 = 1;
/// For `pkt_type`: to a group.
pub const PACKET_MULTICAST: u32 = 2;
/// For `pkt_type`: to somebody else.
pub const PACKET_OTHERHOST: u32 = 3;

/// For `load_bytes_relative`: from the Ethernet header on (`include/uapi/linux/bpf.h`).
pub const BPF_HDR_START_MAC: u32 = 0;
/// For `load_bytes_relative`: from the IP header on.
pub const BPF_HDR_START_NET: u32 = 1;

/// For socket lookups: the program's own network namespace.
pub const BPF_F_CURRENT_NETNS: u64 = u64::MAX;

/// For `adjust_room`: behind the IP header.
pub const BPF_ADJ_ROOM_NET: u32 = 0;
/// For `adjust_room`: behind the Ethernet header.
pub const BPF_ADJ_ROOM_MAC: u32 = 1;
/// For `adjust_room`: leave the size of segments as it is.
pub const BPF_F_ADJ_ROOM_FIXED_GSO: u64 = 1 << 0;
/// For `adjust_room`: the new bytes are an IPv4 header of a tunnel.
pub const BPF_F_ADJ_ROOM_ENCAP_L3_IPV4: u64 = 1 << 1;
/// For `adjust_room`: the new bytes are an IPv6 header of a tunnel.
pub const BPF_F_ADJ_ROOM_ENCAP_L3_IPV6: u64 = 1 << 2;
/// For `adjust_room`: the tunnel is GRE.
pub const BPF_F_ADJ_ROOM_ENCAP_L4_GRE: u64 = 1 << 3;
/// For `adjust_room`: the tunnel is UDP.
pub const BPF_F_ADJ_ROOM_ENCAP_L4_UDP: u64 = 1 << 4;
/// For `adjust_room`: do not take the checksum for unchecked.
pub const BPF_F_ADJ_ROOM_NO_CSUM_RESET: u64 = 1 << 5;

/// For `csum_level`: how many there are.
pub const BPF_CSUM_LEVEL_QUERY: u64 = 0;
/// For `csum_level`: one more.
pub const BPF_CSUM_LEVEL_INC: u64 = 1;
/// For `csum_level`: one less.
pub const BPF_CSUM_LEVEL_DEC: u64 = 2;
/// For `csum_level`: none.
pub const BPF_CSUM_LEVEL_RESET: u64 = 3;

/// For `fib_lookup`: without regard to policy rules.
pub const BPF_FIB_LOOKUP_DIRECT: u32 = 1 << 0;
/// For `fib_lookup`: for a packet that leaves, not one that arrived.
pub const BPF_FIB_LOOKUP_OUTPUT: u32 = 1 << 1;
/// For `fib_lookup`: the Ethernet addresses are not wanted.
pub const BPF_FIB_LOOKUP_SKIP_NEIGH: u32 = 1 << 2;
/// For `fib_lookup`: in the table that `tbid` says.
pub const BPF_FIB_LOOKUP_TBID: u32 = 1 << 3;
/// For `fib_lookup`: find a source address.
pub const BPF_FIB_LOOKUP_SRC: u32 = 1 << 4;
/// For `fib_lookup`: with the mark that `mark` says.
pub const BPF_FIB_LOOKUP_MARK: u32 = 1 << 5;

/// Answer of `fib_lookup`: it can be forwarded.
pub const BPF_FIB_LKUP_RET_SUCCESS: i64 = 0;
/// Answer of `fib_lookup`: drop it.
pub const BPF_FIB_LKUP_RET_BLACKHOLE: i64 = 1;
/// Answer of `fib_lookup`: it is for this host, or there is no route.
pub const BPF_FIB_LKUP_RET_NOT_FWDED: i64 = 4;
/// Answer of `fib_lookup`: the next hop's Ethernet address is not known.
pub const BPF_FIB_LKUP_RET_NO_NEIGH: i64 = 7;
/// Answer of `fib_lookup`: it is longer than the MTU.
pub const BPF_FIB_LKUP_RET_FRAG_NEEDED: i64 = 8;

/// For `check_mtu`: look at the packet's segments, not at all of it.
pub const BPF_MTU_CHK_SEGS: u64 = 1 << 0;

/// For tunnels: the address is of IPv6.
pub const BPF_F_TUNINFO_IPV6: u64 = 1 << 0;
/// For `set_tunnel_key`: no checksum of the outer UDP header.
pub const BPF_F_ZERO_CSUM_TX: u64 = 1 << 1;
/// For `set_tunnel_key`: the outer packet must not be fragmented.
pub const BPF_F_DONT_FRAGMENT: u64 = 1 << 2;
/// For `set_tunnel_key`: number the packets.
pub const BPF_F_SEQ_NUMBER: u64 = 1 << 3;

/// For `set_tstamp_type`: the time of day.
pub const BPF_SKB_CLOCK_REALTIME: u32 = 0;
/// For `set_tstamp_type`: time since boot.
pub const BPF_SKB_CLOCK_MONOTONIC: u32 = 1;
/// For `set_tstamp_type`: international atomic time.
pub const BPF_SKB_CLOCK_TAI: u32 = 2;
