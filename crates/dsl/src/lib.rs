//! The eDSL: BPF programs written as ordinary Rust.
//!
//! # Terms
//! - A *program* is a function marked `#[program(SECTION)]`. It takes a *context* ([`context::Tc`]) and gives a *verdict*
//!   ([`context::TcAction`]).
//! - *Kernel values* have capitalised types ([`U32`](value::U32), [`Be16`](value::Be16), [`Pkt<Ipv4Hdr>`](header::Pkt)): nobody knows
//!   them before a packet arrives. Asking about one splits the path. Everything else is ordinary Rust, evaluated while the program is
//!   *staged*: a loop over a host `Vec` unrolls, a host `if` emits nothing.
//! - *Staging* runs the function once per path and joins the paths into one control-flow graph ([`stage`]).
//!
//! # Layers
//! [`stage`] at the bottom; [`value`] and [`join`] on it; [`header`], [`map`] and [`context`] on those, with the [`helper`]s; [`program`]
//! on top.
//!
//! # Example
//! ```
//! use bpfasm_dsl::prelude::*;
//!
//! #[program(tc, crate = bpfasm_dsl)]
//! fn only_ipv4(skb: &mut Tc) -> TcAction {
//!     let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::SHOT };
//!     if eth.ethertype() == ETH_P_IP { TcAction::OK } else { TcAction::SHOT }
//! }
//!
//! let staged = only_ipv4.stage()?;
//! assert_eq!(staged.program.section, "tc");
//! # Ok::<(), bpfasm_dsl::stage::StageError>(())
//! ```
#![forbid(unsafe_code)]

pub mod build;
pub mod context;
pub mod header;
pub mod helper;
pub mod join;
pub mod map;
mod module;
pub mod program;
mod range;
pub mod sample;
pub mod stage;
pub mod uapi;
pub mod value;

pub use module::module;
pub use range::{Range, range};
pub use stage::StageError;

/// What a program file needs: `use bpfasm::prelude::*;`.
pub mod prelude {
    pub use std::net::{Ipv4Addr, Ipv6Addr};

    pub use crate::context::{Cgroup, CgroupSkb, Tc, TcAction};
    pub use crate::header::{
        ArpHdr, EthHdr, Header, IcmpHdr, Icmpv6Hdr, Ipv4Hdr, Ipv6Hdr, Pkt, PktMut, TcpHdr, UdpHdr, VlanHdr,
    };
    pub use crate::helper::{self, FibLookup, NextHop, TunnelKey, TupleV4, TupleV6};
    pub use crate::map::{Array, Constant, Global, Hash, LpmKey, LpmTrie, LruHash, MapRef, PerCpuArray, PerCpuHash};
    pub use crate::program::Program;
    pub use crate::range;
    pub use crate::sample::Sample;
    pub use crate::uapi::*;
    pub use crate::value::{Be16, Be32, Be64, Be128, Bit, I32, I64, Mac, U8, U16, U32, U64};
    pub use bpfasm_macros::{BpfStruct, Header, global, map, program, staged};
}

/// What the macros expand to.
#[doc(hidden)]
pub mod private {
    pub use crate::build::{Entry, SetFromStr, SetList, SetNever, Setting};
    pub use crate::header::{Bytes, Field, Header};
    pub use crate::join::{Dead, HostKey, Join, JoinHost, JoinOpaque, JoinStaged, Staged, Var};
    pub use crate::map::{Layout, MapRef, Stored};
    pub use crate::program::{self, Declaration, Program, Source, bind, returning, stage};
    pub use crate::stage::{Scope, StageError, forked_again_since, forked_since, scope};
    pub use bpfasm_codegen::ir;
    pub use bpfasm_object::MapData;
}
