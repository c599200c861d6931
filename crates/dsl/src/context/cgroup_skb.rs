//! The context of programs that see the packets of a control group's sockets.

use bpfasm_codegen::ir::Signature;
use bpfasm_object::kernel::ProgramType;

use super::{Context, Field, field, packet, sk_buff};
use crate::header::{Header, Offset, Pkt};

/// A packet to or from a socket of a control group: `struct __sk_buff` (`include/uapi/linux/bpf.h`) as programs of type
/// `BPF_PROG_TYPE_CGROUP_SKB` may use it.
///
/// The packet begins with its IP header: there is no Ethernet header at these hooks. It can be read and not written.
#[derive(Debug)]
pub struct CgroupSkb {
    _private: (),
}

impl Context for CgroupSkb {
    const NAME: &'static str = "CgroupSkb";
    const SIGNATURE: Signature = sk_buff::SIGNATURE;
    const PROGRAM_TYPES: &'static [ProgramType] = &[ProgramType::CGROUP_SKB];
    fn new() -> CgroupSkb {
        CgroupSkb { _private: () }
    }
    fn fields() -> impl Iterator<Item = Field> {
        field::offered(sk_buff::FIELDS, Self::NAME)
    }
}

impl CgroupSkb {
    /// The header that begins at `offset` bytes, where the packet has all of it: splits the path. The IP header is at 0.
    #[track_caller]
    pub fn header<T: Header>(&self, offset: impl Into<Offset>) -> Option<Pkt<'_, T>> {
        packet::view(sk_buff::PACKET, offset.into(), T::SIZE).map(Pkt::new)
    }
}
