//! `bpfasm detach`: takes away what this command attached.

use std::path::{Path, PathBuf};

use bpfasm::loader;
use bpfasm::loader::attach::{Ours, find_ours};

use crate::error::Error;
use crate::hook::Hook;
use crate::report;

/// Detach everything of bpfasm's from hooks, and nothing of anybody else's.
///
/// With --mine from every device of this network namespace, and from the given control groups and all groups below them.
/// Pins below BPFFS/bpfasm whose attachment is no more go too; what hangs in other network namespaces and at other groups
/// stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm detach tc:eth0:ingress
  sudo bpfasm detach cgroup:/sys/fs/cgroup/web:ingress
  sudo bpfasm detach --mine
  sudo bpfasm detach --mine /sys/fs/cgroup --dry-run")]
pub struct Args {
    /// Where from: tc:DEV:ingress, tc:DEV:egress or cgroup:PATH:TYPE; with --mine the folders of control groups
    #[arg(value_name = "HOOK|CGROUP", required_unless_present = "mine")]
    places: Vec<PathBuf>,
    /// Everything of this network namespace, of the control groups that are named and of those below
    #[arg(long)]
    mine: bool,
    /// Say what would be detached, and detach nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Detaches; what fails does not keep the rest from being tried.
    ///
    /// # Errors
    ///
    /// The first failure, which may be that nothing of ours was there.
    pub fn run(self) -> Result<(), Error> {
        let hooks =
            if self.mine { Vec::new() } else { self.places.iter().map(|text| hook(text)).collect::<Result<_, _>>()? };
        let mut first = Ok(());
        let mut keep = |result: Result<(), Error>| match (&first, result) {
            (_, Ok(())) => {}
            (Ok(()), failure) => first = failure,
            (Err(_), Err(error)) => report::error(&error),
        };
        if self.mine {
            let groups = self.places.iter().map(|path| group(path)).collect::<Result<Vec<_>, _>>()?;
            find_ours(&groups)?.iter().for_each(|ours| keep(self.take(ours)));
        }
        for hook in hooks {
            match hook.resolve().and_then(|place| place.ours()) {
                Ok(found) => found.iter().for_each(|ours| keep(self.take(ours))),
                Err(error) => keep(Err(error.into())),
            }
        }
        first
    }

    fn take(&self, ours: &Ours) -> Result<(), Error> {
        let (plan, done) = match ours {
            Ours::Pin { .. } => ("would remove", "removed"),
            _ => ("would detach", "detached"),
        };
        if self.dry_run {
            report::say(format_args!("{plan} {ours}"));
            return Ok(());
        }
        let pins = ours.pins();
        ours.detach()?;
        report::say(format_args!("{done} {ours}"));
        for pin in pins {
            report::say(format_args!("removed pin {}", pin.display()));
        }
        Ok(())
    }
}

fn hook(text: &Path) -> Result<Hook, Error> {
    let text = text.to_string_lossy();
    text.parse().map_err(|error| usage(format!("`{text}`: {error}")))
}

/// A folder, and no hook.
fn group(path: &Path) -> Result<&Path, Error> {
    match hook(path) {
        Ok(hook) => Err(usage(format!("{hook} is a hook, and --mine takes control groups"))),
        Err(_) => Ok(path),
    }
}

fn usage(what: String) -> Error {
    loader::Error::Usage { what }.into()
}
