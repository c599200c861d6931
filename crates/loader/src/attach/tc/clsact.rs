//! `clsact` filters.

use std::os::fd::AsFd;

use super::attachment::Held;
use super::{Entry, Hook, Place, is_gone};
use crate::netlink::tc::{self, Clsact, ETH_P_ALL, Filter, FilterAddress};
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
    let filters = tc::filters(connection, hook.ifindex, hook.direction.parent());
    let filters = filters.map_err(|source| explain(hook, Action::LIST_FILTERS, source))?;
    Ok(filters.into_iter().map(entry).collect())
}

fn entry(filter: Filter) -> Entry {
    let FilterAddress { priority, protocol, handle, .. } = filter.address;
    let bpf = filter.bpf.unwrap_or_default();
    let our_name = bpf.name.as_deref().and_then(|name| name.strip_prefix(FILTER_PREFIX)).map(str::to_owned);
    Entry {
        // Another tool's filter could have our prefix, but no program or a place where we put none.
        ours: our_name.is_some() && bpf.program_id.is_some() && filter.chain == 0,
        program_name: our_name.or(bpf.name),
        program_id: bpf.program_id,
        place: Place::Clsact { priority, handle, protocol, chain: filter.chain, kind: filter.kind },
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
    match tc::ensure_clsact(&mut connection, hook.ifindex) {
        Ok(Clsact::Created | Clsact::Present) => {}
        Ok(Clsact::Taken { kind }) => return Err(Error::QdiscTaken { device: hook.device.clone(), kind }),
        Err(source) => return Err(explain_add(hook, priority, listed, source)),
    }
    let address = FilterAddress {
        ifindex: hook.ifindex,
        parent: hook.direction.parent(),
        priority,
        protocol: ETH_P_ALL,
        handle: handle(program_id, priority, listed),
    };
    match put(connection, program, program_id, &address, false) {
        Ok(held) => Ok(Some(held)),
        Err(source) if source.errno() == Some(Errno::EEXIST) => Ok(None),
        Err(source) => Err(explain_add(hook, priority, listed, source)),
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

fn explain_add(hook: &Hook, priority: u16, listed: &[Entry], source: netlink::Error) -> Error {
    // A priority belongs to one kind of filter and one protocol.
    let other = listed.iter().find_map(|entry| match &entry.place {
        Place::Clsact { priority: at, protocol, kind, .. } if *at == priority => {
            (kind != "bpf" || *protocol != ETH_P_ALL).then(|| (kind.clone(), *protocol))
        }
        _ => None,
    });
    match (source.errno(), other) {
        (Some(Errno::EINVAL), Some((kind, protocol))) => {
            Error::PriorityTaken { hook: hook.to_string(), priority, kind, protocol, source }
        }
        // The kernel knows no such qdisc, or no such classifier.
        (Some(Errno::ENOENT | Errno::EOPNOTSUPP), _) => {
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
    match put(connection, program, program_id, &address, true) {
        Ok(held) => Ok(Some(held)),
        Err(source) if source.errno() == Some(Errno::ENOENT) => Ok(None),
        Err(source) => Err(explain(hook, Action::CHANGE_FILTERS, source)),
    }
}

fn put(
    mut connection: Connection,
    program: &Program,
    program_id: u32,
    address: &FilterAddress,
    replace: bool,
) -> Result<Held, netlink::Error> {
    let name = filter_name(program.name());
    let made = match tc::filter_put(&mut connection, address, &name, program.as_fd(), replace) {
        // The kernel has chosen the handle.
        Ok(Some(made)) => made.address,
        Err(refused) if refused.errno().is_some() => return Err(refused),
        // The reply was lost: a listing, on a connection without its remains, shows what has become of the request.
        lost => {
            connection = Connection::open()?;
            let listed = tc::filters(&mut connection, address.ifindex, address.parent)?;
            match listed.iter().find(|filter| is_ours(filter, &name, program_id)) {
                Some(made) => made.address,
                None => return Err(lost.err().unwrap_or(netlink::Error::Overrun)),
            }
        }
    };
    Ok(Held::Clsact { connection, address: made })
}

/// Whether a filter has that name and holds that program.
fn is_ours(filter: &Filter, name: &str, program_id: u32) -> bool {
    let bpf = filter.bpf.as_ref();
    bpf.is_some_and(|bpf| bpf.program_id == Some(program_id) && bpf.name.as_deref() == Some(name))
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
    let listed = tc::filters(connection, address.ifindex, address.parent);
    let listed = listed.map_err(|source| explain(hook, Action::LIST_FILTERS, source))?;
    let name = filter_name(program);
    if !listed.iter().any(|filter| filter.address == *address && is_ours(filter, &name, program_id)) {
        return Ok(false);
    }
    match tc::filter_delete(connection, address) {
        Ok(()) => Ok(true),
        Err(source) if source.errno() == Some(Errno::ENOENT) => Ok(false),
        Err(source) => Err(explain(hook, Action::CHANGE_FILTERS, source)),
    }
}

fn address(hook: &Hook, entry: &Entry) -> Option<FilterAddress> {
    let Place::Clsact { priority, handle, protocol, chain: 0, .. } = entry.place else { return None };
    Some(FilterAddress { ifindex: hook.ifindex, parent: hook.direction.parent(), priority, protocol, handle })
}
