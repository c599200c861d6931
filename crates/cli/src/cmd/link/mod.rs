//! `bpfasm link`: links in the kernel, with bpftool's words.

mod detach;
mod pin;
mod show;

use std::io::Write;

use bpfasm::loader::observe::Link;

use crate::error::Error;
use crate::words::{Handle, Words};

/// Show, pin and detach links: what keeps programs attached.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  sudo bpfasm link show
  sudo bpfasm link detach id 7")]
pub enum Verb {
    #[command(visible_alias = "list")]
    Show(show::Args),
    Pin(pin::Args),
    Detach(detach::Args),
}

impl Verb {
    /// Does what was asked for.
    ///
    /// # Errors
    ///
    /// Whatever kept it from being done.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        match self {
            Self::Show(args) => args.run(out),
            Self::Pin(args) => args.run(out),
            Self::Detach(args) => args.run(out),
        }
    }
}

/// The link that two words name.
fn open(words: &mut Words) -> Result<Link, Error> {
    match Handle::read(words, Handle::OF_LINK)? {
        Handle::Id(id) => Ok(Link::from_id(id)?),
        Handle::Pinned(path) => Ok(Link::from_pin(path)?),
        handle => Err(Error::NothingNamed { what: "link", handle }),
    }
}
