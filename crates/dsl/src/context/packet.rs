//! Direct packet access.

use bpfasm_codegen::ir::{BinOp, Loc, Op, Operand, Size, Space, Width};

use crate::header::{Bytes, Offset};
use crate::stage::{self, Session, StageErrorKind};

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
    stage::with(|session| {
        let end_of_view = end_of_view(session, offset, bytes, loc);
        let (start, end) = session.packet(bounds.data, bounds.data_end, loc);
        between(session, (start, end), offset, end_of_view, loc)
    })
}

/// `bytes` bytes from `offset` on of what lies in front of the packet, where there are so many: splits the path.
#[track_caller]
pub(crate) fn view_meta(bounds: Bounds, offset: Offset, bytes: u32) -> Option<Bytes> {
    let loc = Loc::from(core::panic::Location::caller());
    stage::with(|session| {
        let end_of_view = end_of_view(session, offset, bytes, loc);
        let base = session.emit(&Op::Context, loc);
        let load = |off| Op::Load { space: Space::Context, size: Size::W, base, off };
        let end = session.emit(&load(bounds.data_end), loc);
        let start = session.emit(&load(bounds.data), loc);
        between(session, (start, end), offset, end_of_view, loc)
    })
}

/// Where a view ends, checked against what the verifier takes.
fn end_of_view(session: &mut Session, offset: Offset, bytes: u32, loc: Loc) -> i64 {
    let end_of_view = offset.bytes.saturating_add(bytes.into());
    if offset.bytes < 0 || end_of_view > MAX_OFFSET {
        session.fail_at(StageErrorKind::Offset { offset: offset.bytes }, loc);
    }
    end_of_view
}

/// The bytes from `offset` to `end_of_view`, where they lie between `start` and `end`: splits the path.
fn between(
    session: &mut Session,
    (start, end): (Operand, Operand),
    offset: Offset,
    end_of_view: i64,
    loc: Loc,
) -> Option<Bytes> {
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
}

fn add(a: Operand, b: Operand) -> Op {
    Op::Bin { op: BinOp::Add, width: Width::W64, a, b }
}
