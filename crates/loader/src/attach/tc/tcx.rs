//! TCX links.

use std::os::fd::AsFd;

use bpfasm_object::kernel::{AttachType, KernelVersion};

use super::attachment::Held;
use super::{Entry, Hook, Place, is_gone};
use crate::attach::link::Link;
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
    let identity = owner::identify_by_id(queried.prog_id)?;
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
        Ok(link) => Ok(Some(Held::Tcx(Link::new(link)?))),
        Err(Errno::ESTALE) => Ok(None),
        Err(errno) if is_gone(Some(errno)) => Err(hook.gone()),
        Err(errno) => Err(Error::sys(Action::ATTACH_LINK, errno)),
    }
}

/// Swaps the program of a link. `None` if the link has gone or holds another program by now.
pub(super) fn replace(program: &Program, hook: &Hook, entry: &Entry) -> Result<Option<Held>, Error> {
    let (Some(link), Some(old)) = (open(hook, entry)?, entry.program_id) else { return Ok(None) };
    Ok(link.swap(program, old)?.then_some(Held::Tcx(link)))
}

/// Detaches a link that a listing has shown to be ours, and removes its pins in our folder.
pub(super) fn remove(hook: &Hook, entry: &Entry) -> Result<(), Error> {
    let (Some(link), Some(program_id)) = (open(hook, entry)?, entry.program_id) else { return Ok(()) };
    link.release(program_id).map(drop)
}

/// Opens the link of an entry. `None` if it has gone, or its id belongs to a link elsewhere by now.
fn open(hook: &Hook, entry: &Entry) -> Result<Option<Link>, Error> {
    let Place::Tcx { link_id: Some(id) } = entry.place else { return Ok(None) };
    let Some(link) = Link::open(id)? else { return Ok(None) };
    let here = link.info()?.tcx == Some((hook.ifindex, hook.direction.attach_type().0));
    Ok(here.then_some(link))
}
