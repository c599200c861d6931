//! A filter as tc prints it: its keys, its line.

use bpfasm::loader::Program;
use bpfasm::loader::tc::{Action, BpfOptions, ClassicInsn, Filter, FilterOptions, Handle, Mirred, device_name};
use serde::Serialize;

use super::protocol::Protocol;
use crate::hex::Digits;

/// What a list was asked for by: tc does not repeat it in each row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub parent: bool,
    pub protocol: bool,
    pub priority: bool,
    pub chain: bool,
    /// Print details of programs.
    pub details: bool,
}

/// A filter, with tc's keys.
#[derive(Debug, Serialize)]
pub struct Row {
    #[serde(flatten)]
    parent: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pref: Option<u16>,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

/// Where a filter hangs: three places have keys of their own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum At {
    Root(bool),
    Ingress(bool),
    Egress(bool),
    Parent(String),
}

/// What a filter does.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Options {
    Bpf(Box<Bpf>),
    /// Of a kind whose options are not read.
    Other(Other),
}

#[derive(Debug, Default, Serialize)]
struct Bpf {
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flowid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bpf_name: Option<String>,
    #[serde(rename = "direct-action", skip_serializing_if = "std::ops::Not::not")]
    direct_action: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skip_hw: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skip_sw: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    in_hw: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_in_hw: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytecode: Option<Bytecode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prog: Option<Prog>,
    /// Where the program itself may not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<ActionRow>,
}

#[derive(Debug, Serialize)]
struct Other {
    /// Of a `u32` filter: its table, its bucket and its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    fh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
}

/// A program of classic BPF.
#[derive(Debug, Serialize)]
struct Bytecode {
    length: usize,
    insns: Vec<Insn>,
}

#[derive(Debug, Serialize)]
struct Insn {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

#[derive(Debug, Default, Serialize)]
struct Prog {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jited: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    btf_id: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ActionRow {
    order: u16,
    kind: String,
    #[serde(flatten)]
    mirred: Option<MirredRow>,
}

#[derive(Debug, Serialize)]
struct MirredRow {
    mirred_action: &'static str,
    direction: &'static str,
    to_dev: String,
    control_action: ControlAction,
    index: u32,
    #[serde(rename = "ref")]
    references: i32,
    bind: i32,
}

#[derive(Debug, Serialize)]
struct ControlAction {
    #[serde(rename = "type")]
    kind: String,
}

impl Row {
    /// What there is to say of a filter.
    pub fn new(filter: &Filter, known: Known) -> Self {
        let address = &filter.address;
        Self {
            parent: (!known.parent).then(|| At::new(address.parent)),
            protocol: Some(address.protocol)
                .filter(|&protocol| !known.protocol && protocol != 0)
                .map(|protocol| Protocol(protocol).to_string()),
            pref: Some(address.priority).filter(|&priority| !known.priority && priority != 0),
            kind: filter.kind.clone(),
            chain: Some(address.chain).filter(|_| !known.chain),
            options: filter.options.as_ref().map(|options| match options {
                FilterOptions::Bpf(bpf) => Options::Bpf(Box::new(Bpf::new(address.handle, bpf, known.details))),
                _ => Options::Other(Other::new(&filter.kind, address.handle)),
            }),
        }
    }

    /// tc's line, which ends in a blank; with actions, its lines.
    pub fn text(&self) -> String {
        let mut line = "filter ".to_owned();
        line.extend(self.parent.iter().map(At::text));
        line.extend(self.protocol.iter().map(|protocol| format!("protocol {protocol} ")));
        line.extend(self.pref.map(|pref| format!("pref {pref} ")));
        line += &self.kind;
        line.push(' ');
        line.extend(self.chain.map(|chain| format!("chain {chain} ")));
        match &self.options {
            None => {}
            Some(Options::Bpf(bpf)) => bpf.write(&mut line),
            Some(Options::Other(other)) => {
                line.extend(other.fh.iter().map(|fh| format!("fh {fh} ")));
                line.extend(other.handle.iter().map(|handle| format!("handle {handle} ")));
                line += "[cannot parse parameters]";
            }
        }
        line
    }
}

impl At {
    fn new(parent: Handle) -> Self {
        match parent {
            Handle::ROOT => Self::Root(true),
            Handle::INGRESS => Self::Ingress(true),
            Handle::EGRESS => Self::Egress(true),
            parent => Self::Parent(parent.to_string()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Root(_) => "root ".to_owned(),
            Self::Ingress(_) => "ingress ".to_owned(),
            Self::Egress(_) => "egress ".to_owned(),
            Self::Parent(parent) => format!("parent {parent} "),
        }
    }
}

/// A filter in few words: `prio 10 handle 0x1 bpf t.o:[tc]`.
pub fn what_went(filter: &Filter) -> String {
    let name = filter.bpf().and_then(|bpf| bpf.name.as_deref()).unwrap_or_default();
    format!("{} {} {name}", filter.address, filter.kind).trim_end().to_owned()
}

fn hexadecimal(handle: u32) -> Option<String> {
    (handle != 0).then(|| format!("{handle:#x}"))
}

impl Bpf {
    fn new(handle: u32, bpf: &BpfOptions, details: bool) -> Self {
        let prog = bpf.program_id.map(|id| Prog::new(id, details));
        let unseen = prog.as_ref().is_none_or(|prog| prog.tag.is_none());
        Self {
            handle: hexadecimal(handle),
            flowid: bpf.class.map(|class| class.to_string()),
            bpf_name: bpf.name.clone(),
            direct_action: bpf.direct_action,
            skip_hw: bpf.hardware.skip_hw,
            skip_sw: bpf.hardware.skip_sw,
            in_hw: bpf.hardware.in_hw,
            not_in_hw: bpf.hardware.not_in_hw && !bpf.hardware.in_hw,
            bytecode: bpf.classic.as_deref().map(Bytecode::new),
            tag: bpf.tag.filter(|_| unseen).map(|tag| Digits(&tag).to_string()),
            prog,
            actions: bpf.actions.iter().map(ActionRow::new).collect(),
        }
    }

