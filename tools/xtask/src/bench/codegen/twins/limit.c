#include "net.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __be32);
    __type(value, __u64);
    __uint(max_entries, 1024);
} SEEN SEC(".maps");

SEC("tc")
int limit(struct __sk_buff *skb)
{
    struct ipv4_hdr *ip = data(skb) + sizeof(struct eth_hdr);
    if ((void *)(ip + 1) > data_end(skb))
        return TC_ACT_OK;
    __be32 source = ip->saddr;
    __u64 *seen = bpf_map_lookup_elem(&SEEN, &source);
    if (seen) {
        __sync_fetch_and_add(seen, 1);
        return *seen > 2 ? TC_ACT_SHOT : TC_ACT_OK;
    }
    __u64 one = 1;
    bpf_map_update_elem(&SEEN, &source, &one, BPF_ANY);
    return TC_ACT_OK;
}
