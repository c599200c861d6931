//! Where chores keep what is worth keeping from run to run.

use std::env;
use std::path::PathBuf;

use crate::error::Error;

/// The folder of this name in the user's cache folder. It need not be there yet.
///
/// # Errors
///
/// Neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn folder(name: &str) -> Result<PathBuf, Error> {
    let set = |variable| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("bpfasm").join(name)).ok_or(Error::NoCache)
}
