//! Commands that chores run, in the workspace's root folder.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;

/// The workspace's root folder.
pub fn workspace() -> &'static Path {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    tools.and_then(Path::parent).unwrap_or(Path::new("."))
}

/// Cargo, of the toolchain that this chore was started with.
pub fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// A command without input, run in the root folder.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace()).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
///
/// # Errors
///
/// It can't be started, or it fails.
pub fn run(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|source| Error::Start { command: line(command), source })?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: line(command), status }) }
}

/// Runs a command to its end, and gives what it writes.
///
/// # Errors
///
/// Those of [`run`].
pub fn bytes(command: &mut Command) -> Result<Vec<u8>, Error> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|source| Error::Start { command: line(command), source })?;
    match output.status {
        status if status.success() => Ok(output.stdout),
        status => Err(Error::Failed { command: line(command), status }),
    }
}

/// The same, as text.
///
/// # Errors
///
/// Those of [`run`].
pub fn output(command: &mut Command) -> Result<String, Error> {
    bytes(command).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A command as one would type it.
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = command.get_args().map(|word| word.to_string_lossy());
    words.fold(program.to_string_lossy().into_owned(), |line, word| line + " " + &word)
}
