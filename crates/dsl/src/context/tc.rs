//! The context of traffic control programs.

use bpfasm_codegen::ir::{HelperId, Op, Operand, Signature, Space};
use bpfasm_object::kernel::ProgramType;

use super::sk_buff::{self, skb};
use super::{Context, HelperResult, TcAction};
use crate::header::{Header, Offset, Pkt, PktMut};
use crate::stage;
use crate::value::{I64, Scalar, U32};

/// A packet at a `tc` hook: `struct __sk_buff` (`include/uapi/linux/bpf.h`) as programs of type `BPF_PROG_TYPE_SCHED_CLS` and
/// `BPF_PROG_TYPE_SCHED_ACT` may use it.
#[derive(Debug)]
pub struct Tc {
    _private: (),
}

impl Context for Tc {
    const SIGNATURE: Signature = sk_buff::SIGNATURE;
    const PROGRAM_TYPES: &'static [ProgramType] = &[ProgramType::SCHED_CLS, ProgramType::SCHED_ACT];
    fn new() -> Tc {
        Tc { _private: () }
    }
}

impl Tc {
    /// The header that begins at `offset` bytes, where the packet has all of it: splits the path.
    #[track_caller]
    pub fn header<T: Header>(&self, offset: impl Into<Offset>) -> Option<Pkt<'_, T>> {
        sk_buff::header::<T>(offset.into()).map(Pkt::new)
    }

    /// The header that begins at `offset` bytes, to write to: splits the path.
    ///
    /// Checksums do not follow by themselves: see [`l3_csum_replace`](Tc::l3_csum_replace) and
    /// [`l4_csum_replace`](Tc::l4_csum_replace).
    #[track_caller]
    pub fn header_mut<T: Header>(&mut self, offset: impl Into<Offset>) -> Option<PktMut<'_, T>> {
        sk_buff::header::<T>(offset.into()).map(PktMut::new)
    }

    /// Reads a value at `offset` bytes through `bpf_skb_load_bytes`, wherever the bytes lie. It is `None` behind the packet's end:
    /// splits the path.
    #[track_caller]
    pub fn load_bytes<T: Scalar>(&self, offset: impl Into<U32>) -> Option<T> {
        sk_buff::load_bytes(offset.into())
    }

    /// Writes `value` at `offset` bytes (`bpf_skb_store_bytes`). `flags` are `BPF_F_RECOMPUTE_CSUM` and `BPF_F_INVALIDATE_HASH`.
    #[track_caller]
    pub fn store_bytes<T: Scalar>(&mut self, offset: impl Into<U32>, value: T, flags: u64) -> HelperResult {
        let slot = stage::scratch(0, u16::from(T::SIZE.bytes()));
        let base = stage::emit(Op::StackAddr(slot));
        stage::emit(Op::Store { space: Space::Stack, size: T::SIZE, base, off: 0, value: value.operand() });
        let length = Operand::Const(T::SIZE.bytes().into());
        let args = [skb(), offset.into().operand(), base, length, Operand::Const(flags)];
        I64::from_operand(stage::call(HelperId::SKB_STORE_BYTES, &args))
    }

    /// Corrects the IPv4 header checksum at `offset` bytes for a field that goes `from` one value `to` another
    /// (`bpf_l3_csum_replace`).
    #[track_caller]
    pub fn l3_csum_replace<T: Scalar>(&mut self, offset: impl Into<U32>, from: T, to: T) -> HelperResult {
        let size = Operand::Const(T::SIZE.bytes().into());
        let args = [skb(), offset.into().operand(), from.operand(), to.operand(), size];
        I64::from_operand(stage::call(HelperId::L3_CSUM_REPLACE, &args))
    }

    /// Corrects the TCP or UDP checksum at `offset` bytes for a field that goes `from` one value `to` another
    /// (`bpf_l4_csum_replace`). `flags` are `BPF_F_PSEUDO_HDR`, where the field belongs to the pseudo-header, and
    /// `BPF_F_MARK_MANGLED_0`, for UDP.
    #[track_caller]
    pub fn l4_csum_replace<T: Scalar>(&mut self, offset: impl Into<U32>, from: T, to: T, flags: u64) -> HelperResult {
        let flags = Operand::Const(flags | u64::from(T::SIZE.bytes()));
        let args = [skb(), offset.into().operand(), from.operand(), to.operand(), flags];
        I64::from_operand(stage::call(HelperId::L4_CSUM_REPLACE, &args))
    }

    /// Sends the packet out of device `ifindex`, or into it with `BPF_F_INGRESS` in `flags` (`bpf_redirect`). The answer must be the
    /// program's.
    #[track_caller]
    pub fn redirect(&mut self, ifindex: impl Into<U32>, flags: u64) -> TcAction {
        TcAction(stage::call(HelperId::REDIRECT, &[ifindex.into().operand(), Operand::Const(flags)]))
    }

    /// Makes the first `len` bytes linear, so that [`header`](Tc::header) reaches them (`bpf_skb_pull_data`); 0 asks for all.
    #[track_caller]
    pub fn pull_data(&mut self, len: impl Into<U32>) -> HelperResult {
        I64::from_operand(stage::call(HelperId::SKB_PULL_DATA, &[skb(), len.into().operand()]))
    }
}
