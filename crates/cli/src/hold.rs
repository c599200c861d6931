//! Waiting in the foreground until a signal or the end of a given time.
//!
//! The signals are blocked first and then read from a descriptor, so that one that arrives while something is being
//! attached waits until it can be answered by detaching: there is no moment in which it kills the process.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that ask a process to end, caught.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Catches interrupt, termination and hang-up from now on.
    ///
    /// # Errors
    ///
    /// The kernel gives no descriptor.
    ///
    /// # References
    ///
    /// sigprocmask(2), signalfd(2)
    pub fn catch() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// Waits for a signal, or at most for the given time.
    ///
    /// # Errors
    ///
    /// The wait itself fails.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<()> {
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let mut descriptors = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, timeout(left)) {
                Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(()),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The longest wait of poll(2) that is not longer than what is left, rounded up to a millisecond.
fn timeout(left: Option<Duration>) -> PollTimeout {
    match left {
        None => PollTimeout::NONE,
        Some(left) => {
            let milliseconds = left.as_nanos().div_ceil(1_000_000);
            i32::try_from(milliseconds)
                .map_or(PollTimeout::MAX, |ms| PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_time_ends_the_wait() {
        let signals = Signals::catch().unwrap();
        let start = Instant::now();
        signals.wait(Some(Duration::from_millis(20))).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_signal_ends_the_wait_and_not_the_process() {
        let signals = Signals::catch().unwrap();
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        let start = Instant::now();
        signals.wait(Some(Duration::from_secs(60))).unwrap();
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_wait_longer_than_poll_knows_is_cut() {
        assert_eq!(timeout(Some(Duration::from_secs(u64::MAX))), PollTimeout::MAX);
        assert_eq!(timeout(Some(Duration::from_micros(1))), PollTimeout::from(1u8));
    }
}
