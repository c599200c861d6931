//! The `bpf` system call itself: retries, and descriptors that are fit to be handed out.
//!
//! # Safety
//!
//! [`bpf`] passes a command's attributes to the kernel, which reads and writes through the addresses in it; its callers
//! prove that those are good. [`adopt`] takes ownership of a number that `bpf` returned.
#![expect(unsafe_code, reason = "the bpf system call and its descriptors")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use bytemuck::Pod;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SigSet, SigmaskHow};

use super::Errno;

/// Attempts with signals let through, before one with signals blocked. libbpf gives up after as many.
const ATTEMPTS: u32 = 5;

/// A command of `enum bpf_cmd`.
#[derive(Clone, Copy)]
pub(super) struct Command(libc::c_int);

/// Declares the commands in use, with their number in `enum bpf_cmd`.
macro_rules! commands {
    ($($name:ident = $value:literal;)*) => {
        #[allow(clippy::upper_case_acronyms, reason = "the kernel's spelling")]
        impl Command { $(pub(super) const $name: Command = Command($value);)* }
    };
}

commands! {
    MAP_CREATE = 0;
    MAP_LOOKUP_ELEM = 1;
    MAP_UPDATE_ELEM = 2;
    MAP_DELETE_ELEM = 3;
    MAP_GET_NEXT_KEY = 4;
    PROG_LOAD = 5;
    OBJ_PIN = 6;
    OBJ_GET = 7;
    PROG_ATTACH = 8;
    PROG_DETACH = 9;
    PROG_TEST_RUN = 10;
    PROG_GET_NEXT_ID = 11;
    MAP_GET_NEXT_ID = 12;
    PROG_GET_FD_BY_ID = 13;
    MAP_GET_FD_BY_ID = 14;
    OBJ_GET_INFO_BY_FD = 15;
    PROG_QUERY = 16;
    BTF_LOAD = 18;
    BTF_GET_FD_BY_ID = 19;
    MAP_LOOKUP_AND_DELETE_ELEM = 21;
    MAP_FREEZE = 22;
    MAP_LOOKUP_BATCH = 24;
    MAP_LOOKUP_AND_DELETE_BATCH = 25;
    MAP_UPDATE_BATCH = 26;
    MAP_DELETE_BATCH = 27;
    LINK_CREATE = 28;
    LINK_UPDATE = 29;
    LINK_GET_FD_BY_ID = 30;
    LINK_GET_NEXT_ID = 31;
    LINK_DETACH = 34;
}

/// Calls `bpf(command, attr, sizeof(attr))` and retries it when a signal got in the way.
///
/// Returns what the call returns: a descriptor for the commands that make one, else 0.
///
/// # Errors
/// The kernel's error number.
///
/// # Safety
/// Every address in `attr` that `command` follows is null, or points to as many bytes, readable or (where the command
/// writes) writable and not otherwise borrowed, as the length that belongs to it in `attr` says, until this function
/// returns.
pub(super) unsafe fn bpf<A: Pod>(command: Command, attr: &mut A) -> Result<RawFd, Errno> {
    // SAFETY: the caller's promise, passed on unchanged.
    patiently(|| unsafe { bpf_once(command, attr) })
}

/// Repeats a call that signals interrupt, at last with signals blocked.
pub(super) fn patiently<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..ATTEMPTS {
        match call() {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            done => return done,
        }
    }
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let result = call();
    mask.thread_set_mask()?;
    result
}

/// One `bpf` call.
///
/// # Safety
/// As [`bpf`].
pub(super) unsafe fn bpf_once<A: Pod>(command: Command, attr: &mut A) -> Result<RawFd, Errno> {
    // SAFETY: `attr` is a live, exclusively borrowed, fully initialised (Pod) struct of `size_of::<A>()` bytes, and its
    // address and size go together; the addresses inside it are the caller's promise.
    let ret = unsafe { libc::syscall(libc::SYS_bpf, command.0, std::ptr::from_mut(attr), size_of::<A>()) };
    match RawFd::try_from(ret) {
        Ok(value) if value >= 0 => Ok(value),
        _ => Err(Errno(nix::errno::Errno::last_raw())),
    }
}

