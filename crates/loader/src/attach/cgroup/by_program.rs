//! Programs attached to control groups by themselves: `BPF_PROG_ATTACH`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::attachment::Held;
use super::query::{self, Listing};
use super::{Entry, Hook, Mode, Place};
use crate::attach::existing::until_unchanged;
use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, Program, bpffs};

/// Attaches a program beside what is listed, which [goes together](Listing::check) with the mode. `None` if the hook has
/// changed meanwhile.
pub(super) fn add(program: &Program, hook: &Hook, mode: Mode, listing: &Listing) -> Result<Option<Held>, Error> {
    put(program, hook, mode, None, listing)
}

/// Puts a program in the place of another of the same mode. `None` if that one has gone, or the hook has changed meanwhile.
pub(super) fn replace(
    program: &Program,
    hook: &Hook,
    (mode, entry): (Mode, &Entry),
    listing: &Listing,
) -> Result<Option<Held>, Error> {
    let Some(old_id) = entry.program_id() else { return Ok(None) };
    // Without `multi` there is one place: attaching again replaces.
    let old = if mode == Mode::Multi { open(old_id)? } else { None };
    if mode == Mode::Multi && old.is_none() {
        return Ok(None);
    }
    let held = put(program, hook, mode, old.as_ref().map(AsFd::as_fd), listing)?;
    if held.is_some() && program.id()? != old_id {
        bpffs::unpin(query::record(hook, old_id).pins())?;
    }
    Ok(held)
}

fn put(
    program: &Program,
    hook: &Hook,
    mode: Mode,
    old: Option<BorrowedFd<'_>>,
    listing: &Listing,
) -> Result<Option<Held>, Error> {
    let attach_type = hook.attach_type().0;
    let attached =
        sys::prog_attach_cgroup(program.as_fd(), hook.cgroup(), attach_type, mode.flags(), old, listing.revision);
    match attached {
        Ok(()) => {
            let file = |source| Error::File { path: hook.path().to_owned(), source };
            let program = program.as_fd().try_clone_to_owned().map_err(file)?;
            Ok(Some(Held::Program { program, mode }))
        }
        Err(Errno::ESTALE) => Ok(None),
        Err(Errno::ENOENT) if old.is_some() => Ok(None),
        Err(Errno::EPERM) => Err(query::explain_refusal(hook, mode)),
        Err(errno) => Err(hook.explain(Action::ATTACH_LINK, errno)),
    }
}

/// Pins a program as the record of its attachment, unless it is pinned there already. `None` if it has been detached
/// meanwhile.
pub(super) fn keep(
    hook: &Hook,
    mode: Mode,
    program: BorrowedFd<'_>,
    (program_id, name): (u32, &str),
) -> Result<Option<PathBuf>, Error> {
    let record = query::record(hook, program_id);
    let path = match record.pins().pop() {
        Some(path) => path,
        None => {
            let path = bpffs::ensure_directory()?.join(record.name(name));
            bpffs::pin(program, &path)?;
            path
        }
    };
    if is_attached(&query::list(hook)?, mode, program_id) {
        return Ok(Some(path));
    }
    // Whoever has detached it may have looked for the record before there was one.
    bpffs::unpin(vec![path])?;
    Ok(None)
}

fn is_attached(listing: &Listing, mode: Mode, program_id: u32) -> bool {
    let it = |entry: &Entry| entry.program_id() == Some(program_id) && *entry.place() == Place::Program { mode };
    listing.entries.iter().any(it)
}

/// Detaches a program that a listing has shown to be ours.
pub(super) fn remove(hook: &Hook, (mode, entry): (Mode, &Entry)) -> Result<(), Error> {
    let Some(program_id) = entry.program_id() else { return Ok(()) };
    let Some(program) = open(program_id)? else { return Ok(()) };
    release(hook, mode, program.as_fd(), program_id).map(drop)
}

/// Detaches a program, if it is attached in that mode, and removes the record of it. Says whether it was.
pub(super) fn release(hook: &Hook, mode: Mode, program: BorrowedFd<'_>, program_id: u32) -> Result<bool, Error> {
    until_unchanged(hook, "a program was being detached", || {
        // Without `multi` the kernel detaches whatever is there, so look who it is.
        let listing = query::list(hook)?;
        if !is_attached(&listing, mode, program_id) {
            return Ok(Some(false));
        }
        match sys::prog_detach_cgroup(program, hook.cgroup(), hook.attach_type().0, listing.revision) {
            Ok(()) => {
                bpffs::unpin(query::record(hook, program_id).pins())?;
                Ok(Some(true))
            }
            Err(Errno::ESTALE | Errno::ENOENT) => Ok(None),
            Err(errno) => Err(hook.explain(Action::ATTACH_LINK, errno)),
        }
    })
}

/// Opens a program by its id. `None` if it has gone.
fn open(id: u32) -> Result<Option<OwnedFd>, Error> {
    match sys::prog_get_fd_by_id(id) {
        Ok(program) => Ok(Some(program)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(Error::sys(Action::OPEN_BY_ID, errno)),
    }
}
