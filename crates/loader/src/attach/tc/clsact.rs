//! `clsact` filters.

use std::os::fd::AsFd;

use super::attachment::Held;
use super::{Direction, Entry, Hook, Place, is_gone};
use crate::netlink::tc::filter::{self, ETH_P_ALL, NewFilter, Put};
use crate::netlink::tc::qdisc::{self, Made};
use crate::netlink::tc::{Filter, FilterAddress, FilterQdisc, Hardware};
use crate::netlink::{self, Connection};
use crate::owner::FILTER_PREFIX;
use crate::privilege::Action;
use crate::sys::Errno;
use crate::{Error, Program};

/// Bytes of a filter's name with its NUL: `CLS_BPF_NAME_LEN` of `net/sched/cls_bpf.c`.
const NAME_LEN: usize = 256;

/// Connects to rtnetlink in the calling thread's network namespace.
pub(super) fn connect() -> Result<Connection, Error> {
    Connection::open().map_err(|source| Error::netlink(Action::LIST_FILTERS, source))
}

/// Refuses a program whose name does not fit in that of a filter.
pub(super) fn check_name(program: &str) -> Result<(), Error> {
    let longest = NAME_LEN - 1 - FILTER_PREFIX.len();
    if program.len() <= longest {
        return Ok(());
    }
    let what = format!("the program's name is {} bytes long, and a filter takes {longest}", program.len());
    Err(Error::Usage { what })
}

fn filter_name(program: &str) -> String {
    format!("{FILTER_PREFIX}{program}")
}

fn explain(hook: &Hook, action: Action, source: netlink::Error) -> Error {
    if is_gone(source.errno()) { hook.gone() } else { Error::netlink(action, source) }
}

/// Lists the filters of a hook, in the order they run.
pub(super) fn entries(connection: &mut Connection, hook: &Hook) -> Result<Vec<Entry>, Error> {
    Ok(filters(connection, hook)?.into_iter().map(entry).collect())
}

fn filters(connection: &mut Connection, hook: &Hook) -> Result<Vec<Filter>, Error> {
    list(connection, hook).map_err(|source| explain(hook, Action::LIST_FILTERS, source))
}

fn list(connection: &mut Connection, hook: &Hook) -> Result<Vec<Filter>, netlink::Error> {
    let mut filters = filter::list(connection, &any(hook), None)?;
    filters.retain(|filter| filter.options.is_some());
    // An `ingress` qdisc shows its filters under either parent.
    if hook.direction == Direction::Egress && !filters.is_empty() {
        let kind = qdisc::filter_qdisc(connection, hook.ifindex)?;
        if kind.as_deref() != Some(FilterQdisc::Clsact.kind()) {
            return Ok(Vec::new());
        }
    }
    Ok(filters)
}

/// All filters of a hook.
fn any(hook: &Hook) -> FilterAddress {
    FilterAddress { ifindex: hook.ifindex, parent: hook.direction.parent(), ..FilterAddress::default() }
}

fn entry(filter: Filter) -> Entry {
    let FilterAddress { priority, protocol, handle, chain, .. } = filter.address;
    let bpf = filter.bpf();
    let name = bpf.and_then(|bpf| bpf.name.as_deref());
    Entry {
        ours: filter.our_program().is_some(),
        program_name: filter.our_program().or(name).map(str::to_owned),
        program_id: bpf.and_then(|bpf| bpf.program_id),
        place: Place::Clsact { priority, handle, protocol, chain, kind: filter.kind },
    }
}

/// Adds a filter to those listed, and the qdisc if it is missing. `None` if the hook has changed meanwhile.
pub(super) fn add(
    mut connection: Connection,
    (program, program_id): (&Program, u32),
    hook: &Hook,
    priority: u16,
    listed: &[Entry],
) -> Result<Option<Held>, Error> {
    match qdisc::ensure(&mut connection, hook.ifindex, FilterQdisc::Clsact) {
        Ok(Made::Created | Made::Present) => {}
        Ok(Made::Taken { kind }) => return Err(Error::QdiscTaken { device: hook.device.clone(), kind }),
        Err(source) => return Err(explain_add(hook, priority, source)),
    }
    let handle = handle(program_id, priority, listed);
    let address = FilterAddress { priority, protocol: ETH_P_ALL, handle, ..any(hook) };
    match put(connection, (program, program_id), hook, &address, Put::Add) {
        Ok(held) => Ok(Some(held)),
        Err(source) if source.errno() == Some(Errno::EEXIST) => Ok(None),
        Err(source) => Err(explain_add(hook, priority, source)),
    }
}

