//! Maps that have a path.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::{Map, MapSpec};
use crate::{Error, bpffs};

/// How often a pin may come and go between two looks at it.
const ATTEMPTS: u32 = 100;

impl Map {
    /// Opens a pinned map.
    ///
    /// # Errors
    /// [`Error::NoSuchPin`] if there is no such path or it is not in a bpffs, [`Error::Usage`] if something else is
    /// pinned there.
    pub fn from_pin(path: impl AsRef<Path>) -> Result<Map, Error> {
        Map::adopt(bpffs::open(path.as_ref(), bpffs::Kind::Map)?, None)
    }

    /// Opens the map at a path of a bpffs, or makes one and pins it there. Of many that do so at once, one makes the map
    /// that all get.
    ///
    /// # Errors
    /// [`Error::MapDiffers`] if the map there is not what is asked for. Others as [`create`](Map::create) and
    /// [`pin`](Map::pin).
    pub fn open_or_create(path: impl AsRef<Path>, spec: &MapSpec) -> Result<Map, Error> {
        Map::shared(spec, None, path.as_ref())
    }

    /// As [`open_or_create`](Map::open_or_create), with the types of keys and values.
    pub(crate) fn shared(spec: &MapSpec, btf: Option<(BorrowedFd<'_>, u32, u32)>, path: &Path) -> Result<Map, Error> {
        let mut made = None;
        for _ in 0..ATTEMPTS {
            match Map::from_pin(path) {
                Err(Error::NoSuchPin { .. }) => {}
                opened => return spec.accept(opened?),
            }
            // Only a map that is complete gets the path, so nobody sees half of one.
            let map = match made.take() {
                Some(map) => map,
                None => Map::create_typed(spec, btf)?,
            };
            match map.pin(path) {
                Err(Error::PinExists { .. }) => made = Some(map),
                pinned => return pinned.map(|()| map),
            }
        }
        Err(Error::PinChanging { path: path.to_owned() })
    }

    /// Gives the map a path in a bpffs, where it stays after the last descriptor is closed.
    ///
    /// # Errors
    /// [`Error::PinExists`] if the path exists, [`Error::NotBpffs`] if it is in no bpffs.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        bpffs::pin(self.as_fd(), path.as_ref())
    }

    /// Removes a path of this map from a bpffs.
    ///
    /// # Errors
    /// [`Error::NoSuchPin`] if there is no such path, [`Error::Usage`] if something else is pinned there.
    pub fn unpin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let pinned = Map::from_pin(path)?;
        if pinned.id() != self.id() {
            let what = format!("{} is a pin of map {}, not of {}", path.display(), pinned.id(), self.id());
            return Err(Error::Usage { what });
        }
        bpffs::unpin(vec![path.to_owned()])
    }
}
