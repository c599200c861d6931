//! Sockets: what contexts and helpers hand out.
//!
//! Which of them a program may read is in `bpf_sock_is_valid_access`, `bpf_sock_common_is_valid_access` and
//! `bpf_tcp_sock_is_valid_access` of `net/core/filter.c`.

use std::marker::PhantomData;
use std::ops::Deref;

use bpfasm_codegen::ir::{Args, Cond, HelperId, Loc, Op, Operand, Space, Width};

use super::field::fields;
use crate::header::Bytes;
use crate::stage;
use crate::value::{Be16, Be32, Be128, I32, U32, U64};

/// A pointer to a kernel's object that a helper gave, known not to be null.
pub trait Handle: sealed::Sealed {
    #[doc(hidden)]
    fn at(pointer: Operand) -> Self;
    #[doc(hidden)]
    fn pointer(&self) -> Operand;
}

mod sealed {
    pub trait Sealed {}
}

/// What a helper's pointer points to, where it is not null: splits the path.
#[track_caller]
fn checked<T: Handle>(pointer: Operand) -> Option<T> {
    (!stage::fork(Cond::Eq, Width::W64, pointer, Operand::Const(0))).then(|| T::at(pointer))
}

/// What something else keeps alive for as long as `'a`.
#[derive(Debug)]
pub struct SockRef<'a, T: Handle> {
    object: T,
    owner: PhantomData<&'a ()>,
}

impl<T: Handle> SockRef<'_, T> {
    /// What a helper's pointer points to, where it is not null: splits the path.
    #[track_caller]
    pub(crate) fn checked(pointer: Operand) -> Option<Self> {
        checked(pointer).map(|object| SockRef { object, owner: PhantomData })
    }
}

impl<T: Handle> Deref for SockRef<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.object
    }
}

/// A socket that the program holds a reference to: dropping it gives the reference back (`bpf_sk_release`), so every path does that
/// where the value goes out of scope.
#[derive(Debug)]
pub struct Held<T: Handle> {
    object: T,
    loc: Loc,
}

impl<T: Handle> Held<T> {
    /// What a helper's pointer points to, where it is not null: splits the path.
    #[track_caller]
    pub(crate) fn checked(pointer: Operand) -> Option<Self> {
        let loc = Loc::from(core::panic::Location::caller());
        checked(pointer).map(|object| Held { object, loc })
    }
}

impl<T: Handle> Deref for Held<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T: Handle> Drop for Held<T> {
    fn drop(&mut self) {
        // A panic is an error of staging: what the path would do after it does not matter.
        if !std::thread::panicking() {
            let args = Args::new(&[self.object.pointer()]);
            stage::with(|session| session.emit(&Op::Call { helper: HelperId::SK_RELEASE, args }, self.loc));
        }
    }
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            pointer: Operand,
        }

        impl sealed::Sealed for $name {}
        impl Handle for $name {
            fn at(pointer: Operand) -> $name {
                $name { pointer }
            }
            fn pointer(&self) -> Operand {
                self.pointer
            }
        }

        impl $name {
            fn bytes(&self) -> Bytes {
                Bytes::new(Space::Map, self.pointer, 0)
            }
        }
    )* };
}

handles! {
    /// A socket of any kind, also one that is about to connect or that waits to be forgotten: `struct bpf_sock` without what those
    /// lack.
    SockCommon;
    /// What TCP knows of a connection: `struct bpf_tcp_sock`.
    TcpSock;
}

/// A full socket: `struct bpf_sock`.
#[derive(Debug)]
pub struct FullSock {
    common: SockCommon,
}

impl sealed::Sealed for FullSock {}
impl Handle for FullSock {
    fn at(pointer: Operand) -> FullSock {
        FullSock { common: SockCommon::at(pointer) }
    }
    fn pointer(&self) -> Operand {
        self.common.pointer
    }
}

impl Deref for FullSock {
    type Target = SockCommon;
    fn deref(&self) -> &SockCommon {
        &self.common
    }
}

