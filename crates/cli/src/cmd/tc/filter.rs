//! `bpfasm tc filter`: the words.

use std::io::Write;
use std::path::PathBuf;

use bpfasm::loader::tc::{FilterAddress, Handle, Hardware, Put};

use super::protocol::Protocol;
use super::{handle, is_show};
use crate::error::Error;
use crate::output::Output;
use crate::words::{Words, begins, number};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Put one in its place.
    Put(Put, Place, Box<Bpf>),
    /// Delete those in a place, of a kind if one is named.
    Delete(Place, Option<String>),
    /// List them.
    Show(Place),
}

/// Where filters are: what is not said is any, or for the kernel to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    device: Option<String>,
    pub parent: Option<Handle>,
    pub chain: Option<u32>,
    pub priority: Option<u16>,
    pub protocol: Option<u16>,
    pub handle: Option<u32>,
}

/// What a new filter does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bpf {
    pub source: Source,
    pub direct_action: bool,
    pub class: Option<Handle>,
    pub hardware: Hardware,
}

/// Where its program comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A program file or an object.
    Object { file: PathBuf, section: Option<String>, program: Option<String> },
    /// A pin.
    Pinned(PathBuf),
}

const USAGE: &str = "bpfasm tc filter {add | change | replace | del | show} dev DEV {ingress | egress} ...";
const PUT: &str = "bpfasm tc filter {add | change | replace} dev DEV {ingress | egress} [prio N] [handle N] \
    [protocol P] bpf [da] {obj FILE.rs|OBJ [sec SECTION] [program NAME] | pinned PATH} [classid ID]";
const DELETE: &str = "bpfasm tc filter del dev DEV {ingress | egress} [prio N] [handle N] [protocol P] [KIND]";
const PLACE: &str = "dev, ingress, egress, root, parent, prio, protocol or chain";
const BPF: &str = "da, obj, pinned, sec, program, classid, skip_hw or skip_sw";
const SHOW: &str = "bpfasm tc filter show dev DEV {ingress | egress} [prio N] [protocol P] [chain N]";

impl Request {
    /// Takes the words after `filter`.
    ///
    /// # Errors
    ///
    /// They make no command.
    pub fn parse(words: &mut Words) -> Result<Self, Error> {
        words.should_be(USAGE);
        let verb = words.next("add, change, replace, delete or show")?;
        match verb.as_str() {
            verb if begins(verb, "add") => Self::put(Put::Add, words),
            verb if begins(verb, "change") => Self::put(Put::Change, words),
            verb if begins(verb, "replace") => Self::put(Put::Replace, words),
            verb if begins(verb, "delete") => {
                words.should_be(DELETE);
                let (place, kind) = Place::parse(words)?;
                words.end().map(|()| Self::Delete(place, kind))
            }
            verb if is_show(verb) => {
                words.should_be(SHOW);
                match Place::parse(words)? {
                    (place, None) => Ok(Self::Show(place)),
                    (_, Some(word)) => Err(words.unexpected(&word, PLACE)),
                }
            }
            verb => Err(words.unexpected(verb, "add, change, replace, delete or show")),
        }
    }

    fn put(put: Put, words: &mut Words) -> Result<Self, Error> {
        words.should_be(PUT);
        let (place, kind) = Place::parse(words)?;
        match kind.as_deref() {
            Some("bpf") => Ok(Self::Put(put, place, Box::new(Bpf::parse(words)?))),
            Some(word) => Err(words.unexpected(word, "bpf: for other kinds of filters there is tc itself")),
            None => Err(words.wrong("bpf is missing".to_owned())),
        }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// There is no such device, program or filter, or the kernel refuses.
    pub fn run(self, output: Output, details: bool, out: &mut impl Write) -> Result<(), Error> {
        match self {
            Self::Put(put, place, bpf) => bpf.put(&place, put),
            Self::Delete(place, kind) => place.delete(kind.as_deref()),
            Self::Show(place) => place.show(output, details, out),
        }
    }
}

impl Place {
    /// Takes words up to one that is a kind of filter, and gives that.
    fn parse(words: &mut Words) -> Result<(Self, Option<String>), Error> {
        let mut place = Self::default();
        let kind = loop {
            match words.try_next() {
                Some(word) if place.take(&word, words)? => {}
                kind => break kind,
            }
        };
        if place.device.is_none() {
            return Err(words.wrong("dev DEV is missing".to_owned()));
        }
        Ok((place, kind))
    }

