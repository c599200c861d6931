#include "net.h"

struct key {
    __u32 prefix_len;
    __be32 data;
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct key);
    __type(value, __u32);
    __uint(max_entries, 1024);
} NETWORKS SEC(".maps");

SEC("tc")
int networks(struct __sk_buff *skb)
{
    struct ipv4_hdr *ip = data(skb) + sizeof(struct eth_hdr);
    if ((void *)(ip + 1) > data_end(skb))
        return TC_ACT_OK;
    if (ip->protocol == IPPROTO_UDP) {
        struct key network = { 24, ip->saddr };
        __u32 shot = TC_ACT_SHOT;
        bpf_map_update_elem(&NETWORKS, &network, &shot, BPF_ANY);
        return TC_ACT_OK;
    }
    struct key address = { 32, ip->saddr };
    __u32 *verdict = bpf_map_lookup_elem(&NETWORKS, &address);
    return verdict && *verdict == TC_ACT_SHOT ? TC_ACT_SHOT : TC_ACT_OK;
}
