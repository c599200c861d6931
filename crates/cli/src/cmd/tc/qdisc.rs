//! `bpfasm tc qdisc`.

use std::io::Write;

use bpfasm::loader::tc::{self, Device, Filter, FilterQdisc, Handle, Qdisc, device_name};
use serde::Serialize;

use super::row::what_went;
use super::{handle, is_show};
use crate::error::Error;
use crate::output::Output;
use crate::report;
use crate::words::{Words, begins};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Make one; with `replace` one may be there.
    Add { target: Target, replace: bool },
    /// Delete one.
    Delete(Target),
    /// List them.
    Show(Shown),
}

/// Which qdisc of which device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    device: String,
    qdisc: FilterQdisc,
}

/// Which of them to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    device: Option<String>,
    parent: Option<Handle>,
    handle: Option<Handle>,
}

const USAGE: &str = "bpfasm tc qdisc {add | replace | del} dev DEV {clsact | ingress}";
const SHOW: &str = "bpfasm tc qdisc show [dev DEV] [clsact | ingress | root | parent ID | handle ID]";
const TARGET: &str = "dev DEV, then clsact or ingress";

impl Request {
    /// Takes the words after `qdisc`.
    ///
    /// # Errors
    ///
    /// They make no command.
    pub fn parse(words: &mut Words) -> Result<Self, Error> {
        words.should_be(USAGE);
        match words.try_next().as_deref() {
            None => Ok(Self::Show(Shown::default())),
            Some(word) if begins(word, "add") => Ok(Self::Add { target: Target::parse(words)?, replace: false }),
            Some(word) if begins(word, "replace") => Ok(Self::Add { target: Target::parse(words)?, replace: true }),
            Some(word) if begins(word, "delete") => Ok(Self::Delete(Target::parse(words)?)),
            Some(word) if is_show(word) => Ok(Self::Show(Shown::parse(words)?)),
            Some(word) => Err(words.unexpected(word, "add, replace, delete or show")),
        }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// There is no such device or qdisc, or the kernel refuses.
    pub fn run(self, output: Output, out: &mut impl Write) -> Result<(), Error> {
        match self {
            Self::Add { target, replace } => target.add(replace),
            Self::Delete(target) => target.delete(),
            Self::Show(shown) => shown.print(output, out),
        }
    }
}

impl Target {
    fn parse(words: &mut Words) -> Result<Self, Error> {
        let mut device = None;
        let qdisc = loop {
            let word = words.next(TARGET)?;
            match word.as_str() {
                "dev" => {
                    let name = words.next("a device's name")?;
                    words.set(&mut device, name, &word)?;
                }
                "clsact" => break FilterQdisc::Clsact,
                "ingress" => break FilterQdisc::Ingress,
                // Where both have to be: said for nothing, but right.
                "parent" => {
                    let is_it = |word: &str| handle(word).filter(|at| *at == Handle::CLSACT);
                    words.read("place of clsact (ffff:fff1)", is_it)?;
                }
                "handle" => {
                    let is_it = |word: &str| handle(word).filter(|at| *at == Handle::CLSACT_QDISC);
                    words.read("handle of clsact (ffff:)", is_it)?;
                }
                word => return Err(words.unexpected(word, TARGET)),
            }
        };
        words.end()?;
        match device {
            Some(device) => Ok(Self { device, qdisc }),
            None => Err(words.wrong(format!("dev DEV is missing in front of {}", qdisc.kind()))),
        }
    }

    fn add(&self, replace: bool) -> Result<(), Error> {
        let Self { device, qdisc } = self;
        if !Device::new(device)?.add_qdisc(*qdisc)? && !replace {
            return Err(Error::QdiscExists { device: device.clone(), kind: qdisc.kind() });
        }
        Ok(())
    }

