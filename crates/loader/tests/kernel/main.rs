//! The crate against the running kernel.
//!
//! Every test runs in a thread of its own that has moved to a fresh network namespace: no device of the machine is
//! touched. A test that cannot run here counts as ignored, with the reason.

mod clsact;
mod harness;
mod load;
mod map;
mod map_share;
mod objects;
mod process;
mod tcx;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    // A child of one of the tests, not the tests.
    if let Some(role) = std::env::args().nth(1).and_then(|argument| argument.strip_prefix("--as=").map(str::to_owned)) {
        return process::play(&role);
    }
    let trials: Vec<Trial> =
        [load::tests(), map::tests(), map_share::tests(), process::tests(), clsact::tests(), tcx::tests()]
            .into_iter()
            .flatten()
            .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
