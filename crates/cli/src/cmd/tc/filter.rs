//! `bpfasm tc filter`: the words.

use std::io::Write;
use std::path::PathBuf;

use bpfasm::loader::tc::{FilterAddress, Handle, Hardware, Put};

use super::protocol::Protocol;
use super::{handle, is_show};
use crate::error::Error;
use crate::output::Output;
use crate::words::{WordError, Words, begins, number, set, unexpected};

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

const VERBS: &str = "add, change, replace, delete or show";
const BPF: &str = "da, obj FILE, pinned PATH, sec, program, classid, skip_hw, skip_sw or the end";

impl Request {
    /// Takes the words after `filter`.
    ///
    /// # Errors
    ///
    /// They make no command.
    pub fn parse(words: &mut Words<'_>) -> Result<Self, WordError> {
        match words.next() {
            Some(word) if begins(word, "add") => Self::put(Put::Add, words),
            Some(word) if begins(word, "change") => Self::put(Put::Change, words),
            Some(word) if begins(word, "replace") => Self::put(Put::Replace, words),
            Some(word) if begins(word, "delete") => {
                let (place, kind) = Place::parse(words)?;
                words.end()?;
                Ok(Self::Delete(place, kind.map(str::to_owned)))
            }
            Some(word) if is_show(word) => match Place::parse(words)? {
                (place, None) => Ok(Self::Show(place)),
                (_, Some(word)) => Err(unexpected(word, "dev, ingress, egress, root, parent, prio, protocol or chain")),
            },
            Some(word) => Err(unexpected(word, VERBS)),
            None => Err(WordError::Missing { after: "filter".to_owned(), expected: VERBS }),
        }
    }

