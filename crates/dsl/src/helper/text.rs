//! Text: for the trace buffer, and numbers out of it.

use super::{call, helpers, stack};
use crate::context::HelperResult;
use crate::header::Field;
use crate::value::{I64, U64};

/// Room for text with the zero that C ends it with.
#[track_caller]
fn terminated(text: &str) -> crate::header::Bytes {
    stack::put_bytes(0, &[text.as_bytes(), &[0]].concat())
}

/// The length of text with its final zero.
fn terminated_len(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(1)
}

helpers! {
    [Tc, CgroupSkb] TRACE_PRINTK(): trace_printk("packet of %d bytes", [U64::from(5)]) => {
        /// Writes a line to the kernel's trace buffer, `/sys/kernel/tracing/trace_pipe` (`bpf_trace_printk`). `format` is as in C, for
        /// up to three numbers.
        pub fn trace_printk<const N: usize>(format: &str, args: [U64; N]) -> HelperResult {
            const { assert!(N <= 3, "`trace_printk` takes up to three numbers, `trace_vprintk` more") }
            let text = terminated(format);
            let mut operands = vec![text.address(), super::Argument::operand(terminated_len(format))];
            operands.extend(args.map(super::Argument::operand));
            super::Answer::from_register(super::emit(bpfasm_codegen::ir::HelperId::TRACE_PRINTK, &operands))
        }
    }
    [Tc, CgroupSkb] TRACE_VPRINTK(): trace_vprintk("%d %d %d %d", [1_u64, 2, 3, 4].map(U64::from)) => {
        /// Writes a line to the kernel's trace buffer, for up to twelve numbers (`bpf_trace_vprintk`).
        pub fn trace_vprintk<const N: usize>(format: &str, args: [U64; N]) -> HelperResult {
            const { assert!(N <= 12, "`trace_vprintk` takes up to twelve numbers") }
            let (text, args) = (terminated(format), stack::put_or_null(1, args));
            call!(TRACE_VPRINTK, text.address(), terminated_len(format), args, <[U64; N]>::BYTES)
        }
    }
    [Tc (6, 1), CgroupSkb (6, 1)] STRTOL(): strtol([0x2d_u8, 0x35].map(crate::value::U8::from), 10) => {
        /// Reads a number at the start of text, in base 8, 10 or 16, or 0 for what its prefix says (`bpf_strtol`): how many bytes it
        /// takes, negative where there is none, and the number.
        pub fn strtol<T: Field>(text: T, base: u64) -> (I64, I64) {
            let (text, room) = (stack::put(0, text), stack::put(1, I64::from(0)));
            let result = call!(STRTOL, text.address(), T::BYTES, base, room.address());
            (result, room.load(0))
        }
    }
    [Tc (6, 1), CgroupSkb (6, 1)] STRTOUL(): strtoul([0x35_u8; 8].map(crate::value::U8::from), 10) => {
        /// Reads an unsigned number at the start of text (`bpf_strtoul`); as [`strtol`].
        pub fn strtoul<T: Field>(text: T, base: u64) -> (I64, U64) {
            let (text, room) = (stack::put(0, text), stack::put(1, U64::from(0)));
            let result = call!(STRTOUL, text.address(), T::BYTES, base, room.address());
            (result, room.load(0))
        }
    }
}
