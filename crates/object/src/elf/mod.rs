//! ELF objects: what `clang -target bpf` makes and loaders take.
//!
//! [`read`] is written by hand for untrusted bytes. `write` (feature `write`) goes through the `object` crate and makes
//! what tc, bpftool, libbpf, cilium/ebpf and aya load **with** its BTF.
//!
//! `read(write(object))` is `object` again, if its functions are grouped by section, a section's in the order of their
//! code, and no source line has a line break in it.
//!
//! # References
//! "Tool Interface Standard (TIS) Executable and Linking Format"; `Documentation/bpf/llvm_reloc.rst`.

mod debug_info;
mod error;
mod file;
mod function;
mod read;
#[cfg(feature = "write")]
mod write;

pub use error::ReadError;
pub use read::read;
#[cfg(feature = "write")]
pub use write::{WriteError, write};

/// The section of the types.
const BTF: &str = ".BTF";

/// The section of function and line records.
const BTF_EXT: &str = ".BTF.ext";

/// The relocation of an LDDW: `R_BPF_64_64`.
const R_BPF_64_64: u32 = 1;

/// The relocation of a CALL: `R_BPF_64_32`.
const R_BPF_64_32: u32 = 10;
