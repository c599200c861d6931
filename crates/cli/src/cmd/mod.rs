//! One file per verb: its arguments and what it does. A noun that has verbs of its own is a folder.

mod asm;
mod attach;
mod build;
mod cgroup;
mod check;
mod completions;
mod detach;
mod disasm;
mod link;
mod map;
mod prog;
mod run;
mod tc;

use std::io::Write;

use clap::Subcommand;

use crate::build::{STAGE, stage};
use crate::error::Error;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    Build(build::Args),
    Run(run::Args),
    Check(check::Args),
    Asm(asm::Args),
    Disasm(disasm::Args),
    Attach(attach::Args),
    Detach(detach::Args),
    #[command(subcommand)]
    Prog(prog::Verb),
    #[command(subcommand)]
    Map(map::Verb),
    #[command(subcommand)]
    Link(link::Verb),
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
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        match self {
            Self::Build(args) => args.run(out),
            Self::Run(args) => args.run(out),
            Self::Check(args) => args.run(out),
            Self::Asm(args) => args.run(out),
            Self::Disasm(args) => args.run(out),
            Self::Attach(args) => args.run(),
            Self::Detach(args) => args.run(),
            Self::Prog(verb) => verb.run(out),
            Self::Map(verb) => verb.run(out),
            Self::Link(verb) => verb.run(out),
            Self::Cgroup(args) => args.run(out),
            Self::Tc(args) => args.run(out),
            Self::Completions(args) => args.run(out),
            Self::Stage { request } => Ok(stage(&request, out)?),
        }
    }
}
