//! `bpfasm prog show`: what the kernel knows of programs.

use std::io::Write;
use std::time::SystemTime;

use bpfasm::loader::observe::{Pinned, Pins};
use bpfasm::loader::{ProgramInfo, programs};
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::hex::Digits;
use crate::output::Output;
use crate::show::{Timestamp, joined, named, pinned, pinned_text, run_time};
use crate::words::Words;

/// List programs, or show those that are named.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm prog list
  sudo bpfasm prog show id 42 --pretty
  sudo bpfasm -j prog show name tc_drop
  sudo bpfasm prog show pinned /sys/fs/bpf/tc_drop -f")]
pub struct Args {
    /// Which: id N, pinned PATH, tag TAG or name NAME [default: all]
    #[arg(value_name = "PROG")]
    program: Vec<String>,
    /// Tell where they are pinned
    #[arg(short = 'f', long)]
    bpffs: bool,
    #[command(flatten)]
    output: Output,
}

/// A program, in bpftool's keys.
#[derive(Serialize)]
struct Json {
    #[serde(flatten)]
    header: Header,
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded_at: Option<u64>,
    uid: u32,
    bytes_xlated: u32,
    jited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_jited: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_memlock: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    map_ids: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    btf_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<Vec<String>>,
}

/// What stands in front of a program's code too, in bpftool's keys.
#[derive(Serialize)]
pub struct Header {
    id: u32,
    #[serde(rename = "type")]
    program_type: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    tag: String,
    gpl_compatible: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_time_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_cnt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recursion_misses: Option<u64>,
}

impl Header {
    /// The same of a program.
    pub fn new(info: &ProgramInfo) -> Self {
        let (run_time_ns, run_cnt) = run_time(info).unzip();
        Self {
            id: info.id,
            program_type: named(info.program_type.name(), info.program_type.0),
            name: info.full_name.clone(),
            tag: tag(info),
            gpl_compatible: info.gpl_compatible,
            run_time_ns,
            run_cnt,
            recursion_misses: Some(info.recursion_misses).filter(|&misses| misses != 0),
        }
    }
}

fn tag(info: &ProgramInfo) -> String {
    Digits(&info.tag).to_string()
}

fn json(info: &ProgramInfo, pins: Option<&Pins>) -> Json {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|time| time.as_secs());
    Json {
        header: Header::new(info),
        loaded_at: info.loaded_at().and_then(seconds),
        uid: info.created_by_uid,
        bytes_xlated: info.xlated_bytes,
        jited: info.jited_bytes != 0,
        bytes_jited: Some(info.jited_bytes).filter(|&bytes| bytes != 0),
        bytes_memlock: info.memlock_bytes,
        map_ids: info.map_ids.clone(),
        btf_id: info.btf_id,
        pinned: pinned(pins, Pinned::Program(info.id)),
    }
}

/// The first line of a program.
pub fn headline(info: &ProgramInfo) -> String {
    let mut text = format!("{}: ", info.id);
    text +=
        &info.program_type.name().map_or_else(|| format!("type {}  ", info.program_type.0), |name| format!("{name}  "));
    if !info.full_name.is_empty() {
        text += &format!("name {}  ", info.full_name);
    }
    text += &format!("tag {}", tag(info));
    if info.gpl_compatible {
        text += "  gpl";
    }
    if let Some((time, count)) = run_time(info) {
        text += &format!(" run_time_ns {time} run_cnt {count}");
    }
    if info.recursion_misses != 0 {
        text += &format!(" recursion_misses {}", info.recursion_misses);
    }
    text
}

/// A program, laid out as bpftool does. Times are UTC.
fn text(info: &ProgramInfo, pins: Option<&Pins>) -> String {
    let mut text = headline(info);
    if let Some(time) = info.loaded_at() {
        text += &format!("\n\tloaded_at {}  uid {}", Timestamp(time), info.created_by_uid);
    }
    text += &format!("\n\txlated {}B", info.xlated_bytes);
    match info.jited_bytes {
        0 => text += "  not jited",
        bytes => text += &format!("  jited {bytes}B"),
    }
    if let Some(bytes) = info.memlock_bytes {
        text += &format!("  memlock {bytes}B");
    }
    if !info.map_ids.is_empty() {
        text += &format!("  map_ids {}", joined(&info.map_ids));
    }
    text += &pinned_text(pins, Pinned::Program(info.id));
    if let Some(id) = info.btf_id {
        text += &format!("\n\tbtf_id {id}");
    }
    text
}

impl Args {
    /// Looks and prints.
    ///
    /// # Errors
    ///
    /// There is no such program, or this process may not look.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let pins = self.bpffs.then(Pins::find).transpose()?;
        if self.program.is_empty() {
            let infos: Vec<ProgramInfo> = programs().collect::<Result<_, _>>()?;
            return self.output.list(out, &infos, |info| json(info, pins.as_ref()), |info| text(info, pins.as_ref()));
        }
        let mut words = Words::new(self.program, "bpfasm prog show [id N | pinned PATH | tag TAG | name NAME]");
        let infos = super::infos(&mut words)?;
        words.end()?;
        self.output.named(out, &infos, |info| json(info, pins.as_ref()), |info| text(info, pins.as_ref()))
    }
}
