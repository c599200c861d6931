//! TCX links.

use std::os::fd::{AsFd, OwnedFd};

use bpfasm_object::kernel::{AttachType, KernelVersion};

use super::attachment::Held;
use super::{Entry, Hook, Place, is_gone};
use crate::privilege::Action;
use crate::sys::{self, Errno, TcxQueryEntry};
use crate::{Error, Program, bpffs, owner};

/// The TCX programs at a hook.
pub(super) struct TcxHook {
    pub entries: Vec<Entry>,
    /// Changes with the hook.
    pub revision: u64,
}

/// Says that the kernel has no TCX.
pub(super) fn unsupported() -> Error {
    let since: Option<KernelVersion> = AttachType::TCX_INGRESS.first_kernel();
    Error::Unsupported { what: "tcx links".to_owned(), since }
}

/// Lists the TCX programs at a hook, in the order they run. `None` if the kernel has no TCX.
pub(super) fn query(hook: &Hook) -> Result<Option<TcxHook>, Error> {
    match sys::prog_query_tcx(hook.ifindex, hook.direction.attach_type().0) {
        Ok(query) => {
            let entries = query.entries.iter().map(entry).collect::<Result<_, _>>()?;
            Ok(Some(TcxHook { entries, revision: query.revision }))
        }
        // An attach type that it does not know, or knows but was built without.
        Err(Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOTSUPP) => Ok(None),
        Err(errno) if is_gone(Some(errno)) => Err(hook.gone()),
        Err(errno) => Err(Error::sys(Action::QUERY_HOOK, errno)),
    }
}

fn entry(queried: &TcxQueryEntry) -> Result<Entry, Error> {
    let identity = sys::prog_get_fd_by_id(queried.prog_id).and_then(|program| {
        let info = sys::prog_info(program.as_fd())?;
        owner::identify(program.as_fd(), &info)
    });
    let identity = match identity {
        Ok(identity) => Some(identity),
        // Gone meanwhile, or not ours to look at.
        Err(Errno::ENOENT | Errno::EPERM) => None,
        Err(errno) => return Err(Error::sys(Action::OPEN_BY_ID, errno)),
    };
    let marked = identity.as_ref().is_some_and(|identity| identity.marked);
    // This crate attaches by links alone.
    let ours = queried.link_id.is_some_and(|link| marked || !bpffs::pins_of_link(link).is_empty());
    Ok(Entry {
        program_name: identity.map(|identity| identity.name),
        program_id: Some(queried.prog_id),
        ours,
        place: Place::Tcx { link_id: queried.link_id },
    })
}

/// Adds a link behind the others. `None` if the hook has changed since `revision`.
pub(super) fn add(program: &Program, hook: &Hook, revision: u64) -> Result<Option<Held>, Error> {
    match sys::link_create_tcx(program.as_fd(), hook.ifindex, hook.direction.attach_type().0, revision) {
        Ok(link) => Held::tcx(link).map(Some),
        Err(Errno::ESTALE) => Ok(None),
        Err(errno) if is_gone(Some(errno)) => Err(hook.gone()),
        Err(errno) => Err(Error::sys(Action::ATTACH_LINK, errno)),
    }
}

/// Swaps the program of a link. `None` if the link has gone or holds another program by now.
pub(super) fn replace(program: &Program, hook: &Hook, entry: &Entry) -> Result<Option<Held>, Error> {
    let (Some((link, _)), Some(old)) = (open(hook, entry)?, entry.program_id) else { return Ok(None) };
    let old = match sys::prog_get_fd_by_id(old) {
        Ok(old) => old,
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(Error::sys(Action::OPEN_BY_ID, errno)),
    };
    match sys::link_update(link.as_fd(), program.as_fd(), old.as_fd()) {
        Ok(()) => Held::tcx(link).map(Some),
        // The kernel answers so if `old` is not what the link holds; or if updates need a privilege, which attaching
        // needs as well.
        Err(Errno::EPERM) if holds(&link) != entry.program_id => Ok(None),
        Err(Errno::ENOLINK) => Ok(None),
        Err(errno) => Err(Error::sys(Action::ATTACH_LINK, errno)),
    }
}

/// Detaches a link that a listing has shown to be ours, and removes its pins in our folder.
pub(super) fn remove(hook: &Hook, entry: &Entry) -> Result<(), Error> {
    let Some((link, id)) = open(hook, entry)? else { return Ok(()) };
    if holds(&link) != entry.program_id {
        return Ok(());
    }
    sys::link_detach(link.as_fd()).map_err(|errno| Error::sys(Action::ATTACH_LINK, errno))?;
    unpin(id)
}

/// Removes the pins of a link in our folder.
pub(super) fn unpin(link_id: u32) -> Result<(), Error> {
    for path in bpffs::pins_of_link(link_id) {
        std::fs::remove_file(&path).map_err(|source| Error::File { path, source })?;
    }
    Ok(())
}

/// The id of the program that a link holds at its hook. `None` once it is detached, or its device has gone.
pub(super) fn holds(link: &OwnedFd) -> Option<u32> {
    let info = sys::link_info(link.as_fd()).ok()?;
    info.tcx.is_some_and(|(ifindex, _)| ifindex != 0).then_some(info.prog_id)
}

/// Opens the link of an entry. `None` if it has gone, or its id belongs to a link elsewhere by now.
fn open(hook: &Hook, entry: &Entry) -> Result<Option<(OwnedFd, u32)>, Error> {
    let Place::Tcx { link_id: Some(id) } = entry.place else { return Ok(None) };
    let link = match sys::link_get_fd_by_id(id) {
        Ok(link) => link,
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(Error::sys(Action::OPEN_BY_ID, errno)),
    };
    let info = sys::link_info(link.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
    let here = info.tcx == Some((hook.ifindex, hook.direction.attach_type().0));
    Ok(here.then_some((link, id)))
}
