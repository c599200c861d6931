//! The types of a map's keys and values.

use std::os::fd::AsFd;

use bpfasm_isa::Endian;
use bpfasm_object::TypeId;
use bpfasm_object::btf::{AssignError, Btf, Value};

use crate::Error;
use crate::map::{Map, MapBtf, MapInfo, StructOps};
use crate::privilege::Action;
use crate::sys::{self, Errno};

/// The types of a map's keys and values, to show them and to write them as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapTypes {
    btf: Btf,
    key: Option<TypeId>,
    value: TypeId,
}

impl MapTypes {
    /// The types of a map. `None` for a map without, and where the kernel does not show them.
    ///
    /// # Errors
    /// When the kernel refuses what it should not: [`Error::Sys`].
    pub fn of(map: &Map) -> Result<Option<MapTypes>, Error> {
        let Some((btf_id, key, value)) = type_ids(&map.info()?) else { return Ok(None) };
        let found = sys::btf_get_fd_by_id(btf_id).and_then(|btf| sys::btf_info(btf.as_fd()));
        match found {
            Ok(found) => Ok(Btf::parse(&found.data).ok().map(|btf| MapTypes { btf, key, value })),
            // Opening by id is another privilege than reading the map.
            Err(Errno::EPERM | Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::sys(Action::OPEN_BY_ID, errno)),
        }
    }

    /// A key, taken apart.
    #[must_use]
    pub fn key(&self, bytes: &[u8]) -> Option<Value<'_>> {
        self.key.map(|id| self.btf.value(id, bytes, Endian::NATIVE))
    }

    /// A value, taken apart.
    #[must_use]
    pub fn value(&self, bytes: &[u8]) -> Value<'_> {
        self.btf.value(self.value, bytes, Endian::NATIVE)
    }

    /// Puts text into a part of a key, as [`Btf::assign`] does. `None` if the key's type is not known.
    pub fn assign_key(&self, path: &str, text: &str, bytes: &mut [u8]) -> Option<Result<(), AssignError>> {
        self.key.map(|id| self.btf.assign(id, path, text, bytes, Endian::NATIVE))
    }

    /// Puts text into a part of a value, as [`Btf::assign`] does.
    ///
    /// # Errors
    /// As [`Btf::assign`].
    pub fn assign_value(&self, path: &str, text: &str, bytes: &mut [u8]) -> Result<(), AssignError> {
        self.btf.assign(self.value, path, text, bytes, Endian::NATIVE)
    }
}

/// The BTF's id, and in it the types of key and value.
fn type_ids(info: &MapInfo) -> Option<(u32, Option<TypeId>, TypeId)> {
    if let Some(StructOps { btf_id, value_type_id }) = info.struct_ops {
        return (btf_id != 0).then_some((btf_id, None, TypeId(value_type_id)));
    }
    let MapBtf { id, key_type_id, value_type_id } = info.btf?;
    let key = (key_type_id != 0).then_some(TypeId(key_type_id));
    (value_type_id != 0).then_some((id, key, TypeId(value_type_id)))
}
