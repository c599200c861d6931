//! Many entries of a map in one call: `BPF_MAP_*_BATCH`, Linux 5.6.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::mem::offset_of;
use std::os::fd::AsFd;

use bytemuck::{Pod, Zeroable};

use super::call::{Command, address, address_mut, bpf_once, number, patiently};
use super::{Errno, MapFd};

/// `union bpf_attr` for `BPF_MAP_*_BATCH`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct MapBatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}
const _: () = assert!(size_of::<MapBatchAttr>() == 56);
const _: () = assert!(offset_of!(MapBatchAttr, keys) == 16);
const _: () = assert!(offset_of!(MapBatchAttr, count) == 32);
const _: () = assert!(offset_of!(MapBatchAttr, elem_flags) == 40);

/// Bytes of the number of a bucket, which is how hash maps tell where the next batch begins.
const BUCKET: usize = 4;

/// What a call that reads many entries gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRead {
    /// How many entries are in the buffers.
    pub count: usize,
    /// Whether they are the last ones.
    pub is_last: bool,
}

/// Bytes that a place between two batches takes: [`map_lookup_batch`]'s `next`.
pub(crate) fn place_bytes(map: &MapFd) -> usize {
    map.key_bytes().max(BUCKET)
}

/// `BPF_MAP_LOOKUP_BATCH`: reads as many entries as `keys` and `values` have room for, from a place on that an earlier
/// call has put into its `next`, or from the start.
///
/// A place is as long as a key, and 4 bytes at least.
///
/// # Errors
/// The kernel's error number: `ENOSPC` where the entries of one bucket of a hash map need more room, 524 (`ENOTSUPP`)
/// from types that have no batches, `EINVAL` before Linux 5.6. `EINVAL` where the buffers are not for one number of
/// entries of the map's sizes.
///
/// # References
/// `generic_map_lookup_batch` in `kernel/bpf/syscall.c`, `__htab_map_lookup_and_delete_batch` in `kernel/bpf/hashtab.c`.
#[doc(alias = "BPF_MAP_LOOKUP_BATCH")]
pub fn map_lookup_batch(
    map: &MapFd,
    from: Option<&[u8]>,
    next: &mut [u8],
    keys: &mut [u8],
    values: &mut [u8],
) -> Result<BatchRead, Errno> {
    read(Command::MAP_LOOKUP_BATCH, map, from, next, keys, values)
}

/// `BPF_MAP_LOOKUP_AND_DELETE_BATCH`: as [`map_lookup_batch`], and removes what it reads.
///
/// # Errors
/// As [`map_lookup_batch`].
///
/// # References
/// `__htab_map_lookup_and_delete_batch` in `kernel/bpf/hashtab.c`.
#[doc(alias = "BPF_MAP_LOOKUP_AND_DELETE_BATCH")]
pub fn map_lookup_and_delete_batch(
    map: &MapFd,
    from: Option<&[u8]>,
    next: &mut [u8],
    keys: &mut [u8],
    values: &mut [u8],
) -> Result<BatchRead, Errno> {
    read(Command::MAP_LOOKUP_AND_DELETE_BATCH, map, from, next, keys, values)
}

fn read(
    command: Command,
    map: &MapFd,
    from: Option<&[u8]>,
    next: &mut [u8],
    keys: &mut [u8],
    values: &mut [u8],
) -> Result<BatchRead, Errno> {
    let place = place_bytes(map);
    let count = count(map, keys, Some(values))?;
    if next.len() != place || from.is_some_and(|from| from.len() != place) {
        return Err(Errno::EINVAL);
    }
    let template = MapBatchAttr {
        in_batch: from.map_or(0, address),
        out_batch: address_mut(next),
        keys: address_mut(keys),
        values: address_mut(values),
        map_fd: number(map.as_fd()),
        ..MapBatchAttr::zeroed()
    };
    let mut done = 0;
    let result = patiently(|| {
        let mut attr = MapBatchAttr { count, ..template };
        // SAFETY: `keys` and `values` are `count` writable keys and values of the sizes that the kernel takes for the
        // map (`MapFd`); `in_batch` is null or as many readable and `out_batch` as many writable bytes as the longer of
        // a key and a bucket's number, which are all that any type reads and writes there. None is otherwise borrowed.
        let result = unsafe { bpf_once(command, &mut attr) };
        done = attr.count;
        result
    });
    let is_last = match result {
        Ok(_) => false,
        Err(Errno::ENOENT) => true,
        Err(errno) => return Err(errno),
    };
    // The kernel never gives more than there is room for; were it to, the buffers' readers would see no entry there.
    Ok(BatchRead { count: usize::try_from(done.min(count)).map_err(|_| Errno::E2BIG)?, is_last })
}

/// `BPF_MAP_UPDATE_BATCH`: writes the values of many keys, in their order, as with `BPF_ANY`.
///
/// # Errors
/// The kernel's error number, and how many entries were written before the one that it is about; as
/// [`map_update_elem`](super::map_update_elem) for that one, as [`map_lookup_batch`] for all.
///
/// # References
/// `generic_map_update_batch` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_MAP_UPDATE_BATCH")]
pub fn map_update_batch(map: &MapFd, keys: &[u8], values: &[u8]) -> Result<(), (Errno, usize)> {
    let count = count(map, keys, Some(values)).map_err(|errno| (errno, 0))?;
    write(Command::MAP_UPDATE_BATCH, map, keys, values, count)
}

/// `BPF_MAP_DELETE_BATCH`: removes many keys, in their order.
///
/// # Errors
/// The kernel's error number, and how many were removed before the one that it is about: `ENOENT` for a key that is not
/// there; as [`map_lookup_batch`] for all.
///
/// # References
/// `generic_map_delete_batch` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_MAP_DELETE_BATCH")]
pub fn map_delete_batch(map: &MapFd, keys: &[u8]) -> Result<(), (Errno, usize)> {
    let count = count(map, keys, None).map_err(|errno| (errno, 0))?;
    write(Command::MAP_DELETE_BATCH, map, keys, &[], count)
}

/// `values` are empty for a command that takes none.
fn write(command: Command, map: &MapFd, keys: &[u8], values: &[u8], count: u32) -> Result<(), (Errno, usize)> {
    let mut attr = MapBatchAttr {
        keys: address(keys),
        values: address(values),
        map_fd: number(map.as_fd()),
        count,
        ..MapBatchAttr::zeroed()
    };
    // SAFETY: `keys` are `count` readable keys, and `values` `count` readable values for the command that reads them,
    // of the sizes that the kernel takes for the map (`MapFd`).
    let result = unsafe { bpf_once(command, &mut attr) };
    // A call that is refused as a whole leaves the count as it was.
    let done = if attr.count < count { usize::try_from(attr.count).unwrap_or(0) } else { 0 };
    result.map(drop).map_err(|errno| (errno, done))
}

/// How many entries the buffers are for.
fn count(map: &MapFd, keys: &[u8], values: Option<&[u8]>) -> Result<u32, Errno> {
    let count = keys.len().checked_div(map.key_bytes()).ok_or(Errno::EINVAL)?;
    let is_whole = count.checked_mul(map.key_bytes()) == Some(keys.len());
    let value_bytes = |one: usize| count.checked_mul(one);
    let fits = values.is_none_or(|values| map.value_bytes().and_then(value_bytes) == Some(values.len()));
    if !is_whole || !fits || count == 0 {
        return Err(Errno::EINVAL);
    }
    u32::try_from(count).map_err(|_| Errno::E2BIG)
}
