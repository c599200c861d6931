//! Networks inside a sandbox, built and looked at over rtnetlink by code that is not under test.

pub mod filter;
pub mod link;
pub mod namespace;
pub mod offload;
pub mod qdisc;
mod route;
mod wire;

pub use namespace::Namespace;
pub use wire::{DEVICE, FIRST, SECOND, TARGET, Wire};

/// Which way packets go, seen from a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the machine.
    Ingress,
    /// Out of it.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Direction; 2] = [Direction::Ingress, Direction::Egress];

    /// iproute2's word, which is also the one in a hook: `tc:v0:ingress`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        }
    }
}

/// What can go wrong while a network is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A system call of nix failed.
    #[error(transparent)]
    Errno(#[from] nix::Error),
    /// The kernel refused a request.
    #[error(transparent)]
    Netlink(#[from] rtnetlink::Error),
}

/// A network's result.
pub type Result<T> = std::result::Result<T, Error>;
