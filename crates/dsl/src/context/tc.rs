//! The context of traffic control programs.

use bpfasm_codegen::ir::{Args, HelperId, Op, Operand, Signature, Size, Space};
use bpfasm_object::kernel::ProgramType;

use super::packet::{self, Bounds};
use super::{Context, HelperResult, TcAction, load, store};
use crate::header::{Header, Offset, Pkt, PktMut};
use crate::stage;
use crate::value::{Be16, I64, Scalar, U32, U64};

/// A packet at a `tc` hook: `struct __sk_buff` (`include/uapi/linux/bpf.h`) as programs of type `BPF_PROG_TYPE_SCHED_CLS` and
/// `BPF_PROG_TYPE_SCHED_ACT` may use it.
#[derive(Debug)]
pub struct Tc {
    _private: (),
}

impl Context for Tc {
    const SIGNATURE: Signature = Signature { context: "__sk_buff", param: "skb" };
    const PROGRAM_TYPES: &'static [ProgramType] = &[ProgramType::SCHED_CLS, ProgramType::SCHED_ACT];
    fn new() -> Tc {
        Tc { _private: () }
    }
}

const BOUNDS: Bounds = Bounds { data: 76, data_end: 80 };

/// One row a field of `struct __sk_buff`: name, type, size of the access, offset in bytes, and how it is set where it may be.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $ty:ident, $size:ident, $off:literal $(, $set:ident)?;)*) => {
        impl Tc { $(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self) -> $ty {
                $ty::from_operand(load(Size::$size, $off))
            }
            $(
                #[doc = concat!("Sets [`", stringify!($name), "`](Tc::", stringify!($name), ").")]
                #[track_caller]
                pub fn $set(&mut self, value: impl Into<$ty>) {
                    store(Size::$size, $off, value.into().operand());
                }
            )?
        )* }
    };
}

fields! {
    /// The packet's length in bytes, all of its fragments counted.
    len: U32, W, 0;
    /// For whom it is: `PACKET_HOST` and so on (`include/uapi/linux/if_packet.h`).
    pkt_type: U32, W, 4;
    /// The mark that firewalls and routing rules look at.
    mark: U32, W, 8, set_mark;
    /// The transmit queue.
    queue_mapping: U32, W, 12, set_queue_mapping;
    /// What the frame carries: `ETH_P_*`.
    protocol: Be16, W, 16;
    /// Whether there is a VLAN tag beside the packet: 0 or 1.
    vlan_present: U32, W, 20;
    /// The tag control information of that VLAN tag.
    vlan_tci: U32, W, 24;
    /// The priority of the packet.
    priority: U32, W, 32, set_priority;
    /// The index of the device where it arrived.
    ingress_ifindex: U32, W, 36;
    /// The index of the device where it is.
    ifindex: U32, W, 40;
    /// An index that classifiers and queueing disciplines share.
    tc_index: U32, W, 44, set_tc_index;
    /// The flow hash, 0 where none was computed.
    hash: U32, W, 68;
    /// The class id, for classifiers without direct action.
    tc_classid: U32, W, 72, set_tc_classid;
    /// The id of the NAPI instance that received it.
    napi_id: U32, W, 84;
    /// When it was received or shall leave, in nanoseconds.
    tstamp: U64, DW, 152, set_tstamp;
    /// Its length on the wire in bytes, the headers of all segments counted.
    wire_len: U32, W, 160;
    /// How many segments it will be cut into.
    gso_segs: U32, W, 164;
    /// How many bytes a segment carries.
    gso_size: U32, W, 176;
}

