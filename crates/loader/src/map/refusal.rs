//! What the kernel's refusal of a call on a map means.

use bpfasm_object::kernel::{KernelVersion, MapType};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::Map;
use crate::Error;
use crate::privilege::{Action, NotPermitted};
use crate::sys::Errno;

/// Why user space may not read or write a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protection {
    /// It was frozen.
    Frozen,
    /// The descriptor was opened, or the map created, with `BPF_F_RDONLY`.
    ReadOnly,
    /// The descriptor was opened, or the map created, with `BPF_F_WRONLY`.
    WriteOnly,
}

/// What was asked of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Lookup,
    Update,
    Delete,
    NextKey,
    LookupAndDelete,
    Freeze,
}

impl Call {
    const fn name(self) -> &'static str {
        match self {
            Call::Lookup => "look up a key",
            Call::Update => "update a key",
            Call::Delete => "delete a key",
            Call::NextKey => "get the next key",
            Call::LookupAndDelete => "look up and delete a key",
            Call::Freeze => "freeze it",
        }
    }

    /// Calls of that kind, as what needs a kernel.
    const fn plural(self) -> (&'static str, Option<KernelVersion>) {
        match self {
            Call::Lookup => ("lookups", None),
            Call::Update => ("updates", None),
            Call::Delete => ("deletions", None),
            Call::NextKey => ("walks", None),
            // Of hash maps.
            Call::LookupAndDelete => ("lookups with deletion", Some(KernelVersion::new(5, 14))),
            Call::Freeze => ("freezing", Some(KernelVersion::new(5, 2))),
        }
    }
}

impl Map {
    /// The error for a call on this map that the kernel has refused.
    #[cold]
    pub(super) fn refused(&self, call: Call, key: &[u8], errno: Errno) -> Error {
        let map = || self.name().to_owned();
        let key = || key.to_vec();
        match errno {
            Errno::ENOENT => Error::NoSuchKey { map: map(), key: key() },
            Errno::EEXIST => Error::KeyExists { map: map(), key: key() },
            Errno::E2BIG if self.is_array() => Error::NoSuchKey { map: map(), key: key() },
            // The latter from a trie.
            Errno::E2BIG | Errno::ENOSPC if call == Call::Update => {
                Error::MapFull { map: map(), max_entries: self.max_entries(), key: key() }
            }
            Errno::EPERM => match self.protection() {
                Some(by) => Error::MapProtected { map: map(), by },
                None => Error::NotPermitted(NotPermitted::explain(Action::USE_MAP)),
            },
            Errno::EINVAL if call == Call::Delete && self.is_array() => {
                Error::Usage { what: format!("map `{}`: an array keeps all of its keys", self.name()) }
            }
            errno if errno.is_not_supported() => {
                let (calls, since) = call.plural();
                Error::Unsupported { what: format!("{calls} of {} maps", self.map_type()), since }
            }
            errno => Error::Map { map: map(), action: call.name(), errno },
        }
    }

    /// Whether every index below `max_entries` is a key, and no other.
    fn is_array(&self) -> bool {
        matches!(
            self.map_type(),
            MapType::ARRAY
                | MapType::PERCPU_ARRAY
                | MapType::PROG_ARRAY
                | MapType::PERF_EVENT_ARRAY
                | MapType::CGROUP_ARRAY
                | MapType::ARRAY_OF_MAPS
                | MapType::DEVMAP
                | MapType::CPUMAP
                | MapType::XSKMAP
                | MapType::SOCKMAP
                | MapType::REUSEPORT_SOCKARRAY
        )
    }

    fn protection(&self) -> Option<Protection> {
        let mode = fcntl(self, FcntlArg::F_GETFL).map(|flags| OFlag::from_bits_retain(flags) & OFlag::O_ACCMODE);
        match mode {
            Ok(OFlag::O_RDONLY) => return Some(Protection::ReadOnly),
            Ok(OFlag::O_WRONLY) => return Some(Protection::WriteOnly),
            _ => {}
        }
        self.is_frozen().then_some(Protection::Frozen)
    }
}
