//! The context of traffic control programs.

use bpfasm_codegen::ir::Signature;
use bpfasm_object::kernel::ProgramType;

use super::{Context, Field, field, packet, sk_buff};
use crate::header::{Header, Offset, Pkt, PktMut};

/// A packet at a `tc` hook: `struct __sk_buff` (`include/uapi/linux/bpf.h`) as programs of type `BPF_PROG_TYPE_SCHED_CLS` and
/// `BPF_PROG_TYPE_SCHED_ACT` may use it.
#[derive(Debug)]
pub struct Tc {
    _private: (),
}

impl Context for Tc {
    const NAME: &'static str = "Tc";
    const SIGNATURE: Signature = sk_buff::SIGNATURE;
    const PROGRAM_TYPES: &'static [ProgramType] = &[ProgramType::SCHED_CLS, ProgramType::SCHED_ACT];
    fn new() -> Tc {
        Tc { _private: () }
    }
    fn fields() -> impl Iterator<Item = Field> {
        field::offered(sk_buff::FIELDS, Self::NAME)
    }
}

impl Tc {
    /// The header that begins at `offset` bytes, where the packet has all of it: splits the path.
    #[track_caller]
    pub fn header<T: Header>(&self, offset: impl Into<Offset>) -> Option<Pkt<'_, T>> {
        packet::view(sk_buff::PACKET, offset.into(), T::SIZE).map(Pkt::new)
    }

    /// The header that begins at `offset` bytes, to write to: splits the path.
    ///
    /// Checksums do not follow by themselves: see [`l3_csum_replace`](Tc::l3_csum_replace) and
    /// [`l4_csum_replace`](Tc::l4_csum_replace).
    #[track_caller]
    pub fn header_mut<T: Header>(&mut self, offset: impl Into<Offset>) -> Option<PktMut<'_, T>> {
        packet::view(sk_buff::PACKET, offset.into(), T::SIZE).map(PktMut::new)
    }

    /// The struct at `offset` bytes of what an XDP program left in front of the packet with `bpf_xdp_adjust_meta`, where there is all of
    /// it: splits the path.
    #[track_caller]
    pub fn meta<T: Header>(&self, offset: impl Into<Offset>) -> Option<Pkt<'_, T>> {
        packet::view_meta(sk_buff::META, offset.into(), T::SIZE).map(Pkt::new)
    }
}
