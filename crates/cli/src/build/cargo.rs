//! Every run of cargo.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cargo_metadata::Message;

use super::Error;
use super::generate::Crate;
use crate::report;

/// What cargo says when the offline attempt failed for want of a crate, and not because of the code.
const WANTS_NETWORK: [&str; 2] = ["--offline was specified", "you're using offline mode (--offline)"];

/// `cargo metadata` of a manifest's workspace, without resolving its dependencies: no network, no lock file.
///
/// # Errors
///
/// Cargo can't be run, or it says no; what it said has been shown.
pub fn metadata(manifest: &Path) -> Result<String, Error> {
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let output = output(&mut command)?;
    if !output.status.success() {
        show(&output);
        return Err(Error::Reported);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds the generated crate and gives the executable.
///
/// Cargo runs in `folder`, the program file's package, so that its configuration and toolchain apply. The first
/// attempt is offline, and only missing crates lead to a second one.
///
/// # Errors
///
/// Cargo can't be run, or the build fails; rustc's errors have been shown.
pub fn build(generated: &Crate, folder: &Path) -> Result<PathBuf, Error> {
    if !generated.target.join("debug").is_dir() {
        report::note("compiling the eDSL for this workspace's program files; that is needed once");
    }
    let offline = output(build_command(generated, folder).arg("--offline"))?;
    let words = String::from_utf8_lossy(&offline.stderr);
    let output = if !offline.status.success() && WANTS_NETWORK.iter().any(|sign| words.contains(sign)) {
        output(&mut build_command(generated, folder))?
    } else {
        offline
    };
    show(&output);
    if !output.status.success() {
        return Err(Error::Reported);
    }
    executable(&output.stdout).ok_or(Error::NoExecutable)
}

fn build_command(generated: &Crate, folder: &Path) -> Command {
    let mut command = cargo();
    command
        .args(["build", "--quiet", "--message-format", "json-render-diagnostics"])
        .args(["--color", if colour() { "always" } else { "never" }])
        .arg("--manifest-path")
        .arg(generated.folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&generated.target)
        .current_dir(folder);
    command
}

/// The executable among cargo's messages.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    Message::parse_stream(messages).filter_map(Result::ok).find_map(|message| match message {
        Message::CompilerArtifact(artifact) => artifact.executable.map(Into::into),
        _ => None,
    })
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Result<Output, Error> {
    command.output().map_err(|source| Error::Cargo { source })
}

/// Hands cargo's words on as they are; that they can't be shown is no reason to fail.
fn show(output: &Output) {
    let _ = io::stderr().write_all(&output.stderr);
}

/// Whether words on standard error may be coloured.
fn colour() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_other_messages() {
        let messages = concat!(
            r#"{"reason":"build-script-executed","package_id":"a","linked_libs":[],"linked_paths":[],"cfgs":[],"env":[],"out_dir":"/o"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","package_id":"a","manifest_path":"/a/Cargo.toml","target":{"kind":["bin"],"crate_types":["bin"],"name":"a","src_path":"/a/src/main.rs","edition":"2024","doc":true,"doctest":false,"test":true},"profile":{"opt_level":"0","debuginfo":0,"debug_assertions":true,"overflow_checks":true,"test":false},"features":[],"filenames":["/t/debug/a"],"executable":"/t/debug/a","fresh":false}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages.as_bytes()), Some(PathBuf::from("/t/debug/a")));
        assert_eq!(executable(b"{\"reason\":\"build-finished\",\"success\":true}\n"), None);
    }
}
