//! Folders: one that goes away with the value, and what is in one.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use crate::error::Error;

/// A folder of this process, outside of the tree.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder, empty.
    ///
    /// # Errors
    ///
    /// The folder can't be made.
    pub fn new(name: &str) -> Result<Self, Error> {
        let path = env::temp_dir().join(format!("bpfasm-{name}-{}", process::id()));
        fs::create_dir(&path).map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind lies in the system's folder for that.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a folder, with those above.
///
/// # Errors
///
/// It can't be made.
pub fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::File { path: folder.to_owned(), source })
}

/// What is in a folder, sorted.
///
/// # Errors
///
/// It can't be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    files.sort();
    Ok(files)
}
