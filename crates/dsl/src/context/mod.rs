//! Contexts: what a kind of program is given, and what it may do with it.
//!
//! One type a kind of program. A field or helper that the kernel does not offer to the kind is no method of its type, so it cannot be
//! asked for. Helpers that may move the packet's bytes take `&mut self`: headers borrowed before are gone after.

mod cgroup_skb;
mod packet;
mod sk_buff;
mod tc;
mod verdict;

pub use cgroup_skb::CgroupSkb;
pub use tc::Tc;
pub use verdict::{Cgroup, TcAction, Verdict};

use bpfasm_codegen::ir::{Op, Operand, Signature, Size, Space};
use bpfasm_object::kernel::ProgramType;

use crate::stage;

/// What the kernel hands to a program.
pub trait Context {
    /// Its C type, for BTF.
    const SIGNATURE: Signature;
    /// The program types that are given it.
    const PROGRAM_TYPES: &'static [ProgramType];
    /// The handle that the program function gets.
    #[doc(hidden)]
    fn new() -> Self;
}

/// Reads a field of the context.
#[track_caller]
pub(crate) fn load(size: Size, off: i16) -> Operand {
    let base = stage::emit(Op::Context);
    stage::emit(Op::Load { space: Space::Context, size, base, off })
}

/// Writes a field of the context.
#[track_caller]
pub(crate) fn store(size: Size, off: i16, value: Operand) {
    let base = stage::emit(Op::Context);
    stage::emit(Op::Store { space: Space::Context, size, base, off, value });
}

/// A helper's verdict on its own work: 0, or a negative error number.
///
/// Compare it like any other number: `if skb.store_bytes(…) != 0 { return TcAction::SHOT }`.
pub type HelperResult = crate::value::I64;
