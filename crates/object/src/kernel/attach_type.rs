//! Attach types.

use super::{ProgramType, kernel_numbers, sections};

kernel_numbers! {
    /// `enum bpf_attach_type`: the hook that a program is meant for. Value 0 is a real hook, `cgroup_inet_ingress`;
    /// the kernel also takes it for "no expectation".
    ///
    /// # References
    /// `include/uapi/linux/bpf.h`, `enum bpf_attach_type`.
    #[doc(alias = "bpf_attach_type")]
    pub struct AttachType, "attach type" {
        CGROUP_INET_INGRESS = 0, "cgroup_inet_ingress", 4 10;
        CGROUP_INET_EGRESS = 1, "cgroup_inet_egress", 4 10;
        CGROUP_INET_SOCK_CREATE = 2, "cgroup_inet_sock_create", 4 10;
        CGROUP_SOCK_OPS = 3, "cgroup_sock_ops", 4 13;
        SK_SKB_STREAM_PARSER = 4, "sk_skb_stream_parser", 4 14;
        SK_SKB_STREAM_VERDICT = 5, "sk_skb_stream_verdict", 4 14;
        CGROUP_DEVICE = 6, "cgroup_device", 4 15;
        SK_MSG_VERDICT = 7, "sk_msg_verdict", 4 17;
        CGROUP_INET4_BIND = 8, "cgroup_inet4_bind", 4 17;
        CGROUP_INET6_BIND = 9, "cgroup_inet6_bind", 4 17;
        CGROUP_INET4_CONNECT = 10, "cgroup_inet4_connect", 4 17;
        CGROUP_INET6_CONNECT = 11, "cgroup_inet6_connect", 4 17;
        CGROUP_INET4_POST_BIND = 12, "cgroup_inet4_post_bind", 4 17;
        CGROUP_INET6_POST_BIND = 13, "cgroup_inet6_post_bind", 4 17;
        CGROUP_UDP4_SENDMSG = 14, "cgroup_udp4_sendmsg", 4 18;
        CGROUP_UDP6_SENDMSG = 15, "cgroup_udp6_sendmsg", 4 18;
        LIRC_MODE2 = 16, "lirc_mode2", 4 18;
        FLOW_DISSECTOR = 17, "flow_dissector", 4 20;
        CGROUP_SYSCTL = 18, "cgroup_sysctl", 5 2;
        CGROUP_UDP4_RECVMSG = 19, "cgroup_udp4_recvmsg", 5 2;
        CGROUP_UDP6_RECVMSG = 20, "cgroup_udp6_recvmsg", 5 2;
        CGROUP_GETSOCKOPT = 21, "cgroup_getsockopt", 5 3;
        CGROUP_SETSOCKOPT = 22, "cgroup_setsockopt", 5 3;
        TRACE_RAW_TP = 23, "trace_raw_tp", 5 5;
        TRACE_FENTRY = 24, "trace_fentry", 5 5;
        TRACE_FEXIT = 25, "trace_fexit", 5 5;
        MODIFY_RETURN = 26, "modify_return", 5 7;
        LSM_MAC = 27, "lsm_mac", 5 7;
        TRACE_ITER = 28, "trace_iter", 5 8;
        CGROUP_INET4_GETPEERNAME = 29, "cgroup_inet4_getpeername", 5 8;
        CGROUP_INET6_GETPEERNAME = 30, "cgroup_inet6_getpeername", 5 8;
        CGROUP_INET4_GETSOCKNAME = 31, "cgroup_inet4_getsockname", 5 8;
        CGROUP_INET6_GETSOCKNAME = 32, "cgroup_inet6_getsockname", 5 8;
        XDP_DEVMAP = 33, "xdp_devmap", 5 8;
        CGROUP_INET_SOCK_RELEASE = 34, "cgroup_inet_sock_release", 5 9;
        XDP_CPUMAP = 35, "xdp_cpumap", 5 9;
        SK_LOOKUP = 36, "sk_lookup", 5 9;
        XDP = 37, "xdp", 5 9;
        SK_SKB_VERDICT = 38, "sk_skb_verdict", 5 13;
        SK_REUSEPORT_SELECT = 39, "sk_reuseport_select", 5 14;
        SK_REUSEPORT_SELECT_OR_MIGRATE = 40, "sk_reuseport_select_or_migrate", 5 14;
        PERF_EVENT = 41, "perf_event", 5 15;
        TRACE_KPROBE_MULTI = 42, "trace_kprobe_multi", 5 18;
        LSM_CGROUP = 43, "lsm_cgroup", 6 0;
        STRUCT_OPS = 44, "struct_ops", 6 4;
        NETFILTER = 45, "netfilter", 6 4;
        TCX_INGRESS = 46, "tcx_ingress", 6 6;
        TCX_EGRESS = 47, "tcx_egress", 6 6;
        TRACE_UPROBE_MULTI = 48, "trace_uprobe_multi", 6 6;
        CGROUP_UNIX_CONNECT = 49, "cgroup_unix_connect", 6 7;
        CGROUP_UNIX_SENDMSG = 50, "cgroup_unix_sendmsg", 6 7;
        CGROUP_UNIX_RECVMSG = 51, "cgroup_unix_recvmsg", 6 7;
        CGROUP_UNIX_GETPEERNAME = 52, "cgroup_unix_getpeername", 6 7;
        CGROUP_UNIX_GETSOCKNAME = 53, "cgroup_unix_getsockname", 6 7;
        NETKIT_PRIMARY = 54, "netkit_primary", 6 7;
        NETKIT_PEER = 55, "netkit_peer", 6 7;
        TRACE_KPROBE_SESSION = 56, "trace_kprobe_session", 6 10;
        TRACE_UPROBE_SESSION = 57, "trace_uprobe_session", 6 13;
        TRACE_FSESSION = 58, "trace_fsession", 7 0;
    }
}

