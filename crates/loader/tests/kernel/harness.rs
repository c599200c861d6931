//! What a test needs, and the namespace it runs in.

use std::error::Error;
use std::process::Command;
use std::thread;

use bpfasm_loader::sys::{self, Errno};
use libtest_mimic::{Completion, Failed, Trial};

/// What the body of a test returns.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Something that not every machine has.
#[derive(Clone, Copy)]
pub enum Need {
    /// The right to make namespaces and load programs.
    Privileges,
    /// TCX links.
    Tcx,
    /// The `tc` and `ip` commands.
    Iproute2,
}

impl Need {
    /// Why the machine does not have it.
    fn lacking(self) -> Option<String> {
        match self {
            // Seen when the namespace is made.
            Need::Privileges => None,
            Need::Tcx => match sys::prog_query_tcx(1, 46) {
                Err(Errno::EINVAL) => Some("the kernel has no TCX (Linux 6.6)".to_owned()),
                _ => None,
            },
            Need::Iproute2 => {
                let found = Command::new("tc").arg("-V").output().is_ok();
                (!found).then(|| "the tc command is not installed".to_owned())
            }
        }
    }
}

/// A test of that name.
pub fn test(name: &str, needs: &'static [Need], body: fn() -> Outcome) -> Trial {
    Trial::ignorable_test(name, move || {
        let run = move || -> Result<Completion, Failed> {
            // The tc command mounts a bpffs where it finds none: in a mount namespace of the test's own.
            if let Err(errno) = sys::unshare_net().and_then(|()| sys::unshare_mount()) {
                return Ok(Completion::ignored_with(format!("no fresh namespaces: {errno}")));
            }
            if let Some(reason) = needs.iter().find_map(|need| need.lacking()) {
                return Ok(Completion::ignored_with(reason));
            }
            body().map(|()| Completion::Completed).map_err(|error| Failed::from(error.to_string()))
        };
        let thread =
            thread::Builder::new().name("in a namespace".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        thread.join().unwrap_or_else(|panic| Err(Failed::from(words(&panic))))
    })
}

fn words(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "panicked".to_owned())
}

/// Unmounts every bpffs in the thread's mount namespace.
pub fn without_bpffs() -> Outcome {
    while let Some(path) = bpfasm_loader::bpffs::find()? {
        nix::mount::umount2(&path, nix::mount::MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// Runs a command of iproute2 in the thread's namespace, and gives what it prints.
pub fn command(line: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut words = line.split_whitespace();
    let program = words.next().ok_or("an empty command")?;
    let output = Command::new(program).args(words).output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// The filters of a side of `lo`, as `tc` tells them: one JSON object each, without the rows that stand for a whole
/// priority.
pub fn tc_filters(direction: &str) -> Result<Vec<serde_json::Value>, Box<dyn Error + Send + Sync>> {
    let text = command(&format!("tc -j filter show dev lo {direction}"))?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    Ok(rows.into_iter().filter(|row| row.get("options").is_some()).collect())
}
