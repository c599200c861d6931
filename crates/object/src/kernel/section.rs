//! ELF section names, and the program each announces.

use super::{AttachType, ProgramType};

/// What a section name says about the programs in it: one row of the table of section names.
///
/// # References
/// libbpf 1.7, `section_defs` in `src/libbpf.c`, whose names these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionKind {
    /// The name as the table has it. A `+` at its end stands for nothing or for `/` and more text: `kprobe+` is
    /// `kprobe` and `kprobe/do_unlinkat`.
    pub pattern: &'static str,
    /// The program type.
    pub program_type: ProgramType,
    /// The `expected_attach_type` of BPF_PROG_LOAD, if the name fixes one.
    pub expected_attach_type: Option<AttachType>,
    /// A kernel that knows the program type but not the attach type takes the program with attach type 0.
    pub attach_type_optional: bool,
    /// Loaded with `BPF_F_SLEEPABLE`.
    pub sleepable: bool,
    /// Loaded with `BPF_F_XDP_HAS_FRAGS`.
    pub xdp_frags: bool,
    /// Needs the BTF id of what it attaches to, named after the `/`.
    pub needs_attach_btf_id: bool,
}

impl SectionKind {
    /// The `prog_flags` of BPF_PROG_LOAD.
    ///
    /// # References
    /// `include/uapi/linux/bpf.h`, `BPF_F_SLEEPABLE` and `BPF_F_XDP_HAS_FRAGS`.
    #[must_use]
    pub const fn program_flags(&self) -> u32 {
        const SLEEPABLE: u32 = 1 << 4;
        const XDP_HAS_FRAGS: u32 = 1 << 5;
        (if self.sleepable { SLEEPABLE } else { 0 }) | (if self.xdp_frags { XDP_HAS_FRAGS } else { 0 })
    }