/// Rows of `"old word" CONSTANT;`: what `bpftool cgroup attach` called the attach types before Linux 5.19, and still
/// takes.
macro_rules! cgroup_words {
    ($($word:literal $constant:ident;)*) => {
        /// The attach type of a control group under its name or under the older word that bpftool also takes: `ingress`
        /// is `cgroup_inet_ingress`.
        ///
        /// ```
        /// use bpfasm_object::kernel::AttachType;
        ///
        /// for word in ["ingress", "cgroup_inet_ingress"] {
        ///     assert_eq!(AttachType::from_cgroup_word(word), Some(AttachType::CGROUP_INET_INGRESS));
        /// }
        /// assert_eq!(AttachType::from_cgroup_word("xdp"), None);
        /// ```
        ///
        /// # References
        /// bpftool 7.1, `bpf_attach_type_input_str` in `tools/bpf/bpftool/common.c`.
        #[must_use]
        pub fn from_cgroup_word(word: &str) -> Option<AttachType> {
            match word {
                $($word => Some(AttachType::$constant),)*
                name => AttachType::from_name(name).filter(|known| known.is_cgroup()),
            }
        }

        /// The same, also under the beginning of an older word that no other older word begins with: `ing` is
        /// `ingress`.
        #[must_use]
        pub fn from_cgroup_abbreviation(word: &str) -> Option<AttachType> {
            let known = [$(($word, AttachType::$constant)),*];
            let mut meant = known.iter().filter(|(whole, _)| !word.is_empty() && whole.starts_with(word));
            let abbreviated = meant.next().filter(|_| meant.next().is_none()).map(|(_, known)| *known);
            AttachType::from_cgroup_word(word).or(abbreviated)
        }
    };
}

impl AttachType {
    cgroup_words! {
        "ingress" CGROUP_INET_INGRESS;
        "egress" CGROUP_INET_EGRESS;
        "sock_create" CGROUP_INET_SOCK_CREATE;
        "sock_release" CGROUP_INET_SOCK_RELEASE;
        "sock_ops" CGROUP_SOCK_OPS;
        "device" CGROUP_DEVICE;
        "bind4" CGROUP_INET4_BIND;
        "bind6" CGROUP_INET6_BIND;
        "connect4" CGROUP_INET4_CONNECT;
        "connect6" CGROUP_INET6_CONNECT;
        "post_bind4" CGROUP_INET4_POST_BIND;
        "post_bind6" CGROUP_INET6_POST_BIND;
        "getpeername4" CGROUP_INET4_GETPEERNAME;
        "getpeername6" CGROUP_INET6_GETPEERNAME;
        "getsockname4" CGROUP_INET4_GETSOCKNAME;
        "getsockname6" CGROUP_INET6_GETSOCKNAME;
        "sendmsg4" CGROUP_UDP4_SENDMSG;
        "sendmsg6" CGROUP_UDP6_SENDMSG;
        "recvmsg4" CGROUP_UDP4_RECVMSG;
        "recvmsg6" CGROUP_UDP6_RECVMSG;
        "sysctl" CGROUP_SYSCTL;
        "getsockopt" CGROUP_GETSOCKOPT;
        "setsockopt" CGROUP_SETSOCKOPT;
    }

    /// Whether it is a hook of control groups.
    #[must_use]
    pub fn is_cgroup(self) -> bool {
        self.name().is_some_and(|name| name.starts_with("cgroup_"))
    }

    /// Whether programs that are attached so belong to a control group: its hooks, and the LSM hooks of its processes.
    #[must_use]
    pub fn is_of_groups(self) -> bool {
        self.is_cgroup() || self == AttachType::LSM_CGROUP
    }

    /// The type of the programs that are attached so, where the table of section names has one.
    ///
    /// ```
    /// use bpfasm_object::kernel::{AttachType, ProgramType};
    ///
    /// assert_eq!(AttachType::CGROUP_INET_EGRESS.program_type(), Some(ProgramType::CGROUP_SKB));
    /// ```
    #[must_use]
    pub fn program_type(self) -> Option<ProgramType> {
        sections().iter().find(|row| row.expected_attach_type == Some(self)).map(|row| row.program_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_word_may_be_cut_short_where_it_is_clear() {
        let rows = [
            ("ing", Some(AttachType::CGROUP_INET_INGRESS)),
            ("sock_c", Some(AttachType::CGROUP_INET_SOCK_CREATE)),
            ("connect4", Some(AttachType::CGROUP_INET4_CONNECT)),
            ("connect", None),
            ("s", None),
            ("", None),
            ("cgroup_inet_ing", None),
        ];
        for (word, expected) in rows {
            assert_eq!(AttachType::from_cgroup_abbreviation(word), expected, "{word}");
        }
    }

    #[test]
    fn every_hook_of_control_groups_has_a_program_type() {
        let hooks = AttachType::ALL.iter().filter(|known| known.is_cgroup());
        for hook in hooks {
            assert!(hook.program_type().is_some(), "{hook}");
            assert_eq!(hook.name().and_then(AttachType::from_cgroup_word), Some(*hook));
        }
    }
}
