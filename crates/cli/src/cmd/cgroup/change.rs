//! `bpfasm cgroup attach` and `detach`.

use std::io::Write;
use std::path::{Path, PathBuf};

use bpfasm::loader::attach::cgroup::{self, Hook, Mode};
use bpfasm::object::kernel::{AttachType, SectionKind};

use super::super::prog;
use super::attach_type;
use crate::error::Error;
use crate::input::{Input, Staging};
use crate::opened::Opened;
use crate::output::Output;
use crate::words::{Handle, Words, begins};
use crate::{invocation, report};

/// Where, and what.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The group's folder
    cgroup: PathBuf,
    /// What of the group: ingress, egress, sock_create, sock_ops, connect4, bind6, sendmsg4, setsockopt and so on
    #[arg(value_name = "TYPE", value_parser = attach_type)]
    attach_type: AttachType,
    /// id N, pinned PATH, tag TAG, name NAME, or FILE.rs|OBJ [program NAME]; to attach, then multi or override
    #[arg(value_name = "PROG", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

const ATTACH: &str = "bpfasm cgroup attach CGROUP TYPE \
    {id N | pinned PATH | tag TAG | name NAME | FILE.rs|OBJ [program NAME]} [multi | override]";
const DETACH: &str = "bpfasm cgroup detach CGROUP TYPE {id N | pinned PATH | tag TAG | name NAME}";

impl Args {
    /// Attaches.
    ///
    /// # Errors
    ///
    /// Nothing is attached then.
    pub fn attach(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.words, ATTACH);
        let hook = Hook::new(&self.cgroup, self.attach_type)?;
        let in_kernel = words.peek().is_some_and(|word| Handle::OF_PROGRAM.iter().any(|known| begins(word, known)));
        let (opened, mode) = if in_kernel {
            let program = prog::open(&mut words)?;
            (Opened::There(program), mode(&mut words)?)
        } else {
            let (file, name) = file(&mut words)?;
            let mode = mode(&mut words)?;
            (load(file.as_ref(), name.as_deref(), self.attach_type)?, mode)
        };
        let program = opened.program()?;
        if let Some(id) = cgroup::attach_program(program, &hook, mode)? {
            report::note(format_args!("it took the place of program {id}; with `multi` they would run both"));
        }
        let path = self.cgroup.display().to_string();
        let [attach_type, id] = [self.attach_type.to_string(), program.id()?.to_string()];
        let undo = ["cgroup", "detach", &path, &attach_type, "id", &id].map(str::to_owned);
        report::say(format_args!("undo:  {}", invocation::privileged(&undo)));
        self.output.done(out)
    }

    /// Detaches.
    ///
    /// # Errors
    ///
    /// It is not attached there, or the kernel refuses.
    pub fn detach(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.words, DETACH);
        let program = prog::open(&mut words)?;
        words.end()?;
        cgroup::detach_program(&program, &Hook::new(&self.cgroup, self.attach_type)?)?;
        self.output.done(out)
    }
}

/// Takes a file, and the name of a program in it if one is given.
fn file(words: &mut Words) -> Result<(String, Option<String>), Error> {
    let file = words.next("a program")?;
    if words.peek() != Some("program") {
        return Ok((file, None));
    }
    words.keyword(&["program"])?;
    Ok((file, Some(words.next("a program's name")?)))
}

/// Loads a program of a file: the only one for the hook, if none is named.
fn load(file: &Path, name: Option<&str>, attach_type: AttachType) -> Result<Opened, Error> {
    let input = Input::open(file, &Staging::default())?;
    let fits = |section| fits(section, attach_type);
    let function = input.pick(name, "program for that hook", |function| fits(function.section_kind()));
    let function = function.map_err(Error::in_words)?;
    Ok(Opened::Loaded(input.load(&[function])?, function.name.clone()))
}

/// Whether a program in such a section could be meant for a hook.
fn fits(section: Option<&SectionKind>, attach_type: AttachType) -> bool {
    section.is_some_and(|kind| match kind.expected_attach_type {
        Some(expected) => expected == attach_type,
        None => Some(kind.program_type) == attach_type.program_type(),
    })
}

/// Takes the last word, if there is one.
fn mode(words: &mut Words) -> Result<Mode, Error> {
    if words.peek().is_none() {
        return Ok(Mode::None);
    }
    let mode = match words.keyword(&["multi", "override"])? {
        "multi" => Mode::Multi,
        _ => Mode::Override,
    };
    words.end().map(|()| mode)
}

#[cfg(test)]
mod tests {
    use bpfasm::object::kernel::section;

    use super::*;

    fn parse(line: &str) -> Result<(String, Option<String>, Mode), String> {
        let mut words = Words::new(line.split_whitespace().map(str::to_owned).collect(), ATTACH);
        let parsed = file(&mut words).and_then(|(file, name)| Ok((file, name, mode(&mut words)?)));
        parsed.map_err(|error| error.to_string())
    }

    #[test]
    fn files_and_modes() {
        let rows = [
            ("x.o", "x.o", None, Mode::None),
            ("./id multi", "./id", None, Mode::Multi),
            ("x.o over", "x.o", None, Mode::Override),
            ("x.rs program y mul", "x.rs", Some("y"), Mode::Multi),
        ];
        for (line, file, program, mode) in rows {
            assert_eq!(parse(line), Ok((file.to_owned(), program.map(str::to_owned), mode)), "{line}");
        }
    }

    #[test]
    fn words_that_are_wrong_are_named() {
        let rows = [
            ("", "a program is missing"),
            ("x.o twice", "`twice` is not multi or override"),
            ("x.o multi override", "`override` is too much"),
            ("x.o program", "a program's name is missing"),
        ];
        for (line, message) in rows {
            assert_eq!(parse(line), Err(message.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_program_fits_its_own_hook() {
        let rows = [
            ("cgroup/connect4", AttachType::CGROUP_INET4_CONNECT, true),
            ("cgroup/connect4", AttachType::CGROUP_INET6_CONNECT, false),
            ("cgroup/skb", AttachType::CGROUP_INET_EGRESS, true),
            ("tc", AttachType::CGROUP_INET_EGRESS, false),
            ("unknown", AttachType::CGROUP_INET_EGRESS, false),
        ];
        for (name, attach_type, expected) in rows {
            assert_eq!(fits(section(name), attach_type), expected, "{name} {attach_type}");
        }
    }
}
