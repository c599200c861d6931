//! Clocks.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

use super::Errno;

/// The time of day at a time since boot, sleep included, as this machine's clock has it now.
///
/// # Errors
/// The error of `clock_gettime`, which kernels since 2.6.39 have no reason for.
pub fn time_of_day(since_boot: Duration) -> Result<SystemTime, Errno> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
    let time = SystemTime::now();
    let time = match now.checked_sub(since_boot) {
        Some(ago) => time.checked_sub(ago),
        None => time.checked_add(since_boot.saturating_sub(now)),
    };
    time.ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_was_before_now() {
        let boot = time_of_day(Duration::ZERO).unwrap();
        assert!(boot < SystemTime::now());
        let later = time_of_day(Duration::from_secs(5)).unwrap().duration_since(boot).unwrap();
        assert!(later.abs_diff(Duration::from_secs(5)) < Duration::from_secs(1));
    }
}
