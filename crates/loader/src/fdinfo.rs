//! What `/proc` tells of a descriptor of a BPF object, and of nothing else.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The text of `/proc/PID/fdinfo/FD`: lines of a name, a colon, a tab, and mostly a number.
///
/// # References
/// `bpf_map_show_fdinfo`, `bpf_prog_show_fdinfo` and `bpf_link_show_fdinfo` in `kernel/bpf/syscall.c`.
pub(crate) struct FdInfo(String);

impl FdInfo {
    /// Reads it. Where `/proc` is not mounted, nothing is known.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> FdInfo {
        // Of another thread's descriptor table nothing is to be seen in /proc/self.
        FdInfo(fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", fd.as_raw_fd())).unwrap_or_default())
    }

    /// The number of that name.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_matched_by_whole_name() {
        let text = "pos:\t0\nflags:\t02000002\nmap_type:\t1\nmap_extra:\t0x0\nmemlock:\t4096\nmap_id:\t9\nfrozen:\t1\n";
        let info = FdInfo(text.to_owned());
        assert_eq!((info.number("memlock"), info.number("frozen")), (Some(4096), Some(1)));
        assert_eq!((info.number("map"), info.number("owner_prog_type")), (None, None));
    }
}
