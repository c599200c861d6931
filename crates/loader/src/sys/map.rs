//! `BPF_MAP_CREATE`, the information about a map, and descriptors that know their map's sizes.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::mem::offset_of;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpfasm_object::kernel::MapType;
use bytemuck::{Pod, Zeroable};

use super::call::{Command, adopt, bpf, number, object_name, read_name};
use super::link::info_by_fd;
use super::{Errno, PossibleCpus};

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

/// `struct bpf_map_info`, up to the fields that depend on no buffer. An older kernel fills a part of it.
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
    ifindex: u32,
    btf_vmlinux_value_type_id: u32,
    netns_dev: u64,
    netns_ino: u64,
    btf_id: u32,
    btf_key_type_id: u32,
    btf_value_type_id: u32,
    btf_vmlinux_id: u32,
    map_extra: u64,
}
const _: () = assert!(size_of::<MapInfoRaw>() == 88);
const _: () = assert!(offset_of!(MapInfoRaw, name) == 24);
const _: () = assert!(offset_of!(MapInfoRaw, netns_dev) == 48);
const _: () = assert!(offset_of!(MapInfoRaw, btf_id) == 64);
const _: () = assert!(offset_of!(MapInfoRaw, map_extra) == 80);

/// A map in the kernel. What an older kernel does not tell is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// The id.
    pub id: u32,
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value; of one CPU's, for the types that have one for each.
    pub value_size: u32,
    /// Entries at most.
    pub max_entries: u32,
    /// `BPF_F_*` of map creation.
    pub flags: u32,
    /// The first 15 bytes of the name.
    pub name: String,
    /// The device that the map is offloaded to; 0 for none.
    pub ifindex: u32,
    /// Device number of the file system that holds that device's network namespace.
    pub netns_dev: u64,
    /// Inode of that device's network namespace.
    pub netns_ino: u64,
    /// The id of the BTF that describes keys and values; 0 for none.
    pub btf_id: u32,
    /// The type of the keys in it.
    pub btf_key_type_id: u32,
    /// The type of the values in it.
    pub btf_value_type_id: u32,
    /// The type in the kernel's BTF, for `struct_ops`.
    pub btf_vmlinux_value_type_id: u32,
    /// The id of the kernel's BTF that has it (Linux 6.9).
    pub btf_vmlinux_id: u32,
    /// `map_extra` (Linux 5.16).
    pub extra: u64,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a map.
///
/// # Errors
/// The kernel's error number.
///
/// # References
/// `bpf_map_get_info_by_fd` in `kernel/bpf/syscall.c`.
pub fn map_info(map: BorrowedFd<'_>) -> Result<MapInfo, Errno> {
    let mut raw = MapInfoRaw::default();
    // SAFETY: this part of `struct bpf_map_info` has no addresses.
    unsafe { info_by_fd(map, &mut raw) }?;
    Ok(MapInfo {
        id: raw.id,
        map_type: raw.map_type,
        key_size: raw.key_size,
        value_size: raw.value_size,
        max_entries: raw.max_entries,
        flags: raw.map_flags,
        name: read_name(&raw.name),
        ifindex: raw.ifindex,
        netns_dev: raw.netns_dev,
        netns_ino: raw.netns_ino,
        btf_id: raw.btf_id,
        btf_key_type_id: raw.btf_key_type_id,
        btf_value_type_id: raw.btf_value_type_id,
        btf_vmlinux_value_type_id: raw.btf_vmlinux_value_type_id,
        btf_vmlinux_id: raw.btf_vmlinux_id,
        extra: raw.map_extra,
    })
}

/// A map's descriptor, together with how many bytes the kernel reads and writes for its keys and values.
///
/// `bpf()` is told where keys and values are, and takes their lengths from the map. So what makes those calls safe is
/// that this struct's lengths are those of its own map, told by the kernel.
#[derive(Debug)]
pub struct MapFd {
    fd: OwnedFd,
    key_bytes: usize,
    /// Of one CPU, if there is a value for each.
    one_value: usize,
    /// `None` while the number of CPUs matters and is not known.
    value_bytes: Option<usize>,
    per_cpu: bool,
}

impl MapFd {
    /// Asks the kernel for the map's sizes.
    ///
    /// For the types that have a value for each CPU, [`for_cpus`](MapFd::for_cpus) has to follow before values can be
    /// read or written.
    ///
    /// # Errors
    /// The kernel's error number.
    ///
    /// # References
    /// `bpf_map_value_size` in `kernel/bpf/syscall.c`.
    pub fn new(fd: OwnedFd) -> Result<(MapFd, MapInfo), Errno> {
        let info = map_info(fd.as_fd())?;
        let bytes = |size| usize::try_from(size).map_err(|_| Errno::E2BIG);
        let (key_bytes, one_value) = (bytes(info.key_size)?, bytes(info.value_size)?);
        let per_cpu = MapType(info.map_type).is_per_cpu();
        Ok((MapFd { fd, key_bytes, one_value, value_bytes: (!per_cpu).then_some(one_value), per_cpu }, info))
    }

    /// The same map, for that many CPUs if it has a value for each.
    #[must_use]
    pub fn for_cpus(self, cpus: &PossibleCpus) -> MapFd {
        if !self.per_cpu {
            return self;
        }
        let value_bytes =
            self.one_value.checked_next_multiple_of(8).and_then(|one| one.checked_mul(cpus.numbers().len()));
        MapFd { value_bytes, ..self }
    }

    /// Bytes of a key.
    #[must_use]
    #[inline]
    pub fn key_bytes(&self) -> usize {
        self.key_bytes
    }

    /// Bytes of a value in a call: those of all CPUs, each rounded up to 8, where there is a value for each.
    ///
    /// `None` where that depends on the number of CPUs, and [`for_cpus`](MapFd::for_cpus) did not tell it.
    #[must_use]
    #[inline]
    pub fn value_bytes(&self) -> Option<usize> {
        self.value_bytes
    }

    /// Whether its type has a value for each CPU.
    #[must_use]
    pub fn is_per_cpu(&self) -> bool {
        self.per_cpu
    }
}

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
