//! Links that this crate attaches by, at whatever kind of hook.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::privilege::Action;
use crate::sys::{self, Errno, LinkInfo};
use crate::{Error, Program, bpffs};

/// A link, held by a descriptor.
#[derive(Debug)]
pub(super) struct Link {
    fd: OwnedFd,
    id: u32,
}

impl Link {
    /// Takes a link that was just made or opened.
    pub(super) fn new(fd: OwnedFd) -> Result<Link, Error> {
        let info = sys::link_info(fd.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
        Ok(Link { fd, id: info.id })
    }

    /// Opens a link by its id. `None` if it has gone.
    pub(super) fn open(id: u32) -> Result<Option<Link>, Error> {
        match sys::link_get_fd_by_id(id) {
            Ok(fd) => Ok(Some(Link { fd, id })),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::sys(Action::OPEN_BY_ID, errno)),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn info(&self) -> Result<LinkInfo, Error> {
        sys::link_info(self.fd.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))
    }

    /// The id of the program that it holds at its hook. `None` once it is detached, or its target has gone.
    pub(super) fn holds(&self) -> Option<u32> {
        let info = sys::link_info(self.fd.as_fd()).ok()?;
        (!info.is_defunct()).then_some(info.prog_id)
    }

    /// Swaps its program, if it still holds the one with the id `old`. Says whether it did.
    pub(super) fn swap(&self, program: &Program, old: u32) -> Result<bool, Error> {
        let old_program = match sys::prog_get_fd_by_id(old) {
            Ok(program) => program,
            Err(Errno::ENOENT) => return Ok(false),
            Err(errno) => return Err(Error::sys(Action::OPEN_BY_ID, errno)),
        };
        match sys::link_update(self.fd.as_fd(), program.as_fd(), old_program.as_fd()) {
            Ok(()) => Ok(true),
            // The kernel answers so if `old` is not what the link holds; or if updates need a privilege, which attaching
            // needs as well.
            Err(Errno::EPERM) if self.holds() != Some(old) => Ok(false),
            Err(Errno::ENOLINK) => Ok(false),
            Err(errno) => Err(Error::sys(Action::ATTACH_LINK, errno)),
        }
    }

    /// Detaches the program with this id and removes the link's pins in our folder. Says whether the link held it.
    pub(super) fn release(&self, program_id: u32) -> Result<bool, Error> {
        if self.holds() != Some(program_id) {
            return Ok(false);
        }
        sys::link_detach(self.fd.as_fd()).map_err(|errno| Error::sys(Action::ATTACH_LINK, errno))?;
        bpffs::unpin(bpffs::pins_of_link(self.id))?;
        Ok(true)
    }

    /// Pins it in a folder of a bpffs as `PROGRAM-LINKID`.
    pub(super) fn pin(&self, folder: &Path, program: &str) -> Result<PathBuf, Error> {
        let path = folder.join(bpffs::link_name(program, self.id));
        bpffs::pin(self.fd.as_fd(), &path)?;
        Ok(path)
    }

    /// Pins it in our folder, unless it is pinned there already since its program was replaced. `None` if it has been
    /// detached meanwhile.
    pub(super) fn keep(&self, program: &str) -> Result<Option<PathBuf>, Error> {
        let path = match bpffs::pins_of_link(self.id).pop() {
            Some(path) => path,
            None => self.pin(&bpffs::ensure_directory()?, program)?,
        };
        if self.holds().is_some() {
            return Ok(Some(path));
        }
        // Whoever has detached it may have looked for pins before there was one.
        bpffs::unpin(vec![path])?;
        Ok(None)
    }

    /// Keeps it for as long as this process lives.
    pub(super) fn forget(self) {
        // Never closed.
        std::mem::forget(self.fd);
    }
}
