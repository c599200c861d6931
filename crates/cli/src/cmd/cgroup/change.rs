//! `bpfasm cgroup attach` and `detach`.

use std::path::PathBuf;

use bpfasm::loader::attach::cgroup::{self, Hook, Mode};
use bpfasm::object::kernel::{AttachType, SectionKind};

use super::attach_type;
use crate::error::Error;
use crate::program_ref::ProgramRef;
use crate::words::{WordError, Words, begins, unexpected};
use crate::{invocation, report};

/// Where, and what.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The group's folder
    cgroup: PathBuf,
    /// What of the group: ingress, egress, sock_create, sock_ops, connect4, bind6, sendmsg4, setsockopt and so on
    #[arg(value_name = "TYPE", value_parser = attach_type)]
    attach_type: AttachType,
    /// pinned PATH, id N, name NAME, tag TAG, or FILE.rs|OBJ [program NAME]; to attach, then multi or override
    #[arg(value_name = "PROGRAM", required = true)]
    words: Vec<String>,
}

impl Args {
    /// Attaches.
    ///
    /// # Errors
    ///
    /// Nothing is attached then.
    pub fn attach(self) -> Result<(), Error> {
        let mut words = Words::new(&self.words);
        let program = ProgramRef::parse(&mut words)?;
        let mode = mode(&mut words)?;
        let hook = self.hook()?;
        let opened =
            program.open("program for that hook", |function| fits(function.section_kind(), self.attach_type))?;
        let program = opened.program()?;
        let replaced = cgroup::attach_program(program, &hook, mode)?;
        if let Some(id) = replaced {
            report::note(format_args!("it took the place of program {id}; with `multi` they would run both"));
        }
        let path = self.cgroup.display().to_string();
        let [attach_type, id] = [self.attach_type.to_string(), program.id()?.to_string()];
        let undo = ["cgroup", "detach", &path, &attach_type, "id", &id].map(str::to_owned);
        report::say(format_args!("undo:  {}", invocation::privileged(&undo)));
        Ok(())
    }

    /// Detaches.
    ///
    /// # Errors
    ///
    /// It is not attached there, or the kernel refuses.
    pub fn detach(self) -> Result<(), Error> {
        let mut words = Words::new(&self.words);
        let program = ProgramRef::parse(&mut words)?;
        words.end()?;
        if let ProgramRef::File { path, .. } = &program {
            let expected = "what names a program in the kernel: pinned PATH, id N, name NAME or tag TAG";
            return Err(unexpected(&path.to_string_lossy(), expected).into());
        }
        let opened = program.open("program", |_| true)?;
        Ok(cgroup::detach_program(opened.program()?, &self.hook()?)?)
    }

    fn hook(&self) -> Result<Hook, Error> {
        Ok(Hook::new(&self.cgroup, self.attach_type)?)
    }
}

/// Whether a program in such a section could be meant for a hook.
fn fits(section: Option<&SectionKind>, attach_type: AttachType) -> bool {
    section.is_some_and(|kind| match kind.expected_attach_type {
        Some(expected) => expected == attach_type,
        None => Some(kind.program_type) == attach_type.program_type(),
    })
}

/// Takes the last word, if there is one.
fn mode(words: &mut Words<'_>) -> Result<Mode, WordError> {
    let mode = match words.next() {
        None => return Ok(Mode::None),
        Some(word) if begins(word, "multi") => Mode::Multi,
        Some(word) if begins(word, "override") => Mode::Override,
        Some(word) => return Err(unexpected(word, "multi, override or the end")),
    };
    words.end().map(|()| mode)
}

#[cfg(test)]
mod tests {
    use bpfasm::object::kernel::section;

    use super::*;

    fn parse(line: &str) -> Result<(String, Mode), WordError> {
        let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut words = Words::new(&line);
        let program = ProgramRef::parse(&mut words)?;
        Ok((program.to_string(), mode(&mut words)?))
    }

    #[test]
    fn programs_and_modes() {
        let rows = [
            ("pinned /p", "pinned /p", Mode::None),
            ("pinned /p multi", "pinned /p", Mode::Multi),
            ("id 7 over", "id 7", Mode::Override),
            ("x.o program y mul", "x.o program y", Mode::Multi),
        ];
        for (line, program, mode) in rows {
            assert_eq!(parse(line), Ok((program.to_owned(), mode)), "{line}");
        }
    }

    #[test]
    fn words_too_many_are_named() {
        let rows = [
            ("id 7 twice", "`twice` is not expected here, but multi, override or the end"),
            ("id 7 multi override", "`override` is not expected here, but the end"),
            ("pinned", "a path in a bpffs is missing after `pinned`"),
        ];
        for (line, message) in rows {
            assert_eq!(parse(line).unwrap_err().to_string(), message);
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
