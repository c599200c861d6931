//! Links to control groups.

use std::os::fd::AsFd;

use bpfasm_object::kernel::KernelVersion;

use super::attachment::Held;
use super::query::{self, Listing};
use super::{Entry, Hook, Mode};
use crate::attach::link::Link;
use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, Program};

/// Adds a link behind what is listed. `None` if the hook has changed meanwhile.
pub(super) fn add(program: &Program, hook: &Hook, listing: &Listing) -> Result<Option<Held>, Error> {
    match sys::link_create_cgroup(program.as_fd(), hook.cgroup(), hook.attach_type().0, listing.revision) {
        Ok(link) => Ok(Some(Held::Link(Link::new(link)?))),
        Err(Errno::ESTALE) => Ok(None),
        Err(Errno::EPERM) => Err(query::explain_refusal(hook, Mode::Link)),
        // A command that the kernel does not know.
        Err(Errno::EINVAL) => {
            Err(Error::Unsupported { what: "cgroup links".to_owned(), since: Some(KernelVersion::new(5, 7)) })
        }
        Err(errno) => Err(hook.explain(Action::ATTACH_LINK, errno)),
    }
}

/// Swaps the program of a link. `None` if the link has gone or holds another program by now.
pub(super) fn replace(program: &Program, hook: &Hook, (id, entry): (u32, &Entry)) -> Result<Option<Held>, Error> {
    let (Some(link), Some(old)) = (open(hook, id)?, entry.program_id()) else { return Ok(None) };
    Ok(link.swap(program, old)?.then_some(Held::Link(link)))
}

/// Detaches a link that a listing has shown to be ours, and removes its pins in our folder.
pub(super) fn remove(hook: &Hook, (id, entry): (u32, &Entry)) -> Result<(), Error> {
    let (Some(link), Some(program_id)) = (open(hook, id)?, entry.program_id()) else { return Ok(()) };
    link.release(program_id).map(drop)
}

/// Opens a link by its id. `None` if it has gone, or the id belongs to a link elsewhere by now.
fn open(hook: &Hook, id: u32) -> Result<Option<Link>, Error> {
    let Some(link) = Link::open(id)? else { return Ok(None) };
    let here = link.info()?.cgroup == Some((hook.cgroup_id(), hook.attach_type().0));
    Ok(here.then_some(link))
}
