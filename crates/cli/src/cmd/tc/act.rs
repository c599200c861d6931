//! `bpfasm tc filter`: what its words do.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use bpfasm::loader::tc::{BpfFilter, Device, FilterQdisc, Put};
use bpfasm::loader::{self, Program};
use bpfasm::object::Function;
use bpfasm::object::kernel::ProgramType;

use super::filter::{Bpf, Place, Source};
use super::qdisc::tell_gone;
use super::row::{Known, Row};
use crate::error::Error;
use crate::input::{Input, Staging, describe, program_type};
use crate::opened::Opened;
use crate::output::Output;

use crate::{invocation, report};

/// What a program in a section is taken for whose name tells nothing: tc's users call sections as they like.
const SECTION: &str = "tc";

impl Bpf {
    /// Puts a filter in its place, and says how it is deleted.
    ///
    /// # Errors
    ///
    /// There is no such device, program or qdisc, or the kernel refuses.
    pub fn put(&self, place: &Place, put: Put) -> Result<(), Error> {
        let device = Device::new(place.device())?;
        let (opened, name) = self.source.open()?;
        if !self.direct_action && self.class.is_none() {
            report::note("without `da` the program's verdict is the number of a class, and not TC_ACT_*");
        }
        let filter = BpfFilter::new(&name).direct_action(self.direct_action).hardware(self.hardware);
        let filter = self.class.into_iter().fold(filter, BpfFilter::class);
        let made = device.put_filter(&place.address(), &filter, opened.program()?, put).map_err(explain)?;
        let words = format!("tc filter del dev {} {made} bpf", device.name());
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let what = if put == Put::Add { "undo" } else { "to delete it" };
        report::say(format_args!("{what}:  {}", invocation::privileged(&words)));
        Ok(())
    }
}

impl Place {
    /// Deletes the filters there.
    ///
    /// # Errors
    ///
    /// There is none, or the kernel refuses.
    pub fn delete(&self, kind: Option<&str>) -> Result<(), Error> {
        let device = Device::new(self.device())?;
        let address = self.address();
        // Whoever names one filter knows whose it is.
        let many = self.handle.is_none();
        let there = if many { device.filters(&address, Some(address.chain))? } else { Vec::new() };
        device.delete_filters(&address, kind)?;
        tell_gone(&there);
        Ok(())
    }

    /// Lists the filters there.
    ///
    /// # Errors
    ///
    /// There is no such device, or the kernel refuses.
    pub fn show(&self, output: Output, details: bool, out: &mut impl Write) -> Result<(), Error> {
        let filters = Device::new(self.device())?.filters(&self.address(), self.chain)?;
        let rows = filters.iter().filter(|filter| self.handle.is_none_or(|handle| filter.address.handle == handle));
        let rows: Vec<Row> = rows
            .map(|filter| {
                let parent = self.parent == Some(filter.address.parent);
                let (protocol, priority) = (self.protocol.is_some(), self.priority.is_some());
                Row::new(filter, Known { parent, protocol, priority, chain: self.chain.is_some(), details })
            })
            .collect();
        if output.is_json() {
            return output.print(out, &rows);
        }
        rows.iter().try_for_each(|row| writeln!(out, "{}", row.text())).map_err(Error::Output)?;
        if self.parent.is_none() && rows.is_empty() {
            report::note("those of clsact are listed by `ingress` and by `egress`");
        }
        Ok(())
    }
}

impl Source {
    /// Opens or loads the program, and gives it with the filter's name: `FILE:[SECTION]`, as tc has it.
    fn open(&self) -> Result<(Opened, String), Error> {
        match self {
            Self::Pinned(path) => Ok((Opened::There(Program::from_pin(path)?), format!("{}:[*fsobj]", base(path)))),
            Self::Object { file, section, program } => {
                let mut input = Input::open(file, &Staging::default())?;
                let function = pick(&input, section.as_deref(), program.as_deref())?.clone();
                if program_type(&function).is_none() {
                    input.set_section(SECTION);
                }
                let name = format!("{}:[{}]", base(file), function.section);
                Ok((Opened::Loaded(input.load(&[&function])?, function.name), name))
            }
        }
    }
}

/// An error of putting a filter, with what is to be done first.
fn explain(error: loader::Error) -> Error {
    match error {
        loader::Error::NoSuchQdisc { device, qdisc, found: None } if qdisc == FilterQdisc::Clsact.kind() => {
            Error::WantsClsact { device }
        }
        error => error.into(),
    }
}

/// A file's name without its folder.
fn base(path: &Path) -> String {
    path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}

/// The program that is meant: the one named, the first in the section named, or the only one that fits.
fn pick<'a>(input: &'a Input, section: Option<&str>, program: Option<&str>) -> Result<&'a Function, Error> {
    let fits = |function: &Function| program_type(function).is_none_or(|known| known == ProgramType::SCHED_CLS);
    let Some(section) = section else { return input.pick(program, "tc program", fits).map_err(Error::in_words) };
    let is_there = |function: &Function| function.section == section;
    match (input.object.programs().find(|function| is_there(function)), program) {
        (None, _) => Err(no_such_section(input, section)),
        (Some(first), None) => input.pick(Some(&first.name), "tc program", fits),
        (Some(_), program) => {
            input.pick(program, "tc program of that section", |function| fits(function) && is_there(function))
        }
    }
}

fn no_such_section(input: &Input, section: &str) -> Error {
    let path = input.path.clone();
    match input.object.program(section) {
        Some(Function { name, section, .. }) => {
            Error::SectionIsProgram { path, program: name.clone(), section: section.clone() }
        }
        None => {
            let have = input.object.programs().map(describe).collect();
            Error::NoSuchSection { path, section: section.to_owned(), have }
        }
    }
}
