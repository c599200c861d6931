//! Paths for what was loaded.

use std::path::{Path, PathBuf};

use super::Loaded;
use crate::{Error, Program, bpffs};

impl Loaded {
    /// Pins every program in a folder of a bpffs, under its name with `_` for what a bpffs takes in no name. All are
    /// pinned or none. A folder that is missing is made, for this user alone.
    ///
    /// # Errors
    /// [`Error::PinExists`] if one of the paths exists, [`Error::NotBpffs`] if the folder is in no bpffs.
    pub fn pin_programs(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>, Error> {
        let folder = folder.as_ref();
        bpffs::ensure_folder(folder)?;
        let mut pinned = Vec::new();
        for program in self.programs() {
            match pin_in(folder, program) {
                Ok(path) => pinned.push(path),
                Err(error) => {
                    bpffs::unpin(pinned)?;
                    return Err(error);
                }
            }
        }
        Ok(pinned)
    }
}

fn pin_in(folder: &Path, program: &Program) -> Result<PathBuf, Error> {
    let path = folder.join(bpffs::file_name(program.name()));
    program.pin(&path)?;
    Ok(path)
}
