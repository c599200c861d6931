#include "net.h"

#define ETH sizeof(struct eth_hdr)

SEC("tc")
int tc_nat(struct __sk_buff *skb)
{
    struct eth_hdr *eth = data(skb);
    if ((void *)(eth + 1) > data_end(skb))
        return TC_ACT_OK;
    if (eth->ethertype != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    struct ipv4_hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > data_end(skb))
        return TC_ACT_OK;
    __be32 old = ip->daddr, new = IPV4(10, 0, 0, 1);
    if (old != IPV4(10, 0, 0, 2))
        return TC_ACT_OK;
    __u8 protocol = ip->protocol;
    __u32 transport = ETH + header_len(ip);
    if (!(ip->frag_off & bpf_htons(LATER_FRAGMENT))) {
        switch (protocol) {
        case IPPROTO_TCP:
            bpf_l4_csum_replace(skb, transport + __builtin_offsetof(struct tcp_hdr, check), old, new,
                                BPF_F_PSEUDO_HDR | sizeof(new));
            break;
        case IPPROTO_UDP:
            bpf_l4_csum_replace(skb, transport + __builtin_offsetof(struct udp_hdr, check), old, new,
                                BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | sizeof(new));
            break;
        }
    }
    bpf_l3_csum_replace(skb, ETH + __builtin_offsetof(struct ipv4_hdr, check), old, new, sizeof(new));
    bpf_skb_store_bytes(skb, ETH + __builtin_offsetof(struct ipv4_hdr, daddr), &new, sizeof(new), 0);
    return TC_ACT_OK;
}
