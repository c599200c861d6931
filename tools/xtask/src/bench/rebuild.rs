//! Edit and rebuild: what an author waits for after changing a line of a program file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::times::Times;
use crate::chore::{cargo, command, run, workspace};
use crate::error::Error;
use crate::scratch::Scratch;

/// What was measured of `bpfasm build`.
#[derive(Debug)]
pub struct Figures {
    /// The first build, which compiles the eDSL.
    pub first: Times,
    /// After a constant has changed.
    pub edited: Times,
    /// With nothing changed.
    pub unchanged: Times,
}

/// The constant that is edited: the blocked address.
const CONSTANT: &str = "Ipv4Addr::new(192, 168, 1, 1)";

/// Builds `programs/tc_drop.rs` in a package of its own, again after each of some edits.
///
/// # Errors
///
/// The command can't be built, or a build fails.
pub fn measure(edits: u32) -> Result<Figures, Error> {
    run(cargo().args(["build", "--quiet", "--release", "--package", "bpfasm-cli"]))?;
    let scratch = Scratch::new("rebuild")?;
    let source = workspace().join("programs/tc_drop.rs");
    let text = fs::read_to_string(&source).map_err(|error| Error::File { path: source.clone(), source: error })?;
    if !text.contains(CONSTANT) {
        return Err(Error::NothingToEdit { path: source, wanted: CONSTANT });
    }
    package(scratch.path())?;
    let file = scratch.path().join("tc_drop.rs");
    let mut figures = Figures { first: Times::default(), edited: Times::default(), unchanged: Times::default() };
    write(&file, &text)?;
    figures.first.time(|| run(&mut build(scratch.path())?))?;
    for last in 2..2 + edits {
        write(&file, &text.replace(CONSTANT, &format!("Ipv4Addr::new(192, 168, 1, {last})")))?;
        figures.edited.time(|| run(&mut build(scratch.path())?))?;
        figures.unchanged.time(|| run(&mut build(scratch.path())?))?;
    }
    Ok(figures)
}

/// A package that can hold a program file, with the versions of this workspace.
fn package(folder: &Path) -> Result<(), Error> {
    let facade = workspace().join("crates/bpfasm");
    let manifest = format!(
        "[package]\nname = \"edited\"\nedition = \"2024\"\n\n[lib]\npath = \"tc_drop.rs\"\n\n\
         [dependencies]\nbpfasm = {{ package = \"bpfasm-rs\", path = {facade:?} }}\n"
    );
    write(&folder.join("Cargo.toml"), &manifest)?;
    let (from, to) = (workspace().join("Cargo.lock"), folder.join("Cargo.lock"));
    fs::copy(&from, to).map(drop).map_err(|source| Error::File { path: from, source })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// The command lies beside this one: both were built in release mode.
fn build(folder: &Path) -> Result<Command, Error> {
    let own = env::current_exe().map_err(|source| Error::File { path: PathBuf::from("/proc/self/exe"), source })?;
    let mut build = command(own.with_file_name("bpfasm"));
    build.args(["build", "tc_drop.rs", "-o", "/dev/null"]).current_dir(folder);
    // The folder belongs to whoever runs this, also under sudo, and so does its target folder.
    build.env_remove("SUDO_UID").env("CARGO_TARGET_DIR", folder.join("target"));
    // Its words are no part of the figures.
    build.stderr(std::process::Stdio::null());
    Ok(build)
}
