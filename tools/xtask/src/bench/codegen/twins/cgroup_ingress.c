#include "net.h"

#define DROP 0
#define PASS 1

SEC("cgroup_skb/ingress")
int cgroup_ingress(struct __sk_buff *skb)
{
    if (skb->protocol != bpf_htons(ETH_P_IP))
        return PASS;
    struct ipv4_hdr *ip = data(skb);
    if ((void *)(ip + 1) > data_end(skb))
        return PASS;
    if (ip->protocol != IPPROTO_TCP || ip->frag_off & bpf_htons(LATER_FRAGMENT))
        return PASS;
    struct tcp_hdr *tcp = (void *)ip + header_len(ip);
    if ((void *)(tcp + 1) > data_end(skb))
        return PASS;
    return tcp->dest == bpf_htons(8080) ? DROP : PASS;
}
