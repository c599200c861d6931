//! What the kernel tells of maps.

use std::os::fd::{AsFd, BorrowedFd};

use bpfasm_object::kernel::{MapType, ProgramType};

use super::Map;
use crate::fdinfo::FdInfo;
use crate::privilege::Action;
use crate::{Error, by_id, sys};

/// What the kernel tells of a map: `struct bpf_map_info`, and the descriptor's `fdinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapInfo {
    /// The id, which no other map has while this one lives.
    pub id: u32,
    /// The type.
    pub map_type: MapType,
    /// The first 15 bytes of the name.
    pub name: String,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value; of one CPU's, where there is one for each.
    pub value_size: u32,
    /// Entries at most; bytes of a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*` of its creation.
    pub flags: u32,
    /// What its type takes besides, such as the number of hash functions of a bloom filter.
    pub extra: u64,
    /// The device that it is offloaded to.
    pub offload: Option<Offload>,
    /// The types of its keys and values.
    pub btf: Option<MapBtf>,
    /// The type in the kernel's BTF, of a `struct_ops` map.
    pub struct_ops: Option<StructOps>,
    /// Bytes of memory that it takes. `None` where `/proc` is not mounted.
    pub memlock_bytes: Option<u64>,
    /// Whether it was frozen. `None` where `/proc` is not mounted, and before Linux 5.2.
    pub frozen: Option<bool>,
    /// What programs an array of programs may hold; `None` also before it holds one.
    pub owner: Option<MapOwner>,
}

/// The device that a map is offloaded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// The device's index.
    pub ifindex: u32,
    /// The device number of its network namespace's file.
    pub netns_dev: u64,
    /// The inode of its network namespace's file.
    pub netns_ino: u64,
}

/// The types of a map's keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapBtf {
    /// The id of the BTF.
    pub id: u32,
    /// The type of the keys in it; 0 for none.
    pub key_type_id: u32,
    /// The type of the values in it; 0 for none.
    pub value_type_id: u32,
}

/// The kernel's type that a `struct_ops` map implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructOps {
    /// The id of the kernel's BTF that has it; 0 before Linux 6.9.
    pub btf_id: u32,
    /// The type in it.
    pub value_type_id: u32,
}

/// What programs an array of programs holds: all have this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapOwner {
    /// Their type.
    pub program_type: ProgramType,
    /// Whether they are machine code.
    pub jited: bool,
}

impl MapInfo {
    /// Asks by a descriptor.
    fn of(map: BorrowedFd<'_>) -> Result<MapInfo, sys::Errno> {
        let raw = sys::map_info(map)?;
        let fdinfo = FdInfo::of(map);
        let number = |name| fdinfo.number(name);
        Ok(MapInfo {
            id: raw.id,
            map_type: MapType(raw.map_type),
            name: raw.name,
            key_size: raw.key_size,
            value_size: raw.value_size,
            max_entries: raw.max_entries,
            flags: raw.flags,
            extra: raw.extra,
            offload: (raw.ifindex != 0).then_some(Offload {
                ifindex: raw.ifindex,
                netns_dev: raw.netns_dev,
                netns_ino: raw.netns_ino,
            }),
            btf: (raw.btf_id != 0).then_some(MapBtf {
                id: raw.btf_id,
                key_type_id: raw.btf_key_type_id,
                value_type_id: raw.btf_value_type_id,
            }),
            struct_ops: (raw.btf_vmlinux_value_type_id != 0)
                .then_some(StructOps { btf_id: raw.btf_vmlinux_id, value_type_id: raw.btf_vmlinux_value_type_id }),
            memlock_bytes: number("memlock"),
            frozen: number("frozen").map(|frozen| frozen != 0),
            owner: number("owner_prog_type").and_then(|owner| u32::try_from(owner).ok()).map(|owner| MapOwner {
                program_type: ProgramType(owner),
                jited: number("owner_jited").is_some_and(|jited| jited != 0),
            }),
        })
    }
}

impl Map {
    /// Asks the kernel what it tells of the map now.
    ///
    /// # Errors
    /// When the kernel refuses, as it does under some security modules.
    pub fn info(&self) -> Result<MapInfo, Error> {
        MapInfo::of(self.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))
    }

    /// Whether it was frozen; false also where that is not to be seen.
    pub(super) fn is_frozen(&self) -> bool {
        self.info().is_ok_and(|info| info.frozen == Some(true))
    }
}

/// The maps in the kernel, by ascending id. One that goes away while it is looked at is passed over.
///
/// The iterator ends after an error; without `CAP_SYS_ADMIN` the first item is one.
///
/// ```no_run
/// for info in bpfasm_loader::map::maps() {
///     let info = info?;
///     println!("{}: {} {}", info.id, info.map_type, info.name);
/// }
/// # Ok::<(), bpfasm_loader::Error>(())
/// ```
pub fn maps() -> impl Iterator<Item = Result<MapInfo, Error>> {
    by_id::walk(sys::map_get_next_id, |id| {
        let fd = sys::map_get_fd_by_id(id)?;
        MapInfo::of(fd.as_fd())
    })
}