    fn write(&self, line: &mut String) {
        line.extend(self.handle.iter().map(|handle| format!("handle {handle} ")));
        line.extend(self.flowid.iter().map(|flowid| format!("flowid {flowid} ")));
        line.extend(self.bpf_name.iter().map(|name| format!("{name} ")));
        let flags = [
            (self.direct_action, "direct-action "),
            (self.skip_hw, "skip_hw "),
            (self.skip_sw, "skip_sw "),
            (self.in_hw, "in_hw "),
            (self.not_in_hw, "not_in_hw "),
        ];
        line.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, word)| word));
        line.extend(self.bytecode.iter().map(Bytecode::text));
        line.extend(self.prog.iter().map(Prog::text));
        line.extend(self.tag.iter().map(|tag| format!("tag {tag} ")));
        line.extend(self.actions.iter().map(ActionRow::text));
    }
}

impl Other {
    fn new(kind: &str, handle: u32) -> Self {
        let is_u32 = kind == "u32";
        Self { fh: is_u32.then(|| u32_handle(handle)), handle: hexadecimal(handle).filter(|_| !is_u32) }
    }
}

/// The handle of a `u32` filter: table, bucket and number, 12, 8 and 12 bits (`TC_U32_*` of
/// include/uapi/linux/pkt_cls.h).
fn u32_handle(handle: u32) -> String {
    let [table, bucket, number] = [handle >> 20, handle >> 12 & 0xff, handle & 0xfff];
    let part = |value: u32, before: &str| if value == 0 { String::new() } else { format!("{before}{value:x}") };
    match handle {
        0 => "none".to_owned(),
        _ if table == 0 => format!("{}{}", part(bucket, ""), part(number, ":")),
        _ => format!("{table:x}:{}{}", part(bucket, ""), part(number, ":")),
    }
}

impl Bytecode {
    fn new(insns: &[ClassicInsn]) -> Self {
        let insns = insns.iter().map(|insn| Insn { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k });
        Self { length: insns.len(), insns: insns.collect() }
    }

    fn text(&self) -> String {
        let insns = self.insns.iter().map(|Insn { code, jt, jf, k }| format!(",{code} {jt} {jf} {k}"));
        format!("bytecode '{}{}'", self.length, insns.collect::<String>())
    }
}

impl Prog {
    /// What the kernel tells of a program; by its id alone if this process may not look at it.
    fn new(id: u32, details: bool) -> Self {
        let Ok(info) = Program::from_id(id).and_then(|program| program.info()) else {
            return Self { id, ..Self::default() };
        };
        Self {
            id,
            name: Some(info.name).filter(|name| !name.is_empty()),
            tag: Some(Digits(&info.tag).to_string()),
            jited: Some(u8::from(info.jited_bytes != 0)),
            load_time: Some(info.load_time_ns).filter(|_| details),
            created_by_uid: Some(info.created_by_uid).filter(|_| details),
            btf_id: info.btf_id.filter(|_| details),
        }
    }

    fn text(&self) -> String {
        let mut line = format!("id {} ", self.id);
        line.extend(self.name.iter().map(|name| format!("name {name} ")));
        line.extend(self.tag.iter().map(|tag| format!("tag {tag} ")));
        line += if self.jited == Some(1) { "jited " } else { "" };
        line.extend(self.load_time.map(|time| format!("load_time {time} ")));
        line.extend(self.created_by_uid.map(|uid| format!("created_by_uid {uid} ")));
        line.extend(self.btf_id.map(|id| format!("btf_id {id} ")));
        line
    }
}

impl ActionRow {
    fn new(action: &Action) -> Self {
        Self { order: action.order, kind: action.kind.clone(), mirred: action.mirred.as_ref().map(MirredRow::new) }
    }

    fn text(&self) -> String {
        let what = match &self.mirred {
            Some(mirred) => mirred.text(),
            None => format!("{} [cannot parse parameters]\n", self.kind),
        };
        format!("\n\taction order {}: {what}", self.order)
    }
}

