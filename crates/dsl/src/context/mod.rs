//! Contexts: what a kind of program is given, and what it may do with it.
//!
//! One type a kind of program. A field or helper that the kernel does not offer to the kind is no method of its type, so it cannot be
//! asked for. Helpers that may move the packet's bytes take `&mut self`: headers borrowed before are gone after.

mod cgroup_skb;
mod field;
mod packet;
pub(crate) mod sk_buff;
mod sock;
mod tc;
mod verdict;

pub use cgroup_skb::CgroupSkb;
pub use field::Field;
pub(crate) use field::since;
pub use sock::{FullSock, Handle, Held, SockCommon, SockRef, TcpSock};
pub use tc::Tc;
pub use verdict::{Cgroup, TcAction, Verdict};

use bpfasm_codegen::ir::Signature;
use bpfasm_object::kernel::ProgramType;

use crate::helper::{self, Helper};

/// What the kernel hands to a program.
pub trait Context: Sized {
    /// The name of this type.
    const NAME: &'static str;
    /// Its C type, for BTF.
    const SIGNATURE: Signature;
    /// The program types that are given it.
    const PROGRAM_TYPES: &'static [ProgramType];
    /// The handle that the program function gets.
    #[doc(hidden)]
    fn new() -> Self;

    /// The fields of the kernel's struct that its programs may use.
    ///
    /// ```
    /// # use bpfasm_dsl::context::{Context, Tc};
    /// let mark = Tc::fields().find(|field| field.name == "mark").unwrap();
    /// assert_eq!((mark.offset, mark.bytes), (8, 4));
    /// assert_eq!(mark.write.unwrap().to_string(), "4.2");
    /// ```
    fn fields() -> impl Iterator<Item = Field>;

    /// The helpers that its programs may call, and those that the kernel would let them call but that have no method yet.
    ///
    /// ```
    /// # use bpfasm_dsl::context::{CgroupSkb, Context, Tc};
    /// let names = |helper: bpfasm_dsl::helper::Helper| helper.id.name();
    /// assert!(Tc::helpers().filter_map(names).any(|name| name == "redirect"));
    /// assert!(!CgroupSkb::helpers().filter_map(names).any(|name| name == "redirect"));
    /// ```
    fn helpers() -> impl Iterator<Item = Helper> {
        helper::offered(Self::NAME, Self::PROGRAM_TYPES)
    }
}

/// A helper's verdict on its own work: 0, or a negative error number.
///
/// Compare it like any other number: `if skb.store_bytes(…) != 0 { return TcAction::SHOT }`.
pub type HelperResult = crate::value::I64;
