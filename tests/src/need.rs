//! What a case may need of the machine, and whether it is there.
//!
//! A need asks the machine by doing or by looking at what the running kernel holds, never by a version number:
//! distributions backport. It asks once, when the first case wants to know.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::{cgroup::Group, cli, net};

/// Something that a machine may lack.
pub struct Need {
    name: &'static str,
    met: LazyLock<Result<(), String>>,
    supply: Option<Supply>,
}

/// Something the suite prepares once, before the first case that needs it, and hands to cases in an environment
/// variable. A variable that is set already is taken as it is: so a guest without cargo gets its binaries.
pub struct Supply {
    variable: &'static str,
    value: LazyLock<Result<OsString, String>>,
}

impl Need {
    /// A need, and how to ask for it.
    pub const fn new(name: &'static str, ask: fn() -> Result<(), String>) -> Self {
        Need { name, met: LazyLock::new(ask), supply: None }
    }

    const fn supplying(
        name: &'static str,
        ask: fn() -> Result<(), String>,
        variable: &'static str,
        prepare: fn() -> Result<OsString, String>,
    ) -> Self {
        let supply = Supply { variable, value: LazyLock::new(prepare) };
        Need { name, met: LazyLock::new(ask), supply: Some(supply) }
    }

    /// Its name in the list of what was ignored.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it is there.
    ///
    /// # Errors
    ///
    /// The reason why it is not, in words.
    pub fn met(&self) -> Result<(), &str> {
        self.met.as_ref().map(|&()| ()).map_err(String::as_str)
    }

    /// What has to be prepared for cases with this need.
    pub fn supply(&self) -> Option<&Supply> {
        self.supply.as_ref()
    }
}

impl Supply {
    /// The variable's name.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Prepares it, the first time, and gives the variable's value.
    ///
    /// # Errors
    ///
    /// What went wrong: the case fails, since its need was met.
    pub fn value(&self) -> Result<&OsString, &str> {
        self.value.as_ref().map_err(String::as_str)
    }
}

/// The right to make network, mount and pid namespaces. Every case has it.
pub static NETNS: Need = Need::new("NETNS", || {
    net::Namespace::new().map(drop).map_err(|error| format!("no new network namespace: {error}"))
});

/// The superuser's identity, where a capability alone is not enough.
pub static ROOT: Need =
    Need::new("ROOT", || if nix::unistd::geteuid().is_root() { Ok(()) } else { Err("not run as uid 0".into()) });

/// The right to load programs.
pub static CAP_BPF: Need = Need::new("CAP_BPF", || capability(39));

/// The right to change networks, and to load networking programs.
pub static CAP_NET_ADMIN: Need = Need::new("CAP_NET_ADMIN", || capability(12));

/// Virtual ethernet pairs.
pub static VETH: Need = Need::new("VETH", || in_namespace(|| net::link::add_veth("v0", "v1", None), "veth"));

/// The clsact qdisc.
pub static CLSACT: Need =
    Need::new("CLSACT", || in_namespace(|| net::qdisc::add("lo", net::qdisc::Kind::Clsact), "clsact"));

/// The classifier of BPF programs, `cls_bpf`.
pub static CLS_BPF: Need = Need::new("CLS_BPF", || classifier("bpf"));

/// The u32 classifier: a filter that has nothing to do with BPF.
pub static CLS_U32: Need = Need::new("CLS_U32", || classifier("u32"));

/// The action that sends packets to another device.
pub static MIRRED: Need = Need::new("MIRRED", || kernel_name("tcf_mirred_act"));

/// The BPF file system, whose instance each case mounts for itself.
pub static BPFFS: Need = Need::new("BPFFS", || {
    let known = read("/proc/filesystems")?;
    if has_filesystem(&known, "bpf") { Ok(()) } else { Err("no `bpf` in /proc/filesystems".into()) }
});

/// Control groups of version 2, and the right to make one. The case gets its own: [`Sandbox::cgroup`].
///
/// [`Sandbox::cgroup`]: crate::Sandbox::cgroup
pub static CGROUP2: Need = Need::new("CGROUP2", || {
    let name = format!("bpfasm-tests-need-{}", std::process::id());
    Group::new(&name).map(drop).map_err(|error| format!("no new control group: {error}"))
});

/// Control groups that count the changes of their programs, so that a change can be refused that another one came
/// before: the field `revisions` of `struct cgroup_bpf` (first in Linux 6.17).
pub static CGROUP_REVISIONS: Need = Need::new("CGROUP_REVISIONS", || kernel_name("revisions"));

/// tc express links (first in Linux 6.6).
pub static TCX: Need = Need::new("TCX", || kernel_name("tcx_link_attach"));

/// The type information of the running kernel.
pub static KERNEL_BTF: Need =
    Need::new("KERNEL_BTF", || fs::metadata(KERNEL_BTF_DIR).map(drop).map_err(|e| format!("{KERNEL_BTF_DIR}: {e}")));

