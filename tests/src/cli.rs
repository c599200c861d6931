//! The `bpfasm` binary: built once a run, used by cases.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use bpfasm_guest::executable;

use crate::net::Namespace;

pub use bpfasm_guest::CLI_VARIABLE as VARIABLE;
/// The folder in which cargo builds, for all that cases make it build.
pub const TARGET_VARIABLE: &str = "CARGO_TARGET_DIR";
/// The program file that the suite's main cases build and attach.
pub const PROGRAM: &str = "programs/tc_drop.rs";

/// A command line of `bpfasm`.
///
/// # Panics
///
/// When the case does not need [`need::CLI`](crate::need::CLI).
#[track_caller]
pub fn bpfasm() -> Command {
    Command::new(path())
}

/// The path of the `bpfasm` binary.
///
/// # Panics
///
/// When the case does not need [`need::CLI`](crate::need::CLI).
#[track_caller]
pub fn path() -> PathBuf {
    env::var_os(VARIABLE).expect("the case should need CLI").into()
}

/// The workspace's root folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a folder of the workspace")
}

/// [`PROGRAM`], with its folder.
pub fn program() -> PathBuf {
    workspace().join(PROGRAM)
}

/// Whether this is a machine that builds: with cargo and with the sources.
pub(crate) fn can_build() -> Result<(), String> {
    let manifest = workspace().join("crates/cli/Cargo.toml");
    fs::metadata(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    match cargo().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo --version: {status}")),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

/// What [`VARIABLE`] is for cases: the binary given from outside, or one built now.
pub(crate) fn build() -> Result<OsString, String> {
    static BUILT: LazyLock<Result<OsString, String>> = LazyLock::new(|| match env::var_os(VARIABLE) {
        Some(given) => Ok(given),
        None => build_here().map_err(|error| format!("cargo build -p bpfasm-cli: {error}")),
    });
    BUILT.clone()
}

/// What [`TARGET_VARIABLE`] is for cases: a folder where a program file has been built before.
///
/// The first such build compiles the compiler; here it does so in a network namespace with nothing in it.
pub(crate) fn warm_up() -> Result<OsString, String> {
    let target = own_build().map_err(|error| error.to_string())?.target;
    let mut command = Command::new(build()?);
    command.arg("build").arg(program()).args(["-o", "/dev/null"]).env(TARGET_VARIABLE, &target);
    let alone = Namespace::new().map_err(|error| error.to_string())?;
    let output = alone.run(|| command.output()).map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(target.into())
    } else {
        Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

fn build_here() -> io::Result<OsString> {
    let own = own_build()?;
    let output = cargo()
        .args(["build", "--quiet", "--package", "bpfasm-cli", "--message-format", "json-render-diagnostics"])
        .args(["--profile", &own.profile])
        .arg("--target-dir")
        .arg(&own.target)
        .current_dir(workspace())
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    executable(&output.stdout, "bpfasm").map(Into::into).ok_or_else(|| io::Error::other("no binary was built"))
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// How the running binary was built.
struct OwnBuild {
    target: PathBuf,
    profile: String,
}

/// Binaries are built beside the running one, `TARGET[/TRIPLE]/PROFILE/deps/kernel-HASH`, where much is built already.
fn own_build() -> io::Result<OwnBuild> {
    let exe = env::current_exe()?;
    let profile = exe.ancestors().nth(2).and_then(Path::file_name).and_then(|name| name.to_str());
    let target = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    match (target, profile) {
        (Some(target), Some(profile)) => Ok(OwnBuild {
            target: target.to_owned(),
            profile: if profile == "debug" { "dev" } else { profile }.to_owned(),
        }),
        _ => Err(io::Error::other(format!("{}: not in a target folder of cargo", exe.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_where_the_program_is_built_from() {
        assert!(workspace().join("tests/Cargo.toml").is_file());
    }
}
