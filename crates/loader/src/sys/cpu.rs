//! Which CPUs there may be: as many values has each key of a per-CPU map.

use std::sync::OnceLock;
use std::{fs, io};

/// The CPUs that may ever be there while this kernel runs, online or not.
///
/// The list comes from the kernel alone and never changes; buffers for the values of per-CPU maps are measured by it.
#[derive(Debug, PartialEq, Eq)]
pub struct PossibleCpus(Vec<u32>);

/// One more than the highest number that a list may have; `CONFIG_NR_CPUS` is at most 8192 (`arch/x86/Kconfig`).
const MOST: u32 = 1 << 16;

impl PossibleCpus {
    /// The file that the list is read from.
    pub const PATH: &str = "/sys/devices/system/cpu/possible";

    /// Reads the list, the first time.
    ///
    /// # Errors
    /// Where sysfs is not mounted, or what is there is no such list.
    ///
    /// # References
    /// `drivers/base/cpu.c`; `Documentation/ABI/testing/sysfs-devices-system-cpu`.
    pub fn get() -> io::Result<&'static PossibleCpus> {
        static CPUS: OnceLock<PossibleCpus> = OnceLock::new();
        if let Some(cpus) = CPUS.get() {
            return Ok(cpus);
        }
        let text = fs::read_to_string(Self::PATH)?;
        let numbers = parse(&text).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is no list of CPUs", text.escape_debug()))
        })?;
        Ok(CPUS.get_or_init(|| PossibleCpus(numbers)))
    }

    /// Their numbers, ascending. The values of a per-CPU map come in this order, and the numbers may have gaps.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.0
    }
}

/// Reads a list as the kernel prints it (`%*pbl`): numbers and ranges in ascending order, such as `0-1,4`.
fn parse(text: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        if last < first || last >= MOST || numbers.last().is_some_and(|&before| first <= before) {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

fn number(text: &str) -> Option<u32> {
    // `parse` would take a sign.
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let cases: [(&str, &[u32]); 8] = [
            ("0", &[0]),
            ("0\n", &[0]),
            ("0-3", &[0, 1, 2, 3]),
            ("0,2-3\n", &[0, 2, 3]),
            ("0-1,4-7", &[0, 1, 4, 5, 6, 7]),
            (" 0 , 2 - 3 \n", &[0, 2, 3]),
            ("1,3,5", &[1, 3, 5]),
            ("5-5", &[5]),
        ];
        for (text, numbers) in cases {
            assert_eq!(parse(text).as_deref(), Some(numbers), "{text:?}");
        }
        assert_eq!(parse("0-8191").map(|numbers| numbers.len()), Some(8192));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let nonsense = ["", "\n", "a", "0-", "-1", "3-1", "0,,2", "0-1-2", "1,1", "0-3,2", "+1", "0x1", "0-4294967295"];
        for text in nonsense {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn this_kernel_has_one_at_least() {
        assert!(!PossibleCpus::get().unwrap().numbers().is_empty());
    }
}
