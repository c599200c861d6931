//! `bpfasm prog load` and `prog loadall`: programs into the kernel, where pins keep them.

use std::io::Write;
use std::path::{Path, PathBuf};

use bpfasm::loader::{LoadOptions, Loaded, bpffs};
use bpfasm::object::kernel::section;

use crate::cmd::map;
use crate::error::Error;
use crate::input::{Input, Staging, describe};
use crate::output::Output;
use crate::report;
use crate::words::Words;

/// Load the first program of an object, and pin it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm prog load tc_drop.o /sys/fs/bpf/tc_drop
  sudo bpfasm prog load filter.o /sys/fs/bpf/filter type classifier pinmaps /sys/fs/bpf/filter_maps
  sudo bpfasm prog load filter.o /sys/fs/bpf/filter map name counts id 5")]
pub struct One {
    #[command(flatten)]
    what: What,
}

/// Load all programs of an object, and pin each under its name in a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sudo bpfasm prog loadall sockets.o /sys/fs/bpf/sockets pinmaps /sys/fs/bpf/sockets_maps")]
pub struct All {
    #[command(flatten)]
    what: What,
}

#[derive(Clone, Debug, clap::Args)]
struct What {
    /// The program file, Rust source, or an ELF object
    #[arg(value_name = "FILE.rs|OBJ")]
    input: PathBuf,
    /// The path to pin at, in a bpffs
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// More: type TYPE, a section's name; pinmaps DIR; map {name NAME | idx N} MAP, to share that map
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    #[command(flatten)]
    staging: Staging,
    #[command(flatten)]
    output: Output,
}

impl One {
    /// Loads and pins.
    ///
    /// # Errors
    ///
    /// The input can't be had, the kernel refuses it, or there is no room at the path.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let What { path, output, .. } = self.what.clone();
        let (loaded, skipped) = self.what.load(true)?;
        for program in loaded.programs() {
            program.pin(&path)?;
            report::say(format_args!("pinned {} at {}", program.name(), path.display()));
        }
        if !skipped.is_empty() {
            let skipped = skipped.join(", ");
            report::note(format_args!("only the first program was loaded, not {skipped}; loadall loads all"));
        }
        output.done(out)
    }
}

impl All {
    /// Loads and pins, all or none.
    ///
    /// # Errors
    ///
    /// The input can't be had, the kernel refuses some of it, or there is no room in the folder.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let What { path, output, .. } = self.what.clone();
        let (loaded, _) = self.what.load(false)?;
        for pin in loaded.pin_programs(path)? {
            report::say(format_args!("pinned {}", pin.display()));
        }
        output.done(out)
    }
}

impl What {
    /// Loads all programs or the first. Gives also the descriptions of those that were left out.
    fn load(self, only_first: bool) -> Result<(Loaded, Vec<String>), Error> {
        let mut input = Input::open(&self.input, &self.staging)?;
        ensure_bpffs(&self.path)?;
        let options = options(self.words, &mut input)?;
        let programs = input.programs(None)?;
        let (chosen, skipped) = programs.split_at(if only_first { 1 } else { programs.len() });
        let options = chosen.iter().fold(options, |options, function| options.program(&function.name));
        let skipped = skipped.iter().map(|function| describe(function)).collect();
        Ok((options.load(&input.object)?, skipped))
    }
}

/// Reads what follows the path.
fn options(words: Vec<String>, input: &mut Input) -> Result<LoadOptions, Error> {
    const USAGE: &str = "bpfasm prog {load | loadall} OBJ PATH [type TYPE] [pinmaps DIR] [map {name NAME | idx N} MAP]";
    let mut words = Words::new(words, USAGE);
    let mut options = LoadOptions::new();
    while words.peek().is_some() {
        match words.keyword(&["type", "pinmaps", "map"])? {
            "type" => {
                let name = words.next("a type")?;
                if section(&name).is_none() {
                    return Err(words.wrong(format!("`{name}` is no type, such as classifier, xdp or cgroup/skb")));
                }
                // A program's type is what its section says.
                input.set_section(&name);
            }
            "pinmaps" => {
                let folder = words.next("a folder")?;
                ensure_bpffs(Path::new(&folder))?;
                options = options.pin_maps(folder);
            }
            _ => {
                let name = match words.keyword(&["name", "idx"])? {
                    "name" => words.next("a map's name")?,
                    _ => map_at(input, &words.next("a map's number")?, &words)?,
                };
                options = options.reuse_map(&name, map::open(&mut words)?);
            }
        }
    }
    Ok(options)
}

/// The name of an object's map by its number.
fn map_at(input: &Input, number: &str, words: &Words) -> Result<String, Error> {
    let map = number.parse().ok().and_then(|number: usize| input.object.maps.get(number));
    let count = input.object.maps.len();
    map.map(|map| map.name.clone()).ok_or_else(|| words.wrong(format!("there is no map {number} of {count}")))
}

/// Mounts the bpffs at its usual place, if that is where something is to be pinned.
fn ensure_bpffs(path: &Path) -> Result<(), Error> {
    if path.starts_with(bpffs::MOUNT_POINT) {
        bpffs::ensure()?;
    }
    Ok(())
}