/// iproute2's `tc`.
pub static TC: Need = Need::new("TC", || on_path("tc"));

/// The `bpftool` command.
pub static BPFTOOL: Need = Need::new("BPFTOOL", || on_path("bpftool"));

/// The `bpfasm` binary: given in `BPFASM_TEST_CLI`, else built from this workspace.
pub static CLI: Need = Need::supplying(
    "CLI",
    || match env::var_os(cli::VARIABLE) {
        Some(_) => Ok(()),
        None => cli::can_build(),
    },
    cli::VARIABLE,
    cli::build,
);

/// Cargo and this workspace's sources, for what compiles a program file.
///
/// The first build of a program file in a target folder compiles the compiler. The suite does it once, ahead of the
/// cases, in a network namespace with nothing in it.
pub static CARGO: Need = Need::supplying("CARGO", cli::can_build, cli::TARGET_VARIABLE, cli::warm_up);

/// Where the kernel shows its type information, and that of each module.
const KERNEL_BTF_DIR: &str = "/sys/kernel/btf";

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn in_namespace(work: impl FnOnce() -> net::Result<()> + Send, what: &str) -> Result<(), String> {
    let namespace = net::Namespace::new().map_err(|error| error.to_string())?;
    namespace.run(work).map_err(|error| format!("no {what} here: {error}"))
}

fn classifier(kind: &str) -> Result<(), String> {
    let mut known = false;
    in_namespace(
        || {
            net::qdisc::add("lo", net::qdisc::Kind::Clsact)?;
            known = net::filter::has_classifier("lo", kind)?;
            Ok(())
        },
        "clsact",
    )?;
    if known { Ok(()) } else { Err(format!("the kernel has no classifier {kind}")) }
}

fn capability(bit: u32) -> Result<(), String> {
    let effective = effective_capabilities(&read("/proc/self/status")?).ok_or("no CapEff in /proc/self/status")?;
    if effective >> bit & 1 == 1 { Ok(()) } else { Err("not among this process's effective capabilities".into()) }
}

/// The mask of effective capabilities in the text of `/proc/PID/status`.
fn effective_capabilities(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Whether the text of `/proc/filesystems` lists this one.
fn has_filesystem(known: &str, name: &str) -> bool {
    known.lines().any(|line| line.split_whitespace().next_back() == Some(name))
}

/// Whether the running kernel, or a module loaded into it, has something of this name: a function, a field.
fn kernel_name(name: &str) -> Result<(), String> {
    let holders = fs::read_dir(KERNEL_BTF_DIR).map_err(|error| format!("{KERNEL_BTF_DIR}: {error}"))?;
    for holder in holders.filter_map(io::Result::ok) {
        if fs::read(holder.path()).is_ok_and(|btf| holds_string(&btf, name)) {
            return Ok(());
        }
    }
    Err(format!("the running kernel and its modules have nothing called {name}"))
}

/// Whether a BTF file has exactly this string in its string table, which it ends with.
fn holds_string(btf: &[u8], name: &str) -> bool {
    btf.rsplit(|&byte| byte == 0).any(|string| string == name.as_bytes())
}

fn on_path(program: &str) -> Result<(), String> {
    let path = env::var_os("PATH").unwrap_or_default();
    find_in(env::split_paths(&path), program).map(drop).ok_or_else(|| format!("no {program} on PATH"))
}

fn find_in(folders: impl Iterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    folders.map(|folder| folder.join(program)).find(|path: &PathBuf| Path::is_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_their_own_line() {
        let status = "Name:\tx\nCapInh:\t00000000000000ff\nCapEff:\t0000008000001000\nCapBnd:\t000001ffffffffff\n";
        assert_eq!(effective_capabilities(status), Some(1 << 39 | 1 << 12));
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
        assert_eq!(effective_capabilities("CapEff:\tzz\n"), None);
    }

    #[test]
    fn file_systems_are_matched_by_whole_name() {
        let known = "nodev\tsysfs\nnodev\tbpf\n\text4\n";
        assert!(has_filesystem(known, "bpf"));
        assert!(has_filesystem(known, "ext4"));
        assert!(!has_filesystem(known, "ext"));
        assert!(!has_filesystem(known, "nodev"));
    }

    #[test]
    fn kernel_functions_are_matched_by_whole_name() {
        let btf = b"\x9f\xeb\x01\0types\0tcx_link_attach\0\0tail\0";
        assert!(holds_string(btf, "tcx_link_attach"));
        assert!(!holds_string(btf, "tcx_link"));
        assert!(!holds_string(btf, "link_attach"));
    }

    #[test]
    fn tools_are_found_on_the_path_and_folders_are_no_tools() {
        let folders = || ["/nowhere", "/", "/proc/self"].into_iter().map(PathBuf::from);
        assert_eq!(find_in(folders(), "status"), Some(PathBuf::from("/proc/self/status")));
        assert_eq!(find_in(folders(), "proc"), None);
        assert_eq!(find_in(folders(), "no such tool"), None);
    }
}
