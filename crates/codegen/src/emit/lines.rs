//! Source lines of the code.

use crate::source::{Loc, SourceMap};
use bpfasm_isa::SlotIx;
use bpfasm_object::Line;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The greatest line number that BTF.ext holds: 22 bits (`BPF_LINE_INFO_LINE_NUM` in `include/uapi/linux/btf.h`).
const MAX_LINE: u32 = (1 << 22) - 1;

/// The greatest column that BTF.ext holds: 10 bits (`BPF_LINE_INFO_LINE_COL`).
const MAX_COLUMN: u32 = (1 << 10) - 1;

/// Looks lines up and shares their texts.
pub(crate) struct Lines<'s> {
    sources: &'s SourceMap,
    files: BTreeMap<&'s str, Arc<str>>,
    /// Each line, by file as the location names it and number.
    known: BTreeMap<(&'static str, u32), Source>,
}

/// A line of source as lines of code share it.
struct Source {
    file: Arc<str>,
    text: Arc<str>,
}

impl<'s> Lines<'s> {
    pub(crate) fn new(sources: &'s SourceMap) -> Lines<'s> {
        Lines { sources, files: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// The line of the code from `at` on.
    pub(crate) fn line(&mut self, at: SlotIx, loc: Loc) -> Line {
        let (sources, files) = (self.sources, &mut self.files);
        let source = self.known.entry((loc.file(), loc.line())).or_insert_with(|| {
            let line = sources.line(loc);
            let file = files.entry(line.file).or_insert_with(|| line.file.into());
            Source { file: Arc::clone(file), text: line.text.into() }
        });
        let (file, text) = (Arc::clone(&source.file), Arc::clone(&source.text));
        let column = if loc.column() > MAX_COLUMN { 0 } else { loc.column() };
        Line { at, file, text, line: loc.line().min(MAX_LINE), column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceText;

    #[test]
    fn lines_share_their_file_and_text() {
        let here: Loc = core::panic::Location::caller();
        let mut sources = SourceMap::new();
        let text = "one\ntwo".into();
        sources.add(SourceText { path: here.file().into(), name: "a.rs".into(), first_line: here.line(), text });
        let mut lines = Lines::new(&sources);
        let (a, b) = (lines.line(SlotIx(0), here), lines.line(SlotIx(3), here));
        assert_eq!((&*a.file, &*a.text, a.line, a.column), ("a.rs", "one", here.line(), here.column()));
        assert!(Arc::ptr_eq(&a.file, &b.file) && Arc::ptr_eq(&a.text, &b.text));
        assert_eq!(b.at, SlotIx(3));
    }
}
