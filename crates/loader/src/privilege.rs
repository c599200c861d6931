//! Why the kernel answered `EPERM`.

use std::fmt;
use std::fs;

/// A capability that this crate's calls need, with its number in `include/uapi/linux/capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// `CAP_NET_ADMIN`: network devices, their filters, networking programs.
    NetAdmin = 12,
    /// `CAP_SYS_ADMIN`: objects of others by id; stands in for the other three in `bpf()`.
    SysAdmin = 21,
    /// `CAP_PERFMON`: tracing programs, pointer arithmetic that could leak addresses (Linux 5.8).
    Perfmon = 38,
    /// `CAP_BPF`: programs and maps (Linux 5.8).
    Bpf = 39,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        })
    }
}

/// Something that the kernel may not permit, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// As in "not permitted to …".
    pub name: &'static str,
    needs: &'static [Capability],
    /// `CAP_SYS_ADMIN` will do instead.
    or_sys_admin: bool,
}

use Capability::{Bpf, NetAdmin, SysAdmin};

impl Action {
    pub(crate) const LOAD_BTF: Action = Action { name: "load type information", needs: &[Bpf], or_sys_admin: true };
    pub(crate) const CREATE_MAP: Action = Action { name: "create a map", needs: &[Bpf], or_sys_admin: true };
    pub(crate) const USE_MAP: Action = Action { name: "read or change a map", needs: &[Bpf], or_sys_admin: true };
    pub(crate) const LOAD_PROGRAM: Action =
        Action { name: "load a program", needs: &[Bpf, NetAdmin], or_sys_admin: true };
    pub(crate) const TEST_RUN: Action = Action { name: "run a program", needs: &[Bpf, NetAdmin], or_sys_admin: true };
    pub(crate) const ATTACH_LINK: Action =
        Action { name: "attach a program", needs: &[Bpf, NetAdmin], or_sys_admin: true };
    pub(crate) const QUERY_HOOK: Action =
        Action { name: "list the programs at a hook", needs: &[NetAdmin], or_sys_admin: true };
    pub(crate) const OPEN_BY_ID: Action =
        Action { name: "open a BPF object by its id", needs: &[SysAdmin], or_sys_admin: true };
    pub(crate) const INSPECT: Action = Action { name: "inspect a BPF object", needs: &[Bpf], or_sys_admin: true };
    pub(crate) const PIN: Action = Action { name: "pin a BPF object", needs: &[], or_sys_admin: true };
    pub(crate) const OPEN_PIN: Action = Action { name: "open a pinned BPF object", needs: &[], or_sys_admin: true };
    pub(crate) const LIST_DEVICES: Action =
        Action { name: "list the network devices", needs: &[], or_sys_admin: false };
    /// rtnetlink does not take `CAP_SYS_ADMIN` instead.
    pub(crate) const CHANGE_FILTERS: Action =
        Action { name: "change the filters of a device", needs: &[NetAdmin], or_sys_admin: false };
    pub(crate) const LIST_FILTERS: Action =
        Action { name: "list the filters of a device", needs: &[NetAdmin], or_sys_admin: false };
}

/// The kernel did not permit something, and what this process lacks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotPermitted {
    /// What was not permitted, as in "not permitted to load a program".
    pub action: &'static str,
    /// The capabilities that the calling thread lacks; empty if it has all that are needed.
    pub missing: Vec<Capability>,
    /// Other restrictions in force, which explain a refusal when no capability is missing.
    pub restrictions: Vec<Restriction>,
}

/// A restriction in force, besides capabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restriction {
    /// `kernel.unprivileged_bpf_disabled` has this value (1: until reboot, 2: until changed).
    UnprivilegedBpfDisabled(u8),
    /// The process is in a user namespace, whose capabilities do not count for BPF.
    UserNamespace,
    /// The kernel is locked down, to this degree.
    Lockdown(String),
    /// A seccomp filter is installed.
    Seccomp,
}

/// What of `/proc` and `/sys` tells about privileges, as text.
#[derive(Default)]
struct Facts {
    status: String,
    uid_map: String,
    unprivileged_bpf_disabled: String,
    lockdown: String,
}

impl NotPermitted {
    /// Looks at the calling thread and its kernel.
    pub(crate) fn explain(action: Action) -> NotPermitted {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        NotPermitted::judge(
            action,
            &Facts {
                status: read("/proc/thread-self/status"),
                uid_map: read("/proc/thread-self/uid_map"),
                unprivileged_bpf_disabled: read("/proc/sys/kernel/unprivileged_bpf_disabled"),
                lockdown: read("/sys/kernel/security/lockdown"),
            },
        )
    }

