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
use crate::words::{WordError, Words, begins, unexpected};

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
In front of all: -j (JSON), -p (JSON, indented), -d (details)

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
struct Command {
    output: Output,
    details: bool,
    request: Request,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Qdisc(qdisc::Request),
    Filter(filter::Request),
}

impl Args {
    /// Does what the words say.
    ///
    /// # Errors
    ///
    /// They say nothing, or the kernel refuses.
    pub fn run(self, output: Output, out: &mut impl Write) -> Result<(), Error> {
        let command = Command::parse(&mut Words::new(&self.words))?;
        let output =
            Output { json: output.json || command.output.json, pretty: output.pretty || command.output.pretty };
        match command.request {
            Request::Qdisc(request) => request.run(output, out),
            Request::Filter(request) => request.run(output, command.details, out),
        }
    }
}

impl Command {
    fn parse(words: &mut Words<'_>) -> Result<Self, WordError> {
        let (mut output, mut details) = (Output::default(), false);
        loop {
            let word = words.expect("qdisc or filter")?;
            let Some(flag) = word.strip_prefix('-') else {
                let request = Request::parse(word, words)?;
                return Ok(Self { output, details, request });
            };
            match flag.strip_prefix('-').unwrap_or(flag) {
                flag if begins(flag, "json") => output.json = true,
                flag if begins(flag, "pretty") => output.pretty = true,
                flag if begins(flag, "details") => details = true,
                _ => return Err(unexpected(word, "-json, -pretty, -details, qdisc or filter")),
            }
        }
    }
}

impl Request {
    fn parse(word: &str, words: &mut Words<'_>) -> Result<Self, WordError> {
        match word {
            _ if begins(word, "qdisc") => qdisc::Request::parse(words).map(Self::Qdisc),
            _ if begins(word, "filter") => filter::Request::parse(words).map(Self::Filter),
            _ => Err(unexpected(word, "qdisc or filter: for anything else there is tc itself")),
        }
    }
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
fn parse(line: &str) -> Result<Command, WordError> {
    let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    Command::parse(&mut Words::new(&line))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_stand_before_the_object() {
        for line in ["-j qdisc", "-json q", "--json qdisc show", "-js qdi"] {
            assert!(parse(line).unwrap().output.json, "{line}");
        }
        let command = parse("-p -d f s dev v0 ingress").unwrap();
        assert!(command.output.pretty && command.details);
        assert!(matches!(command.request, Request::Filter(_)));
        let rows = [
            ("-s qdisc", "`-s` is not expected here, but -json, -pretty, -details, qdisc or filter"),
            ("class show", "`class` is not expected here, but qdisc or filter: for anything else there is tc itself"),
            ("-j", "qdisc or filter is missing after `-j`"),
        ];
        for (line, message) in rows {
            assert_eq!(parse(line).unwrap_err().to_string(), message);
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
            assert!(parse(example).is_ok(), "{example}");
        }
    }

    #[test]
    fn handles_as_tc_takes_them() {
        assert_eq!(handle("ffff:fff2"), Some(Handle::INGRESS));
        assert_eq!(handle("10"), Some(Handle(0x10)));
        assert_eq!(handle("x"), None);
    }
}
