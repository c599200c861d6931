//! Where objects are pinned.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::fdinfo::FdInfo;
use crate::{Error, mounts, sys};

/// An object that may be pinned, by its kind and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pinned {
    /// A program.
    Program(u32),
    /// A map.
    Map(u32),
    /// A link.
    Link(u32),
}

/// What is pinned in the bpffs instances of this mount namespace, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<Pinned, Vec<PathBuf>>);

impl Pins {
    /// Looks into every bpffs. Folders and pins that this process may not open are passed over.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn find() -> Result<Pins, Error> {
        let mut pins = Pins::default();
        for root in mounts::points_of("bpf")? {
            pins.look_into(&root);
        }
        Ok(pins)
    }

    /// The paths of an object, sorted.
    #[must_use]
    pub fn of(&self, object: Pinned) -> &[PathBuf] {
        self.0.get(&object).map_or(&[], Vec::as_slice)
    }

    fn look_into(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            // Not followed: a link could lead around in circles.
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => self.look_into(&path),
                Ok(found) if found.is_file() => {
                    if let Some(object) = object_at(&path) {
                        self.0.entry(object).or_default().push(path);
                    }
                }
                _ => {}
            }
        }
    }
}

fn object_at(path: &Path) -> Option<Pinned> {
    let object = sys::obj_get(path).ok()?;
    let info = FdInfo::of(object.as_fd());
    let id = |name| info.number(name).and_then(|id| u32::try_from(id).ok());
    // A link's text also has the id of its program.
    let link = id("link_id").map(Pinned::Link);
    link.or_else(|| id("map_id").map(Pinned::Map)).or_else(|| id("prog_id").map(Pinned::Program))
}
