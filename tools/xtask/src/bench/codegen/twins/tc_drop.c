#include "net.h"

SEC("tc")
int tc_drop(struct __sk_buff *skb)
{
    struct eth_hdr *eth = data(skb);
    if ((void *)(eth + 1) > data_end(skb))
        return TC_ACT_OK;
    if (eth->ethertype != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    struct ipv4_hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > data_end(skb))
        return TC_ACT_OK;
    if (ip->saddr == IPV4(192, 168, 1, 1))
        return TC_ACT_SHOT;
    return TC_ACT_OK;
}