impl Tc {
    /// The header that begins at `offset` bytes, where the packet has all of it: splits the path.
    #[track_caller]
    pub fn header<T: Header>(&self, offset: impl Into<Offset>) -> Option<Pkt<'_, T>> {
        packet::view(BOUNDS, offset.into(), T::SIZE).map(Pkt::new)
    }

    /// The header that begins at `offset` bytes, to write to: splits the path.
    ///
    /// Checksums do not follow by themselves: see [`l3_csum_replace`](Tc::l3_csum_replace) and
    /// [`l4_csum_replace`](Tc::l4_csum_replace).
    #[track_caller]
    pub fn header_mut<T: Header>(&mut self, offset: impl Into<Offset>) -> Option<PktMut<'_, T>> {
        packet::view(BOUNDS, offset.into(), T::SIZE).map(PktMut::new)
    }

    /// Reads a value at `offset` bytes through `bpf_skb_load_bytes`, wherever the bytes lie. It is `None` behind the packet's end:
    /// splits the path.
    #[track_caller]
    pub fn load_bytes<T: Scalar>(&self, offset: impl Into<U32>) -> Option<T> {
        let slot = stage::scratch(0, u16::from(T::SIZE.bytes()));
        let base = stage::emit(Op::StackAddr(slot));
        let length = Operand::Const(T::SIZE.bytes().into());
        let result = call(HelperId::SKB_LOAD_BYTES, &[skb(), offset.into().operand(), base, length]);
        if I64::from_operand(result) < 0 {
            return None;
        }
        Some(T::from_operand(stage::emit(Op::Load { space: Space::Stack, size: T::SIZE, base, off: 0 })))
    }

    /// Writes `value` at `offset` bytes (`bpf_skb_store_bytes`). `flags` are `BPF_F_RECOMPUTE_CSUM` and `BPF_F_INVALIDATE_HASH`.
    #[track_caller]
    pub fn store_bytes<T: Scalar>(&mut self, offset: impl Into<U32>, value: T, flags: u64) -> HelperResult {
        let slot = stage::scratch(0, u16::from(T::SIZE.bytes()));
        let base = stage::emit(Op::StackAddr(slot));
        stage::emit(Op::Store { space: Space::Stack, size: T::SIZE, base, off: 0, value: value.operand() });
        let length = Operand::Const(T::SIZE.bytes().into());
        let args = [skb(), offset.into().operand(), base, length, Operand::Const(flags)];
        I64::from_operand(call(HelperId::SKB_STORE_BYTES, &args))
    }

    /// Corrects the IPv4 header checksum at `offset` bytes for a field that goes `from` one value `to` another
    /// (`bpf_l3_csum_replace`).
    #[track_caller]
    pub fn l3_csum_replace<T: Scalar>(&mut self, offset: impl Into<U32>, from: T, to: T) -> HelperResult {
        let size = Operand::Const(T::SIZE.bytes().into());
        let args = [skb(), offset.into().operand(), from.operand(), to.operand(), size];
        I64::from_operand(call(HelperId::L3_CSUM_REPLACE, &args))
    }

    /// Corrects the TCP or UDP checksum at `offset` bytes for a field that goes `from` one value `to` another
    /// (`bpf_l4_csum_replace`). `flags` are `BPF_F_PSEUDO_HDR`, where the field belongs to the pseudo-header, and
    /// `BPF_F_MARK_MANGLED_0`, for UDP.
    #[track_caller]
    pub fn l4_csum_replace<T: Scalar>(&mut self, offset: impl Into<U32>, from: T, to: T, flags: u64) -> HelperResult {
        let flags = Operand::Const(flags | u64::from(T::SIZE.bytes()));
        let args = [skb(), offset.into().operand(), from.operand(), to.operand(), flags];
        I64::from_operand(call(HelperId::L4_CSUM_REPLACE, &args))
    }

    /// Sends the packet out of device `ifindex`, or into it with `BPF_F_INGRESS` in `flags` (`bpf_redirect`). The answer must be the
    /// program's.
    #[track_caller]
    pub fn redirect(&mut self, ifindex: impl Into<U32>, flags: u64) -> TcAction {
        TcAction(call(HelperId::REDIRECT, &[ifindex.into().operand(), Operand::Const(flags)]))
    }

    /// Makes the first `len` bytes linear, so that [`header`](Tc::header) reaches them (`bpf_skb_pull_data`); 0 asks for all.
    #[track_caller]
    pub fn pull_data(&mut self, len: impl Into<U32>) -> HelperResult {
        I64::from_operand(call(HelperId::SKB_PULL_DATA, &[skb(), len.into().operand()]))
    }
}

/// The pointer to the context.
#[track_caller]
fn skb() -> Operand {
    stage::emit(Op::Context)
}

#[track_caller]
fn call(helper: HelperId, args: &[Operand]) -> Operand {
    stage::emit(Op::Call { helper, args: Args::new(args) })
}