    fn delete(&self) -> Result<(), Error> {
        let device = Device::new(&self.device)?;
        let mut filters = Vec::new();
        if device.qdiscs()?.iter().any(|qdisc| qdisc.kind == self.qdisc.kind()) {
            filters.extend(device.filters(&device.at(Handle::INGRESS), None)?);
            if self.qdisc == FilterQdisc::Clsact {
                filters.extend(device.filters(&device.at(Handle::EGRESS), None)?);
            }
        }
        device.delete_qdisc(self.qdisc)?;
        tell_gone(&filters);
        Ok(())
    }

    /// The words that name it, after a verb.
    #[cfg(test)]
    fn words(&self) -> String {
        format!("dev {} {}", self.device, self.qdisc.kind())
    }
}

/// Says which filters of others have gone with a command.
pub fn tell_gone(filters: &[Filter]) {
    for filter in filters.iter().filter(|filter| filter.options.is_some() && filter.our_program().is_none()) {
        report::note(format_args!("with it went a filter that bpfasm did not attach: {}", what_went(filter)));
    }
}

impl Shown {
    fn parse(words: &mut Words) -> Result<Self, Error> {
        words.should_be(SHOW);
        let mut shown = Self::default();
        while let Some(word) = words.try_next() {
            match word.as_str() {
                "dev" => {
                    let name = words.next("a device's name")?;
                    words.set(&mut shown.device, name, &word)?;
                }
                "clsact" | "ingress" => words.set(&mut shown.parent, Handle::CLSACT, &word)?,
                "root" => words.set(&mut shown.parent, Handle::ROOT, &word)?,
                "parent" => {
                    let parent = words.read("class such as 1:10", handle)?;
                    words.set(&mut shown.parent, parent, &word)?;
                }
                "handle" => {
                    let of_qdisc = words.read("handle such as 1:", handle)?;
                    words.set(&mut shown.handle, of_qdisc, &word)?;
                }
                word => return Err(words.unexpected(word, "dev, clsact, ingress, root, parent or handle")),
            }
        }
        Ok(shown)
    }

    fn print(&self, output: Output, out: &mut impl Write) -> Result<(), Error> {
        let mut qdiscs = match &self.device {
            Some(name) => Device::new(name)?.qdiscs()?,
            None => tc::qdiscs()?,
        };
        qdiscs.retain(|qdisc| self.parent.is_none_or(|parent| qdisc.parent == parent));
        qdiscs.retain(|qdisc| self.handle.is_none_or(|handle| qdisc.handle == handle));
        let rows: Vec<Row> = qdiscs.iter().map(|qdisc| Row::new(qdisc, self.device.is_none())).collect();
        if output.is_json() {
            return output.print(out, &rows);
        }
        rows.iter().try_for_each(|row| writeln!(out, "{}", row.text())).map_err(Error::Output)
    }
}

/// A qdisc, with tc's keys.
#[derive(Debug, Serialize)]
struct Row {
    kind: String,
    handle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    root: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refcnt: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    offloaded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ingress_block: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    egress_block: Option<u32>,
    /// Of the qdiscs that are known here, none has any.
    options: serde_json::Map<String, serde_json::Value>,
    #[serde(skip)]
    has_options: bool,
}

impl Row {
    fn new(qdisc: &Qdisc, with_device: bool) -> Self {
        let name = || device_name(qdisc.ifindex).unwrap_or_else(|| format!("if{}", qdisc.ifindex));
        let parent = Some(qdisc.parent).filter(|parent| ![Handle::ROOT, Handle::NONE].contains(parent));
        Self {
            kind: qdisc.kind.clone(),
            handle: format!("{:x}:", qdisc.handle.0 >> 16),
            dev: with_device.then(name),
            root: qdisc.parent == Handle::ROOT,
            parent: parent.map(|parent| parent.to_string()),
            refcnt: Some(qdisc.references).filter(|&references| references != 1),
            offloaded: qdisc.offloaded,
            ingress_block: qdisc.ingress_block,
            egress_block: qdisc.egress_block,
            options: serde_json::Map::new(),
            has_options: qdisc.has_options,
        }
    }

