//! Asking the kernel for the reason of a refusal: its log, whole.

use crate::VerifierLog;
use crate::sys::Errno;

/// Bytes of a first buffer: enough for most logs.
const FIRST: usize = 1 << 16;

/// Bytes that every kernel takes: before 5.2, the log is at most `UINT_MAX >> 8` (`bpf_check` of
/// `kernel/bpf/verifier.c`).
const EVERY_KERNEL: usize = (1 << 24) - 1;

/// Bytes of the largest buffer that is tried; newer kernels would take four times as many.
const LARGEST: usize = 1 << 28;

/// Calls `attempt` with log buffers until one holds the whole log. Each is empty before the call.
///
/// `attempt` fails with the kernel's error number and with the size that the log takes, 0 if the kernel does not tell
/// (before 6.4). A log that is too long never makes a good program a bad one: at last `attempt` is called without a
/// buffer, and what was written before is the log.
pub(super) fn with_log<T>(
    mut attempt: impl FnMut(&mut [u8]) -> Result<T, (Errno, u32)>,
) -> (Result<T, Errno>, VerifierLog) {
    let mut log = vec![0; FIRST];
    let mut cut = None;
    loop {
        let (errno, needed) = match attempt(&mut log) {
            Ok(value) => return (Ok(value), VerifierLog::new(&log, true)),
            Err(failure) => failure,
        };
        let next = match errno {
            Errno::ENOSPC => {
                cut = Some(VerifierLog::new(&log, false));
                next_size(log.len(), needed)
            }
            // An old kernel refuses a buffer of this size before it looks at the program.
            Errno::EINVAL if log.len() > EVERY_KERNEL && log.first() == Some(&0) => None,
            errno => return (Err(errno), VerifierLog::new(&log, true)),
        };
        let Some(next) = next else {
            let cut = cut.unwrap_or_else(|| VerifierLog::new(&[], false));
            return (attempt(&mut []).map_err(|(errno, _)| errno), cut);
        };
        log = vec![0; next];
    }
}

/// The size of a buffer after one of `size` bytes was too short.
fn next_size(size: usize, needed: u32) -> Option<usize> {
    let limit = if size < EVERY_KERNEL { EVERY_KERNEL } else { LARGEST };
    let told = usize::try_from(needed).ok().filter(|&needed| needed > size);
    let next = told.unwrap_or(size.saturating_mul(8).min(limit));
    (size < next && next <= LARGEST).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that refuses a program with a log of `log_bytes`.
    struct Kernel {
        log_bytes: usize,
        tells_size: bool,
        takes_at_most: usize,
        accepts: bool,
        loads: u32,
    }

    impl Kernel {
        fn load(&mut self, log: &mut [u8]) -> Result<(), (Errno, u32)> {
            self.loads += 1;
            if log.len() > self.takes_at_most {
                return Err((Errno::EINVAL, 0));
            }
            let verdict = if self.accepts { Ok(()) } else { Err((Errno::EACCES, 0)) };
            if log.is_empty() {
                return verdict;
            }
            let room = log.len() - 1;
            let written = self.log_bytes.min(room);
            // The rest of a buffer that nobody reads to its end stays unwritten, for speed.
            log[..written.min(1 << 25)].fill(b'x');
            let needed = if self.tells_size { u32::try_from(self.log_bytes + 1).unwrap() } else { 0 };
            if written < self.log_bytes { Err((Errno::ENOSPC, needed)) } else { verdict }
        }
    }

    const NEWER: Kernel = Kernel { log_bytes: 0, tells_size: true, takes_at_most: 1 << 30, accepts: false, loads: 0 };
    const OLDER: Kernel = Kernel { tells_size: false, ..NEWER };
    const OLDEST: Kernel = Kernel { takes_at_most: EVERY_KERNEL, ..OLDER };

    #[test]
    fn a_short_log_takes_one_load() {
        let mut kernel = Kernel { log_bytes: 1000, ..OLDEST };
        let (result, log) = with_log(|log| kernel.load(log));
        assert_eq!((result, log.raw().len(), log.is_complete(), kernel.loads), (Err(Errno::EACCES), 1000, true, 1));
    }

    #[test]
    fn a_kernel_that_tells_the_size_loads_twice_whatever_the_length() {
        let mut kernel = Kernel { log_bytes: 20_000_000, ..NEWER };
        let (result, log) = with_log(|log| kernel.load(log));
        assert_eq!(
            (result, log.raw().len(), log.is_complete(), kernel.loads),
            (Err(Errno::EACCES), 20_000_000, true, 2)
        );
    }

    #[test]
    fn the_size_is_found_where_it_is_not_told() {
        let mut kernel = Kernel { log_bytes: 20_000_000, ..OLDER };
        let (result, log) = with_log(|log| kernel.load(log));
        assert_eq!((result, log.raw().len(), log.is_complete()), (Err(Errno::EACCES), 20_000_000, true));
    }

    #[test]
    fn what_an_old_kernel_cannot_give_is_cut() {
        let mut kernel = Kernel { log_bytes: 20_000_000, ..OLDEST };
        let (result, log) = with_log(|log| kernel.load(log));
        assert_eq!((result, log.raw().len(), log.is_complete()), (Err(Errno::EACCES), EVERY_KERNEL - 1, false));
    }

    #[test]
    fn a_log_that_is_too_long_does_not_make_a_good_program_a_bad_one() {
        for kernel in [OLDEST, OLDER, NEWER] {
            let mut kernel = Kernel { log_bytes: 1 << 29, accepts: true, ..kernel };
            let (result, log) = with_log(|log| kernel.load(log));
            assert_eq!((result, log.is_complete()), (Ok(()), false));
        }
    }
}