impl MirredRow {
    fn new(mirred: &Mirred) -> Self {
        Self {
            mirred_action: if mirred.redirect { "redirect" } else { "mirror" },
            direction: if mirred.ingress { "ingress" } else { "egress" },
            to_dev: device_name(mirred.ifindex).unwrap_or_else(|| format!("if{}", mirred.ifindex)),
            control_action: ControlAction { kind: control(mirred.verdict) },
            index: mirred.index,
            references: mirred.references,
            bind: mirred.bindings,
        }
    }

    fn text(&self) -> String {
        let direction = if self.direction == "ingress" { "Ingress" } else { "Egress" };
        let action = if self.mirred_action == "redirect" { "Redirect" } else { "Mirror" };
        format!(
            "mirred ({direction} {action} to device {}) {}\n\tindex {} ref {} bind {}\n",
            self.to_dev, self.control_action.kind, self.index, self.references, self.bind
        )
    }
}

/// tc's word for `TC_ACT_*` of include/uapi/linux/pkt_cls.h.
fn control(verdict: i32) -> String {
    let words =
        [(-1, "continue"), (0, "pass"), (1, "reclassify"), (2, "drop"), (3, "pipe"), (4, "stolen"), (8, "trap")];
    let word = words.iter().find(|(value, _)| *value == verdict);
    word.map_or_else(|| verdict.to_string(), |(_, word)| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(options: Option<Options>) -> Row {
        Row {
            parent: None,
            protocol: Some("all".to_owned()),
            pref: Some(10),
            kind: "bpf".to_owned(),
            chain: Some(0),
            options,
        }
    }

    fn json(row: &Row) -> serde_json::Value {
        serde_json::to_value(row).unwrap()
    }

    #[test]
    fn a_priority_has_a_row_of_its_own() {
        assert_eq!(row(None).text(), "filter protocol all pref 10 bpf chain 0 ");
        assert_eq!(json(&row(None)), serde_json::json!({"protocol": "all", "pref": 10, "kind": "bpf", "chain": 0}));
    }

    #[test]
    fn a_place_that_was_not_asked_for_is_told() {
        let rows = [
            (Handle::INGRESS, "filter ingress ", r#"{"ingress":true,"#),
            (Handle::ROOT, "filter root ", r#"{"root":true,"#),
            (Handle(0x10000), "filter parent 1: ", r#"{"parent":"1:","#),
        ];
        for (parent, text, json) in rows {
            let row = Row { parent: Some(At::new(parent)), ..row(None) };
            assert!(row.text().starts_with(text), "{}", row.text());
            assert!(serde_json::to_string(&row).unwrap().starts_with(json));
        }
    }

    #[test]
    fn a_bpf_filter_is_told_as_tc_tells_it() {
        let prog = Prog {
            id: 7,
            name: Some("drop".to_owned()),
            tag: Some("59f4a931744dcdc6".to_owned()),
            jited: Some(1),
            ..Prog::default()
        };
        let row = row(Some(Options::Bpf(Box::new(Bpf {
            handle: Some("0x5".to_owned()),
            flowid: Some("1:7".to_owned()),
            bpf_name: Some("t.o:[tc]".to_owned()),
            direct_action: true,
            not_in_hw: true,
            prog: Some(prog),
            ..Bpf::default()
        }))));
        assert_eq!(
            row.text(),
            "filter protocol all pref 10 bpf chain 0 handle 0x5 flowid 1:7 t.o:[tc] direct-action not_in_hw \
             id 7 name drop tag 59f4a931744dcdc6 jited "
        );
        let options = serde_json::json!({
            "handle": "0x5", "flowid": "1:7", "bpf_name": "t.o:[tc]", "direct-action": true, "not_in_hw": true,
            "prog": {"id": 7, "name": "drop", "tag": "59f4a931744dcdc6", "jited": 1},
        });
        assert_eq!(json(&row)["options"], options);
    }

    #[test]
    fn classic_bpf_is_told_as_numbers() {
        let bytecode = Bytecode::new(&[ClassicInsn { code: 6, jt: 0, jf: 0, k: 65535 }]);
        assert_eq!(bytecode.text(), "bytecode '1,6 0 0 65535'");
    }

    #[test]
    fn actions_have_lines_of_their_own() {
        let action = ActionRow { order: 2, kind: "gact".to_owned(), mirred: None };
        assert_eq!(action.text(), "\n\taction order 2: gact [cannot parse parameters]\n");
        assert_eq!(serde_json::to_string(&action).unwrap(), r#"{"order":2,"kind":"gact"}"#);
    }

    #[test]
    fn handles_of_u32_are_in_parts() {
        let rows = [(0x8000_0000, "800:"), (0x8000_0800, "800::800"), (0x8000_1800, "800:1:800"), (0x801, ":801")];
        for (handle, text) in rows {
            assert_eq!(u32_handle(handle), text);
        }
    }
}
