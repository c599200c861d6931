//! The compiler behind bpfasm's eDSL.
//!
//! A front end builds an [`ir::Module`]: functions in SSA form with block parameters. [`compile`] verifies it, runs the passes,
//! selects instructions, allocates registers and emits a [`bpfasm_object::Object`] for one target byte order.
//!
//! The stages follow the data: `ir` → `passes` → `select` → `regalloc` → `emit`.
#![forbid(unsafe_code)]

pub mod fold;
pub mod ir;
mod passes;
pub mod source;
