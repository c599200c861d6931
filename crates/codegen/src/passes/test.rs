//! What the tests of the passes share: IR text in, IR text out.

use crate::ir::{Function, parse::parse, verify};

/// Asserts that `pass` turns one text into another, or leaves it alone when they are equal, and says so.
#[track_caller]
pub(crate) fn becomes(pass: impl Fn(&mut Function) -> bool, before: &str, after: &str) {
    let mut function = parse(before);
    assert_eq!(verify::function(&function, 1), Ok(()), "before");
    let changed = pass(&mut function);
    assert_eq!(function.to_string().trim(), after.trim());
    assert_eq!(verify::function(&function, 1), Ok(()), "after");
    assert_eq!(changed, before.trim() != after.trim(), "the pass says whether it changed anything");
}
