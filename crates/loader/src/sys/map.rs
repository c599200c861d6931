//! `BPF_MAP_CREATE` and the information about a map.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use bytemuck::{Pod, Zeroable};

use super::Errno;
use super::call::{Command, adopt, bpf, number, object_name, read_name};
use super::link::info_by_fd;

/// `union bpf_attr` for `BPF_MAP_CREATE`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct MapCreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
    map_ifindex: u32,
    btf_fd: u32,
    btf_key_type_id: u32,
    btf_value_type_id: u32,
    btf_vmlinux_value_type_id: u32,
    map_extra: u64,
}
const _: () = assert!(size_of::<MapCreateAttr>() == 72);
const _: () = assert!(offset_of!(MapCreateAttr, map_name) == 28);
const _: () = assert!(offset_of!(MapCreateAttr, btf_fd) == 48);
const _: () = assert!(offset_of!(MapCreateAttr, map_extra) == 64);

/// What [`map_create`] needs.
#[derive(Clone, Debug, Default)]
pub struct MapCreate<'a> {
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries at most; bytes for a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*` of map creation.
    pub flags: u32,
    /// The name; the kernel keeps 15 bytes of it.
    pub name: &'a str,
    /// The BTF with the types of key and value, and their ids.
    pub btf: Option<(BorrowedFd<'a>, u32, u32)>,
    /// `map_extra`, such as the number of hash functions of a bloom filter (Linux 5.16).
    pub extra: u64,
}

/// `BPF_MAP_CREATE`: makes a map.
///
/// # Errors
/// The kernel's error number.
///
/// # References
/// `map_create` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_MAP_CREATE")]
pub fn map_create(create: &MapCreate<'_>) -> Result<OwnedFd, Errno> {
    let (btf_fd, key, value) = create.btf.map_or((0, 0, 0), |(fd, key, value)| (number(fd), key, value));
    let mut attr = MapCreateAttr {
        map_type: create.map_type,
        key_size: create.key_size,
        value_size: create.value_size,
        max_entries: create.max_entries,
        map_flags: create.flags,
        inner_map_fd: 0,
        numa_node: 0,
        map_name: object_name(create.name),
        map_ifindex: 0,
        btf_fd,
        btf_key_type_id: key,
        btf_value_type_id: value,
        btf_vmlinux_value_type_id: 0,
        map_extra: create.extra,
    };
    // SAFETY: the command follows no address.
    let fd = unsafe { bpf(Command::MAP_CREATE, &mut attr) }?;
    // SAFETY: BPF_MAP_CREATE returns a new descriptor.
    unsafe { adopt(fd) }
}

/// `struct bpf_map_info`, up to the fields that every kernel with BTF has.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct MapInfoRaw {
    map_type: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    name: [u8; 16],
}
const _: () = assert!(size_of::<MapInfoRaw>() == 40);
const _: () = assert!(offset_of!(MapInfoRaw, name) == 24);

/// A map in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// The id.
    pub id: u32,
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries at most.
    pub max_entries: u32,
    /// `BPF_F_*` of map creation.
    pub flags: u32,
    /// The first 15 bytes of the name.
    pub name: String,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a map.
///
/// # Errors
/// The kernel's error number.
pub fn map_info(map: BorrowedFd<'_>) -> Result<MapInfo, Errno> {
    let mut raw = MapInfoRaw::default();
    // SAFETY: `struct bpf_map_info` has no addresses.
    unsafe { info_by_fd(map, &mut raw) }?;
    let MapInfoRaw { map_type, id, key_size, value_size, max_entries, map_flags: flags, name } = raw;
    Ok(MapInfo { id, map_type, key_size, value_size, max_entries, flags, name: read_name(&name) })
}
