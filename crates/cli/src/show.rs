//! What listings of programs, maps and links have in common.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use bpfasm::loader::ProgramInfo;
use bpfasm::loader::observe::{Pinned, Pins};
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::output::Output;

impl Output {
    /// Prints all of a kind: an array, or one text after the other.
    ///
    /// # Errors
    ///
    /// Standard output can't be written.
    pub fn list<T, J: Serialize>(
        self,
        out: &mut impl Write,
        all: &[T],
        json: impl Fn(&T) -> J,
        text: impl Fn(&T) -> String,
    ) -> Result<(), Error> {
        if self.is_json() {
            return self.print(out, &all.iter().map(json).collect::<Vec<_>>());
        }
        all.iter().try_for_each(|one| writeln!(out, "{}", text(one)).map_err(Error::Output))
    }

    /// Prints what was asked for by name: one by itself, several as [`list`](Output::list) does.
    ///
    /// # Errors
    ///
    /// Standard output can't be written.
    pub fn named<T, J: Serialize>(
        self,
        out: &mut impl Write,
        found: &[T],
        json: impl Fn(&T) -> J,
        text: impl Fn(&T) -> String,
    ) -> Result<(), Error> {
        match found {
            [only] if self.is_json() => self.print(out, &json(only)),
            found => self.list(out, found, json, text),
        }
    }
}

/// A number of the kernel by its name, or as it is.
pub fn named(name: Option<&str>, number: u32) -> Value {
    name.map_or_else(|| number.into(), Value::from)
}

/// Where an object is pinned, if that was asked for.
pub fn pinned(pins: Option<&Pins>, object: Pinned) -> Option<Vec<String>> {
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    pins.map(|pins| pins.of(object).iter().map(path).collect())
}

/// The same as text, a line each, with the line's break in front.
pub fn pinned_text(pins: Option<&Pins>, object: Pinned) -> String {
    let line = |path: &String| format!("\n\tpinned {path}");
    pinned(pins, object).unwrap_or_default().iter().map(line).collect()
}

/// Ids, a comma between.
pub fn joined(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// How long a program has run, in nanoseconds, and how often, if the kernel has counted.
pub fn run_time(info: &ProgramInfo) -> Option<(u64, u64)> {
    (info.run_time_ns != 0).then_some((info.run_time_ns, info.run_count))
}

/// A time as `2026-11-23T03:07:58+0000`, in UTC.
pub struct Timestamp(pub SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let (days, second) = (since / 86_400, since % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000")
    }
}

/// Year, month and day, so many days after the first of January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Against `date -u -d @SECONDS +%FT%T%z`.
    #[test]
    fn times_are_those_of_date() {
        let rows = [
            (0, "1970-01-01T00:00:00+0000"),
            (951_868_799, "2000-02-29T23:59:59+0000"),
            (951_868_800, "2000-03-01T00:00:00+0000"),
            (1_795_403_278, "2026-11-23T03:07:58+0000"),
            (4_107_542_399, "2100-02-28T23:59:59+0000"),
            (4_107_542_400, "2100-03-01T00:00:00+0000"),
        ];
        for (seconds, text) in rows {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Timestamp(time).to_string(), text);
        }
    }
}
