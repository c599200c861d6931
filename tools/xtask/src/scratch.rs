//! A folder that goes away with the value.

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
