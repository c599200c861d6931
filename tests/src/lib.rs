//! The harness of the kernel suite: cases that need a real kernel, each in namespaces of its own.
//!
//! # Terms
//!
//! - A [`Case`] is one row of the suite: a name, what it [needs](Need), and a function.
//! - A [`Need`] is something the machine may lack: a capability, a kernel feature, a tool. A case whose need is missing
//!   is reported as *ignored*, with the reason; `BPFASM_REQUIRE=kernel` makes that a failure.
//! - A [`Sandbox`] is where a case runs: a process of its own in new network, mount and pid namespaces.
//!   When the case ends, fails or is killed, everything in there ends with it: processes, devices, links, pins.
//! - A [`Wire`](net::Wire) is a veth pair between two network namespaces, with real UDP sockets at its ends.
//!
//! # Layers
//!
//! [`suite::main`] is the whole `main` of a test binary. It plays three parts, in three processes of the same binary:
//!
//! ```text
//! cargo test ── suite (libtest-mimic) ── supervisor (unshares) ── case (pid 1 of its namespace)
//! ```
//!
//! [`net`] builds networks inside a sandbox, [`mod@command`] runs programs there, and [`cli`] gives cases the `bpfasm`
//! binary. None of them goes through the crates under test: what a case observes is iproute2's, bpftool's or the
//! kernel's own word.

#![expect(
    clippy::missing_panics_doc,
    reason = "the harness panics where a test should fail: that is its way to report"
)]

pub mod case;
pub mod cgroup;
pub mod cli;
pub mod command;
mod guest;
pub mod need;
pub mod net;
mod results;
pub mod sandbox;
pub mod soak;
pub mod suite;

pub use case::Case;
pub use need::Need;
pub use sandbox::Sandbox;

use std::{
    env,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

/// The environment variable that says how many times slower than others a machine is, such as one that is emulated.
pub const SLOWDOWN_VARIABLE: &str = "BPFASM_SLOWDOWN";

/// How long [`eventually`] and the receiving ends of a [`Wire`](net::Wire) wait for what must come, if [`slowed`].
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How many times slower than others this machine is: [`SLOWDOWN_VARIABLE`], or 1.
#[must_use]
pub fn slowdown() -> u32 {
    static TIMES: LazyLock<u32> = LazyLock::new(|| {
        let times = env::var(SLOWDOWN_VARIABLE).ok().and_then(|times| times.parse().ok());
        times.filter(|&times| times > 0).unwrap_or(1)
    });
    *TIMES
}

/// As much time as something takes on this machine that takes so long on others.
#[must_use]
pub fn slowed(usual: Duration) -> Duration {
    usual.saturating_mul(slowdown())
}

/// Asks again and again, until `ask` answers: for effects that take the kernel or another process a moment.
///
/// # Panics
///
/// After [`PATIENCE`], naming `what` did not come.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let patience = slowed(PATIENCE);
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
