//! Maps: what programs and user space share.
//!
//! # Terms
//!
//! - A [`Map`] is held by a descriptor that its clones share. Its keys and values are bytes there.
//! - A [`TypedMap`] is the same with types for them.
//! - A [`MapSpec`] is what one is created as; [`MapInfo`] is what the kernel tells of one; [`maps`] walks all there are.
//!
//! # References
//! `include/uapi/linux/bpf.h`; <https://docs.kernel.org/bpf/maps.html>

mod batch;
mod element;
mod info;
mod pin;
mod refusal;
mod spec;
mod typed;
mod value;
mod walk;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bpfasm_object::kernel::MapType;

pub use element::UpdateFlags;
pub use info::{MapBtf, MapInfo, MapOwner, Offload, StructOps, maps};
pub use refusal::Protection;
pub use spec::{Difference, MapSpec};
pub use typed::{Iter, TypedMap};
pub use value::{MapValue, PerCpu};
pub use walk::{Entries, Keys};

use crate::Error;
use crate::privilege::Action;
use crate::sys::{self, Errno, MapFd, PossibleCpus};

/// A map in the kernel, held by a descriptor that clones of this value share.
///
/// The kernel frees it when the last of its holders is gone: these values, programs, pins.
///
/// ```no_run
/// use bpfasm_loader::map::{Map, UpdateFlags};
///
/// let map = Map::from_pin("/sys/fs/bpf/counts")?;
/// map.update(&1_u32.to_ne_bytes(), &7_u64.to_ne_bytes(), UpdateFlags::ANY)?;
/// assert_eq!(map.lookup(&1_u32.to_ne_bytes())?, Some(7_u64.to_ne_bytes().to_vec()));
/// # Ok::<(), bpfasm_loader::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Map {
    name: Arc<str>,
    open: Arc<Open>,
}

/// What clones share.
#[derive(Debug)]
struct Open {
    fd: MapFd,
    info: sys::MapInfo,
}

impl Map {
    /// Takes a map's descriptor. The kernel keeps 15 bytes of its name; who knows the full one tells it.
    pub(crate) fn adopt(fd: OwnedFd, name: Option<&str>) -> Result<Map, Error> {
        let (fd, info) = MapFd::new(fd).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
        let fd = if fd.is_per_cpu() { fd.for_cpus(cpus()?) } else { fd };
        Ok(Map { name: name.unwrap_or(&info.name).into(), open: Arc::new(Open { fd, info }) })
    }

    /// The same map, under a name that it has in an object.
    pub(crate) fn named(self, name: &str) -> Map {
        Map { name: name.into(), ..self }
    }

    /// Opens a map by its id.
    ///
    /// # Errors
    /// [`Error::NoSuchId`]; not permitted without `CAP_SYS_ADMIN`.
    pub fn from_id(id: u32) -> Result<Map, Error> {
        let fd = sys::map_get_fd_by_id(id).map_err(|errno| match errno {
            Errno::ENOENT => Error::NoSuchId { what: "map", id },
            errno => Error::sys(Action::OPEN_BY_ID, errno),
        })?;
        Map::adopt(fd, None)
    }

    /// The full name, where it was loaded or created here; else the 15 bytes that the kernel keeps.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id, which no other map has while this one lives.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.open.info.id
    }

    /// The type.
    #[must_use]
    pub fn map_type(&self) -> MapType {
        MapType(self.open.info.map_type)
    }

    /// Bytes of a key.
    #[must_use]
    pub fn key_size(&self) -> u32 {
        self.open.info.key_size
    }

    /// Bytes of a value; of one CPU's, where there is one for each.
    #[must_use]
    pub fn value_size(&self) -> u32 {
        self.open.info.value_size
    }

    /// Entries at most; bytes of a ring buffer.
    #[must_use]
    pub fn max_entries(&self) -> u32 {
        self.open.info.max_entries
    }

    /// `BPF_F_*` of its creation, but for those that are of the descriptor (`BPF_F_RDONLY`, `BPF_F_WRONLY`).
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.open.info.flags
    }

    /// Bytes of a value as [`lookup`](Map::lookup) gives it: [`value_size`](Map::value_size), or that rounded up to 8
    /// for each of the [`possible_cpus`].
    #[must_use]
    #[inline]
    pub fn value_bytes(&self) -> usize {
        // `adopt` tells the number of CPUs.
        self.open.fd.value_bytes().unwrap_or_default()
    }

    /// Its descriptor, for the calls of [`sys`].
    #[must_use]
    #[inline]
    pub fn as_map_fd(&self) -> &MapFd {
        &self.open.fd
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.fd.as_fd()
    }
}

/// The numbers of the CPUs that there may ever be, ascending: the values of a per-CPU map are in this order.
///
/// # Errors
/// Where sysfs is not mounted, or `/sys/devices/system/cpu/possible` holds no list.
pub fn possible_cpus() -> Result<&'static [u32], Error> {
    Ok(cpus()?.numbers())
}

fn cpus() -> Result<&'static PossibleCpus, Error> {
    PossibleCpus::get().map_err(|source| Error::File { path: PossibleCpus::PATH.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Map>();
        crosses::<TypedMap<u32, PerCpu<u64>>>();
        crosses::<Iter<u32, u32>>();
    }
}
