//! Attaching as `bpf_prog_attach` of libbpf does: no guard, no owner.

use std::os::fd::AsFd;

use super::query::{self, Listing};
use super::{Hook, Mode, Place, by_program};
use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, Program};

/// Attaches a program with the kernel's own meaning, which is bpftool's: with mode [`None`](Mode::None) or
/// [`Override`](Mode::Override) it takes the place of the one that is there, whosever that is. Gives the id of that one.
///
/// It stays until it is detached, or the group is removed.
///
/// # Errors
/// - [`Error::ProgramAttached`] if it is there already.
/// - [`Error::ModeTaken`] if the mode does not go together with what is attached to the group or to one above it.
/// - [`Error::NotPermitted`] without `CAP_BPF` and `CAP_NET_ADMIN`.
/// - [`Error::Usage`] for [`Mode::Link`], or a program that was loaded for another hook.
///
/// # References
/// `__cgroup_bpf_attach` in `kernel/bpf/cgroup.c`.
#[doc(alias = "bpf_prog_attach")]
pub fn attach_program(program: &Program, hook: &Hook, mode: Mode) -> Result<Option<u32>, Error> {
    hook.check(program)?;
    if mode == Mode::Link {
        return Err(Error::Usage { what: "a link needs somebody who holds it".to_owned() });
    }
    let id = program.id()?;
    let listing = query::list(hook)?;
    if listing.entries.iter().any(|entry| entry.program_id() == Some(id)) {
        return Err(Error::ProgramAttached { program: program.name().to_owned(), hook: hook.to_string() });
    }
    // A program of mode `multi` takes nobody's place, and nobody takes its place.
    let old = listing.entries.first().filter(|_| mode != Mode::Multi).and_then(|entry| entry.program_id());
    match sys::prog_attach_cgroup(program.as_fd(), hook.cgroup(), hook.attach_type().0, mode.flags(), None, 0) {
        Ok(()) => Ok(old),
        Err(Errno::EPERM) => Err(mode_taken(hook, mode, &listing)),
        Err(Errno::EINVAL) => {
            let what = format!("`{}` was not loaded for {}", program.name(), hook.attach_type());
            Err(Error::Usage { what })
        }
        Err(errno) => Err(hook.explain(Action::ATTACH_LINK, errno)),
    }
}

fn mode_taken(hook: &Hook, mode: Mode, listing: &Listing) -> Error {
    match listing.check(hook, mode) {
        Err(taken) if listing.entries.first().is_some_and(|entry| entry.place().mode() != mode) => taken,
        _ => query::explain_refusal(hook, mode),
    }
}

/// Detaches a program that is attached by itself, whoever has attached it.
///
/// Without [`Mode::Multi`] the kernel would detach whatever is there, whichever program it is given. This does not.
///
/// # Errors
/// [`Error::ProgramNotAttached`] if it is not there, or held there by a link; [`Error::NotPermitted`] without
/// `CAP_BPF` and `CAP_NET_ADMIN`.
#[doc(alias = "bpf_prog_detach2")]
pub fn detach_program(program: &Program, hook: &Hook) -> Result<(), Error> {
    let id = program.id()?;
    let mut by_link = None;
    for entry in query::list(hook)?.entries.iter().filter(|entry| entry.program_id() == Some(id)) {
        match *entry.place() {
            Place::Link { link_id } => by_link = Some(link_id),
            Place::Program { mode } => {
                if by_program::release(hook, mode, program.as_fd(), id)? {
                    return Ok(());
                }
            }
        }
    }
    Err(Error::ProgramNotAttached { program: program.name().to_owned(), id, hook: hook.to_string(), by_link })
}
