#include "net.h"

struct flow {
    __be32 saddr, daddr;
    __be16 source, dest;
    __u8 protocol;
};

struct traffic {
    __u64 packets, bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct flow);
    __type(value, struct traffic);
    __uint(max_entries, 1024);
} FLOWS SEC(".maps");

SEC("tc")
int flows(struct __sk_buff *skb)
{
    struct ipv4_hdr *ip = data(skb) + sizeof(struct eth_hdr);
    if ((void *)(ip + 1) > data_end(skb))
        return TC_ACT_OK;
    struct udp_hdr *udp = (void *)ip + header_len(ip);
    if ((void *)(udp + 1) > data_end(skb))
        return TC_ACT_OK;
    struct flow flow;
    __builtin_memset(&flow, 0, sizeof(flow));
    flow.saddr = ip->saddr;
    flow.daddr = ip->daddr;
    flow.source = udp->source;
    flow.dest = udp->dest;
    flow.protocol = ip->protocol;
    struct traffic *known = bpf_map_lookup_elem(&FLOWS, &flow);
    if (known) {
        __sync_fetch_and_add(&known->packets, 1);
        __sync_fetch_and_add(&known->bytes, skb->len);
        return known->packets > 2 ? TC_ACT_SHOT : TC_ACT_OK;
    }
    struct traffic first = { 1, skb->len };
    bpf_map_update_elem(&FLOWS, &flow, &first, BPF_ANY);
    return TC_ACT_OK;
}
