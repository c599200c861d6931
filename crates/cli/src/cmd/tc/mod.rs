//! `bpfasm tc`: qdiscs and filters, in iproute2's words.

mod act;
mod filter;
mod protocol;
mod qdisc;
mod row;

use std::io::Write;

use bpfasm::loader::tc::Handle;

use crate::error::Error;
use crate::output::Output;
use crate::words::{Words, begins};

/// Add, list and delete clsact qdiscs and BPF filters, in iproute2's words and with its meaning.
///
/// What is added here is nobody's own, and stays until it is deleted here. `bpfasm attach` looks after what it attaches.
/// Words may be cut short as tc takes them: `bpfasm tc f s dev eth0 ingress`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
qdisc { add | replace | del } dev DEV clsact
qdisc [ show ] [ dev DEV ] [ clsact | root | parent ID | handle ID ]
filter { add | change | replace } dev DEV WHERE [ WHICH ] bpf [ da ]
       { obj FILE.rs|OBJ [ sec SECTION ] [ program NAME ] | pinned PATH }
       [ classid ID ] [ skip_hw | skip_sw ]
filter del dev DEV WHERE [ WHICH ] [ KIND ]
filter show dev DEV [ WHERE ] [ WHICH ]

WHERE: ingress | egress | root | parent ID
WHICH: prio N, handle N, protocol P, chain N
Besides: -j (JSON), -p (JSON, indented), -d (details)

Examples:
  sudo bpfasm tc qdisc add dev eth0 clsact
  sudo bpfasm tc filter add dev eth0 ingress bpf da obj my_prog.o sec tc
  sudo bpfasm tc -j filter show dev eth0 ingress
  sudo bpfasm tc filter del dev eth0 ingress prio 49152 handle 0x1 bpf")]
pub struct Args {
    /// What to do, in iproute2's words, as below
    #[arg(value_name = "WORD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Qdisc(qdisc::Request),
    Filter(filter::Request),
}

/// How it is to be shown.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    output: Output,
    details: bool,
}

const USAGE: &str = "bpfasm tc [-j] [-p] [-d] {qdisc | filter} ...";

impl Args {
    /// Does what the words say.
    ///
    /// # Errors
    ///
    /// They say nothing, or the kernel refuses.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let (request, flags) = parse(self.words)?;
        match request {
            Request::Qdisc(request) => request.run(flags.output, out),
            Request::Filter(request) => request.run(flags.output, flags.details, out),
        }
    }
}

/// Reads all words. Flags may stand anywhere among them.
fn parse(words: Vec<String>) -> Result<(Request, Flags), Error> {
    let (flags, words): (Vec<String>, Vec<String>) = words.into_iter().partition(|word| word.starts_with('-'));
    let mut words = Words::new(words, USAGE);
    let mut shown = Flags::default();
    for word in &flags {
        match word.trim_start_matches('-') {
            "jp" | "pj" => shown.output.pretty = true,
            flag if begins(flag, "json") => shown.output.json = true,
            flag if begins(flag, "pretty") => shown.output.pretty = true,
            flag if begins(flag, "details") => shown.details = true,
            _ => return Err(words.unexpected(word, "-json, -pretty or -details")),
        }
    }
    let object = words.next("qdisc or filter")?;
    let request = match object.as_str() {
        object if begins(object, "qdisc") => Request::Qdisc(qdisc::Request::parse(&mut words)?),
        object if begins(object, "filter") => Request::Filter(filter::Request::parse(&mut words)?),
        object => return Err(words.unexpected(object, "qdisc or filter: for anything else there is tc itself")),
    };
    Ok((request, shown))
}

/// Whether a word is one of tc's for listing.
fn is_show(word: &str) -> bool {
    ["show", "list", "lst"].iter().any(|whole| begins(word, whole))
}

/// A class, or a qdisc: a number without a colon is a minor one.
fn handle(word: &str) -> Option<Handle> {
    word.parse().ok().or_else(|| u16::from_str_radix(word, 16).ok().map(|minor| Handle(minor.into())))
}

#[cfg(test)]
fn parse_line(line: &str) -> Result<(Request, Flags), String> {
    parse(line.split_whitespace().map(str::to_owned).collect()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_stand_anywhere() {
        for line in ["-j qdisc", "-json q", "--json qdisc show", "-js qdi", "qdisc show -j", "-jp qdisc", "-p qdisc"] {
            assert!(parse_line(line).unwrap().1.output.is_json(), "{line}");
        }
        let (request, flags) = parse_line("-p -d f s dev v0 ingress").unwrap();
        assert!(flags.output.is_json() && flags.details);
        assert!(matches!(request, Request::Filter(_)));
        let rows = [
            ("-s qdisc", "`-s` is not expected here, but -json, -pretty or -details"),
            ("class show", "`class` is not expected here, but qdisc or filter: for anything else there is tc itself"),
            ("-j", "qdisc or filter is missing"),
        ];
        for (line, message) in rows {
            assert_eq!(parse_line(line).unwrap_err(), message);
        }
    }

    #[test]
    fn the_examples_are_taken() {
        let cli = crate::Cli::command();
        let help = cli.find_subcommand("tc").unwrap().get_after_help().unwrap().to_string();
        let examples: Vec<&str> =
            help.lines().filter_map(|line| line.split_once("bpfasm tc ")).map(|of| of.1).collect();
        assert!(examples.len() >= 4);
        for example in examples {
            assert!(parse_line(example).is_ok(), "{example}");
        }
    }

    #[test]
    fn handles_as_tc_takes_them() {
        assert_eq!(handle("ffff:fff2"), Some(Handle::INGRESS));
        assert_eq!(handle("10"), Some(Handle(0x10)));
        assert_eq!(handle("x"), None);
    }
}
