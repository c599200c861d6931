//! BPF objects: the model that compilers make and loaders take, its types (BTF), and the ELF files it is kept in.
//!
//! # Terms
//!
//! - An **object** ([`Object`]) is a set of functions and maps with their types, for one byte order.
//! - A **program** is a function that the kernel can be asked to load; its section's name says what it is for. A
//!   **subprogram** lies in [`.text`](TEXT) and is called by programs.
//! - A **map** ([`MapDef`]) is described here and made by a loader.
//! - A **data section** holds global variables. A map of one value stands for it ([`MapDef::section`]).
//! - A **relocation** ([`Relocation`]) is an instruction that refers to a map or a function by name; *relocating* puts
//!   places in for names.
//! - **BTF** ([`Btf`]) is the kernel's type information; **BTF.ext** ([`btf::ext`]) says which instruction belongs to which
//!   function and source line.
//! - A **slot** is 8 bytes of code; an LDDW has two.
//!
//! # Layers
//!
//! 1. [`kernel`]: the numbers and names of program types, attach types, map types and section names.
//! 2. [`btf`]: types, their encoder and parser.
//! 3. [`Object`] with [`Object::add_datasecs`], which tells BTF about licence and maps.
//! 4. [`elf`]: [`read`](elf::read) and `write` (feature `write`, on by default).
//! 5. [`assembly`]: an assembled text as an object.
//! 6. [`relocate`]: [`image`](relocate::image) makes of a program what BPF_PROG_LOAD takes.
//!
//! Nothing here makes a system call or asks about the running kernel: the same input gives the same output on every
//! machine. Readers take bytes that nobody vouches for: errors name a byte offset, nothing panics, and memory stays in
//! proportion to the input.
//!
//! # Example
//!
//! ```
//! use bpfasm_isa::{Endian, Insn, Reg, Width};
//! use bpfasm_object::{Function, Linkage, Object, elf, relocate};
//!
//! let insns = [Insn::mov(Width::W64, Reg::R0, 2), Insn::exit()];
//! let mut object = Object::new(Endian::NATIVE);
//! object.license = "GPL".to_owned();
//! object.functions.push(Function {
//!     name: "drop_all".to_owned(),
//!     section: "tc".to_owned(),
//!     linkage: Linkage::Global,
//!     code: insns.iter().flat_map(|insn| insn.encode().to_vec()).collect(),
//!     relocations: vec![],
//!     lines: vec![],
//!     type_id: None,
//! });
//! object.add_datasecs()?;
//!
//! let bytes = elf::write(&object)?;
//! assert_eq!(elf::read(&bytes)?, object);
//!
//! let btf = object.kernel_btf()?;
//! let program = object.find_program("drop_all").ok_or("no such program")?;
//! assert_eq!(relocate::image(&object, &btf, program)?.code, object.functions[0].code);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod assembly;
pub mod btf;
mod cursor;
mod datasec;
pub mod elf;
mod error_kind;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
pub mod kernel;
mod limits;
mod map_data;
mod model;
pub mod relocate;

pub use btf::{Btf, TypeId};
pub use datasec::{MapError, SectionError};
pub use error_kind::ErrorKind;
pub use map_data::MapData;
pub use model::{
    Datum, Function, FunctionIx, Line, Linkage, Malformed, MapDef, MapIx, Object, Relocation, RelocationTarget, Rule,
    TEXT,
};
pub use relocate::{KernelBtf, LoadImage};