fields! {
    /// `struct bpf_sock`.
    SOCK {
    /// The index of the device that it is bound to, 0 for none.
    0 bound_dev_if: U32 => SockCommon (5, 1);
    /// Its address family: `AF_*`.
    4 family: U32 => SockCommon (5, 1);
    /// Its type: `SOCK_STREAM` and so on. The kernel's name is `type`.
    8 kind: U32 => FullSock (5, 1);
    /// Its protocol: `IPPROTO_*`.
    12 protocol: U32 => FullSock (5, 1);
    /// The mark of the packets that it sends.
    16 mark: U32 => FullSock (5, 1);
    /// The priority of the packets that it sends.
    20 priority: U32 => FullSock (5, 1);
    /// Its own IPv4 address.
    24 src_ip4: Be32 => SockCommon (5, 1);
    /// Its own IPv6 address.
    28 src_ip6: Be128 => SockCommon (5, 1);
    /// Its own port, in host byte order.
    44 src_port: U32 => SockCommon (5, 1);
    /// The port of its other end.
    48 dst_port: Be16 => SockCommon (5, 1);
    /// The IPv4 address of its other end.
    52 dst_ip4: Be32 => SockCommon (5, 1);
    /// The IPv6 address of its other end.
    56 dst_ip6: Be128 => SockCommon (5, 1);
    /// Its state: `BPF_TCP_*`.
    72 state: U32 => SockCommon (5, 1);
    /// The receive queue of its packets, -1 where none is known.
    76 rx_queue_mapping: I32 => SockCommon (5, 8);
    }
}

fields! {
    /// `struct bpf_tcp_sock`.
    TCP_SOCK {
    /// The congestion window for sending, in packets.
    0 snd_cwnd: U32 => TcpSock (5, 1);
    /// The smoothed round trip time, in eighths of a microsecond.
    4 srtt_us: U32 => TcpSock (5, 1);
    /// The least round trip time seen lately, in microseconds.
    8 rtt_min: U32 => TcpSock (5, 1);
    /// The threshold of slow start, in packets.
    12 snd_ssthresh: U32 => TcpSock (5, 1);
    /// The sequence number that is expected next.
    16 rcv_nxt: U32 => TcpSock (5, 1);
    /// The sequence number that is sent next.
    20 snd_nxt: U32 => TcpSock (5, 1);
    /// The first byte that awaits an acknowledgment.
    24 snd_una: U32 => TcpSock (5, 1);
    /// The effective segment size that is in use, in bytes.
    28 mss_cache: U32 => TcpSock (5, 1);
    /// `TCP_ECN_*` of the kernel.
    32 ecn_flags: U32 => TcpSock (5, 1);
    /// Packets delivered in the interval of the rate sample that was taken.
    36 rate_delivered: U32 => TcpSock (5, 1);
    /// That interval, in microseconds.
    40 rate_interval_us: U32 => TcpSock (5, 1);
    /// Packets in flight.
    44 packets_out: U32 => TcpSock (5, 1);
    /// Packets sent again that are in flight.
    48 retrans_out: U32 => TcpSock (5, 1);
    /// Packets sent again, of all the connection's life.
    52 total_retrans: U32 => TcpSock (5, 1);
    /// Segments received.
    56 segs_in: U32 => TcpSock (5, 1);
    /// Segments with data received.
    60 data_segs_in: U32 => TcpSock (5, 1);
    /// Segments sent.
    64 segs_out: U32 => TcpSock (5, 1);
    /// Segments with data sent.
    68 data_segs_out: U32 => TcpSock (5, 1);
    /// Packets lost.
    72 lost_out: U32 => TcpSock (5, 1);
    /// Packets acknowledged selectively.
    76 sacked_out: U32 => TcpSock (5, 1);
    /// Bytes received and acknowledged.
    80 bytes_received: U64 => TcpSock (5, 1);
    /// Bytes whose acknowledgment came.
    88 bytes_acked: U64 => TcpSock (5, 1);
    /// Duplicates that the other end told of.
    96 dsack_dups: U32 => TcpSock (5, 3);
    /// Packets delivered.
    100 delivered: U32 => TcpSock (5, 3);
    /// Packets delivered with a mark of congestion.
    104 delivered_ce: U32 => TcpSock (5, 3);
    /// Retransmissions in a row for want of an answer.
    108 icsk_retransmits: U32 => TcpSock (5, 3);
    }
}

/// The rows of a table that a type has as methods.
macro_rules! lists {
    ($($name:ident $table:ident;)*) => { $(
        impl $name {
            /// The fields of the kernel's struct that programs may read through this type.
            pub fn fields() -> impl Iterator<Item = super::Field> {
                super::field::offered($table, stringify!($name))
            }
        }
    )* };
}

lists! {
    SockCommon SOCK;
    FullSock SOCK;
    TcpSock TCP_SOCK;
}
