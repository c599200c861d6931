//! `struct __sk_buff` (`include/uapi/linux/bpf.h`): one table of its fields, with what each kind of program may do with them.

use bpfasm_codegen::ir::{HelperId, Op, Operand, Signature, Size, Space};

use super::packet::{self, Bounds};
use super::{CgroupSkb, Tc, load, store};
use crate::header::{Bytes, Header, Offset};
use crate::stage;
use crate::value::{Be16, Be32, I64, Scalar, U32, U64};

/// The C type of the context.
pub(super) const SIGNATURE: Signature = Signature { context: "__sk_buff", param: "skb" };

const BOUNDS: Bounds = Bounds { data: 76, data_end: 80 };

/// One row a field: name, type, size of the access, offset in bytes, how it is set, and which contexts may `read` or `write` it, as
/// `tc_cls_act_is_valid_access` and `cg_skb_is_valid_access` of `net/core/filter.c` have it.
///
/// Each context of a row becomes a method of that context: `mark()`, and for `write` also `set_mark(value)`.
macro_rules! fields {
    ($(
        $(#[$doc:meta])*
        $name:ident: $ty:ident, $size:ident, $off:literal $(, $set:ident)? => $($context:ident $access:ident),+;
    )*) => { $(
        field! { [$($context $access),+] { $(#[$doc])* $name: $ty, $size, $off $(, $set)? } }
    )* };
}

/// A row, once for each of its contexts.
macro_rules! field {
    ([$($context:ident $access:ident),+] $row:tt) => { $( accessors! { $context $access $row } )+ };
}

/// A row in one context.
macro_rules! accessors {
    ($context:ident read {
        $(#[$doc:meta])* $name:ident: $ty:ident, $size:ident, $off:literal $(, $set:ident)?
    }) => {
        impl $context {
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self) -> $ty {
                $ty::from_operand(load(Size::$size, $off))
            }
        }
    };
    ($context:ident write { $(#[$doc:meta])* $name:ident: $ty:ident, $size:ident, $off:literal, $set:ident }) => {
        accessors! { $context read { $(#[$doc])* $name: $ty, $size, $off } }
        impl $context {
            #[doc = concat!("Sets [`", stringify!($name), "`](Self::", stringify!($name), ").")]
            #[track_caller]
            pub fn $set(&mut self, value: impl Into<$ty>) {
                store(Size::$size, $off, value.into().operand());
            }
        }
    };
}

fields! {
    /// The packet's length in bytes, all of its fragments counted.
    len: U32, W, 0 => Tc read, CgroupSkb read;
    /// For whom it is: `PACKET_HOST` and so on (`include/uapi/linux/if_packet.h`).
    pkt_type: U32, W, 4 => Tc read, CgroupSkb read;
    /// The mark that firewalls and routing rules look at.
    mark: U32, W, 8, set_mark => Tc write, CgroupSkb write;
    /// The transmit queue.
    queue_mapping: U32, W, 12, set_queue_mapping => Tc write, CgroupSkb read;
    /// What the frame carries: `ETH_P_*`.
    protocol: Be16, W, 16 => Tc read, CgroupSkb read;
    /// Whether there is a VLAN tag beside the packet: 0 or 1.
    vlan_present: U32, W, 20 => Tc read, CgroupSkb read;
    /// The tag control information of that VLAN tag.
    vlan_tci: U32, W, 24 => Tc read, CgroupSkb read;
    /// The priority of the packet.
    priority: U32, W, 32, set_priority => Tc write, CgroupSkb write;
    /// The index of the device where it arrived.
    ingress_ifindex: U32, W, 36 => Tc read, CgroupSkb read;
    /// The index of the device where it is.
    ifindex: U32, W, 40 => Tc read, CgroupSkb read;
    /// An index that classifiers and queueing disciplines share.
    tc_index: U32, W, 44, set_tc_index => Tc write, CgroupSkb read;
    /// The flow hash, 0 where none was computed.
    hash: U32, W, 68 => Tc read, CgroupSkb read;
    /// The class id, for classifiers without direct action.
    tc_classid: U32, W, 72, set_tc_classid => Tc write;
    /// The id of the NAPI instance that received it.
    napi_id: U32, W, 84 => Tc read, CgroupSkb read;
    /// The socket's address family: `AF_*`.
    family: U32, W, 88 => CgroupSkb read;
    /// The IPv4 address of the socket's other end.
    remote_ip4: Be32, W, 92 => CgroupSkb read;
    /// The socket's own IPv4 address.
    local_ip4: Be32, W, 96 => CgroupSkb read;
    /// The port of the socket's other end.
    remote_port: Be32, W, 132 => CgroupSkb read;
    /// The socket's own port, in host byte order.
    local_port: U32, W, 136 => CgroupSkb read;
    /// When it was received or shall leave, in nanoseconds.
    tstamp: U64, DW, 152, set_tstamp => Tc write, CgroupSkb write;
    /// Its length on the wire in bytes, the headers of all segments counted.
    wire_len: U32, W, 160 => Tc read;
    /// How many segments it will be cut into.
    gso_segs: U32, W, 164 => Tc read, CgroupSkb read;
    /// How many bytes a segment carries.
    gso_size: U32, W, 176 => Tc read, CgroupSkb read;
}

/// The words of `cb`, which no row of the table can hold: five of 32 bits, from this offset on.
const CB: i16 = 48;

/// The offset of word `WORD` of `cb`.
const fn cb_word<const WORD: u8>() -> i16 {
    const { assert!(WORD < 5, "`cb` has the words 0 to 4") }
    // `i16::from` is no const function.
    CB + 4 * WORD as i16
}

macro_rules! control_block {
    ($($context:ident)*) => { $(
        impl $context {
            /// Word `WORD`, 0 to 4, of the bytes that programs of one packet may leave for each other.
            #[track_caller]
            pub fn cb<const WORD: u8>(&self) -> U32 {
                U32::from_operand(load(Size::W, cb_word::<WORD>()))
            }

            /// Sets a word of [`cb`](Self::cb).
            #[track_caller]
            pub fn set_cb<const WORD: u8>(&mut self, value: impl Into<U32>) {
                store(Size::W, cb_word::<WORD>(), value.into().operand());
            }
        }
    )* };
}

control_block! { Tc CgroupSkb }

/// The bytes of a header at `offset`, where the packet has them: splits the path.
#[track_caller]
pub(super) fn header<T: Header>(offset: Offset) -> Option<Bytes> {
    packet::view(BOUNDS, offset, T::SIZE)
}

/// `bpf_skb_load_bytes`: splits the path.
#[track_caller]
pub(super) fn load_bytes<T: Scalar>(offset: U32) -> Option<T> {
    let slot = stage::scratch(0, u16::from(T::SIZE.bytes()));
    let base = stage::emit(Op::StackAddr(slot));
    let length = Operand::Const(T::SIZE.bytes().into());
    let result = stage::call(HelperId::SKB_LOAD_BYTES, &[skb(), offset.operand(), base, length]);
    if I64::from_operand(result) < 0 {
        return None;
    }
    Some(T::from_operand(stage::emit(Op::Load { space: Space::Stack, size: T::SIZE, base, off: 0 })))
}

/// The pointer to the context.
#[track_caller]
pub(super) fn skb() -> Operand {
    stage::emit(Op::Context)
}
