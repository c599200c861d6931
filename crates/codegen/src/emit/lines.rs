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
    /// The file and text of each line, by file as the location names it.
    known: BTreeMap<(&'static str, u32), (Arc<str>, Arc<str>)>,
}

impl<'s> Lines<'s> {
    pub(crate) fn new(sources: &'s SourceMap) -> Lines<'s> {
        Lines { sources, files: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// The line of the code from `at` on.
    pub(crate) fn line(&mut self, at: SlotIx, loc: Loc) -> Line {
        let (sources, files) = (self.sources, &mut self.files);
        let (file, text) = self.known.entry((loc.file(), loc.line())).or_insert_with(|| {
            let source = sources.line(loc);
            let file = files.entry(source.file).or_insert_with(|| source.file.into());
            (Arc::clone(file), source.text.into())
        });
        let column = if loc.column() > MAX_COLUMN { 0 } else { loc.column() };
        Line { at, file: Arc::clone(file), text: Arc::clone(text), line: loc.line().min(MAX_LINE), column }
    }
}
