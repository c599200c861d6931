//! Putting programs where packets pass.
//!
//! What is attached is held by a guard: dropping it detaches, and letting it outlive the process is explicit. What was let
//! go, or was left by a process that was killed, is found again by asking the kernel: [`find_ours`].

pub mod cgroup;
mod entry;
mod existing;
mod link;
mod ours;
pub mod tc;

pub use entry::Entry;
pub use ours::{Ours, find_ours};
