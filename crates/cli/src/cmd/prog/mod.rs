//! `bpfasm prog`: programs in the kernel, with bpftool's words.

mod dump;
mod load;
mod pin;
mod show;

use std::io::Write;

use bpfasm::loader::{Program, ProgramInfo, programs};

use crate::error::Error;
use crate::words::{Handle, Words};

/// Show, load, pin and dump programs.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  sudo bpfasm prog show
  sudo bpfasm prog dump xlated name tc_drop")]
pub enum Verb {
    #[command(visible_alias = "list")]
    Show(show::Args),
    Load(load::One),
    Loadall(load::All),
    Pin(pin::Args),
    Dump(dump::Args),
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
            Self::Load(args) => args.run(out),
            Self::Loadall(args) => args.run(out),
            Self::Pin(args) => args.run(out),
            Self::Dump(args) => args.run(out),
        }
    }
}

/// The programs that two words name: one by its id or pin, any number by tag or name.
fn infos(words: &mut Words) -> Result<Vec<ProgramInfo>, Error> {
    match Handle::read(words, Handle::OF_PROGRAM)? {
        Handle::Id(id) => Ok(vec![Program::from_id(id)?.info()?]),
        Handle::Pinned(path) => Ok(vec![Program::from_pin(path)?.info()?]),
        handle => matching(handle),
    }
}

fn matching(handle: Handle) -> Result<Vec<ProgramInfo>, Error> {
    let fits = |info: &ProgramInfo| match &handle {
        Handle::Tag(tag) => info.tag == *tag,
        Handle::Name(name) => info.full_name == *name || info.name == *name,
        Handle::Id(_) | Handle::Pinned(_) => false,
    };
    let found: Vec<_> = programs().filter(|info| info.as_ref().map_or(true, fits)).collect::<Result<_, _>>()?;
    if found.is_empty() { Err(Error::NothingNamed { what: "program", handle }) } else { Ok(found) }
}

/// The one program that two words name.
///
/// # Errors
///
/// They name none, or several.
pub fn open(words: &mut Words) -> Result<Program, Error> {
    match Handle::read(words, Handle::OF_PROGRAM)? {
        Handle::Id(id) => Ok(Program::from_id(id)?),
        Handle::Pinned(path) => Ok(Program::from_pin(path)?),
        handle => match matching(handle)?[..] {
            [ref only] => Ok(Program::from_id(only.id)?),
            ref several => Err(Error::SeveralNamed { ids: several.iter().map(|info| info.id).collect() }),
        },
    }
}
