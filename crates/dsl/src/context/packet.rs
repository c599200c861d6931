//! Direct packet access.

use bpfasm_codegen::ir::{BinOp, Loc, Op, Operand, Space, Width};

use crate::header::{Bytes, Offset};
use crate::stage::{self, StageErrorKind};

/// The last offset that the verifier lets a packet pointer have (`MAX_PACKET_OFF`, `kernel/bpf/verifier.c`).
const MAX_OFFSET: i64 = 0xffff;

/// Where a context has its packet's bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The offset of `data` in the context.
    pub data: i16,
    /// The offset of `data_end` in the context.
    pub data_end: i16,
}

/// `bytes` bytes of the packet from `offset` on, where the packet has them: splits the path.
#[track_caller]
pub(crate) fn view(bounds: Bounds, offset: Offset, bytes: u32) -> Option<Bytes> {
    let loc = Loc::from(core::panic::Location::caller());
    let end_of_view = offset.bytes.saturating_add(bytes.into());
    if offset.bytes < 0 || end_of_view > MAX_OFFSET {
        stage::with(|session| session.fail_at(StageErrorKind::Offset { offset: offset.bytes }, loc));
    }
    stage::with(|session| {
        let (start, end) = session.packet(bounds.data, bounds.data_end, loc);
        let mut base = match offset.value {
            None => start,
            Some(value) => session.emit(&add(start, value), loc),
        };
        if !session.in_packet(base, end_of_view, end, loc) {
            return None;
        }
        // The immediate offset of a load reaches 32 KiB only.
        let off = i16::try_from(offset.bytes).ok().filter(|_| end_of_view <= i64::from(i16::MAX));
        let off = off.unwrap_or_else(|| {
            base = session.emit(&add(base, Operand::Const(offset.bytes.cast_unsigned())), loc);
            0
        });
        Some(Bytes::new(Space::Packet, base, off))
    })
}

fn add(a: Operand, b: Operand) -> Op {
    Op::Bin { op: BinOp::Add, width: Width::W64, a, b }
}
