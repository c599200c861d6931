//! What is attached to a group, and whether a mode goes together with it.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::{Entry, Hook, Mode, Place};
use crate::bpffs::Record;
use crate::privilege::{Action, NotPermitted};
use crate::sys::{self, CgroupQuery, Errno};
use crate::{Error, bpffs, owner};

/// What is attached at a hook.
pub(super) struct Listing {
    /// In the order they run.
    pub entries: Vec<Entry>,
    /// Changes with the hook; 0 if the kernel does not count.
    pub revision: u64,
}

/// Asks the kernel.
pub(super) fn query(hook: &Hook, effective: bool) -> Result<CgroupQuery, Error> {
    sys::prog_query_cgroup(hook.cgroup(), hook.attach_type().0, effective)
        .map_err(|errno| hook.explain(Action::QUERY_HOOK, errno))
}

/// Lists what is attached at a hook itself.
pub(super) fn list(hook: &Hook) -> Result<Listing, Error> {
    let queried = query(hook, false)?;
    let mode = Mode::of_flags(queried.attach_flags);
    // Only beside others can there be links.
    let mut links = if mode == Mode::Multi && !queried.prog_ids.is_empty() { links(hook)? } else { Vec::new() };
    let mut entries = Vec::with_capacity(queried.prog_ids.len());
    for program_id in queried.prog_ids {
        let link = links.iter().position(|&(_, holds)| holds == program_id).map(|at| links.remove(at));
        let place = link.map_or(Place::Program { mode }, |(link_id, _)| Place::Link { link_id });
        entries.push(entry(hook, program_id, place)?);
    }
    Ok(Listing { entries, revision: queried.revision })
}

fn entry(hook: &Hook, program_id: u32, place: Place) -> Result<Entry, Error> {
    let identity = owner::identify_by_id(program_id)?;
    let marked = identity.as_ref().is_some_and(|identity| identity.marked);
    let program_name = identity.map(|identity| identity.name);
    let entry = Entry { ours: marked, program_name, program_id: Some(program_id), place };
    Ok(Entry { ours: marked || !pins(hook, &entry).is_empty(), ..entry })
}

/// The pins in our folder of a link, or those that record a program.
pub(in crate::attach) fn pins(hook: &Hook, entry: &Entry) -> Vec<PathBuf> {
    match (entry.place(), entry.program_id()) {
        (Place::Link { link_id }, _) => bpffs::pins_of_link(*link_id),
        (Place::Program { .. }, Some(program_id)) => record(hook, program_id).pins(),
        (Place::Program { .. }, None) => Vec::new(),
    }
}

/// The record that a program is attached here without a link.
pub(super) fn record(hook: &Hook, program_id: u32) -> Record {
    Record { program_id, cgroup_id: hook.cgroup_id(), attach_type: hook.attach_type() }
}

/// The links at a hook, as (link id, program id). The query does not tell them. None without `CAP_SYS_ADMIN`.
fn links(hook: &Hook) -> Result<Vec<(u32, u32)>, Error> {
    let here = Some((hook.cgroup_id(), hook.attach_type().0));
    let mut links = Vec::new();
    let mut last = 0;
    loop {
        match sys::link_get_next_id(last) {
            Ok(Some(id)) => last = id,
            Ok(None) | Err(Errno::EPERM) => return Ok(links),
            Err(errno) => return Err(Error::sys(Action::OPEN_BY_ID, errno)),
        }
        match sys::link_get_fd_by_id(last).and_then(|link| sys::link_info(link.as_fd())) {
            Ok(info) if info.cgroup == here => links.push((info.id, info.prog_id)),
            // Elsewhere, gone meanwhile, or one that somebody is only about to make.
            Ok(_) | Err(Errno::ENOENT | Errno::EAGAIN) => {}
            Err(errno) => return Err(Error::sys(Action::OPEN_BY_ID, errno)),
        }
    }
}

impl Listing {
    /// Refuses a mode that does not go together with what is attached to the group itself.
    pub(super) fn check(&self, hook: &Hook, mode: Mode) -> Result<(), Error> {
        let Some(first) = self.entries.first() else { return Ok(()) };
        let beside_others = |mode: Mode| mode.flags() == Mode::Multi.flags();
        if beside_others(mode) && beside_others(first.place().mode()) {
            return Ok(());
        }
        Err(Error::ModeTaken { hook: hook.to_string(), asked: mode, existing: first.to_string() })
    }
}

/// Why the kernel answered `EPERM` to an attach that the group itself has room for: a group above allows none below it, or
/// a privilege is missing.
pub(super) fn explain_refusal(hook: &Hook, mode: Mode) -> Error {
    let path = hook.path().canonicalize().unwrap_or_default();
    for folder in path.ancestors().skip(1) {
        let Some(queried) = query_folder(folder, hook) else { break };
        let above = Mode::of_flags(queried.attach_flags);
        match queried.prog_ids.first() {
            Some(id) if above == Mode::None => {
                let existing = format!("program {id} in mode {above} at {}, which allows none below", folder.display());
                return Error::ModeTaken { hook: hook.to_string(), asked: mode, existing };
            }
            Some(_) => break,
            None => {}
        }
    }
    Error::NotPermitted(NotPermitted::explain(Action::ATTACH_LINK))
}

fn query_folder(folder: &Path, hook: &Hook) -> Option<CgroupQuery> {
    let folder = sys::open_directory(folder).ok()?;
    sys::prog_query_cgroup(folder.as_fd(), hook.attach_type().0, false).ok()
}
