//! `struct __sk_buff` (`include/uapi/linux/bpf.h`): one table of its fields, with what each kind of program may do with them.

use bpfasm_codegen::ir::{Op, Signature, Space};

use super::field::fields;
use super::packet::Bounds;
use super::{CgroupSkb, Tc};
use crate::header::Bytes;
use crate::stage;
use crate::value::{Be16, Be32, Be128, U8, U32, U64};

/// The C type of the context.
pub(super) const SIGNATURE: Signature = Signature { context: "__sk_buff", param: "skb" };

/// The packet's bytes.
pub(crate) const PACKET: Bounds = Bounds { data: 76, data_end: 80 };

/// What an XDP program put in front of the packet.
pub(crate) const META: Bounds = Bounds { data: 140, data_end: 76 };

/// Where the pointer to the socket is.
pub(crate) const SK: i16 = 168;

/// The context struct.
#[track_caller]
fn bytes() -> Bytes {
    Bytes::new(Space::Context, stage::emit(Op::Context), 0)
}

fields! {
    /// Who may read and write what: `tc_cls_act_is_valid_access` and `cg_skb_is_valid_access` of `net/core/filter.c`.
    FIELDS {
    /// The packet's length in bytes, all of its fragments counted.
    0 len: U32 => Tc (4, 1), CgroupSkb (4, 10);
    /// For whom it is: `PACKET_HOST` and so on (`include/uapi/linux/if_packet.h`).
    4 pkt_type: U32 => Tc (4, 1), CgroupSkb (4, 10);
    /// The mark that firewalls and routing rules look at.
    8 mark: U32, set_mark => Tc (4, 1) write (4, 2), CgroupSkb (4, 10) write (4, 20);
    /// The transmit queue.
    12 queue_mapping: U32, set_queue_mapping => Tc (4, 1) write (5, 1), CgroupSkb (4, 10);
    /// What the frame carries: `ETH_P_*`.
    16 protocol: Be16 as W => Tc (4, 1), CgroupSkb (4, 10);
    /// Whether there is a VLAN tag beside the packet: 0 or 1.
    20 vlan_present: U32 => Tc (4, 1), CgroupSkb (4, 10);
    /// The tag control information of that VLAN tag.
    24 vlan_tci: U32 => Tc (4, 1), CgroupSkb (4, 10);
    /// The EtherType of that VLAN tag: `ETH_P_8021Q` or `ETH_P_8021AD`.
    28 vlan_proto: Be16 as W => Tc (4, 1), CgroupSkb (4, 10);
    /// The priority of the packet.
    32 priority: U32, set_priority => Tc (4, 1) write (4, 2), CgroupSkb (4, 10) write (4, 20);
    /// The index of the device where it arrived.
    36 ingress_ifindex: U32 => Tc (4, 2), CgroupSkb (4, 10);
    /// The index of the device where it is.
    40 ifindex: U32 => Tc (4, 2), CgroupSkb (4, 10);
    /// An index that classifiers and queueing disciplines share.
    44 tc_index: U32, set_tc_index => Tc (4, 2) write (4, 2), CgroupSkb (4, 10);
    /// Bytes that programs of one packet may leave for each other.
    48 cb by cb: [U32; 5] => Tc (4, 2) write (4, 2), CgroupSkb (4, 10) write (4, 10);
    /// The flow hash, 0 where none was computed.
    68 hash: U32 => Tc (4, 3), CgroupSkb (4, 10);
    /// The class id, for classifiers without direct action.
    72 tc_classid: U32, set_tc_classid => Tc (4, 6) write (4, 4);
    /// Where the packet begins.
    76 data by header: U32 => Tc (4, 7), CgroupSkb (4, 20);
    /// Where the linear part of the packet ends.
    80 data_end by header: U32 => Tc (4, 7), CgroupSkb (4, 20);
    /// The id of the NAPI instance that received it.
    84 napi_id: U32 => Tc (4, 12), CgroupSkb (4, 12);
    /// The socket's address family: `AF_*`.
    88 family: U32 => CgroupSkb (4, 20);
    /// The IPv4 address of the socket's other end.
    92 remote_ip4: Be32 => CgroupSkb (4, 20);
    /// The socket's own IPv4 address.
    96 local_ip4: Be32 => CgroupSkb (4, 20);
    /// The IPv6 address of the socket's other end.
    100 remote_ip6: Be128 => CgroupSkb (4, 20);
    /// The socket's own IPv6 address.
    116 local_ip6: Be128 => CgroupSkb (4, 20);
    /// The port of the socket's other end, as a number of 32 bits: its host value is the port.
    132 remote_port: Be32 => CgroupSkb (4, 20);
    /// The socket's own port, in host byte order.
    136 local_port: U32 => CgroupSkb (4, 20);
    /// Where the bytes begin that an XDP program put in front of the packet.
    140 data_meta by meta: U32 => Tc (4, 15);
    /// When it was received or shall leave, in nanoseconds.
    152 tstamp: U64, set_tstamp => Tc (5, 0) write (5, 0), CgroupSkb (5, 0) write (5, 0);
    /// Its length on the wire in bytes, the headers of all segments counted.
    160 wire_len: U32 => Tc (5, 0);
    /// How many segments it will be cut into.
    164 gso_segs: U32 => Tc (5, 1), CgroupSkb (5, 1);
    /// The socket it belongs to.
    168 sk by sk: U64 => Tc (5, 1), CgroupSkb (5, 1);
    /// How many bytes a segment carries.
    176 gso_size: U32 => Tc (5, 7), CgroupSkb (5, 7);
    /// What `tstamp` is: `BPF_SKB_CLOCK_*`.
    180 tstamp_type: U8 => Tc (5, 18);
    /// When the device received it by its own clock, in nanoseconds.
    184 hwtstamp: U64 => Tc (5, 16), CgroupSkb (5, 16);
    }
}

/// Where the words of `cb` begin.
const CB: u32 = 48;

macro_rules! contexts {
    ($($context:ident)*) => { $(
        impl $context {
            /// The context struct.
            #[track_caller]
            pub(crate) fn bytes(&self) -> Bytes {
                bytes()
            }

            /// Word `WORD`, 0 to 4, of the bytes that programs of one packet may leave for each other.
            #[track_caller]
            pub fn cb<const WORD: u32>(&self) -> U32 {
                const { assert!(WORD < 5, "`cb` has the words 0 to 4") }
                self.bytes().load(CB + 4 * WORD)
            }

            /// Sets a word of [`cb`](Self::cb).
            #[track_caller]
            pub fn set_cb<const WORD: u32>(&mut self, value: impl Into<U32>) {
                const { assert!(WORD < 5, "`cb` has the words 0 to 4") }
                self.bytes().store::<U32>(CB + 4 * WORD, value.into());
            }
        }
    )* };
}

contexts! { Tc CgroupSkb }