    fn judge(action: Action, facts: &Facts) -> NotPermitted {
        let field = |name: &str| facts.status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let effective = field("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        // What cannot be read is not claimed to be missing.
        let has = |capability: Capability| effective.is_none_or(|set| set & (1 << capability as u32) != 0);
        let exempt = action.or_sys_admin && has(SysAdmin);
        let missing: Vec<_> = action.needs.iter().copied().filter(|&need| !exempt && !has(need)).collect();

        let mut restrictions = Vec::new();
        if missing.contains(&Bpf) {
            let disabled = facts.unprivileged_bpf_disabled.trim().parse().unwrap_or(0);
            restrictions.extend((disabled != 0).then_some(Restriction::UnprivilegedBpfDisabled(disabled)));
        }
        let identity = facts.uid_map.split_whitespace().eq(["0", "0", "4294967295"]);
        restrictions.extend((!facts.uid_map.is_empty() && !identity).then_some(Restriction::UserNamespace));
        let degree =
            facts.lockdown.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(degree, _)| degree);
        restrictions
            .extend(degree.filter(|&degree| degree != "none").map(|degree| Restriction::Lockdown(degree.to_owned())));
        restrictions.extend(field("Seccomp:").is_some_and(|mode| mode != "0").then_some(Restriction::Seccomp));
        NotPermitted { action: action.name, missing, restrictions }
    }
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Restriction::UnprivilegedBpfDisabled(value) => write!(f, "kernel.unprivileged_bpf_disabled is {value}"),
            Restriction::UserNamespace => f.write_str("capabilities of a user namespace do not count for BPF"),
            Restriction::Lockdown(degree) => write!(f, "the kernel is locked down ({degree})"),
            Restriction::Seccomp => f.write_str("a seccomp filter is installed"),
        }
    }
}

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not permitted to {}", self.action)?;
        let mut separator = ": ";
        if !self.missing.is_empty() {
            let names: Vec<String> = self.missing.iter().map(Capability::to_string).collect();
            write!(f, "{separator}{} missing", names.join(" and "))?;
            separator = "; ";
        }
        for restriction in &self.restrictions {
            write!(f, "{separator}{restriction}")?;
            separator = "; ";
        }
        if self.missing.is_empty() && self.restrictions.is_empty() {
            f.write_str(": no capability is missing, so a security module or the memory lock limit may be in the way")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotPermitted {}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: &str = "         0          0 4294967295\n";

    fn facts(capabilities: u64, seccomp: u32) -> Facts {
        Facts {
            status: format!("Name:\tx\nCapEff:\t{capabilities:016x}\nSeccomp:\t{seccomp}\n"),
            uid_map: INITIAL.to_owned(),
            unprivileged_bpf_disabled: "2\n".to_owned(),
            lockdown: "[none] integrity confidentiality\n".to_owned(),
        }
    }

    #[test]
    fn every_cause_has_its_words() {
        let all = u64::MAX;
        let of_user = "CAP_BPF and CAP_NET_ADMIN missing; kernel.unprivileged_bpf_disabled is 2";
        let of_root = "no capability is missing, so a security module or the memory lock limit may be in the way";
        let cases = [
            (facts(0, 0), of_user),
            (facts(1 << 39, 0), "CAP_NET_ADMIN missing"),
            (facts(1 << 39 | 1 << 12, 2), "a seccomp filter is installed"),
            (facts(1 << 21, 0), of_root),
            (
                Facts { uid_map: "0 1000 1".to_owned(), ..facts(all, 0) },
                "capabilities of a user namespace do not count for BPF",
            ),
            (
                Facts { lockdown: "none [integrity] confidentiality".to_owned(), ..facts(all, 0) },
                "the kernel is locked down (integrity)",
            ),
        ];
        for (facts, expected) in cases {
            let told = NotPermitted::judge(Action::LOAD_PROGRAM, &facts).to_string();
            assert_eq!(told.strip_prefix("not permitted to load a program: "), Some(expected));
        }
    }

    #[test]
    fn rtnetlink_does_not_take_sys_admin_instead() {
        let told = NotPermitted::judge(Action::CHANGE_FILTERS, &facts(1 << 21, 0));
        assert_eq!(told.missing, [NetAdmin]);
    }

    #[test]
    fn what_cannot_be_read_is_not_claimed() {
        let told = NotPermitted::judge(Action::LOAD_PROGRAM, &Facts::default());
        assert_eq!((told.missing, told.restrictions), (vec![], vec![]));
    }
}
