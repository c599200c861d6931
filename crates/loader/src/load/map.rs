//! The maps of an object.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpfasm_object::kernel::MapType;
use bpfasm_object::{MapDef, MapIx, Object};

use super::{malformed_by, memlock};
use crate::Error;
use crate::privilege::Action;
use crate::sys::{self, Errno, MapCreate};

/// A map in the kernel, held by a descriptor.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    name: String,
    map_type: MapType,
}

impl Map {
    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type.
    #[must_use]
    pub fn map_type(&self) -> MapType {
        self.map_type
    }

    /// Asks the kernel for the map's id, which no other map has while this one lives.
    ///
    /// # Errors
    /// When the kernel refuses, as it does under some security modules.
    pub fn id(&self) -> Result<u32, Error> {
        let info = sys::map_info(self.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
        Ok(info.id)
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes all maps of an object, in its order.
pub(super) fn create_all(object: &Object, btf: Option<BorrowedFd<'_>>) -> Result<Vec<Map>, Error> {
    object.maps.iter().map(|map| create(object, map, btf)).collect()
}

/// The descriptor of a map of the object.
pub(super) fn find(maps: &[Map], index: MapIx) -> Option<BorrowedFd<'_>> {
    Some(maps.get(usize::try_from(index.0).ok()?)?.as_fd())
}

fn create(object: &Object, map: &MapDef, btf: Option<BorrowedFd<'_>>) -> Result<Map, Error> {
    let types = btf.zip(map.key.type_id().zip(map.value.type_id()));
    let typed = MapCreate {
        map_type: map.map_type.0,
        key_size: map.key.size(&object.btf).map_err(malformed_by)?,
        value_size: map.value.size(&object.btf).map_err(malformed_by)?,
        max_entries: map.max_entries,
        flags: map.flags,
        name: &map.name,
        btf: types.map(|(btf, (key, value))| (btf, key.0, value.0)),
        extra: 0,
    };
    let make = |create: &MapCreate<'_>| memlock::retry(|| sys::map_create(create), |&errno| errno);
    let made = match make(&typed) {
        // Some types of map take no types of keys and values, and each kernel says so in its way.
        Err(errno) if typed.btf.is_some() && errno != Errno::EPERM => make(&MapCreate { btf: None, ..typed.clone() }),
        made => made,
    };
    let fd = made.map_err(|errno| explain(map, errno))?;
    Ok(Map { fd, name: map.name.clone(), map_type: map.map_type })
}

fn explain(map: &MapDef, errno: Errno) -> Error {
    match errno {
        Errno::EPERM => Error::sys(Action::CREATE_MAP, errno),
        Errno::EINVAL if is_unknown(map.map_type) => {
            Error::Unsupported { what: format!("{} maps", map.map_type), since: map.map_type.first_kernel() }
        }
        errno => Error::MalformedObject {
            reason: format!("the kernel refuses the {} map `{}`", map.map_type, map.name),
            source: Some(Box::new(errno)),
        },
    }
}

/// Whether the kernel does not know a type of map: it then refuses the type before it looks at anything else, with the
/// error that it gives for a type that no kernel has.
fn is_unknown(map_type: MapType) -> bool {
    // Sizes that no type of map takes all three of: a type that is known objects with another error, or makes the map.
    let plausible = [(4, 4, 1), (0, 4, 1), (0, 0, 4096), (4, 0, 1)];
    plausible.iter().all(|&(key_size, value_size, max_entries)| {
        let create = MapCreate { map_type: map_type.0, key_size, value_size, max_entries, ..MapCreate::default() };
        sys::map_create(&create).err() == Some(Errno::EINVAL)
    })
}
