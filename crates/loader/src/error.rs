//! The crate's error.

use std::path::{Path, PathBuf};

use bpfasm_object::kernel::KernelVersion;

use crate::map::Protection;
use crate::netlink;
use crate::privilege::{Action, NotPermitted};
use crate::sys::Errno;
use crate::{ErrorKind, VerifierLog};

/// Why loading, running, attaching or observing failed.
///
/// [`kind`](Error::kind) sorts it into one of a few classes, which are also the exit codes of the command line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel does not permit it to this process.
    #[error(transparent)]
    NotPermitted(#[from] NotPermitted),
    /// The kernel lacks it.
    #[error("{what} need {}", kernel(*since))]
    Unsupported {
        /// What is lacking, in the plural.
        what: String,
        /// The first mainline kernel that has it.
        since: Option<KernelVersion>,
    },
    /// The verifier refused a program.
    #[error("the verifier rejected program `{program}`:\n{log}")]
    Rejected {
        /// The program.
        program: String,
        /// What the verifier says; `{:#}` prints all of it.
        log: Box<VerifierLog>,
    },
    /// The kernel refused the object's type information.
    #[error("the kernel rejected the BTF:\n{log}")]
    BtfRejected {
        /// What the kernel says.
        log: Box<VerifierLog>,
    },
    /// The object is for machines of the other byte order.
    #[error("the object is for {object} machines, and this one is {machine}")]
    WrongEndian {
        /// The object's byte order.
        object: &'static str,
        /// The machine's byte order.
        machine: &'static str,
    },
    /// No program type is known for a section's name.
    #[error("program `{program}`: no program type is known for section `{section}`")]
    UnknownSection {
        /// The program.
        program: String,
        /// Its section.
        section: String,
    },
    /// The object cannot be made ready for the kernel.
    #[error("malformed object: {reason}")]
    MalformedObject {
        /// What is wrong.
        reason: String,
        /// The object layer's error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// There is no program of that name.
    #[error("no program `{name}`; there {}", list("is", available))]
    NoSuchProgram {
        /// The name asked for.
        name: String,
        /// The names there are.
        available: Vec<String>,
    },
    /// There is no map of that name.
    #[error("no map `{name}`; there {}", list("is", available))]
    NoSuchMap {
        /// The name asked for.
        name: String,
        /// The names there are.
        available: Vec<String>,
    },
    /// A map does not have that key, and it was to be changed; an array has no such index.
    #[error("map `{map}` has no key {}", hex(key))]
    NoSuchKey {
        /// The map.
        map: String,
        /// The key, as it lies in memory.
        key: Vec<u8>,
    },
    /// A map has that key already, and it was to be inserted.
    #[error("map `{map}` has key {} already", hex(key))]
    KeyExists {
        /// The map.
        map: String,
        /// The key, as it lies in memory.
        key: Vec<u8>,
    },
    /// A map has no room for another key.
    #[error("map `{map}` is full ({max_entries} entries): no room for key {}", hex(key))]
    MapFull {
        /// The map.
        map: String,
        /// The entries it may have.
        max_entries: u32,
        /// The key that did not get in, as it lies in memory.
        key: Vec<u8>,
    },
    /// A map may be read, or written, by programs alone.
    #[error("map `{map}` is {}", protection(*by))]
    MapProtected {
        /// The map.
        map: String,
        /// What protects it.
        by: Protection,
    },
    /// A map is not what it should be.
    #[error("map `{map}`: {}", differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    MapDiffers {
        /// The map.
        map: String,
        /// What differs.
        differences: Vec<crate::map::Difference>,
    },
    /// A map's keys kept changing while it was read.
    #[error("map `{map}` kept changing while it was read")]
    MapChanging {
        /// The map.
        map: String,
    },
    /// Another call on a map failed.
    #[error("map `{map}`: {action}: {errno}")]
    Map {
        /// The map.
        map: String,
        /// What was being done.
        action: &'static str,
        /// The kernel's error number.
        errno: Errno,
    },
    /// There is no network device of that name in this network namespace.
    #[error("no network device `{name}` in this network namespace")]
    NoSuchDevice {
        /// The name asked for.
        name: String,
    },
    /// A device that was there is gone.
    #[error("network device `{name}` is gone")]
    DeviceGone {
        /// The device.
        name: String,
    },
    /// There is no folder of that name.
    #[error("no control group {}", path.display())]
    NoSuchCgroup {
        /// The path asked for.
        path: PathBuf,
    },
    /// A control group that was there is gone.
    #[error("control group {} is gone", path.display())]
    CgroupGone {
        /// The path it had.
        path: PathBuf,
    },
    /// A folder is no control group that programs can be attached to.
    #[error("{}", not_cgroup2(path, *version, mounts))]
    NotCgroup2 {
        /// The folder.
        path: PathBuf,
        /// The version of the hierarchy that the folder belongs to; `None` for any other folder.
        version: Option<u8>,
        /// Where version 2 is mounted.
        mounts: Vec<PathBuf>,
    },
    /// A program is attached in a mode that does not go together with the one asked for.
    #[error("{hook}: mode {asked} does not go together with {existing}")]
    ModeTaken {
        /// The hook.
        hook: String,
        /// The mode asked for.
        asked: crate::attach::cgroup::Mode,
        /// What is in the way.
        existing: String,
    },
    /// There is no object with that id.
    #[error("no {what} with id {id}")]
    NoSuchId {
        /// `program`, `link` or the like.
        what: &'static str,
        /// The id asked for.
        id: u32,
    },
    /// There is nothing at that path, or nothing of BPF.
    #[error("no BPF object is pinned at {}", path.display())]
    NoSuchPin {
        /// The path.
        path: PathBuf,
    },
    /// A hook has nothing of ours to detach.
    #[error("nothing of bpfasm is attached at {hook}")]
    NothingAttached {
        /// The hook.
        hook: String,
    },
    /// A program of that name is attached at the hook already.
    #[error("program `{program}` is attached at {hook} already ({existing}); ask for replacement to swap it")]
    AlreadyAttached {
        /// The program's name.
        program: String,
        /// The hook.
        hook: String,
        /// The existing attachment.
        existing: String,
    },
    /// The very program is attached at the hook already.
    #[error("program `{program}` is attached at {hook} already")]
    ProgramAttached {
        /// The program's name.
        program: String,
        /// The hook.
        hook: String,
    },
    /// The program is not attached at the hook, or not by itself.
    #[error("program `{program}` (id {id}) is not attached at {hook}{}", held_by(*by_link))]
    ProgramNotAttached {
        /// The program's name.
        program: String,
        /// The program's id.
        id: u32,
        /// The hook.
        hook: String,
        /// The link that holds it there.
        by_link: Option<u32>,
    },
    /// Another queueing discipline has the place of clsact.
    #[error("{device} has an `{kind}` qdisc, which takes the place of clsact: tc qdisc del dev {device} {kind}")]
    QdiscTaken {
        /// The device.
        device: String,
        /// The kind of that qdisc.
        kind: String,
    },
    /// A priority belongs to filters of another kind or protocol.
    #[error("{hook}: priority {priority} belongs to `{kind}` filters of protocol {protocol:#06x} ({source})")]
    PriorityTaken {
        /// The hook.
        hook: String,
        /// The priority.
        priority: u16,
        /// The kind of filter that is there, such as `flower`.
        kind: String,
        /// The `ETH_P_*` that those filters see.
        protocol: u16,
        /// The kernel's refusal.
        source: netlink::Error,
    },
    /// A device has no such qdisc.
    #[error("{device} has no {qdisc} qdisc{}", instead(found.as_deref()))]
    NoSuchQdisc {
        /// The device.
        device: String,
        /// The kind or the handle of the qdisc.
        qdisc: String,
        /// The kind of the qdisc that is in its place.
        found: Option<String>,
    },
    /// There is no such filter.
    #[error("no filter {filter} ({source})")]
    NoSuchFilter {
        /// Where it was looked for.
        filter: String,
        /// The kernel's refusal.
        source: netlink::Error,
    },
    /// There is a filter in that place.
    #[error("there is a filter {filter}")]
    FilterExists {
        /// The place.
        filter: String,
    },
    /// A hook kept changing while it was being changed.
    #[error("{hook} kept changing while {doing}")]
    Raced {
        /// The hook.
        hook: String,
        /// What was being done.
        doing: &'static str,
    },
    /// Something exists at the path of a pin.
    #[error("{} exists", path.display())]
    PinExists {
        /// The path.
        path: PathBuf,
    },
    /// What is pinned at a path kept coming and going.
    #[error("{} kept coming and going", path.display())]
    PinChanging {
        /// The path.
        path: PathBuf,
    },
    /// A path for a pin is in another file system.
    #[error("{} is in no bpffs", path.display())]
    NotBpffs {
        /// The path.
        path: PathBuf,
    },
    /// There is no bpffs, and none could be mounted.
    #[error("no bpffs is mounted, and mounting one failed ({errno}): {command}")]
    NoBpffs {
        /// Why mounting failed.
        errno: Errno,
        /// The command that mounts one.
        command: String,
    },
    /// An argument that no kernel would take.
    #[error("{what}")]
    Usage {
        /// What is wrong with it.
        what: String,
    },
    /// A netlink exchange failed.
    #[error("{action}: {source}")]
    Netlink {
        /// What was being done.
        action: &'static str,
        /// What went wrong.
        source: netlink::Error,
    },
    /// Another system call failed.
    #[error("{action}: {errno}")]
    Sys {
        /// What was being done.
        action: &'static str,
        /// The kernel's error number.
        errno: Errno,
    },
    /// A file could not be read or made.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}

fn kernel(since: Option<KernelVersion>) -> String {
    since.map_or_else(|| "a newer or differently built kernel".to_owned(), |version| format!("Linux {version}"))
}

fn not_cgroup2(path: &Path, version: Option<u8>, mounts: &[PathBuf]) -> String {
    let path = path.display();
    let found = match version {
        Some(version) => {
            format!("{path} is a control group of version {version}, and programs attach to version 2 only")
        }
        None => format!("{path} is no control group"),
    };
    match mounts {
        [] => format!("{found}; version 2 is not mounted: mount -t cgroup2 none DIR"),
        [first, ..] => format!("{found}; those of version 2 are below {}", first.display()),
    }
}

fn instead(found: Option<&str>) -> String {
    found.map_or_else(String::new, |kind| format!(", but an `{kind}` qdisc in its place"))
}

fn held_by(link: Option<u32>) -> String {
    link.map_or_else(String::new, |id| format!(" by itself, but by link {id}"))
}

fn protection(by: Protection) -> &'static str {
    match by {
        Protection::Frozen => "frozen: user space only reads it",
        Protection::ReadOnly => "read-only for user space (BPF_F_RDONLY)",
        Protection::WriteOnly => "write-only for user space (BPF_F_WRONLY)",
    }
}

