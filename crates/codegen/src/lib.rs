//! The compiler behind bpfasm's eDSL.
//!
//! A front end builds an [`ir::Module`]: functions in SSA form with block parameters. [`compile`] verifies it, runs the passes,
//! selects instructions, allocates registers and emits a [`bpfasm_object::Object`] for one target byte order.
//!
//! The stages follow the data: `ir` → `passes` → `select` → `regalloc` → `emit`.
#![forbid(unsafe_code)]

mod compile;
mod emit;
mod error;
pub mod fold;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(test)]
mod golden;

pub mod ir;
mod options;
mod passes;
mod regalloc;
mod select;
pub mod source;

pub use bpfasm_isa::{CpuLevel, Endian};
pub use compile::compile;
pub use error::Error;
pub use options::Options;
