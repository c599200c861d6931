//! What guests run: the kernel suite and the command line, as static binaries.

use std::path::PathBuf;

use bpfasm_guest::executable;

use crate::chore::{bytes, cargo};
use crate::error::Error;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &str = "-C target-feature=+crt-static";

/// The binaries' files.
#[derive(Debug)]
pub struct Binaries {
    /// The kernel suite.
    pub suite: PathBuf,
    /// `bpfasm`.
    pub cli: PathBuf,
}

impl Binaries {
    /// Builds them.
    ///
    /// # Errors
    ///
    /// They don't build.
    pub fn build() -> Result<Self, Error> {
        let mut build = cargo();
        build
            .args(["build", "--quiet", "--profile", "guest", "--target", TARGET])
            .args(["--package", "bpfasm-tests", "--test", "kernel", "--package", "bpfasm-cli", "--bin", "bpfasm"])
            .args(["--message-format", "json-render-diagnostics"])
            .env("RUSTFLAGS", FLAGS);
        let messages = bytes(&mut build)?;
        let file = |name| executable(&messages, name).map(PathBuf::from).ok_or(Error::NotBuilt { name });
        Ok(Self { suite: file("kernel")?, cli: file("bpfasm")? })
    }
}