/// Takes ownership of a descriptor that a `bpf` call has just made, and moves it above the standard streams.
///
/// # Errors
/// The error of `fcntl`, when it had to be moved and no descriptor was left.
///
/// # Safety
/// `fd` was returned by a `bpf` command that makes a descriptor, and nothing else owns it.
pub(super) unsafe fn adopt(fd: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: open and unowned, by the caller's promise.
    above_stdio(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Moves a descriptor above 2 if it is one of the standard streams' numbers.
///
/// # Errors
/// The error of `fcntl`.
pub(super) fn above_stdio(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(fd);
    }
    let moved = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(libc::STDERR_FILENO + 1))?;
    // SAFETY: `fcntl` has just made this descriptor, and nothing else has seen it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// The address of a buffer, as the 64-bit integer of the kernel's `__aligned_u64` fields; null for an empty one.
pub(super) fn address<T>(buffer: &[T]) -> u64 {
    if buffer.is_empty() { 0 } else { widen(buffer.as_ptr().expose_provenance()) }
}

/// As [`address`], for a buffer that the kernel writes to.
pub(super) fn address_mut<T>(buffer: &mut [T]) -> u64 {
    if buffer.is_empty() { 0 } else { widen(buffer.as_mut_ptr().expose_provenance()) }
}

/// `usize` as `u64`: every target of Linux has addresses of at most 64 bits.
const fn widen(address: usize) -> u64 {
    address as u64
}

/// The length of a buffer in the 32 bits that the kernel takes.
///
/// # Errors
/// `E2BIG` for more than 4 GiB.
pub(super) fn length<T>(buffer: &[T]) -> Result<u32, Errno> {
    u32::try_from(buffer.len()).map_err(|_| Errno::E2BIG)
}

/// A descriptor's number in the kernel's `__u32` fields.
pub(super) fn number(fd: std::os::fd::BorrowedFd<'_>) -> u32 {
    // Not negative, by the invariant of `BorrowedFd`.
    fd.as_raw_fd().unsigned_abs()
}

/// An object name of the kernel: at most 15 bytes of `[A-Za-z0-9_.]` and a NUL (`BPF_OBJ_NAME_LEN`).
///
/// Other characters become `_`, the rest is cut: the full name lives in the BTF.
pub(super) fn object_name(name: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().take(15).zip(name.bytes()) {
        *to = if from.is_ascii_alphanumeric() || from == b'_' || from == b'.' { from } else { b'_' };
    }
    out
}

/// Reads a NUL-terminated name of the kernel.
pub(super) fn read_name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::Signal;

    fn is_blocked(signal: Signal) -> bool {
        SigSet::thread_get_mask().unwrap().contains(signal)
    }

    #[test]
    fn the_last_attempt_is_not_interrupted() {
        let mut attempts = Vec::new();
        let result = patiently(|| {
            attempts.push(is_blocked(Signal::SIGPROF));
            if attempts.len() > 5 { Ok(attempts.len()) } else { Err(Errno::EAGAIN) }
        });
        assert_eq!(result, Ok(6));
        assert_eq!(attempts, [false, false, false, false, false, true]);
        assert!(!is_blocked(Signal::SIGPROF));
    }

    #[test]
    fn other_errors_are_not_repeated() {
        let mut attempts = 0;
        let result: Result<(), _> = patiently(|| {
            attempts += 1;
            Err(if attempts == 2 { Errno::EPERM } else { Errno::EINTR })
        });
        assert_eq!((result, attempts), (Err(Errno::EPERM), 2));
    }

    #[test]
    fn names_are_cut_and_cleaned() {
        assert_eq!(&object_name("tc_drop"), b"tc_drop\0\0\0\0\0\0\0\0\0");
        assert_eq!(&object_name("a name that is too long"), b"a_name_that_is_\0");
        assert_eq!(read_name(&object_name("x::y")), "x__y");
    }
}
