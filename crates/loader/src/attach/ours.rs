//! Everything of ours, wherever it hangs.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Entry, cgroup, tc};
use crate::privilege::{Action, NotPermitted};
use crate::sys::Errno;
use crate::{Error, bpffs};

/// Something that this crate has attached, in this or in another process, or has left behind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ours {
    /// At a device.
    Tc {
        /// Where.
        hook: tc::Hook,
        /// What.
        entry: tc::Entry,
    },
    /// At a control group.
    Cgroup {
        /// Where.
        hook: cgroup::Hook,
        /// What.
        entry: cgroup::Entry,
    },
    /// Nowhere any more: a pin below `BPFFS/bpfasm/` whose link was detached or whose target has gone, or that records a
    /// program which is not attached there.
    Pin {
        /// The pin.
        path: PathBuf,
    },
}

/// Finds everything of ours: at the devices of the calling thread's network namespace, at the given control groups and at
/// all groups below them, and the pins that are left over.
///
/// Links at devices of other network namespaces are not among them, nor what hangs at other groups, nor their pins.
///
/// ```no_run
/// for found in bpfasm_loader::attach::find_ours(&["/sys/fs/cgroup/web"])? {
///     println!("{found}");
///     found.detach()?;
/// }
/// # Ok::<(), bpfasm_loader::Error>(())
/// ```
///
/// # Errors
/// [`Error::NothingAttached`] if there is nothing; [`Error::NoSuchCgroup`] and [`Error::NotCgroup2`] for a path that is no
/// group; [`Error::NotPermitted`] without `CAP_NET_ADMIN`, or without `CAP_SYS_ADMIN` if that keeps it from telling whose
/// a program is.
pub fn find_ours<P: AsRef<Path>>(groups: &[P]) -> Result<Vec<Ours>, Error> {
    let mut found = Vec::new();
    for hook in tc::hooks()? {
        let entries = some(tc::ours(&hook))?;
        found.extend(entries.into_iter().map(|entry| Ours::Tc { hook: hook.clone(), entry }));
    }
    let mut seen = BTreeSet::new();
    for group in groups {
        found.extend(at_group_and_below(group.as_ref(), &mut seen)?);
    }
    found.extend(bpffs::leftovers().into_iter().map(|path| Ours::Pin { path }));
    if found.is_empty() {
        let groups = if groups.is_empty() { "" } else { " or at the groups" };
        return Err(Error::NothingAttached { hook: format!("any device of this network namespace{groups}") });
    }
    Ok(found)
}

/// Passes over groups whose ids have been `seen`.
fn at_group_and_below(group: &Path, seen: &mut BTreeSet<u64>) -> Result<Vec<Ours>, Error> {
    // No other folder is walked.
    cgroup::hooks(group)?;
    let mut found = Vec::new();
    for path in cgroup::tree(group)? {
        let hooks = match cgroup::hooks(&path) {
            // One below that was removed since it was listed.
            Err(Error::NoSuchCgroup { .. }) if path != group => continue,
            hooks => hooks?,
        };
        if hooks.first().is_some_and(|hook| !seen.insert(hook.cgroup_id())) {
            continue;
        }
        for hook in hooks {
            let entries = some(cgroup::ours(&hook))?;
            found.extend(entries.into_iter().map(|entry| Ours::Cgroup { hook: hook.clone(), entry }));
        }
    }
    Ok(found)
}

/// What is at a hook, which may have gone since it was listed, or be of a kind that the kernel does not know.
fn some<E>(ours: Result<Vec<E>, Error>) -> Result<Vec<E>, Error> {
    match ours {
        Err(
            Error::NothingAttached { .. }
            | Error::DeviceGone { .. }
            | Error::CgroupGone { .. }
            | Error::Sys { errno: Errno::EINVAL, .. },
        ) => Ok(Vec::new()),
        ours => ours,
    }
}

/// Those of ours among what is attached at a hook.
///
/// # Errors
/// There are none, or none that can be told to be.
pub(super) fn among<P>(entries: Vec<Entry<P>>, hook: &impl fmt::Display) -> Result<Vec<Entry<P>>, Error> {
    let (ours, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(Entry::is_ours);
    if !ours.is_empty() {
        return Ok(ours);
    }
    if others.iter().any(|entry| entry.program_id.is_some() && entry.program_name.is_none()) {
        let refusal = NotPermitted::explain(Action::OPEN_BY_ID);
        // Nothing is missing: the program has gone.
        if !refusal.missing.is_empty() {
            return Err(Error::NotPermitted(refusal));
        }
    }
    Err(Error::NothingAttached { hook: hook.to_string() })
}

impl Ours {
    /// Detaches it, and removes its pins. Nothing is done if it has gone or been replaced meanwhile.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn detach(&self) -> Result<(), Error> {
        match self {
            Ours::Tc { hook, entry } => tc::remove(hook, entry),
            Ours::Cgroup { hook, entry } => cgroup::remove(hook, entry),
            Ours::Pin { path } => bpffs::unpin(vec![path.clone()]),
        }
    }

    /// The pins below `BPFFS/bpfasm/` that go with it.
    #[must_use]
    pub fn pins(&self) -> Vec<PathBuf> {
        match self {
            Ours::Tc { entry, .. } => entry.place.link_id().map_or_else(Vec::new, bpffs::pins_of_link),
            Ours::Cgroup { hook, entry } => cgroup::pins(hook, entry),
            Ours::Pin { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ours::Tc { hook, entry } => write!(f, "{entry}, from {hook}"),
            Ours::Cgroup { hook, entry } => write!(f, "{entry}, from {hook}"),
            Ours::Pin { path } => write!(f, "pin {}, which kept nothing attached", path.display()),
        }
    }
}
