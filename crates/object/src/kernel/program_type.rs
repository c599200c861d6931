//! Program types.

use super::kernel_numbers;

kernel_numbers! {
    /// `enum bpf_prog_type`: what a program may do and where it runs.
    ///
    /// # References
    /// `include/uapi/linux/bpf.h`, `enum bpf_prog_type`.
    #[doc(alias = "bpf_prog_type")]
    pub struct ProgramType, "program type" {
        UNSPEC = 0, "unspec", 3 18;
        SOCKET_FILTER = 1, "socket_filter", 3 19;
        KPROBE = 2, "kprobe", 4 1;
        SCHED_CLS = 3, "sched_cls", 4 1;
        SCHED_ACT = 4, "sched_act", 4 1;
        TRACEPOINT = 5, "tracepoint", 4 7;
        XDP = 6, "xdp", 4 8;
        PERF_EVENT = 7, "perf_event", 4 9;
        CGROUP_SKB = 8, "cgroup_skb", 4 10;
        CGROUP_SOCK = 9, "cgroup_sock", 4 10;
        LWT_IN = 10, "lwt_in", 4 10;
        LWT_OUT = 11, "lwt_out", 4 10;
        LWT_XMIT = 12, "lwt_xmit", 4 10;
        SOCK_OPS = 13, "sock_ops", 4 13;
        SK_SKB = 14, "sk_skb", 4 14;
        CGROUP_DEVICE = 15, "cgroup_device", 4 15;
        SK_MSG = 16, "sk_msg", 4 17;
        RAW_TRACEPOINT = 17, "raw_tracepoint", 4 17;
        CGROUP_SOCK_ADDR = 18, "cgroup_sock_addr", 4 17;
        LWT_SEG6LOCAL = 19, "lwt_seg6local", 4 18;
        LIRC_MODE2 = 20, "lirc_mode2", 4 18;
        SK_REUSEPORT = 21, "sk_reuseport", 4 19;
        FLOW_DISSECTOR = 22, "flow_dissector", 4 20;
        CGROUP_SYSCTL = 23, "cgroup_sysctl", 5 2;
        RAW_TRACEPOINT_WRITABLE = 24, "raw_tracepoint_writable", 5 2;
        CGROUP_SOCKOPT = 25, "cgroup_sockopt", 5 3;
        TRACING = 26, "tracing", 5 5;
        STRUCT_OPS = 27, "struct_ops", 5 6;
        EXT = 28, "ext", 5 6;
        LSM = 29, "lsm", 5 7;
        SK_LOOKUP = 30, "sk_lookup", 5 9;
        SYSCALL = 31, "syscall", 5 14;
        NETFILTER = 32, "netfilter", 6 4;
    }
}
