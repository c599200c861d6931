//! Write BPF networking programs as ordinary Rust; compile, load and attach them from the same binary.
//!
//! # Terms
//! - A *program* is a function marked [`#[program(SECTION)]`](prelude::program); it becomes a unit struct of that name.
//! - It is *staged* (run once per path, which gives its control-flow graph), *compiled* to an [`object::Object`], *loaded* (the kernel
//!   verifies it) and *attached* to a hook.
//! - An [`object::Object`] can also be written to an ELF file that `tc`, `bpftool` and libbpf accept ([`object::elf`]).
//!
//! # Layers
//! [`dsl`] and [`codegen`] make objects, [`loader`] gives them to the kernel; they meet in [`Compile`] and [`Load`].
//!
//! # Features
//! `dsl` (programs and their compiler) and `loader` (everything that talks to the kernel), both on by default.
//!
//! # Example
//! ```
//! use bpfasm::prelude::*;
//!
//! #[program(tc)]
//! fn drop_from(skb: &mut Tc, blocked: Ipv4Addr) -> TcAction {
//!     let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
//!     if eth.ethertype() != ETH_P_IP {
//!         return TcAction::OK;
//!     }
//!     let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
//!     if ip.saddr() == blocked { TcAction::SHOT } else { TcAction::OK }
//! }
//!
//! let object = drop_from.with(Ipv4Addr::new(192, 168, 1, 1)).compile()?;
//! assert!(object.program("drop_from").is_some());
//! // With the privilege to do so, on a device:
//! // let program = drop_from.with(address).load()?;
//! // let hook = Hook::new("eth0", Direction::Ingress)?;
//! // let attachment = loader::attach::tc::attach(&program, &hook, &Options::default())?;
//! # Ok::<(), bpfasm::Error>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "dsl")]
pub mod build;
#[cfg(feature = "dsl")]
mod compile;
mod error;
#[cfg(all(feature = "dsl", feature = "loader"))]
mod load;
#[cfg(all(feature = "dsl", feature = "loader"))]
mod map;

#[cfg(feature = "dsl")]
pub use bpfasm_codegen as codegen;
#[cfg(feature = "dsl")]
pub use bpfasm_dsl as dsl;
#[cfg(feature = "loader")]
pub use bpfasm_loader as loader;
pub use bpfasm_object as object;

pub use bpfasm_object::ErrorKind;
#[cfg(feature = "dsl")]
pub use compile::{Compile, compile};
pub use error::Error;
#[cfg(all(feature = "dsl", feature = "loader"))]
pub use load::{Load, Loaded};
#[cfg(all(feature = "dsl", feature = "loader"))]
pub use map::{MapOf, UserMap};

/// What a program file needs: `use bpfasm::prelude::*;`.
#[cfg(feature = "dsl")]
pub mod prelude {
    pub use bpfasm_dsl::prelude::*;

    pub use crate::Compile;
    #[cfg(feature = "loader")]
    pub use crate::{Load, MapOf};
}
