//! The context of programs that see the packets of a control group's sockets.

use bpfasm_codegen::ir::Signature;
use bpfasm_object::kernel::ProgramType;

use super::{Context, sk_buff};
use crate::header::{Header, Offset, Pkt};
use crate::value::{Scalar, U32};

/// A packet to or from a socket of a control group: `struct __sk_buff` (`include/uapi/linux/bpf.h`) as programs of type
/// `BPF_PROG_TYPE_CGROUP_SKB` may use it.
///
/// The packet begins with its IP header: there is no Ethernet header at these hooks. It can be read and not written.
#[derive(Debug)]
pub struct CgroupSkb {
    _private: (),
}

impl Context for CgroupSkb {
    const SIGNATURE: Signature = sk_buff::SIGNATURE;
    const PROGRAM_TYPES: &'static [ProgramType] = &[ProgramType::CGROUP_SKB];
    fn new() -> CgroupSkb {
        CgroupSkb { _private: () }
    }
}

impl CgroupSkb {
    /// The header that begins at `offset` bytes, where the packet has all of it: splits the path. The IP header is at 0.
    #[track_caller]
    pub fn header<T: Header>(&self, offset: impl Into<Offset>) -> Option<Pkt<'_, T>> {
        sk_buff::header::<T>(offset.into()).map(Pkt::new)
    }

    /// Reads a value at `offset` bytes through `bpf_skb_load_bytes`, wherever the bytes lie. It is `None` behind the packet's end:
    /// splits the path.
    #[track_caller]
    pub fn load_bytes<T: Scalar>(&self, offset: impl Into<U32>) -> Option<T> {
        sk_buff::load_bytes(offset.into())
    }
}
