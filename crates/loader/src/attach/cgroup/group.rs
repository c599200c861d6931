//! Control groups, and all that is attached to one.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bpfasm_object::kernel::AttachType;

use super::Hook;
use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, mounts};

/// A control group of version 2, held by a descriptor: it stays the same group if its folder is renamed.
#[derive(Clone, Debug)]
pub struct Group {
    path: PathBuf,
    folder: Arc<OwnedFd>,
    id: u64,
}

/// A program that runs for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attached {
    /// The program's id.
    pub program_id: u32,
    /// What of the group it sees.
    pub attach_type: AttachType,
    /// How it is attached: `BPF_F_ALLOW_OVERRIDE` (1), `BPF_F_ALLOW_MULTI` (2), or neither. 0 in a list of what is in
    /// effect.
    pub flags: u32,
}

impl Group {
    /// The group at a path.
    ///
    /// # Errors
    /// [`Error::NoSuchCgroup`]; [`Error::NotCgroup2`] for a folder that is something else, such as a control group of
    /// version 1.
    pub fn new(path: impl AsRef<Path>) -> Result<Group, Error> {
        let path = path.as_ref().to_owned();
        let folder = sys::open_directory(&path).map_err(|errno| match errno {
            Errno::ENOENT | Errno::ENOTDIR => Error::NoSuchCgroup { path: path.clone() },
            errno => Error::File { path: path.clone(), source: errno.into() },
        })?;
        let inspected = |errno| Error::sys(Action::INSPECT, errno);
        let version = sys::cgroup_version(folder.as_fd()).map_err(inspected)?;
        if version != Some(2) {
            return Err(Error::NotCgroup2 { path, version, mounts: mounts::points_of("cgroup2")? });
        }
        let id = sys::cgroup_id(folder.as_fd()).map_err(inspected)?;
        Ok(Group { path, folder: Arc::new(folder), id })
    }

    /// The group from which all others descend, where it is mounted.
    ///
    /// # Errors
    /// [`Error::NotCgroup2`] if version 2 is not mounted.
    pub fn root() -> Result<Group, Error> {
        let mounts = mounts::points_of("cgroup2")?;
        match mounts.first() {
            Some(path) => Group::new(path),
            None => Err(Error::NotCgroup2 { path: "/sys/fs/cgroup".into(), version: None, mounts }),
        }
    }

    /// The path it was named by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// One of its hooks.
    ///
    /// # Errors
    /// [`Error::Usage`] for an attach type that is no hook of control groups.
    pub fn hook(&self, attach_type: AttachType) -> Result<Hook, Error> {
        Hook::of(self.clone(), attach_type)
    }

    /// All programs that are attached to it, by attach type and then in the order they run; or all that are in effect,
    /// those of its ancestors included.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] without `CAP_NET_ADMIN`; [`Error::CgroupGone`].
    pub fn programs(&self, effective: bool) -> Result<Vec<Attached>, Error> {
        let mut programs = Vec::new();
        for &attach_type in AttachType::ALL.iter().filter(|known| known.is_of_groups()) {
            let queried = match sys::prog_query_cgroup(self.as_fd(), attach_type.0, effective) {
                Ok(queried) => queried,
                // An attach type that the kernel does not know, or has no effective list of.
                Err(Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOTSUPP) => continue,
                Err(errno) => return Err(self.explain(Action::QUERY_HOOK, errno)),
            };
            let own = queried.prog_flags.into_iter().map(Some).chain(std::iter::repeat(None));
            programs.extend(queried.prog_ids.into_iter().zip(own).map(|(program_id, own)| Attached {
                program_id,
                attach_type,
                flags: own.filter(|&own| own != 0).unwrap_or(queried.attach_flags),
            }));
        }
        Ok(programs)
    }

    /// The group and those below it that programs are attached to, each with its [programs](Group::programs). A group
    /// comes before those below it; names are in alphabetical order.
    ///
    /// # Errors
    /// Those of [`programs`](Group::programs). A group that goes away meanwhile is left out.
    pub fn tree(&self, effective: bool) -> Result<Vec<(PathBuf, Vec<Attached>)>, Error> {
        let mut rows = Vec::new();
        for path in tree(&self.path)? {
            match Group::new(&path).and_then(|group| group.programs(effective)) {
                Ok(programs) if programs.is_empty() => {}
                Ok(programs) => rows.push((path, programs)),
                Err(Error::NoSuchCgroup { .. } | Error::CgroupGone { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// An error of a call that names the group.
    pub(super) fn explain(&self, action: Action, errno: Errno) -> Error {
        match errno {
            Errno::ENOENT | Errno::ENODEV => Error::CgroupGone { path: self.path.clone() },
            errno => Error::sys(action, errno),
        }
    }
}

/// A control group and all groups below it, each before those below it.
pub(in crate::attach) fn tree(group: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut groups = vec![group.to_owned()];
    let entries = match fs::read_dir(group) {
        // Removed since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(groups),
        entries => entries.map_err(|source| Error::File { path: group.to_owned(), source })?,
    };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut below: Vec<PathBuf> = entries.flatten().filter(is_folder).map(|entry| entry.path()).collect();
    below.sort();
    for group in below {
        groups.extend(tree(&group)?);
    }
    Ok(groups)
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}
