//! The intermediate representation: SSA with block parameters.
//!
//! # Invariants
//! - A value is a 64-bit register's content. A value that stands for fewer bits is **zero-extended**: widening is free, and 32-bit
//!   comparisons look at the low half alone. A [`Width::W32`] operation yields a zero-extended result.
//! - Network-order data keeps the byte order of memory; constants of it are [`Operand::Net`] and get the target's bytes at emission.
//! - Every value is defined once and its definition dominates its uses; the entry block has no parameters and no predecessors.
//! - A block ends in exactly one terminator; only [`Terminator::Jump`] carries arguments, as many as the target has parameters.

mod cfg;
mod data;
mod dominators;
mod entity;
mod function;
mod op;
#[cfg(test)]
pub(crate) mod parse;
mod print;
pub mod verify;

pub use bpfasm_isa::{HelperId, Size, Width};
pub use cfg::Cfg;
pub use data::{DataType, Field};
pub use dominators::Dominators;
pub(crate) use entity::entities;
pub use entity::{Block, Entity, GlobalRef, MapRef, StackSlot, Table, Value};
pub use function::{BlockData, Function, GlobalDecl, Inst, MapDecl, Module, Program, Signature, SlotData, Terminator};
pub use op::{Args, BinOp, Cond, Effect, NetConst, Op, Operand, Space};

pub use crate::source::Loc;
