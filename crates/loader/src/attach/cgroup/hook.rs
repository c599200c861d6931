//! Hooks of control groups.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use bpfasm_object::kernel::AttachType;

use super::Group;
use crate::privilege::Action;
use crate::sys::Errno;
use crate::{Error, Program};

/// An attach type of a control group of version 2.
#[derive(Clone, Debug)]
pub struct Hook {
    group: Group,
    attach_type: AttachType,
}

impl Hook {
    /// The hook of the control group at a path.
    ///
    /// # Errors
    /// Those of [`Group::new`]; [`Error::Usage`] for an attach type that is no hook of control groups.
    pub fn new(path: impl AsRef<Path>, attach_type: AttachType) -> Result<Hook, Error> {
        Hook::of(Group::new(path)?, attach_type)
    }

    /// The hook of a group.
    pub(super) fn of(group: Group, attach_type: AttachType) -> Result<Hook, Error> {
        if attach_type.is_cgroup() {
            return Ok(Hook { group, attach_type });
        }
        Err(Error::Usage { what: format!("{attach_type} is no hook of control groups") })
    }

    /// The path that the group was named by.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.group.path()
    }

    /// The attach type.
    #[must_use]
    pub fn attach_type(&self) -> AttachType {
        self.attach_type
    }

    /// The group's id.
    #[must_use]
    pub fn cgroup_id(&self) -> u64 {
        self.group.id()
    }

    /// The group.
    pub(super) fn cgroup(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
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
        self.group.explain(action, errno)
    }
}

/// Every hook of a control group.
///
/// # Errors
/// Those of [`Group::new`].
pub fn hooks(group: impl AsRef<Path>) -> Result<Vec<Hook>, Error> {
    let group = Group::new(group)?;
    let types = AttachType::ALL.iter().copied().filter(|attach_type| attach_type.is_cgroup());
    Ok(types.map(|attach_type| Hook { group: group.clone(), attach_type }).collect())
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cgroup:{}:{}", self.path().display(), self.attach_type)
    }
}
