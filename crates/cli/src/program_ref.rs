//! `pinned PATH`, `id N`, `name NAME`, `tag TAG`: a program in the kernel, in bpftool's words; or a file that holds one.

use std::fmt;
use std::path::PathBuf;

use bpfasm::loader::{self, Loaded, Program};
use bpfasm::object::Function;

use crate::error::Error;
use crate::hex;
use crate::input::{Input, Staging};
use crate::words::{WordError, Words, begins};

/// How many bytes of a program's name the kernel keeps: `BPF_OBJ_NAME_LEN` of include/uapi/linux/bpf.h, less the final
/// NUL.
const KEPT_NAME: usize = 15;

/// What a program is.
const FORMS: &str = "a program (pinned PATH, id N, name NAME, tag TAG, FILE.rs or OBJ)";

/// A program, as a command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramRef {
    /// One that is pinned there.
    Pinned(PathBuf),
    /// The one with that id.
    Id(u32),
    /// The one with that name.
    Name(String),
    /// The one with that tag.
    Tag([u8; 8]),
    /// One of a program file or an object, by its name if that is given.
    File {
        /// The file.
        path: PathBuf,
        /// The program's name.
        program: Option<String>,
    },
}

/// A program that was opened, with the object it was loaded from, if it was.
#[derive(Debug)]
pub enum Opened {
    /// It was in the kernel.
    There(Program),
    /// It was loaded now.
    Loaded(Loaded, String),
}

impl Opened {
    /// The program.
    ///
    /// # Errors
    ///
    /// None that a reader will see: what was loaded is there.
    pub fn program(&self) -> Result<&Program, Error> {
        match self {
            Self::There(program) => Ok(program),
            Self::Loaded(loaded, name) => Ok(loaded.program(name)?),
        }
    }
}

impl ProgramRef {
    /// Takes the words that name a program. `program NAME` may follow a file's path.
    ///
    /// # Errors
    ///
    /// There are none, or they name no program.
    pub fn parse(words: &mut Words<'_>) -> Result<Self, WordError> {
        let word = words.expect(FORMS)?;
        Ok(match word {
            _ if begins(word, "pinned") => Self::Pinned(words.expect("a path in a bpffs")?.into()),
            _ if begins(word, "id") => Self::Id(words.read("program id", crate::words::number)?),
            _ if begins(word, "name") => Self::Name(words.expect("a program's name")?.to_owned()),
            _ if begins(word, "tag") => Self::Tag(words.read("tag of 16 hexadecimal digits", tag)?),
            path => {
                let mut ahead = words.clone();
                let program = match ahead.next() {
                    Some("program") => {
                        *words = ahead;
                        Some(words.expect("a program's name")?.to_owned())
                    }
                    _ => None,
                };
                Self::File { path: path.into(), program }
            }
        })
    }

    /// Opens the program, or loads it: the only one of its file that `fits`, if the file has several.
    ///
    /// # Errors
    ///
    /// There is none, or more than one, or it may not be opened or loaded.
    pub fn open(&self, what: &'static str, fits: impl Fn(&Function) -> bool) -> Result<Opened, Error> {
        Ok(match self {
            Self::Pinned(path) => Opened::There(Program::from_pin(path)?),
            Self::Id(id) => Opened::There(Program::from_id(*id)?),
            Self::Name(_) | Self::Tag(_) => Opened::There(Program::from_id(self.find()?)?),
            Self::File { path, program } => {
                let input = Input::open(path, &Staging::default())?;
                let function = input.pick(program.as_deref(), what, fits).map_err(Error::in_words)?;
                Opened::Loaded(input.load(&[function])?, function.name.clone())
            }
        })
    }

    /// The id of the one program in the kernel that has the name or the tag.
    fn find(&self) -> Result<u32, Error> {
        let mut ids = Vec::new();
        for info in loader::programs() {
            let info = info?;
            let fits = match self {
                Self::Name(name) => info.name == name.get(..KEPT_NAME).unwrap_or(name),
                Self::Tag(tag) => info.tag == *tag,
                _ => false,
            };
            ids.extend(fits.then_some(info.id));
        }
        match ids[..] {
            [id] => Ok(id),
            [] => Err(Error::NoProgramCalled { what: self.to_string() }),
            [..] => Err(Error::SeveralProgramsCalled { what: self.to_string(), ids }),
        }
    }
}

/// A tag: 8 bytes in hexadecimal digits.
fn tag(word: &str) -> Option<[u8; 8]> {
    hex::parse(word).ok()?.try_into().ok()
}

impl fmt::Display for ProgramRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(path) => write!(f, "pinned {}", path.display()),
            Self::Id(id) => write!(f, "id {id}"),
            Self::Name(name) => write!(f, "name {name}"),
            Self::Tag(tag) => write!(f, "tag {}", hex::Digits(tag)),
            Self::File { path, program: None } => write!(f, "{}", path.display()),
            Self::File { path, program: Some(program) } => write!(f, "{} program {program}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> (Result<ProgramRef, WordError>, Vec<String>) {
        let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut words = Words::new(&line);
        let parsed = ProgramRef::parse(&mut words);
        let rest = std::iter::from_fn(|| words.next()).map(str::to_owned).collect();
        (parsed, rest)
    }

    #[test]
    fn a_program_is_read_as_it_is_written() {
        let lines = [
            "pinned /sys/fs/bpf/x",
            "id 42",
            "name drop",
            "tag 00112233445566ff",
            "drop.o",
            "programs/drop.rs program tc_drop",
            "./id",
        ];
        for line in lines {
            let (parsed, rest) = parse(line);
            assert_eq!((parsed.unwrap().to_string().as_str(), rest.len()), (line, 0));
        }
        assert_eq!(parse("pin p").0, parse("pinned p").0);
    }

    #[test]
    fn what_follows_is_left() {
        for (line, rest) in [("id 7 multi", "multi"), ("x.o override", "override"), ("x.o program y multi", "multi")] {
            assert_eq!(parse(line).1, [rest]);
        }
    }

    #[test]
    fn what_names_no_program_says_why() {
        let rows = [
            ("", "a program (pinned PATH, id N, name NAME, tag TAG, FILE.rs or OBJ) is missing"),
            ("id", "program id is missing after `id`"),
            ("id x", "`x` is no program id"),
            ("tag 0011", "`0011` is no tag of 16 hexadecimal digits"),
            ("pinned", "a path in a bpffs is missing after `pinned`"),
            ("x.o program", "a program's name is missing after `program`"),
        ];
        for (line, message) in rows {
            assert_eq!(parse(line).0.unwrap_err().to_string(), message);
        }
    }
}
