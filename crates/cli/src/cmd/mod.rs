//! One file per verb: its arguments and what it does.

mod attach;
mod build;
mod cgroup;
mod check;
mod completions;
mod detach;
mod disasm;
mod run;
mod tc;

use std::io::Write;

use clap::Subcommand;

use crate::build::{STAGE, stage};
use crate::error::Error;
use crate::output::Output;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    Build(build::Args),
    Run(run::Args),
    Check(check::Args),
    Disasm(disasm::Args),
    Attach(attach::Args),
    Detach(detach::Args),
    Cgroup(cgroup::Args),
    Tc(tc::Args),
    Completions(completions::Args),
    /// Builds for a process that runs under sudo.
    #[command(name = STAGE, hide = true)]
    Stage {
        /// The request, as JSON.
        request: String,
    },
}

impl Command {
    /// Does what was asked for; data goes to `out`, words to standard error.
    ///
    /// # Errors
    ///
    /// Whatever kept it from being done.
    pub fn run(self, output: Output, out: &mut impl Write) -> Result<(), Error> {
        match self {
            Self::Build(args) => args.run(out),
            Self::Run(args) => args.run(out),
            Self::Check(args) => args.run(output, out),
            Self::Disasm(args) => args.run(output, out),
            Self::Attach(args) => args.run(),
            Self::Detach(args) => args.run(),
            Self::Cgroup(args) => args.run(output, out),
            Self::Tc(args) => args.run(output, out),
            Self::Completions(args) => args.run(out),
            Self::Stage { request } => Ok(stage(&request, out)?),
        }
    }
}