    /// tc's line, which ends in a blank.
    fn text(&self) -> String {
        let mut line = format!("qdisc {} {} ", self.kind, self.handle);
        line.extend(self.dev.iter().map(|dev| format!("dev {dev} ")));
        line += if self.root { "root " } else { "" };
        line.extend(self.parent.iter().map(|parent| format!("parent {parent} ")));
        line.extend(self.refcnt.map(|refcnt| format!("refcnt {refcnt} ")));
        line += if self.offloaded { "offloaded " } else { "" };
        line.extend(self.ingress_block.map(|block| format!("ingress_block {block} ")));
        line.extend(self.egress_block.map(|block| format!("egress_block {block} ")));
        line += match (self.kind.as_str(), self.has_options) {
            ("clsact", _) | (_, false) => "",
            ("ingress", true) => "---------------- ",
            (_, true) => "[cannot parse qdisc parameters]",
        };
        line
    }
}

#[cfg(test)]
mod tests {
    use super::super::{self as tc, parse_line};
    use super::*;

    fn request(line: &str) -> Result<Request, String> {
        match parse_line(line)?.0 {
            tc::Request::Qdisc(request) => Ok(request),
            tc::Request::Filter(_) => panic!("{line}"),
        }
    }

    #[test]
    fn words_of_changes() {
        let rows = [
            ("qdisc add dev v0 clsact", "add dev v0 clsact"),
            ("q a dev v0 clsact", "add dev v0 clsact"),
            ("qdisc add dev v0 handle ffff: parent ffff:fff1 clsact", "add dev v0 clsact"),
            ("qdisc replace dev v0 ingress", "replace dev v0 ingress"),
            ("q del dev v0 clsact", "del dev v0 clsact"),
            ("q d dev v0 ingress", "del dev v0 ingress"),
        ];
        for (line, expected) in rows {
            let words = match request(line).unwrap() {
                Request::Add { target, replace: false } => format!("add {}", target.words()),
                Request::Add { target, replace: true } => format!("replace {}", target.words()),
                Request::Delete(target) => format!("del {}", target.words()),
                Request::Show(shown) => panic!("{shown:?}"),
            };
            assert_eq!(words, expected, "{line}");
        }
    }

    #[test]
    fn words_of_lists() {
        let all = Shown::default();
        let of = Shown { device: Some("v0".to_owned()), ..all.clone() };
        let rows = [
            ("q", all.clone()),
            ("q ls", all),
            ("qdisc show dev v0", of.clone()),
            ("qdisc list dev v0 clsact", Shown { parent: Some(Handle::CLSACT), ..of.clone() }),
            ("qdisc s root dev v0", Shown { parent: Some(Handle::ROOT), ..of.clone() }),
            ("qdisc s handle 1: dev v0", Shown { handle: Some(Handle(0x10000)), ..of }),
        ];
        for (line, expected) in rows {
            assert_eq!(request(line), Ok(Request::Show(expected)), "{line}");
        }
    }

    #[test]
    fn what_makes_no_command_says_which_word() {
        let rows = [
            ("qdisc add", "dev DEV, then clsact or ingress is missing"),
            ("qdisc add clsact", "dev DEV is missing in front of clsact"),
            ("qdisc add dev v0", "dev DEV, then clsact or ingress is missing"),
            ("qdisc add dev", "a device's name is missing"),
            ("qdisc add dev v0 dev v1 clsact", "`dev` is one too many: there can be one only"),
            ("qdisc add dev v0 root htb", "`root` is not expected here, but dev DEV, then clsact or ingress"),
            ("qdisc add dev v0 handle 1: clsact", "`1:` is no handle of clsact (ffff:)"),
            ("qdisc add dev v0 clsact block 1", "`block` is too much"),
            ("qdisc link dev v0 clsact", "`link` is not expected here, but add, replace, delete or show"),
            ("qdisc show v0", "`v0` is not expected here, but dev, clsact, ingress, root, parent or handle"),
            ("qdisc show parent x", "`x` is no class such as 1:10"),
        ];
        for (line, message) in rows {
            assert_eq!(request(line).unwrap_err(), message, "{line}");
        }
    }
}
