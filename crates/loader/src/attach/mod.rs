//! Putting programs where packets pass.
//!
//! What is attached is held by a guard: dropping it detaches, and letting it outlive the process is explicit.

pub mod cgroup;
mod entry;
mod link;
pub mod tc;

pub use entry::Entry;
