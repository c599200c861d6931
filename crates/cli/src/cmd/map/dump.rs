//! `bpfasm map dump`: all entries of maps.

use std::io::Write;

use bpfasm::loader::map::Map;
use bpfasm::loader::sys::{self, Errno};
use bpfasm::object::kernel::MapType;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::entry::{Bytes, Entry, Printer, plain};
use crate::error::Error;
use crate::output::Output;
use crate::report;
use crate::value::Text;
use crate::words::Words;

/// Print all entries of a map, by their types where it has some.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm map dump name counts
  sudo bpfasm -j map dump id 5
  sudo bpfasm map dump pinned /sys/fs/bpf/counts --pretty")]
pub struct Args {
    /// Which: id N, pinned PATH or name NAME
    #[arg(value_name = "MAP", required = true)]
    map: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// A key, and what the kernel gave for it.
struct Found {
    key: Vec<u8>,
    value: Result<Vec<u8>, Errno>,
}

/// An entry, or why there is none to show.
enum Item<'a> {
    Entry(Entry<'a>),
    Refused { key: &'a [u8], errno: Errno },
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Entry(entry) => entry.serialize(to),
            Self::Refused { key, errno } => {
                let mut map = to.serialize_map(Some(2))?;
                map.serialize_entry("key", &Bytes(key))?;
                map.serialize_entry("value", &serde_json::json!({ "error": reason(*errno) }))?;
                map.end()
            }
        }
    }
}

/// The kernel's error in words, without its name.
fn reason(errno: Errno) -> String {
    let text = errno.to_string();
    text.rsplit_once(" (").map_or(text.clone(), |(words, _)| words.to_owned())
}

impl Args {
    /// Reads and prints.
    ///
    /// # Errors
    ///
    /// There is no such map, or this process may not read it.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.map, "bpfasm map dump {id N | pinned PATH | name NAME}");
        let infos = super::infos(&mut words)?;
        words.end()?;
        let mut dumps = Vec::with_capacity(infos.len());
        for info in &infos {
            let map = Map::from_id(info.id)?;
            dumps.push((Printer::new(&map)?, entries(&map)?));
        }
        if !self.output.is_json() {
            return dumps
                .iter()
                .try_for_each(|(printer, found)| write!(out, "{}", text(printer, found)).map_err(Error::Output));
        }
        let lists: Vec<Vec<Item<'_>>> = dumps.iter().map(|(printer, found)| items(printer, found)).collect();
        match &lists[..] {
            [only] => self.output.print(out, only),
            several => self.output.print(out, &several),
        }
    }
}

/// All keys of a map with what is found for each.
fn entries(map: &Map) -> Result<Vec<Found>, Error> {
    if map.key_size() == 0 {
        report::note(format_args!("entries of {} maps have no keys, so they are not listed", map.map_type()));
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for key in map.keys() {
        let key = key?;
        let mut value = vec![0; map.value_bytes()];
        let value = sys::map_lookup_elem(map.as_map_fd(), &key, &mut value, 0).map(|()| value);
        all.push(Found { key, value });
    }
    // Arrays of programs and maps have a key for each place, and no entry at most of them.
    if matches!(map.map_type(), MapType::PROG_ARRAY | MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS) {
        all.retain(|found| found.value != Err(Errno::ENOENT));
    }
    Ok(all)
}

fn items<'a>(printer: &'a Printer, all: &'a [Found]) -> Vec<Item<'a>> {
    let item = |found: &'a Found| match &found.value {
        Ok(value) => Item::Entry(printer.entry(&found.key, value)),
        Err(errno) => Item::Refused { key: &found.key, errno: *errno },
    };
    all.iter().map(item).collect()
}

/// The entries, laid out as bpftool does.
fn text(printer: &Printer, all: &[Found]) -> String {
    if printer.is_typed() {
        let mut text = Text::default();
        text.within(['[', ']'], |text| {
            for item in items(printer, all) {
                if let Item::Entry(entry) = item {
                    entry.write(text);
                }
            }
        });
        return text.into_text() + "\n";
    }
    let mut text = String::new();
    let mut count = 0;
    for item in items(printer, all) {
        match item {
            Item::Entry(entry) => {
                count += 1;
                text += &entry.plain();
            }
            Item::Refused { key, errno } => {
                let reason = if errno == Errno::ENOENT { "<no entry>".to_owned() } else { reason(errno) };
                text += &plain(key, &reason, reason.len());
            }
        }
    }
    let plural = if count == 1 { "" } else { "s" };
    text + &format!("Found {count} element{plural}\n")
}
