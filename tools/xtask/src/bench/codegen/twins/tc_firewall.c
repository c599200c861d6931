#include "net.h"

#define NO_PORT (1 << 16)

struct counter {
    __u64 packets, bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, struct counter);
    __uint(max_entries, 1024);
} COUNTERS SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __u32);
    __type(value, __u32);
    __uint(max_entries, 1024);
} VERDICTS SEC(".maps");

struct ports {
    __be16 source, destination;
};

static __always_inline __u32 destination_port(const struct __sk_buff *skb, const struct ipv4_hdr *ip)
{
    if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
        return NO_PORT;
    if (ip->frag_off & bpf_htons(LATER_FRAGMENT))
        return NO_PORT;
    const struct ports *ports = (const void *)ip + header_len(ip);
    if ((const void *)(ports + 1) > data_end(skb))
        return NO_PORT;
    return bpf_ntohs(ports->destination);
}

static __always_inline int decide(const struct __sk_buff *skb, const struct ipv4_hdr *ip, __u32 *rule)
{
    __u32 port = destination_port(skb, ip);
    *rule = 0;
    if ((ip->saddr & bpf_htonl(0xff000000)) == IPV4(10, 0, 0, 0) && ip->protocol == IPPROTO_TCP && port == 22)
        return TC_ACT_OK;
    *rule = 1;
    if (ip->protocol == IPPROTO_TCP && port >= 80 && port <= 81)
        return TC_ACT_OK;
    *rule = 2;
    if (ip->protocol == IPPROTO_TCP)
        return TC_ACT_SHOT;
    *rule = 3;
    if (ip->saddr == IPV4(10, 1, 2, 3))
        return TC_ACT_SHOT;
    *rule = 4;
    return TC_ACT_OK;
}

SEC("tc")
int tc_firewall(struct __sk_buff *skb)
{
    struct eth_hdr *eth = data(skb);
    if ((void *)(eth + 1) > data_end(skb))
        return TC_ACT_OK;
    if (eth->ethertype != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    struct ipv4_hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > data_end(skb))
        return TC_ACT_OK;
    __u32 rule;
    int verdict = decide(skb, ip, &rule);
    struct counter *counter = bpf_map_lookup_elem(&COUNTERS, &rule);
    if (counter) {
        __sync_fetch_and_add(&counter->packets, 1);
        __sync_fetch_and_add(&counter->bytes, skb->len);
    }
    __u32 *other = bpf_map_lookup_elem(&VERDICTS, &rule);
    return other ? *other : verdict;
}
