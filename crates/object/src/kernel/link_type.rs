//! Link types.

use super::kernel_numbers;

kernel_numbers! {
    /// `enum bpf_link_type`: by what a program is kept attached.
    ///
    /// # References
    /// `include/uapi/linux/bpf.h`, `enum bpf_link_type`.
    #[doc(alias = "bpf_link_type")]
    pub struct LinkType, "link type" {
        UNSPEC = 0, "unspec", 5 8;
        RAW_TRACEPOINT = 1, "raw_tracepoint", 5 8;
        TRACING = 2, "tracing", 5 8;
        CGROUP = 3, "cgroup", 5 8;
        ITER = 4, "iter", 5 8;
        NETNS = 5, "netns", 5 8;
        XDP = 6, "xdp", 5 9;
        PERF_EVENT = 7, "perf_event", 5 15;
        KPROBE_MULTI = 8, "kprobe_multi", 5 18;
        STRUCT_OPS = 9, "struct_ops", 6 0;
        NETFILTER = 10, "netfilter", 6 4;
        TCX = 11, "tcx", 6 6;
        UPROBE_MULTI = 12, "uprobe_multi", 6 6;
        NETKIT = 13, "netkit", 6 7;
        SOCKMAP = 14, "sockmap", 6 10;
    }
}