    /// Takes what a word names, if it names a part of a place.
    fn take(&mut self, word: &str, words: &mut Words) -> Result<bool, Error> {
        match word {
            "dev" => {
                let name = words.next("a device's name")?;
                words.set(&mut self.device, name, word)?;
            }
            "root" => words.set(&mut self.parent, Handle::ROOT, word)?,
            "ingress" => words.set(&mut self.parent, Handle::INGRESS, word)?,
            "egress" => words.set(&mut self.parent, Handle::EGRESS, word)?,
            "parent" => {
                let parent = words.read("class such as 1:10", handle)?;
                words.set(&mut self.parent, parent, word)?;
            }
            "handle" => {
                let of_filter = words.read("filter's handle", filter_handle)?;
                words.set(&mut self.handle, of_filter, word)?;
            }
            _ if begins(word, "preference") || begins(word, "priority") => {
                let read = |word: &str| {
                    number(word).and_then(|number| u16::try_from(number).ok()).filter(|&number| number != 0)
                };
                let priority = words.read("priority from 1 to 65535", read)?;
                words.set(&mut self.priority, priority, word)?;
            }
            _ if begins(word, "protocol") => {
                let protocol = words.read("protocol such as all, ip or 0x88cc", Protocol::parse)?;
                words.set(&mut self.protocol, protocol, word)?;
            }
            _ if begins(word, "chain") => {
                let chain = words.read("chain's number", number)?;
                words.set(&mut self.chain, chain, word)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The device's name.
    pub fn device(&self) -> &str {
        self.device.as_deref().unwrap_or_default()
    }

    /// The same for the loader, on any device.
    pub fn address(&self) -> FilterAddress {
        FilterAddress {
            ifindex: 0,
            parent: self.parent.unwrap_or(Handle::NONE),
            chain: self.chain.unwrap_or(0),
            priority: self.priority.unwrap_or(0),
            protocol: self.protocol.unwrap_or(0),
            handle: self.handle.unwrap_or(0),
        }
    }
}

/// A number; or the parts of a `u32` filter's handle, table, bucket and number in hexadecimal digits.
fn filter_handle(word: &str) -> Option<u32> {
    let Some((table, rest)) = word.split_once(':') else { return number(word) };
    let (bucket, number) = rest.split_once(':').unwrap_or((rest, ""));
    let part = |digits: &str, bits: u32| match digits {
        "" => Some(0),
        digits => u32::from_str_radix(digits, 16).ok().filter(|part| part >> bits == 0),
    };
    Some(part(table, 12)? << 20 | part(bucket, 8)? << 12 | part(number, 12)?)
}

impl Bpf {
    fn parse(words: &mut Words) -> Result<Self, Error> {
        let mut new = Parts::default();
        while let Some(word) = words.try_next() {
            new.take(&word, words)?;
        }
        let Parts { file, pin, section, program, direct_action, class, hardware } = new;
        let source = match (file, pin) {
            (Some(file), None) => Source::Object { file, section, program },
            (None, Some(_)) if section.is_some() || program.is_some() => {
                return Err(words.wrong("a pin holds one program: sec and program are for obj".to_owned()));
            }
            (None, Some(pin)) => Source::Pinned(pin),
            (None, None) => return Err(words.wrong("obj FILE or pinned PATH is missing".to_owned())),
            (Some(_), Some(_)) => return Err(words.wrong("obj and pinned: there can be one only".to_owned())),
        };
        Ok(Self { source, direct_action, class, hardware })
    }
}

/// The words of a new filter, in any order.
#[derive(Default)]
struct Parts {
    file: Option<PathBuf>,
    pin: Option<PathBuf>,
    section: Option<String>,
    program: Option<String>,
    direct_action: bool,
    class: Option<Handle>,
    hardware: Hardware,
}

impl Parts {
    fn take(&mut self, word: &str, words: &mut Words) -> Result<(), Error> {
        match word {
            _ if word == "da" || begins(word, "direct-action") => self.direct_action = true,
            _ if word == "obj" || begins(word, "object-file") => {
                let file = words.next("FILE.rs or OBJ")?.into();
                words.set(&mut self.file, file, word)?;
            }
            _ if word == "fd" || begins(word, "pinned") || begins(word, "object-pinned") => {
                let pin = words.next("a path in a bpffs")?.into();
                words.set(&mut self.pin, pin, word)?;
            }
            _ if begins(word, "section") => {
                let section = words.next("a section's name")?;
                words.set(&mut self.section, section, word)?;
            }
            _ if begins(word, "program") => {
                let program = words.next("a program's name")?;
                words.set(&mut self.program, program, word)?;
            }
            _ if begins(word, "classid") || begins(word, "flowid") => {
                let class = words.read("class such as 1:10", handle)?;
                words.set(&mut self.class, class, word)?;
            }
            "skip_hw" => self.hardware.skip_hw = true,
            "skip_sw" => self.hardware.skip_sw = true,
            _ if begins(word, "action") => {
                return Err(words.unexpected(word, "da: then the program's verdict is what is done"));
            }
            _ => return Err(words.unexpected(word, BPF)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{self as tc, parse_line};
    use super::*;

    fn request(line: &str) -> Result<Request, String> {
        match parse_line(line)?.0 {
            tc::Request::Filter(request) => Ok(request),
            tc::Request::Qdisc(_) => panic!("{line}"),
        }
    }

    fn place() -> Place {
        Place { device: Some("v0".to_owned()), parent: Some(Handle::INGRESS), ..Place::default() }
    }

    fn object(section: Option<&str>, program: Option<&str>) -> Bpf {
        let [section, program] = [section, program].map(|name| name.map(str::to_owned));
        let source = Source::Object { file: "x.o".into(), section, program };
        Bpf { source, direct_action: true, class: None, hardware: Hardware::default() }
    }

    fn put(put: Put, place: Place, bpf: Bpf) -> Result<Request, String> {
        Ok(Request::Put(put, place, Box::new(bpf)))
    }

    #[test]
    fn the_words_of_a_new_filter() {
        let tc = || object(Some("tc"), None);
        let rows = [
            ("filter add dev v0 ingress bpf da obj x.o sec tc", put(Put::Add, place(), tc())),
            ("f a ingress dev v0 bpf direct-action object-file x.o section tc", put(Put::Add, place(), tc())),
            ("f add dev v0 ingress bpf obj x.o sec tc direct", put(Put::Add, place(), tc())),
            ("f add dev v0 ingress bpf da obj x.o program y", put(Put::Add, place(), object(None, Some("y")))),
            (
                "filter replace dev v0 ingress prio 10 handle 0x5 protocol ip chain 3 bpf da obj x.o",
                put(
                    Put::Replace,
                    Place { priority: Some(10), handle: Some(5), protocol: Some(0x800), chain: Some(3), ..place() },
                    object(None, None),
                ),
            ),
            (
                "f change dev v0 egress pref 1 handle 1 bpf da pinned /p classid 1:7 skip_hw",
                put(
                    Put::Change,
                    Place { parent: Some(Handle::EGRESS), priority: Some(1), handle: Some(1), ..place() },
                    Bpf {
                        source: Source::Pinned("/p".into()),
                        class: Some(Handle(0x0001_0007)),
                        hardware: Hardware { skip_hw: true, ..Hardware::default() },
                        ..object(None, None)
                    },
                ),
            ),
        ];
        for (line, expected) in rows {
            assert_eq!(request(line), expected, "{line}");
        }
    }

    #[test]
    fn the_words_of_deletions_and_lists() {
        let one = Place { priority: Some(20), handle: Some(0x8000_0800), ..place() };
        let rows = [
            ("filter del dev v0 ingress", Request::Delete(place(), None)),
            ("f d dev v0 ingress prio 20 handle 800::800 u32", Request::Delete(one, Some("u32".to_owned()))),
            ("filter show dev v0 ingress", Request::Show(place())),
            ("f s dev v0 ingress", Request::Show(place())),
            ("f ls dev v0 ingress", Request::Show(place())),
            ("f lst ingress dev v0 pr 7", Request::Show(Place { priority: Some(7), ..place() })),
            ("f list dev v0", Request::Show(Place { parent: None, ..place() })),
            ("f s dev v0 parent ffff:fff2", Request::Show(place())),
            ("f s dev v0 parent 1:", Request::Show(Place { parent: Some(Handle(0x10000)), ..place() })),
        ];
        for (line, expected) in rows {
            assert_eq!(request(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_makes_no_command_says_which_word() {
        let rows = [
            ("filter", "add, change, replace, delete or show is missing"),
            ("filter get dev v0", "`get` is not expected here, but add, change, replace, delete or show"),
            ("filter show", "dev DEV is missing"),
            ("filter show dev", "a device's name is missing"),
            (
                "filter show dev v0 sideways",
                "`sideways` is not expected here, but dev, ingress, egress, root, parent, \
                 prio, protocol or chain",
            ),
            ("filter add dev v0 ingress", "bpf is missing"),
            (
                "filter add dev v0 ingress u32 match",
                "`u32` is not expected here, but bpf: for other kinds of filters \
                 there is tc itself",
            ),
            ("filter add dev v0 ingress egress bpf", "`egress` is one too many: there can be one only"),
            ("filter add dev v0 ingress prio x bpf", "`x` is no priority from 1 to 65535"),
            ("filter add dev v0 ingress prio 0 bpf", "`0` is no priority from 1 to 65535"),
            ("filter add dev v0 ingress prio 65536 bpf", "`65536` is no priority from 1 to 65535"),
            ("filter add dev v0 ingress handle 1:2:3:4 bpf", "`1:2:3:4` is no filter's handle"),
            ("filter add dev v0 ingress handle 1000:: bpf", "`1000::` is no filter's handle"),
            ("filter add dev v0 ingress protocol udp bpf", "`udp` is no protocol such as all, ip or 0x88cc"),
            ("filter add dev v0 ingress bpf da", "obj FILE or pinned PATH is missing"),
            ("filter add dev v0 ingress bpf da obj", "FILE.rs or OBJ is missing"),
            ("filter add dev v0 ingress bpf da obj x.o sec", "a section's name is missing"),
            ("filter add dev v0 ingress bpf obj x.o pinned /p", "obj and pinned: there can be one only"),
            ("filter add dev v0 ingress bpf obj x.o obj y.o", "`obj` is one too many: there can be one only"),
            ("filter add dev v0 ingress bpf pinned /p sec tc", "a pin holds one program: sec and program are for obj"),
            (
                "filter add dev v0 ingress bpf obj x.o action ok",
                "`action` is not expected here, but da: then the program's verdict is what is done",
            ),
            (
                "filter add dev v0 ingress bpf obj x.o police rate",
                "`police` is not expected here, but da, obj, pinned, sec, program, classid, skip_hw or skip_sw",
            ),
            ("filter del dev v0 ingress prio 1 bpf da", "`da` is too much"),
        ];
        for (line, message) in rows {
            assert_eq!(request(line).unwrap_err(), message, "{line}");
        }
    }
}
