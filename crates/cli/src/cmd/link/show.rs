//! `bpfasm link show`: what the kernel knows of links.

use std::io::Write;

use bpfasm::loader::Program;
use bpfasm::loader::observe::{LinkInfo, LinkTarget, Pinned, Pins, links};
use bpfasm::loader::sys::if_indextoname;
use bpfasm::object::kernel::AttachType;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::output::Output;
use crate::show::{named, pinned, pinned_text};
use crate::words::Words;

/// List links, or show one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm link list
  sudo bpfasm link show id 7 --pretty
  sudo bpfasm -j link show -f")]
pub struct Args {
    /// Which: id N or pinned PATH [default: all]
    #[arg(value_name = "LINK")]
    link: Vec<String>,
    /// Tell where they are pinned
    #[arg(short = 'f', long)]
    bpffs: bool,
    #[command(flatten)]
    output: Output,
}

/// A link, in bpftool's keys.
#[derive(Serialize)]
struct Json {
    id: u32,
    #[serde(rename = "type")]
    link_type: Value,
    prog_id: u32,
    #[serde(flatten)]
    target: Target,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<Vec<String>>,
}

/// What it is attached to, in bpftool's keys.
#[derive(Serialize)]
#[serde(untagged)]
enum Target {
    Device {
        devname: String,
        ifindex: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        attach_type: Option<Value>,
    },
    Cgroup {
        cgroup_id: u64,
        attach_type: Value,
    },
    Netns {
        netns_ino: u32,
        attach_type: Value,
    },
    Sockmap {
        map_id: u32,
        attach_type: Value,
    },
    Netfilter {
        pf: Value,
        hook: Value,
        prio: i32,
        flags: u32,
    },
    Tracing {
        #[serde(skip_serializing_if = "Option::is_none")]
        prog_type: Option<Value>,
        attach_type: Value,
    },
    RawTracepoint {
        tp_name: String,
    },
    Iterator {
        target_name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        map_id: Option<u32>,
    },
    StructOps {
        map_id: u32,
    },
    Other {},
}

fn attach_type(hook: AttachType) -> Value {
    named(hook.name(), hook.0)
}

fn target(info: &LinkInfo) -> Target {
    match info.target.clone() {
        LinkTarget::Device { ifindex, attach_type: hook } => {
            Target::Device { devname: device(ifindex), ifindex, attach_type: hook.map(attach_type) }
        }
        LinkTarget::Cgroup { cgroup_id, attach_type: hook } => {
            Target::Cgroup { cgroup_id, attach_type: attach_type(hook) }
        }
        LinkTarget::Netns { netns_ino, attach_type: hook } => {
            Target::Netns { netns_ino, attach_type: attach_type(hook) }
        }
        LinkTarget::Sockmap { map_id, attach_type: hook } => Target::Sockmap { map_id, attach_type: attach_type(hook) },
        LinkTarget::Netfilter { family, hook, priority, flags } => {
            let (pf, hook) = netfilter(family, hook);
            Target::Netfilter { pf, hook, prio: priority, flags }
        }
        LinkTarget::Tracing { attach_type: hook } => {
            let program = Program::from_id(info.program_id).ok().map(|program| program.program_type());
            let prog_type = program.map(|program| named(program.name(), program.0));
            Target::Tracing { prog_type, attach_type: attach_type(hook) }
        }
        LinkTarget::RawTracepoint { name } => Target::RawTracepoint { tp_name: name },
        LinkTarget::Iterator { target, map_id } => Target::Iterator { target_name: target, map_id },
        LinkTarget::StructOps { map_id } => Target::StructOps { map_id },
        _ => Target::Other {},
    }
}

/// A device's name in this network namespace, which may not be the link's.
fn device(ifindex: u32) -> String {
    match ifindex {
        0 => "(detached)".to_owned(),
        index => if_indextoname(index).unwrap_or_else(|_| "(unknown)".to_owned()),
    }
}

/// The names of a protocol family and a hook of netfilter.
///
/// # References
///
/// `NFPROTO_*` and `NF_INET_*` of include/uapi/linux/netfilter.h.
fn netfilter(family: u32, hook: u32) -> (Value, Value) {
    let family_name = match family {
        2 => Some("ip"),
        3 => Some("arp"),
        7 => Some("bridge"),
        10 => Some("ip6"),
        _ => None,
    };
    let hooks = ["prerouting", "input", "forward", "output", "postrouting"];
    let hook_name = usize::try_from(hook).ok().and_then(|hook| hooks.get(hook).copied());
    (named(family_name, family), named(hook_name.filter(|_| family != 3), hook))
}

fn json(info: &LinkInfo, pins: Option<&Pins>) -> Json {
    Json {
        id: info.id,
        link_type: named(info.link_type.name(), info.link_type.0),
        prog_id: info.program_id,
        target: target(info),
        pinned: pinned(pins, Pinned::Link(info.id)),
    }
}

/// A link, laid out as bpftool does.
fn text(info: &LinkInfo, pins: Option<&Pins>) -> String {
    let kind = info.link_type.name().map_or_else(|| format!("type {}", info.link_type.0), str::to_owned);
    let target = match target(info) {
        Target::Device { devname, ifindex, attach_type } => {
            let hook = attach_type.map(|hook| format!("attach_type {}  ", plain(&hook))).unwrap_or_default();
            format!("\n\tifindex {devname}({ifindex})  {hook}")
        }
        Target::Cgroup { cgroup_id, attach_type } => {
            format!("\n\tcgroup_id {cgroup_id}  attach_type {}  ", plain(&attach_type))
        }
        Target::Netns { netns_ino, attach_type } => {
            format!("\n\tnetns_ino {netns_ino}  attach_type {}  ", plain(&attach_type))
        }
        Target::Sockmap { map_id, attach_type } => {
            format!("\n\tmap_id {map_id}  attach_type {}  ", plain(&attach_type))
        }
        Target::Netfilter { pf, hook, prio, flags } => {
            format!("\n\t{} {} prio {prio}  flags {flags:#x}", plain(&pf), plain(&hook))
        }
        Target::Tracing { prog_type, attach_type } => {
            let program = prog_type.map(|name| format!("prog_type {}  ", plain(&name))).unwrap_or_default();
            format!("\n\t{program}attach_type {}  ", plain(&attach_type))
        }
        Target::RawTracepoint { tp_name } => format!("\n\ttp '{tp_name}'  "),
        Target::Iterator { target_name, map_id } => {
            let map = map_id.map(|id| format!("map_id {id}  ")).unwrap_or_default();
            format!("\n\ttarget_name {target_name}  {map}")
        }
        Target::StructOps { map_id } => format!("\n\tmap_id {map_id}  "),
        Target::Other {} => String::new(),
    };
    format!("{}: {kind}  prog {}  {target}{}", info.id, info.program_id, pinned_text(pins, Pinned::Link(info.id)))
}

/// A name without its quotes, or a number.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Args {
    /// Looks and prints.
    ///
    /// # Errors
    ///
    /// There is no such link, or this process may not look.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let pins = self.bpffs.then(Pins::find).transpose()?;
        if self.link.is_empty() {
            let infos: Vec<LinkInfo> = links().collect::<Result<_, _>>()?;
            return self.output.list(out, &infos, |info| json(info, pins.as_ref()), |info| text(info, pins.as_ref()));
        }
        let mut words = Words::new(self.link, "bpfasm link show [id N | pinned PATH]");
        let info = super::open(&mut words)?.info()?;
        words.end()?;
        self.output.named(out, &[info], |info| json(info, pins.as_ref()), |info| text(info, pins.as_ref()))
    }
}
