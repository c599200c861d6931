//! Building under sudo: the author's code gets the rights of the user who called sudo, never root's.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::{Built, Error, Request, exit_kind};

/// The hidden verb by which this command calls itself as another user.
pub const STAGE: &str = "stage-as-user";

/// The user who called sudo, where this process is root by sudo.
pub fn invoking() -> Option<User> {
    let id = |name: &str| env::var(name).ok()?.parse::<u32>().ok();
    let uid = Uid::from_raw(id("SUDO_UID")?);
    if !geteuid().is_root() || uid.is_root() {
        return None;
    }
    let mut user = User::from_uid(uid).ok()??;
    if let Some(gid) = id("SUDO_GID") {
        user.gid = Gid::from_raw(gid);
    }
    Some(user)
}

/// Builds in a process of this same executable that has the user's rights.
///
/// # Errors
///
/// As [`super::build`]; what the other process had to say is on standard error already.
pub fn build_as(user: &User, request: &Request) -> Result<Built, Error> {
    // By this path the executable is found even where the user may not look.
    let executable = PathBuf::from("/proc/self/exe");
    let request = serde_json::to_string(request)
        .map_err(|source| Error::Outcome { what: "request", reason: source.to_string() })?;
    // Setting the user id from root also gives up root's supplementary groups.
    let output = Command::new(&executable)
        .args([STAGE, &request])
        .env("HOME", &user.dir)
        .env("USER", &user.name)
        .env("LOGNAME", &user.name)
        .env("PATH", path_with_cargo(user))
        .uid(user.uid.as_raw())
        .gid(user.gid.as_raw())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Run { path: executable, source })?;
    match output.status.code() {
        Some(0) => serde_json::from_slice(&output.stdout)
            .map_err(|source| Error::Outcome { what: "outcome", reason: source.to_string() }),
        code => Err(Error::Staging { kind: exit_kind(code) }),
    }
}

/// The search path with the user's own cargo in front, which sudo's secure path leaves out.
fn path_with_cargo(user: &User) -> OsString {
    let own = user.dir.join(".cargo/bin");
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths([own].into_iter().chain(env::split_paths(&rest))).unwrap_or(rest)
}

/// What the other process does: builds as told, and writes what it made.
///
/// # Errors
///
/// As [`super::build`].
pub fn stage(request: &str, out: &mut impl io::Write) -> Result<(), Error> {
    let wrong = |source: serde_json::Error| Error::Outcome { what: "request", reason: source.to_string() };
    let request: Request = serde_json::from_str(request).map_err(wrong)?;
    let built = super::build_here(&request)?;
    serde_json::to_writer(out, &built).map_err(wrong)
}