    fn put(put: Put, words: &mut Words<'_>) -> Result<Self, WordError> {
        let (place, kind) = Place::parse(words)?;
        match kind.map_or_else(|| words.expect("bpf"), Ok)? {
            "bpf" => Ok(Self::Put(put, place, Box::new(Bpf::parse(words)?))),
            word => Err(unexpected(word, "bpf: for other kinds of filters there is tc itself")),
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
    fn parse<'a>(words: &mut Words<'a>) -> Result<(Self, Option<&'a str>), WordError> {
        let mut place = Self::default();
        let kind = loop {
            match words.next() {
                None => break None,
                Some(word) if !place.take(word, words)? => break Some(word),
                Some(_) => {}
            }
        };
        match place.device {
            Some(_) => Ok((place, kind)),
            None => Err(WordError::Missing { after: "filter".to_owned(), expected: "dev DEV" }),
        }
    }

    /// Takes what a word names, if it names a part of a place.
    fn take(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, WordError> {
        match word {
            "dev" => set(&mut self.device, words.expect("device")?.to_owned(), word)?,
            "root" => set(&mut self.parent, Handle::ROOT, word)?,
            "ingress" => set(&mut self.parent, Handle::INGRESS, word)?,
            "egress" => set(&mut self.parent, Handle::EGRESS, word)?,
            "parent" => set(&mut self.parent, words.read("class such as 1:10", handle)?, word)?,
            "handle" => set(&mut self.handle, words.read("filter's handle", filter_handle)?, word)?,
            _ if begins(word, "preference") || begins(word, "priority") => {
                let priority = |word| number(word).and_then(|number| u16::try_from(number).ok());
                set(&mut self.priority, words.read("priority from 1 to 65535", priority)?, word)?;
            }
            _ if begins(word, "protocol") => {
                set(&mut self.protocol, words.read("protocol such as all, ip or 0x88cc", Protocol::parse)?, word)?;
            }
            _ if begins(word, "chain") => set(&mut self.chain, words.read("chain's number", number)?, word)?,
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
    fn parse(words: &mut Words<'_>) -> Result<Self, WordError> {
        let (mut source, mut section, mut program, mut class) = (None, None, None, None);
        let (mut direct_action, mut hardware) = (false, Hardware::default());
        while let Some(word) = words.next() {
            match word {
                "da" => direct_action = true,
                _ if begins(word, "direct-action") => direct_action = true,
                "obj" => set(&mut source, Source::object(words)?, word)?,
                _ if begins(word, "object-file") => set(&mut source, Source::object(words)?, word)?,
                "fd" => set(&mut source, Source::pinned(words)?, word)?,
                _ if begins(word, "pinned") || begins(word, "object-pinned") => {
                    set(&mut source, Source::pinned(words)?, word)?;
                }
                _ if begins(word, "section") => set(&mut section, words.expect("a section's name")?.to_owned(), word)?,
                _ if begins(word, "program") => set(&mut program, words.expect("a program's name")?.to_owned(), word)?,
                _ if begins(word, "classid") || begins(word, "flowid") => {
                    set(&mut class, words.read("class such as 1:10", handle)?, word)?;
                }
                "skip_hw" => hardware.skip_hw = true,
                "skip_sw" => hardware.skip_sw = true,
                _ if begins(word, "action") => {
                    return Err(unexpected(word, "da: then the program's verdict is what is done"));
                }
                _ => return Err(unexpected(word, BPF)),
            }
        }
        let after = "bpf".to_owned();
        let mut source = source.ok_or(WordError::Missing { after, expected: "obj FILE or pinned PATH" })?;
        source.choose(section, program)?;
        Ok(Self { source, direct_action, class, hardware })
    }
}

impl Source {
    fn object(words: &mut Words<'_>) -> Result<Self, WordError> {
        let file = words.expect("FILE.rs or OBJ")?.into();
        Ok(Self::Object { file, section: None, program: None })
    }

    fn pinned(words: &mut Words<'_>) -> Result<Self, WordError> {
        Ok(Self::Pinned(words.expect("a path in a bpffs")?.into()))
    }

    /// Says which program of an object.
    fn choose(&mut self, of_section: Option<String>, named: Option<String>) -> Result<(), WordError> {
        match (self, of_section, named) {
            (Self::Object { section, program, .. }, of_section, named) => (*section, *program) = (of_section, named),
            (Self::Pinned(_), None, None) => {}
            (Self::Pinned(_), ..) => return Err(unexpected("sec or program", "nothing: a pin holds one program")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{self as tc, parse};
    use super::*;

    fn request(line: &str) -> Result<Request, WordError> {
        match parse(line)?.request {
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

    fn put(put: Put, place: Place, bpf: Bpf) -> Result<Request, WordError> {
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
            ("filter", "add, change, replace, delete or show is missing after `filter`"),
            ("filter get dev v0", "`get` is not expected here, but add, change, replace, delete or show"),
            ("filter show", "dev DEV is missing after `filter`"),
            ("filter show dev", "device is missing after `dev`"),
            (
                "filter show dev v0 sideways",
                "`sideways` is not expected here, but dev, ingress, egress, root, parent, \
                prio, protocol or chain",
            ),
            ("filter add dev v0 ingress", "bpf is missing after `ingress`"),
            (
                "filter add dev v0 ingress u32 match",
                "`u32` is not expected here, but bpf: for other kinds of filters \
                there is tc itself",
            ),
            ("filter add dev v0 ingress egress bpf", "`egress` is one too many: there can be one only"),
            ("filter add dev v0 ingress prio x bpf", "`x` is no priority from 1 to 65535"),
            ("filter add dev v0 ingress prio 65536 bpf", "`65536` is no priority from 1 to 65535"),
            ("filter add dev v0 ingress handle 1:2:3:4 bpf", "`1:2:3:4` is no filter's handle"),
            ("filter add dev v0 ingress handle 1000:: bpf", "`1000::` is no filter's handle"),
            ("filter add dev v0 ingress protocol udp bpf", "`udp` is no protocol such as all, ip or 0x88cc"),
            ("filter add dev v0 ingress bpf da", "obj FILE or pinned PATH is missing after `bpf`"),
            ("filter add dev v0 ingress bpf da obj", "FILE.rs or OBJ is missing after `obj`"),
            ("filter add dev v0 ingress bpf da obj x.o sec", "a section's name is missing after `sec`"),
            ("filter add dev v0 ingress bpf obj x.o pinned /p", "`pinned` is one too many: there can be one only"),
            (
                "filter add dev v0 ingress bpf pinned /p sec tc",
                "`sec or program` is not expected here, but nothing: a \
                pin holds one program",
            ),
            (
                "filter add dev v0 ingress bpf obj x.o action ok",
                "`action` is not expected here, but da: then the \
                program's verdict is what is done",
            ),
            (
                "filter add dev v0 ingress bpf obj x.o police rate",
                "`police` is not expected here, but da, obj FILE, \
                pinned PATH, sec, program, classid, skip_hw, skip_sw or the end",
            ),
            ("filter del dev v0 ingress prio 1 bpf da", "`da` is not expected here, but the end"),
        ];
        for (line, message) in rows {
            let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(request(line).unwrap_err().to_string(), message, "{line}");
        }
    }
}
