//! Source texts, for the lines that BTF.ext and the verifier's log show.

use std::borrow::Cow;

/// Where an operation was written: file, line and column of the front end's source.
pub type Loc = &'static core::panic::Location<'static>;

/// One file (or a run of lines of it) whose text the emitter may quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The file as [`Loc::file`](core::panic::Location::file) spells it.
    pub path: Cow<'static, str>,
    /// The file as the object shall name it: relative to the package root, the same on every machine.
    pub name: Cow<'static, str>,
    /// The number of the first line of `text`, from 1.
    pub first_line: u32,
    /// The lines.
    pub text: Cow<'static, str>,
}

/// The texts that a compilation may quote. A location in no known file is shown by name, without its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap {
    texts: Vec<SourceText>,
}

/// A line of source as the object will show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLine<'a> {
    /// The file's name in the object.
    pub file: &'a str,
    /// The whole line without its end, or nothing where the text is not known.
    pub text: &'a str,
}

impl SourceMap {
    /// A map with no text.
    pub fn new() -> SourceMap {
        SourceMap::default()
    }

    /// Adds a text. The first one that holds a line wins.
    pub fn add(&mut self, text: SourceText) {
        self.texts.push(text);
    }

    /// The line at `loc`.
    pub fn line(&self, loc: Loc) -> SourceLine<'_> {
        let same_file = || self.texts.iter().filter(|t| t.path == loc.file());
        for known in same_file() {
            let Some(skip) = loc.line().checked_sub(known.first_line) else { continue };
            if let Some(text) = known.text.lines().nth(skip as usize) {
                return SourceLine { file: &known.name, text };
            }
        }
        let file = same_file().next().map_or(loc.file(), |known| &*known.name);
        SourceLine { file, text: "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_file_and_number() {
        let here: Loc = core::panic::Location::caller();
        let mut map = SourceMap::new();
        assert_eq!(map.line(here).file, file!());
        map.add(SourceText {
            path: file!().into(),
            name: "here.rs".into(),
            first_line: here.line() - 1,
            text: "before\nthe line\nafter".into(),
        });
        assert_eq!(map.line(here), SourceLine { file: "here.rs", text: "the line" });
    }
}
