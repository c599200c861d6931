//! Measured times.

use std::time::{Duration, Instant};

/// Times of the same thing, done again and again.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Does it once more, and gives what it gave.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0.push(start.elapsed());
        result
    }

    /// The middle one; of an even number, the later of the two in the middle. Zero if there is none.
    pub fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// The shortest. Zero if there is none.
    pub fn best(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let times = |millis: &[u64]| Times(millis.iter().copied().map(Duration::from_millis).collect());
        assert_eq!(times(&[9, 1, 4]).median(), Duration::from_millis(4));
        assert_eq!(times(&[4, 9, 1, 7]).median(), Duration::from_millis(7));
        assert_eq!(times(&[9, 1, 4]).best(), Duration::from_millis(1));
        assert_eq!(Times::default().median(), Duration::ZERO);
    }
}
