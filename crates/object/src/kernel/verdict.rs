//! What a program's return value means, by name.

use super::ProgramType;

/// Expands rows of `PROGRAM_TYPE … { value = "name", … }` into the lookup.
macro_rules! verdicts {
    ($($($program:ident)+ { $($value:literal = $name:literal,)* })*) => {
        impl ProgramType {
            /// The name of a value that a program of this type returns: the kernel's constant where there is one, a word where the
            /// kernel has bare numbers. `None` for a type whose values are not verdicts, such as the lengths of a socket
            /// filter, and for a value that has no name.
            ///
            /// Programs return 32 bits: `TC_ACT_UNSPEC`, -1, is `u32::MAX` here. Of `SK_SKB` programs the names are those of a
            /// verdict; a stream parser returns a length.
            ///
            /// ```
            /// use bpfasm_object::kernel::ProgramType;
            ///
            /// assert_eq!(ProgramType::SCHED_CLS.verdict_name(2), Some("TC_ACT_SHOT"));
            /// assert_eq!(ProgramType::XDP.verdict_name(2), Some("XDP_PASS"));
            /// assert_eq!(ProgramType::SOCKET_FILTER.verdict_name(2), None);
            /// ```
            ///
            /// # References
            /// `include/uapi/linux/pkt_cls.h` (`TC_ACT_*`), `include/uapi/linux/bpf.h` (`enum xdp_action`, `enum sk_action`,
            /// `enum bpf_ret_code`), `include/uapi/linux/netfilter.h` (`NF_*`), `include/linux/bpf-cgroup.h` (the comment at
            /// `BPF_PROG_CGROUP_INET_EGRESS_RUN_ARRAY`).
            #[must_use]
            pub const fn verdict_name(self, value: u32) -> Option<&'static str> {
                match self {
                    $($(ProgramType::$program)|+ => match value {
                        $($value => Some($name),)*
                        _ => None,
                    },)*
                    _ => None,
                }
            }
        }
    };
}

verdicts! {
    SCHED_CLS SCHED_ACT {
        0xffff_ffff = "TC_ACT_UNSPEC",
        0 = "TC_ACT_OK",
        1 = "TC_ACT_RECLASSIFY",
        2 = "TC_ACT_SHOT",
        3 = "TC_ACT_PIPE",
        4 = "TC_ACT_STOLEN",
        5 = "TC_ACT_QUEUED",
        6 = "TC_ACT_REPEAT",
        7 = "TC_ACT_REDIRECT",
        8 = "TC_ACT_TRAP",
    }
    XDP {
        0 = "XDP_ABORTED",
        1 = "XDP_DROP",
        2 = "XDP_PASS",
        3 = "XDP_TX",
        4 = "XDP_REDIRECT",
    }
    SK_SKB SK_MSG SK_LOOKUP SK_REUSEPORT {
        0 = "SK_DROP",
        1 = "SK_PASS",
    }
    LWT_IN LWT_OUT LWT_XMIT LWT_SEG6LOCAL {
        0 = "BPF_OK",
        2 = "BPF_DROP",
        7 = "BPF_REDIRECT",
        128 = "BPF_LWT_REROUTE",
    }
    FLOW_DISSECTOR {
        0 = "BPF_OK",
        2 = "BPF_DROP",
        129 = "BPF_FLOW_DISSECTOR_CONTINUE",
    }
    NETFILTER {
        0 = "NF_DROP",
        1 = "NF_ACCEPT",
    }
    CGROUP_SKB {
        0 = "drop",
        1 = "pass",
        2 = "drop, congested",
        3 = "pass, congested",
    }
    CGROUP_SOCK CGROUP_SOCK_ADDR CGROUP_SOCKOPT CGROUP_DEVICE CGROUP_SYSCTL {
        0 = "deny",
        1 = "allow",
    }
}
