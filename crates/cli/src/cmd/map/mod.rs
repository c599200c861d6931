//! `bpfasm map`: maps in the kernel, with bpftool's words.

mod data;
mod delete;
mod dump;
mod entry;
mod lookup;
mod pin;
mod show;
mod update;

use std::io::Write;

use bpfasm::loader::map::{Map, MapInfo, maps};

use crate::error::Error;
use crate::words::{Handle, Words};

/// Show, dump, read and change maps.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  sudo bpfasm map show
  sudo bpfasm map dump name counts
  sudo bpfasm map update id 5 key 1 value packets=3")]
pub enum Verb {
    #[command(visible_alias = "list")]
    Show(show::Args),
    Dump(dump::Args),
    Lookup(lookup::Args),
    Update(update::Args),
    Delete(delete::Args),
    Pin(pin::Args),
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
            Self::Dump(args) => args.run(out),
            Self::Lookup(args) => args.run(out),
            Self::Update(args) => args.run(out),
            Self::Delete(args) => args.run(out),
            Self::Pin(args) => args.run(out),
        }
    }
}

/// The maps that two words name: one by its id or pin, any number by name.
fn infos(words: &mut Words) -> Result<Vec<MapInfo>, Error> {
    match Handle::read(words, Handle::OF_MAP)? {
        Handle::Id(id) => Ok(vec![Map::from_id(id)?.info()?]),
        Handle::Pinned(path) => Ok(vec![Map::from_pin(path)?.info()?]),
        handle => matching(handle),
    }
}

fn matching(handle: Handle) -> Result<Vec<MapInfo>, Error> {
    let fits = |info: &MapInfo| matches!(&handle, Handle::Name(name) if info.name == *name);
    let found: Vec<_> = maps().filter(|info| info.as_ref().map_or(true, fits)).collect::<Result<_, _>>()?;
    if found.is_empty() { Err(Error::NothingNamed { what: "map", handle }) } else { Ok(found) }
}

/// The one map that two words name.
///
/// # Errors
///
/// They name none, or several.
pub fn open(words: &mut Words) -> Result<Map, Error> {
    match Handle::read(words, Handle::OF_MAP)? {
        Handle::Id(id) => Ok(Map::from_id(id)?),
        Handle::Pinned(path) => Ok(Map::from_pin(path)?),
        handle => match matching(handle)?[..] {
            [ref only] => Ok(Map::from_id(only.id)?),
            ref several => Err(Error::SeveralNamed { ids: several.iter().map(|info| info.id).collect() }),
        },
    }
}
