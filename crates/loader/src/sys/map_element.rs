//! Single entries of a map: `BPF_MAP_*_ELEM`, `BPF_MAP_GET_NEXT_KEY`; `BPF_MAP_FREEZE`.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::mem::offset_of;
use std::os::fd::AsFd;

use bytemuck::{Pod, Zeroable};

use super::call::{Command, address, address_mut, bpf, number};
use super::{Errno, MapFd};

/// `union bpf_attr` for `BPF_MAP_*_ELEM`, `BPF_MAP_GET_NEXT_KEY` and `BPF_MAP_FREEZE`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct MapElementAttr {
    map_fd: u32,
    reserved: u32,
    key: u64,
    /// `value` or `next_key`.
    value: u64,
    flags: u64,
}
const _: () = assert!(size_of::<MapElementAttr>() == 32);
const _: () = assert!(offset_of!(MapElementAttr, key) == 8);
const _: () = assert!(offset_of!(MapElementAttr, value) == 16);
const _: () = assert!(offset_of!(MapElementAttr, flags) == 24);

impl MapElementAttr {
    /// Of a map and a key that has the map's size.
    fn new(map: &MapFd, key: &[u8]) -> Result<MapElementAttr, Errno> {
        if key.len() != map.key_bytes() {
            return Err(Errno::EINVAL);
        }
        Ok(MapElementAttr { map_fd: number(map.as_fd()), key: address(key), ..MapElementAttr::zeroed() })
    }
}

/// Whether that is a value's size in calls to this map.
fn fits(map: &MapFd, value: &[u8]) -> Result<(), Errno> {
    if map.value_bytes() == Some(value.len()) { Ok(()) } else { Err(Errno::EINVAL) }
}

/// `BPF_MAP_LOOKUP_ELEM`: reads the value of a key. A bloom filter reads `value` instead of writing it.
///
/// # Errors
/// The kernel's error number: `ENOENT` for no such key. `EINVAL` where key or value do not have the map's size.
///
/// # References
/// `map_lookup_elem` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_MAP_LOOKUP_ELEM")]
pub fn map_lookup_elem(map: &MapFd, key: &[u8], value: &mut [u8], flags: u64) -> Result<(), Errno> {
    fits(map, value)?;
    let mut attr = MapElementAttr { value: address_mut(value), flags, ..MapElementAttr::new(map, key)? };
    // SAFETY: `key` is as many readable and `value` as many writable bytes, not otherwise borrowed, as the kernel takes
    // for the map (`MapFd`).
    unsafe { bpf(Command::MAP_LOOKUP_ELEM, &mut attr) }.map(drop)
}

/// `BPF_MAP_UPDATE_ELEM`: writes the value of a key.
///
/// `flags` are `BPF_ANY` (0), `BPF_NOEXIST` (1) or `BPF_EXIST` (2), with `BPF_F_*` that the type takes.
///
/// # Errors
/// The kernel's error number: `EEXIST` and `ENOENT` by the flags, `E2BIG` for a full map or an index behind the end of
/// an array. `EINVAL` where key or value do not have the map's size.
///
/// # References
/// `map_update_elem` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_MAP_UPDATE_ELEM")]
pub fn map_update_elem(map: &MapFd, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
    fits(map, value)?;
    let mut attr = MapElementAttr { value: address(value), flags, ..MapElementAttr::new(map, key)? };
    // SAFETY: `key` and `value` are as many readable bytes as the kernel takes for the map (`MapFd`).
    unsafe { bpf(Command::MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// `BPF_MAP_DELETE_ELEM`: removes a key and its value.
///
/// # Errors
/// The kernel's error number: `ENOENT` for no such key, `EINVAL` from the types whose keys stay. `EINVAL` where the key
/// does not have the map's size.
///
/// # References
/// `map_delete_elem` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_MAP_DELETE_ELEM")]
pub fn map_delete_elem(map: &MapFd, key: &[u8]) -> Result<(), Errno> {
    let mut attr = MapElementAttr::new(map, key)?;
    // SAFETY: `key` is as many readable bytes as the kernel takes for the map (`MapFd`).
    unsafe { bpf(Command::MAP_DELETE_ELEM, &mut attr) }.map(drop)
}

/// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`: reads a value and removes it; of queues and stacks, the next one.
///
/// # Errors
/// The kernel's error number: `ENOENT` for no such key, 524 (`ENOTSUPP`) for hash maps before Linux 5.14. `EINVAL` where
/// key or value do not have the map's size.
///
/// # References
/// `map_lookup_and_delete_elem` in `kernel/bpf/syscall.c`; Linux 4.20.
#[doc(alias = "BPF_MAP_LOOKUP_AND_DELETE_ELEM")]
pub fn map_lookup_and_delete_elem(map: &MapFd, key: &[u8], value: &mut [u8], flags: u64) -> Result<(), Errno> {
    fits(map, value)?;
    let mut attr = MapElementAttr { value: address_mut(value), flags, ..MapElementAttr::new(map, key)? };
    // SAFETY: `key` is as many readable and `value` as many writable bytes, not otherwise borrowed, as the kernel takes
    // for the map (`MapFd`).
    unsafe { bpf(Command::MAP_LOOKUP_AND_DELETE_ELEM, &mut attr) }.map(drop)
}

/// `BPF_MAP_GET_NEXT_KEY`: the key after this one, or the first. After a key that is not there, most types give the
/// first one.
///
/// # Errors
/// The kernel's error number: `ENOENT` after the last. `EINVAL` where a key does not have the map's size.
///
/// # References
/// `map_get_next_key` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_MAP_GET_NEXT_KEY")]
pub fn map_get_next_key(map: &MapFd, after: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
    if next.len() != map.key_bytes() {
        return Err(Errno::EINVAL);
    }
    let value = address_mut(next);
    // Of a first key the kernel is told null, and reads nothing.
    let mut attr = MapElementAttr { value, ..MapElementAttr::new(map, after.unwrap_or(next))? };
    if after.is_none() {
        attr.key = 0;
    }
    // SAFETY: `key` is null or as many readable bytes as the kernel takes for the map (`MapFd`), and `next_key` is as
    // many writable ones, not otherwise borrowed.
    unsafe { bpf(Command::MAP_GET_NEXT_KEY, &mut attr) }.map(drop)
}

/// `BPF_MAP_FREEZE`: from now on, user space only reads; programs may still write.
///
/// # Errors
/// The kernel's error number: `EBUSY` if it is frozen already or somebody writes, 524 (`ENOTSUPP`) from some types.
///
/// # References
/// `map_freeze` in `kernel/bpf/syscall.c`; Linux 5.2.
#[doc(alias = "BPF_MAP_FREEZE")]
pub fn map_freeze(map: &MapFd) -> Result<(), Errno> {
    let mut attr = MapElementAttr { map_fd: number(map.as_fd()), ..MapElementAttr::zeroed() };
    // SAFETY: the command follows no address.
    unsafe { bpf(Command::MAP_FREEZE, &mut attr) }.map(drop)
}
