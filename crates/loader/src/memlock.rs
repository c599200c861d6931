//! The limit that kernels before 5.11 charge BPF objects to.

use crate::sys::{self, Errno};

/// Runs a call that makes a BPF object; if it is not permitted, raises `RLIMIT_MEMLOCK`, if that can be raised, and
/// runs it again.
///
/// Kernels from 5.11 on charge the memory control group instead, and never get here with the privileges to raise a
/// limit.
pub(crate) fn retry<T, E>(mut call: impl FnMut() -> Result<T, E>, errno: impl Fn(&E) -> Errno) -> Result<T, E> {
    match call() {
        Err(error) if errno(&error) == Errno::EPERM && sys::raise_memlock() == Ok(true) => call(),
        result => result,
    }
}
