//! How long the cases that look for races go on: seconds in every run, and their full counts when asked.

use std::{env, time::Duration};

use crate::slowdown;

/// `BPFASM_SOAK=1`: the full counts.
const VARIABLE: &str = "BPFASM_SOAK";

/// How many rounds a case goes. Fewer than usual where the machine is slow.
pub fn rounds(usual: usize, full: usize) -> usize {
    let times = usize::try_from(slowdown()).unwrap_or(1);
    if is_asked() { full } else { usual.div_ceil(times) }
}

/// How long a case may take.
pub(crate) fn limit() -> Duration {
    Duration::from_secs(if is_asked() { 3600 } else { 60 })
}

fn is_asked() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| value == "1")
}
