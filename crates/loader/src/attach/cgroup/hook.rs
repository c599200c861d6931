//! Hooks of control groups.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bpfasm_object::kernel::AttachType;

use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, Program, mounts};

/// An attach type of a control group of version 2, held by a descriptor: it stays the same group if its folder is renamed.
#[derive(Clone, Debug)]
pub struct Hook {
    path: PathBuf,
    attach_type: AttachType,
    folder: Arc<OwnedFd>,
    id: u64,
}

impl Hook {
    /// The hook of the control group at a path.
    ///
    /// # Errors
    /// [`Error::NoSuchCgroup`]; [`Error::NotCgroup2`] for a folder that is something else, such as a control group of
    /// version 1; [`Error::Usage`] for an attach type that is no hook of control groups.
    pub fn new(path: impl AsRef<Path>, attach_type: AttachType) -> Result<Hook, Error> {
        let path = path.as_ref().to_owned();
        if !attach_type.is_cgroup() {
            return Err(Error::Usage { what: format!("{attach_type} is no hook of control groups") });
        }
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
        Ok(Hook { path, attach_type, folder: Arc::new(folder), id })
    }

    /// The path it was named by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The attach type.
    #[must_use]
    pub fn attach_type(&self) -> AttachType {
        self.attach_type
    }

    /// The group's id.
    #[must_use]
    pub fn cgroup_id(&self) -> u64 {
        self.id
    }

    /// The group.
    pub(super) fn cgroup(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Refuses a program of another type than the hook takes.
    pub(super) fn check(&self, program: &Program) -> Result<(), Error> {
        match self.attach_type.program_type() {
            Some(takes) if takes != program.program_type() => {
                let (name, is, hook) = (program.name(), program.program_type(), self.attach_type);
                Err(Error::Usage { what: format!("`{name}` is a {is} program, and {hook} takes {takes} only") })
            }
            _ => Ok(()),
        }
    }

    /// An error of a call that names the group.
    pub(super) fn explain(&self, action: Action, errno: Errno) -> Error {
        match errno {
            Errno::ENOENT | Errno::ENODEV => Error::CgroupGone { path: self.path.clone() },
            errno => Error::sys(action, errno),
        }
    }
}

/// Every hook of a control group.
///
/// # Errors
/// Those of [`Hook::new`].
pub fn hooks(group: impl AsRef<Path>) -> Result<Vec<Hook>, Error> {
    let hook = Hook::new(group, AttachType::CGROUP_INET_INGRESS)?;
    let types = AttachType::ALL.iter().copied().filter(|attach_type| attach_type.is_cgroup());
    Ok(types.map(|attach_type| Hook { attach_type, ..hook.clone() }).collect())
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

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cgroup:{}:{}", self.path.display(), self.attach_type)
    }
}
