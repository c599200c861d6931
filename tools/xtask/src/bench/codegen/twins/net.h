// Headers of packets, unpacked: where the kernel's own are packed, clang reads their fields byte by byte.
#pragma once

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define LATER_FRAGMENT 0x1fff
#define IPV4(a, b, c, d) bpf_htonl((a) << 24 | (b) << 16 | (c) << 8 | (d))

struct eth_hdr {
    __u8 dst[6], src[6];
    __be16 ethertype;
};

struct ipv4_hdr {
    __u8 ver_ihl, tos;
    __be16 tot_len, id, frag_off;
    __u8 ttl, protocol;
    __be16 check;
    __be32 saddr, daddr;
};

struct tcp_hdr {
    __be16 source, dest;
    __be32 seq, ack_seq;
    __be16 offset_flags, window, check, urg_ptr;
};

struct udp_hdr {
    __be16 source, dest, len, check;
};

static __always_inline void *data(const struct __sk_buff *skb)
{
    return (void *)(long)skb->data;
}

static __always_inline void *data_end(const struct __sk_buff *skb)
{
    return (void *)(long)skb->data_end;
}

static __always_inline __u32 header_len(const struct ipv4_hdr *ip)
{
    return (ip->ver_ihl & 0xf) << 2;
}

char LICENSE[] SEC("license") = "GPL";