/// Bytes as `bpftool` prints them, without what is long.
fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 64;
    let shown: Vec<String> = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    shown.join(" ") + if bytes.len() > SHOWN { " ..." } else { "" }
}

fn list(verb: &str, names: &[String]) -> String {
    if names.is_empty() { format!("{verb} none") } else { format!("{verb} `{}`", names.join("`, `")) }
}

impl Error {
    /// The class that the error belongs to.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::NotPermitted(_)
            | Error::MapProtected { .. }
            | Error::NoBpffs { errno: Errno::EPERM | Errno::EACCES, .. } => ErrorKind::NotPermitted,
            Error::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                ErrorKind::NotPermitted
            }
            Error::Unsupported { .. } | Error::NoBpffs { .. } => ErrorKind::Unsupported,
            Error::Rejected { .. } | Error::BtfRejected { .. } => ErrorKind::Rejected,
            Error::WrongEndian { .. } | Error::UnknownSection { .. } | Error::MalformedObject { .. } => {
                ErrorKind::Malformed
            }
            Error::NoSuchProgram { .. }
            | Error::NoSuchMap { .. }
            | Error::NoSuchKey { .. }
            | Error::NoSuchDevice { .. }
            | Error::DeviceGone { .. }
            | Error::NoSuchCgroup { .. }
            | Error::CgroupGone { .. }
            | Error::NoSuchId { .. }
            | Error::NoSuchPin { .. }
            | Error::ProgramNotAttached { .. }
            | Error::NoSuchQdisc { .. }
            | Error::NoSuchFilter { .. }
            | Error::NothingAttached { .. } => ErrorKind::NotFound,
            Error::AlreadyAttached { .. }
            | Error::KeyExists { .. }
            | Error::MapFull { .. }
            | Error::MapDiffers { .. }
            | Error::MapChanging { .. }
            | Error::QdiscTaken { .. }
            | Error::FilterExists { .. }
            | Error::ProgramAttached { .. }
            | Error::PriorityTaken { .. }
            | Error::ModeTaken { .. }
            | Error::Raced { .. }
            | Error::PinExists { .. }
            | Error::PinChanging { .. } => ErrorKind::Conflict,
            Error::Usage { .. } | Error::NotCgroup2 { .. } | Error::NotBpffs { .. } => ErrorKind::Usage,
            Error::Netlink { .. } | Error::Sys { .. } | Error::Map { .. } | Error::File { .. } => ErrorKind::Unexpected,
        }
    }

    /// The full verifier log, if it was a verifier that refused.
    #[must_use]
    pub fn verifier_log(&self) -> Option<&VerifierLog> {
        match self {
            Error::Rejected { log, .. } | Error::BtfRejected { log } => Some(log),
            _ => None,
        }
    }

    /// A failed system call, explained if the kernel did not permit it.
    pub(crate) fn sys(action: Action, errno: Errno) -> Error {
        match errno {
            Errno::EPERM => Error::NotPermitted(NotPermitted::explain(action)),
            errno => Error::Sys { action: action.name, errno },
        }
    }

    /// A failed netlink exchange, explained if the kernel did not permit it.
    pub(crate) fn netlink(action: Action, source: netlink::Error) -> Error {
        match source.errno() {
            Some(Errno::EPERM) => Error::NotPermitted(NotPermitted::explain(action)),
            _ => Error::Netlink { action: action.name, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_matters() {
        let error =
            Error::Unsupported { what: "tcx links".to_owned(), since: Some(KernelVersion { major: 6, minor: 6 }) };
        assert_eq!(error.to_string(), "tcx links need Linux 6.6");
        let error = Error::Unsupported { what: "tcx links".to_owned(), since: None };
        assert_eq!(error.to_string(), "tcx links need a newer or differently built kernel");
        let error = Error::NoSuchProgram { name: "x".to_owned(), available: vec!["a".to_owned(), "b".to_owned()] };
        assert_eq!(error.to_string(), "no program `x`; there is `a`, `b`");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn errors_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
    }
}
