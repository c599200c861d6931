//! `bpfasm detach`: takes away what this command attached.

use crate::error::Error;
use crate::hook::Hook;
use crate::report;

/// Detach everything of bpfasm's from hooks, and nothing of anybody else's.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm detach tc:eth0:ingress
  sudo bpfasm detach cgroup:/sys/fs/cgroup/web:ingress")]
pub struct Args {
    /// Where from: tc:DEV:ingress, tc:DEV:egress or cgroup:PATH:TYPE
    #[arg(value_name = "HOOK", required = true)]
    hooks: Vec<Hook>,
}

impl Args {
    /// Detaches from each hook; one that fails does not keep the others from being tried.
    ///
    /// # Errors
    ///
    /// The first failure, which may be that nothing of ours was there.
    pub fn run(self) -> Result<(), Error> {
        let mut first = Ok(());
        for hook in &self.hooks {
            if let Err(error) = detach(hook) {
                match first {
                    Ok(()) => first = Err(error),
                    Err(_) => report::error(&error),
                }
            }
        }
        first
    }
}

fn detach(hook: &Hook) -> Result<(), Error> {
    for entry in hook.resolve()?.detach_ours()? {
        report::say(format_args!("detached {entry}, from {hook}"));
    }
    Ok(())
}
