//! Memory on the stack for the arguments of one call.

use bpfasm_codegen::ir::{Op, Operand, Space};

use crate::header::{Bytes, Field};
use crate::stage;

/// The `nth` piece of memory of a call's arguments, of at least `bytes` bytes. It is good until the next call's arguments are put there.
#[track_caller]
fn room(nth: usize, bytes: u32) -> Bytes {
    // What has no room in 512 bytes of stack is refused when the frame is laid out.
    let slot = stage::scratch(nth, u16::try_from(bytes).unwrap_or(u16::MAX));
    Bytes::new(Space::Stack, stage::emit(Op::StackAddr(slot)), 0)
}

/// Room for a value that the helper writes.
#[track_caller]
pub(super) fn uninit<T: Field>(nth: usize) -> Bytes {
    room(nth, T::BYTES)
}

/// A value for the helper to read.
#[track_caller]
pub(super) fn put<T: Field>(nth: usize, value: T) -> Bytes {
    let mut bytes = room(nth, T::BYTES);
    bytes.store(0, value);
    bytes
}

/// The pointer to a value for the helper to read; null for one without bytes.
#[track_caller]
pub(super) fn put_or_null<T: Field>(nth: usize, value: T) -> Operand {
    if T::BYTES == 0 { Operand::Const(0) } else { put(nth, value).address() }
}

/// Text or other bytes that are known now, for the helper to read.
#[track_caller]
pub(super) fn put_bytes(nth: usize, text: &[u8]) -> Bytes {
    let mut bytes = room(nth, u32::try_from(text.len()).unwrap_or(u32::MAX));
    let (words, rest) = text.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        bytes.store(at, crate::value::Be64::from(u64::from_be_bytes(*word)));
        at += 8;
    }
    for byte in rest {
        bytes.store(at, crate::value::U8::from(*byte));
        at += 1;
    }
    bytes
}
