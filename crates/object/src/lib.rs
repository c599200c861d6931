//! The BPF object model, BTF, BTF.ext and ELF.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod btf;
mod cursor;
mod datasec;
pub mod elf;
pub mod kernel;
mod limits;
mod model;
pub mod relocate;

pub use btf::{Btf, TypeId};
pub use datasec::MapError;
pub use model::{
    Datum, Function, FunctionIx, Line, Linkage, Malformed, MapDef, MapIx, Object, Relocation, RelocationTarget, Rule,
    TEXT,
};
pub use relocate::{KernelBtf, LoadImage};
