//! `BPF_PROG_TEST_RUN`: runs a program on bytes given by the caller.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::mem::offset_of;
use std::os::fd::BorrowedFd;

use bytemuck::{Pod, Zeroable};

use super::Errno;
use super::call::{Command, address, address_mut, bpf, length, number};

/// `union bpf_attr` for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct TestRunAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    reserved: u32,
}
const _: () = assert!(size_of::<TestRunAttr>() == 80);
const _: () = assert!(offset_of!(TestRunAttr, data_in) == 16);
const _: () = assert!(offset_of!(TestRunAttr, duration) == 36);
const _: () = assert!(offset_of!(TestRunAttr, ctx_in) == 48);
const _: () = assert!(offset_of!(TestRunAttr, flags) == 64);

/// What [`prog_test_run`] needs.
#[derive(Debug)]
pub struct TestRunIn<'a> {
    /// The packet; empty for the types that take none.
    pub data_in: &'a [u8],
    /// Where the packet goes after the run.
    pub data_out: &'a mut [u8],
    /// The context struct; empty for the default one.
    pub ctx_in: &'a [u8],
    /// Where the context goes after the run.
    pub ctx_out: &'a mut [u8],
    /// How often to run; 0 means once.
    pub repeat: u32,
}

/// What [`prog_test_run`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestRunOut {
    /// The program's return value.
    pub retval: u32,
    /// Nanoseconds per run, on average.
    pub duration: u32,
    /// Bytes in `data_out`.
    pub data_size_out: u32,
    /// Bytes in `ctx_out`.
    pub ctx_size_out: u32,
}

/// `BPF_PROG_TEST_RUN`: runs a program.
///
/// # Errors
/// The kernel's error number; `ENOSPC` when `data_out` is too short for what the program made; 524 for the program
/// types that cannot be run this way.
///
/// # References
/// `net/bpf/test_run.c`; Linux 4.12.
#[doc(alias = "BPF_PROG_TEST_RUN")]
pub fn prog_test_run(prog: BorrowedFd<'_>, run: &mut TestRunIn<'_>) -> Result<TestRunOut, Errno> {
    let mut attr = TestRunAttr {
        prog_fd: number(prog),
        data_size_in: length(run.data_in)?,
        data_size_out: length(run.data_out)?,
        data_in: address(run.data_in),
        data_out: address_mut(run.data_out),
        repeat: run.repeat,
        ctx_size_in: length(run.ctx_in)?,
        ctx_size_out: length(run.ctx_out)?,
        ctx_in: address(run.ctx_in),
        ctx_out: address_mut(run.ctx_out),
        ..TestRunAttr::zeroed()
    };
    // SAFETY: `data_in` and `ctx_in` are readable, `data_out` and `ctx_out` writable and exclusively borrowed by `run`,
    // each for the length beside it.
    unsafe { bpf(Command::PROG_TEST_RUN, &mut attr) }?;
    let TestRunAttr { retval, duration, data_size_out, ctx_size_out, .. } = attr;
    Ok(TestRunOut { retval, duration, data_size_out, ctx_size_out })
}
