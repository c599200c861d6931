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
        // Another tool's filter could have our prefix and no program.
        ours: our_name.is_some() && bpf.program_id.is_some(),
        program_name: our_name.or(bpf.name),
        program_id: bpf.program_id,
        place: Place::Clsact { priority, handle, protocol, chain: filter.chain, kind: filter.kind },
    }
}

/// Adds a filter, and the qdisc if it is missing.
pub(super) fn add(mut connection: Connection, program: &Program, hook: &Hook, priority: u16) -> Result<Held, Error> {
    let failed = |source| explain(hook, Action::CHANGE_FILTERS, source);
    if let Clsact::Taken { kind } = tc::ensure_clsact(&mut connection, hook.ifindex).map_err(failed)? {
        return Err(Error::QdiscTaken { device: hook.device.clone(), kind });
    }
    let address = FilterAddress {
        ifindex: hook.ifindex,
        parent: hook.direction.parent(),
        priority,
        protocol: ETH_P_ALL,
        handle: 0,
    };
    put(connection, program, hook, &address, false)
}

/// Swaps the program of a filter. `None` if the filter has gone.
pub(super) fn replace(
    connection: Connection,
    program: &Program,
    hook: &Hook,
    entry: &Entry,
) -> Result<Option<Held>, Error> {
    let Some(address) = address(hook, entry) else { return Ok(None) };
    match put(connection, program, hook, &address, true) {
        Ok(held) => Ok(Some(held)),
        Err(Error::Netlink { source, .. }) if source.errno() == Some(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn put(
    mut connection: Connection,
    program: &Program,
    hook: &Hook,
    address: &FilterAddress,
    replace: bool,
) -> Result<Held, Error> {
    let name = filter_name(program.name());
    let made = tc::filter_put(&mut connection, address, &name, program.as_fd(), replace)
        .map_err(|source| explain(hook, Action::CHANGE_FILTERS, source))?;
    // The kernel has chosen the handle.
    Ok(Held::Clsact { connection, address: made.address })
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
    let is_ours = |filter: &&Filter| {
        let bpf = filter.bpf.as_ref();
        filter.address == *address
            && bpf.is_some_and(|bpf| {
                bpf.program_id == Some(program_id) && bpf.name.as_deref() == Some(&filter_name(program))
            })
    };
    if !listed.iter().any(|filter| is_ours(&filter)) {
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
