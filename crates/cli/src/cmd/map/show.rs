//! `bpfasm map show`: what the kernel knows of maps.

use std::io::Write;

use bpfasm::loader::map::{MapInfo, MapOwner, maps};
use bpfasm::loader::observe::{Pinned, Pins};
use bpfasm::object::kernel::MapType;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::output::Output;
use crate::show::{named, pinned, pinned_text};
use crate::words::Words;

/// List maps, or show those that are named.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm map list
  sudo bpfasm map show name counts --pretty
  sudo bpfasm -j map show pinned /sys/fs/bpf/counts -f")]
pub struct Args {
    /// Which: id N, pinned PATH or name NAME [default: all]
    #[arg(value_name = "MAP")]
    map: Vec<String>,
    /// Tell where they are pinned
    #[arg(short = 'f', long)]
    bpffs: bool,
    #[command(flatten)]
    output: Output,
}

/// A map, in bpftool's keys.
#[derive(Serialize)]
struct Json {
    id: u32,
    #[serde(rename = "type")]
    map_type: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    flags: i32,
    bytes_key: u32,
    bytes_value: u32,
    max_entries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_memlock: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_prog_type: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_jited: Option<bool>,
    frozen: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    btf_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<Vec<String>>,
}

/// What programs an array of programs holds. The kernel tells it of maps of devices and CPUs too.
fn owner(info: &MapInfo) -> Option<MapOwner> {
    info.owner.filter(|_| info.map_type == MapType::PROG_ARRAY)
}

fn json(info: &MapInfo, pins: Option<&Pins>) -> Json {
    Json {
        id: info.id,
        map_type: named(info.map_type.name(), info.map_type.0),
        name: info.name.clone(),
        // bpftool prints them as a signed number.
        flags: info.flags.cast_signed(),
        bytes_key: info.key_size,
        bytes_value: info.value_size,
        max_entries: info.max_entries,
        bytes_memlock: info.memlock_bytes,
        owner_prog_type: owner(info).map(|owner| named(owner.program_type.name(), owner.program_type.0)),
        owner_jited: owner(info).map(|owner| owner.jited),
        frozen: u8::from(info.frozen == Some(true)),
        btf_id: info.btf.map(|btf| btf.id),
        pinned: pinned(pins, Pinned::Map(info.id)),
    }
}

/// A map, laid out as bpftool does.
fn text(info: &MapInfo, pins: Option<&Pins>) -> String {
    let kind = info.map_type.name().map_or_else(|| format!("type {}", info.map_type.0), str::to_owned);
    let name = if info.name.is_empty() { String::new() } else { format!("name {}  ", info.name) };
    let mut text = format!("{}: {kind}  {name}flags {:#x}", info.id, info.flags);
    text += &format!("\n\tkey {}B  value {}B  max_entries {}", info.key_size, info.value_size, info.max_entries);
    if let Some(bytes) = info.memlock_bytes {
        text += &format!("  memlock {bytes}B");
    }
    if let Some(owner) = owner(info) {
        let not = if owner.jited { "" } else { " not" };
        text += &format!("\n\towner_prog_type {}  owner{not} jited", owner.program_type);
    }
    text += &pinned_text(pins, Pinned::Map(info.id));
    let btf = info.btf.map(|btf| format!("btf_id {}", btf.id));
    let frozen = (info.frozen == Some(true)).then(|| "frozen".to_owned());
    let last: Vec<String> = btf.into_iter().chain(frozen).collect();
    if !last.is_empty() {
        text += &format!("\n\t{}", last.join("  "));
    }
    text
}

impl Args {
    /// Looks and prints.
    ///
    /// # Errors
    ///
    /// There is no such map, or this process may not look.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let pins = self.bpffs.then(Pins::find).transpose()?;
        if self.map.is_empty() {
            let infos: Vec<MapInfo> = maps().collect::<Result<_, _>>()?;
            return self.output.list(out, &infos, |info| json(info, pins.as_ref()), |info| text(info, pins.as_ref()));
        }
        let mut words = Words::new(self.map, "bpfasm map show [id N | pinned PATH | name NAME]");
        let infos = super::infos(&mut words)?;
        words.end()?;
        self.output.named(out, &infos, |info| json(info, pins.as_ref()), |info| text(info, pins.as_ref()))
    }
}
