//! What the tests of the passes share: IR text in, IR text out.

use super::{Analysis, Changes};
use crate::ir::{Function, parse::parse, verify};
use bpfasm_isa::Endian;

/// Asserts that a pass turns one text into another, or leaves it alone when they are equal, and says so.
#[track_caller]
pub(crate) fn becomes(pass: fn(&mut Function, &mut Analysis) -> Changes, endian: Endian, before: &str, after: &str) {
    let mut function = parse(before);
    assert_eq!(verify::function(&function, 1), Ok(()), "before");
    let mut analysis = Analysis::new(endian);
    let changes = pass(&mut function, &mut analysis);
    assert_eq!(function.to_string().trim(), after.trim());
    assert_eq!(verify::function(&function, 1), Ok(()), "after");
    let printed = parse(before).to_string();
    assert_eq!(changes != Changes::NONE, printed.trim() != after.trim(), "the pass says whether it changed anything");
    // It knows of every edge that it changed.
    analysis.cfg(&function);
}