/// The handle of a new filter: the program's id, or the next that is free.
///
/// The kernel deletes whatever has the handle by then, and where it chooses handles itself it gives those that were just
/// freed. No filter of anybody else comes to have this one between the dump that shows ours and its deletion.
fn handle(program_id: u32, priority: u16, listed: &[Entry]) -> u32 {
    let taken = |wanted: u32| {
        listed.iter().any(|entry| match entry.place {
            Place::Clsact { priority: at, handle, .. } => (at, handle) == (priority, wanted),
            Place::Tcx { .. } => false,
        })
    };
    (program_id..=u32::MAX).find(|&wanted| !taken(wanted)).unwrap_or(program_id)
}

fn explain_add(hook: &Hook, priority: u16, source: netlink::Error) -> Error {
    let address = FilterAddress { priority, protocol: ETH_P_ALL, ..any(hook) };
    let other = || filter::other_holder(&mut connect().ok()?, &address);
    match source.errno() {
        Some(Errno::EINVAL) => match other() {
            Some((kind, protocol)) => Error::PriorityTaken { hook: hook.to_string(), priority, kind, protocol, source },
            None => explain(hook, Action::CHANGE_FILTERS, source),
        },
        // The kernel knows no such qdisc, or no such classifier.
        Some(Errno::ENOENT | Errno::EOPNOTSUPP) => {
            Error::Unsupported { what: format!("clsact filters ({source})"), since: None }
        }
        _ => explain(hook, Action::CHANGE_FILTERS, source),
    }
}

/// Swaps the program of a filter. `None` if the filter has gone.
pub(super) fn replace(
    connection: Connection,
    (program, program_id): (&Program, u32),
    hook: &Hook,
    entry: &Entry,
) -> Result<Option<Held>, Error> {
    let Some(address) = address(hook, entry) else { return Ok(None) };
    match put(connection, (program, program_id), hook, &address, Put::Change) {
        Ok(held) => Ok(Some(held)),
        Err(source) if source.errno() == Some(Errno::ENOENT) => Ok(None),
        Err(source) => Err(explain(hook, Action::CHANGE_FILTERS, source)),
    }
}

fn put(
    mut connection: Connection,
    (program, program_id): (&Program, u32),
    hook: &Hook,
    address: &FilterAddress,
    put: Put,
) -> Result<Held, netlink::Error> {
    let name = filter_name(program.name());
    let (class, hardware) = (None, Hardware::default());
    let new = NewFilter { name: &name, program: program.as_fd(), direct_action: true, class, hardware };
    let made = match filter::put(&mut connection, address, &new, put) {
        // The kernel has chosen the handle.
        Ok(Some(made)) => made.address,
        Err(refused) if refused.errno().is_some() => return Err(refused),
        // The reply was lost: a listing, on a connection without its remains, shows what has become of the request.
        lost => {
            connection = Connection::open()?;
            let listed = list(&mut connection, hook)?;
            match listed.iter().find(|filter| is_ours(filter, program.name(), program_id)) {
                Some(made) => made.address,
                None => return Err(lost.err().unwrap_or(netlink::Error::Overrun)),
            }
        }
    };
    Ok(Held::Clsact { connection, address: made })
}

/// Whether a filter is ours, of a program of that name, and holds the one with that id.
fn is_ours(filter: &Filter, program: &str, program_id: u32) -> bool {
    filter.our_program() == Some(program) && filter.bpf().is_some_and(|bpf| bpf.program_id == Some(program_id))
}

/// Deletes a filter that a listing has shown to be ours, after looking again that it still is.
pub(super) fn remove(hook: &Hook, entry: &Entry) -> Result<(), Error> {
    let Some(address) = address(hook, entry) else { return Ok(()) };
    let (Some(name), Some(id)) = (entry.program_name(), entry.program_id) else { return Ok(()) };
    release(&mut connect()?, hook, &address, name, id).map(drop)
}

/// Deletes the filter at an address if it is ours and holds that program. Says whether it was.
pub(super) fn release(
    connection: &mut Connection,
    hook: &Hook,
    address: &FilterAddress,
    program: &str,
    program_id: u32,
) -> Result<bool, Error> {
    let listed = filters(connection, hook)?;
    if !listed.iter().any(|filter| filter.address == *address && is_ours(filter, program, program_id)) {
        return Ok(false);
    }
    match filter::delete_bpf(connection, address) {
        Ok(()) => Ok(true),
        Err(source) if source.errno() == Some(Errno::ENOENT) => Ok(false),
        Err(source) => Err(explain(hook, Action::CHANGE_FILTERS, source)),
    }
}

fn address(hook: &Hook, entry: &Entry) -> Option<FilterAddress> {
    let Place::Clsact { priority, handle, protocol, chain: 0, .. } = entry.place else { return None };
    Some(FilterAddress { priority, protocol, handle, ..any(hook) })
}
