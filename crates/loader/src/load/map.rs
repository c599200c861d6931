//! The maps of an object: made, or taken from where they are.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use bpfasm_object::{MapDef, MapIx, Object};

use super::{malformed_by, no_such_map};
use crate::map::{Map, MapSpec, UpdateFlags};
use crate::sys::Errno;
use crate::{Error, bpffs};

/// Where an object's maps come from, other than from the kernel's `BPF_MAP_CREATE`.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    /// Maps to be taken, by name.
    pub reused: Vec<(String, Map)>,
    /// The folder where maps are pinned by their names.
    pub folder: Option<PathBuf>,
}

impl Sources {
    /// All maps of an object, in its order.
    pub fn open_all(&self, object: &Object, btf: Option<BorrowedFd<'_>>) -> Result<Vec<Map>, Error> {
        let names = || object.maps.iter().map(|map| map.name.as_str());
        if let Some((missing, _)) = self.reused.iter().find(|(name, _)| names().all(|own| own != name)) {
            return Err(no_such_map(missing, names()));
        }
        if let Some(folder) = &self.folder {
            bpffs::ensure_folder(folder)?;
        }
        object.maps.iter().map(|map| self.open(object, map, btf)).collect()
    }

    fn open(&self, object: &Object, map: &MapDef, btf: Option<BorrowedFd<'_>>) -> Result<Map, Error> {
        let spec = spec(object, map)?;
        if let Some((_, reused)) = self.reused.iter().find(|(name, _)| *name == map.name) {
            return spec.accept(reused.clone());
        }
        let types = btf.zip(types(map)).map(|(btf, (key, value))| (btf, key, value));
        let opened = match &self.folder {
            // Every load has its own variables.
            _ if map.data.is_some() => Map::create_typed(&spec, types).and_then(|made| filled(made, map)),
            Some(folder) => Map::shared(&spec, types, &folder.join(bpffs::file_name(&map.name))),
            None => Map::create_typed(&spec, types),
        };
        opened.map_err(|error| match error {
            // What makes no map in this kernel is the object's fault, unless it is more than this process may have.
            Error::Map { errno, .. } if errno != Errno::ENOMEM => Error::MalformedObject {
                reason: format!("the kernel refuses the {} map `{}`", map.map_type, map.name),
                source: Some(Box::new(errno)),
            },
            error => error,
        })
    }
}

/// The types of a map's keys and values. A data section has none for its key: the kernel knows it by that.
fn types(map: &MapDef) -> Option<(u32, u32)> {
    let value = map.value.type_id()?.0;
    match map.key.type_id() {
        Some(key) => Some((key.0, value)),
        None => map.data.is_some().then_some((0, value)),
    }
}

/// A new map with the bytes of its data section in it, for good if programs only read them.
fn filled(made: Map, map: &MapDef) -> Result<Map, Error> {
    // What has no bytes is all zeros, as the kernel made it.
    if let Some(data) = map.data.as_deref().filter(|data| !data.is_empty()) {
        made.update(&0_u32.to_ne_bytes(), data, UpdateFlags::ANY)?;
    }
    if map.is_read_only_section() {
        made.freeze()?;
    }
    Ok(made)
}

/// What an object says of a map.
fn spec(object: &Object, map: &MapDef) -> Result<MapSpec, Error> {
    let key_size = map.key.size(&object.btf).map_err(malformed_by)?;
    let value_size = map.value.size(&object.btf).map_err(malformed_by)?;
    Ok(MapSpec::new(map.map_type, key_size, value_size, map.max_entries).name(&map.name).flags(map.flags))
}

/// The descriptor of a map of the object.
pub(super) fn find(maps: &[Map], index: MapIx) -> Option<BorrowedFd<'_>> {
    Some(maps.get(usize::try_from(index.0).ok()?)?.as_fd())
}
