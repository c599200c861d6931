//! Loops over kernel values.

use bpfasm_codegen::ir::Operand;

use crate::join::Staged;
use crate::value::U32;

/// The numbers from a start up to an end, either of which may be a kernel value. Made by [`range`].
#[derive(Clone, Copy, Debug)]
pub struct Range {
    next: U32,
    end: U32,
}

/// The numbers from `start` up to, but without, `end`: a loop that the kernel runs.
///
/// The verifier must see that the loop ends: bound the end with a mask or a comparison.
pub fn range(start: impl Into<U32>, end: impl Into<U32>) -> Range {
    Range { next: start.into(), end: end.into() }
}

impl Iterator for Range {
    type Item = U32;

    #[track_caller]
    fn next(&mut self) -> Option<U32> {
        if self.next < self.end {
            let this = self.next;
            self.next += 1;
            Some(this)
        } else {
            None
        }
    }
}

impl Staged for Range {
    fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
        self.next.each_part(f);
        self.end.each_part(f);
    }
}