    fn matches(&self, name: &str) -> bool {
        match self.pattern.strip_suffix('+') {
            None => name == self.pattern,
            Some(stem) => name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

/// The row for a section's name. A leading `?`, by which a program asks not to be loaded by default, is skipped.
///
/// ```
/// use bpfasm_object::kernel::{AttachType, ProgramType, section};
///
/// let kind = section("cgroup_skb/ingress").ok_or("unknown section")?;
/// assert_eq!(kind.program_type, ProgramType::CGROUP_SKB);
/// assert_eq!(kind.expected_attach_type, Some(AttachType::CGROUP_INET_INGRESS));
/// assert!(section("tc_ingress").is_none());
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn section(name: &str) -> Option<&'static SectionKind> {
    let name = name.strip_prefix('?').unwrap_or(name);
    SECTIONS.iter().find(|row| row.matches(name))
}

/// All rows, in the order in which names are looked up.
#[must_use]
pub fn sections() -> &'static [SectionKind] {
    SECTIONS
}

/// Rows of `"pattern" => PROGRAM_TYPE [ATTACH_TYPE] field field;`, where the attach type may be absent and each `field`
/// named is a `bool` of [`SectionKind`] that is set.
macro_rules! sections {
    ($($pattern:literal => $program:ident $([$attach:ident])? $($flag:ident)*;)*) => {
        &[$(SectionKind {
            $($flag: true,)*
            $(expected_attach_type: Some(AttachType::$attach),)?
            ..SectionKind::new($pattern, ProgramType::$program)
        }),*]
    };
}

impl SectionKind {
    const fn new(pattern: &'static str, program_type: ProgramType) -> SectionKind {
        SectionKind {
            pattern,
            program_type,
            expected_attach_type: None,
            attach_type_optional: false,
            sleepable: false,
            xdp_frags: false,
            needs_attach_btf_id: false,
        }
    }
}

const SECTIONS: &[SectionKind] = sections! {
    "socket" => SOCKET_FILTER;
    "sk_reuseport/migrate" => SK_REUSEPORT [SK_REUSEPORT_SELECT_OR_MIGRATE];
    "sk_reuseport" => SK_REUSEPORT [SK_REUSEPORT_SELECT];
    "kprobe+" => KPROBE;
    "uprobe+" => KPROBE;
    "uprobe.s+" => KPROBE sleepable;
    "kretprobe+" => KPROBE;
    "uretprobe+" => KPROBE;
    "uretprobe.s+" => KPROBE sleepable;
    "kprobe.multi+" => KPROBE [TRACE_KPROBE_MULTI];
    "kretprobe.multi+" => KPROBE [TRACE_KPROBE_MULTI];
    "kprobe.session+" => KPROBE [TRACE_KPROBE_SESSION];
    "uprobe.multi+" => KPROBE [TRACE_UPROBE_MULTI];
    "uretprobe.multi+" => KPROBE [TRACE_UPROBE_MULTI];
    "uprobe.session+" => KPROBE [TRACE_UPROBE_SESSION];
    "uprobe.multi.s+" => KPROBE [TRACE_UPROBE_MULTI] sleepable;
    "uretprobe.multi.s+" => KPROBE [TRACE_UPROBE_MULTI] sleepable;
    "uprobe.session.s+" => KPROBE [TRACE_UPROBE_SESSION] sleepable;
    "ksyscall+" => KPROBE;
    "kretsyscall+" => KPROBE;
    "usdt+" => KPROBE;
    "usdt.s+" => KPROBE sleepable;
    "tc/ingress" => SCHED_CLS [TCX_INGRESS];
    "tc/egress" => SCHED_CLS [TCX_EGRESS];
    "tcx/ingress" => SCHED_CLS [TCX_INGRESS];
    "tcx/egress" => SCHED_CLS [TCX_EGRESS];
    "tc" => SCHED_CLS;
    "classifier" => SCHED_CLS;
    "action" => SCHED_ACT;
    "netkit/primary" => SCHED_CLS [NETKIT_PRIMARY];
    "netkit/peer" => SCHED_CLS [NETKIT_PEER];
    "tracepoint+" => TRACEPOINT;
    "tp+" => TRACEPOINT;
    "raw_tracepoint+" => RAW_TRACEPOINT;
    "raw_tp+" => RAW_TRACEPOINT;
    "raw_tracepoint.w+" => RAW_TRACEPOINT_WRITABLE;
    "raw_tp.w+" => RAW_TRACEPOINT_WRITABLE;
    "tp_btf+" => TRACING [TRACE_RAW_TP] needs_attach_btf_id;
    "fentry+" => TRACING [TRACE_FENTRY] needs_attach_btf_id;
    "fmod_ret+" => TRACING [MODIFY_RETURN] needs_attach_btf_id;
    "fexit+" => TRACING [TRACE_FEXIT] needs_attach_btf_id;
    "fentry.s+" => TRACING [TRACE_FENTRY] needs_attach_btf_id sleepable;
    "fmod_ret.s+" => TRACING [MODIFY_RETURN] needs_attach_btf_id sleepable;
    "fexit.s+" => TRACING [TRACE_FEXIT] needs_attach_btf_id sleepable;
    "fsession+" => TRACING [TRACE_FSESSION] needs_attach_btf_id;
    "fsession.s+" => TRACING [TRACE_FSESSION] needs_attach_btf_id sleepable;
    "freplace+" => EXT needs_attach_btf_id;
    "lsm+" => LSM [LSM_MAC] needs_attach_btf_id;
    "lsm.s+" => LSM [LSM_MAC] needs_attach_btf_id sleepable;
    "lsm_cgroup+" => LSM [LSM_CGROUP] needs_attach_btf_id;
    "iter+" => TRACING [TRACE_ITER] needs_attach_btf_id;
    "iter.s+" => TRACING [TRACE_ITER] needs_attach_btf_id sleepable;
    "syscall" => SYSCALL sleepable;
    "xdp.frags/devmap" => XDP [XDP_DEVMAP] xdp_frags;
    "xdp/devmap" => XDP [XDP_DEVMAP];
    "xdp.frags/cpumap" => XDP [XDP_CPUMAP] xdp_frags;
    "xdp/cpumap" => XDP [XDP_CPUMAP];
    "xdp.frags" => XDP [XDP] xdp_frags;
    "xdp" => XDP [XDP] attach_type_optional;
    "perf_event" => PERF_EVENT;
    "lwt_in" => LWT_IN;
    "lwt_out" => LWT_OUT;
    "lwt_xmit" => LWT_XMIT;
    "lwt_seg6local" => LWT_SEG6LOCAL;
    "sockops" => SOCK_OPS [CGROUP_SOCK_OPS] attach_type_optional;
    "sk_skb/stream_parser" => SK_SKB [SK_SKB_STREAM_PARSER] attach_type_optional;
    "sk_skb/stream_verdict" => SK_SKB [SK_SKB_STREAM_VERDICT] attach_type_optional;
    "sk_skb/verdict" => SK_SKB [SK_SKB_VERDICT] attach_type_optional;
    "sk_skb" => SK_SKB;
    "sk_msg" => SK_MSG [SK_MSG_VERDICT] attach_type_optional;
    "lirc_mode2" => LIRC_MODE2 [LIRC_MODE2] attach_type_optional;
    "flow_dissector" => FLOW_DISSECTOR [FLOW_DISSECTOR] attach_type_optional;
    "cgroup_skb/ingress" => CGROUP_SKB [CGROUP_INET_INGRESS] attach_type_optional;
    "cgroup_skb/egress" => CGROUP_SKB [CGROUP_INET_EGRESS] attach_type_optional;
    "cgroup/skb" => CGROUP_SKB;
    "cgroup/sock_create" => CGROUP_SOCK [CGROUP_INET_SOCK_CREATE];
    "cgroup/sock_release" => CGROUP_SOCK [CGROUP_INET_SOCK_RELEASE];
    "cgroup/sock" => CGROUP_SOCK [CGROUP_INET_SOCK_CREATE] attach_type_optional;
    "cgroup/post_bind4" => CGROUP_SOCK [CGROUP_INET4_POST_BIND];
    "cgroup/post_bind6" => CGROUP_SOCK [CGROUP_INET6_POST_BIND];
    "cgroup/bind4" => CGROUP_SOCK_ADDR [CGROUP_INET4_BIND];
    "cgroup/bind6" => CGROUP_SOCK_ADDR [CGROUP_INET6_BIND];
    "cgroup/connect4" => CGROUP_SOCK_ADDR [CGROUP_INET4_CONNECT];
    "cgroup/connect6" => CGROUP_SOCK_ADDR [CGROUP_INET6_CONNECT];
    "cgroup/connect_unix" => CGROUP_SOCK_ADDR [CGROUP_UNIX_CONNECT];
    "cgroup/sendmsg4" => CGROUP_SOCK_ADDR [CGROUP_UDP4_SENDMSG];
    "cgroup/sendmsg6" => CGROUP_SOCK_ADDR [CGROUP_UDP6_SENDMSG];
    "cgroup/sendmsg_unix" => CGROUP_SOCK_ADDR [CGROUP_UNIX_SENDMSG];
    "cgroup/recvmsg4" => CGROUP_SOCK_ADDR [CGROUP_UDP4_RECVMSG];
    "cgroup/recvmsg6" => CGROUP_SOCK_ADDR [CGROUP_UDP6_RECVMSG];
    "cgroup/recvmsg_unix" => CGROUP_SOCK_ADDR [CGROUP_UNIX_RECVMSG];
    "cgroup/getpeername4" => CGROUP_SOCK_ADDR [CGROUP_INET4_GETPEERNAME];
    "cgroup/getpeername6" => CGROUP_SOCK_ADDR [CGROUP_INET6_GETPEERNAME];
    "cgroup/getpeername_unix" => CGROUP_SOCK_ADDR [CGROUP_UNIX_GETPEERNAME];
    "cgroup/getsockname4" => CGROUP_SOCK_ADDR [CGROUP_INET4_GETSOCKNAME];
    "cgroup/getsockname6" => CGROUP_SOCK_ADDR [CGROUP_INET6_GETSOCKNAME];
    "cgroup/getsockname_unix" => CGROUP_SOCK_ADDR [CGROUP_UNIX_GETSOCKNAME];
    "cgroup/sysctl" => CGROUP_SYSCTL [CGROUP_SYSCTL];
    "cgroup/getsockopt" => CGROUP_SOCKOPT [CGROUP_GETSOCKOPT];
    "cgroup/setsockopt" => CGROUP_SOCKOPT [CGROUP_SETSOCKOPT];
    "cgroup/dev" => CGROUP_DEVICE [CGROUP_DEVICE] attach_type_optional;
    "struct_ops+" => STRUCT_OPS;
    "struct_ops.s+" => STRUCT_OPS sleepable;
    "sk_lookup" => SK_LOOKUP [SK_LOOKUP];
    "netfilter" => NETFILTER [NETFILTER];
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_exactly_or_with_extras_where_the_pattern_allows() {
        assert_eq!(section("tc").map(|s| s.program_type), Some(ProgramType::SCHED_CLS));
        assert_eq!(section("?tc").map(|s| s.pattern), Some("tc"));
        assert_eq!(section("tc/x"), None);
        assert_eq!(section("classifier/x"), None);
        assert_eq!(section("kprobe/do_unlinkat").map(|s| s.pattern), Some("kprobe+"));
        assert_eq!(section("kprobe").map(|s| s.pattern), Some("kprobe+"));
        assert_eq!(section("kprobex"), None);
        assert_eq!(section("kprobe.multi/x").map(|s| s.pattern), Some("kprobe.multi+"));
        assert_eq!(section(""), None);
    }

    #[test]
    fn every_row_can_be_reached() {
        for row in sections() {
            let name = row.pattern.strip_suffix('+').unwrap_or(row.pattern);
            assert_eq!(section(name), Some(row));
        }
    }

    #[test]
    fn flags_follow_the_row() {
        assert_eq!(section("xdp.frags").map(SectionKind::program_flags), Some(1 << 5));
        assert_eq!(section("fentry.s/x").map(SectionKind::program_flags), Some(1 << 4));
        assert_eq!(section("tc").map(SectionKind::program_flags), Some(0));
        let xdp = section("xdp").expect("xdp is in the table");
        assert!(xdp.attach_type_optional);
        assert_eq!(xdp.expected_attach_type, Some(AttachType::XDP));
    }
}
