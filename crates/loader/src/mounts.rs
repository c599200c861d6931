//! Where file systems of a type are mounted.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Where file systems of this type are mounted in this mount namespace, seen from their roots.
///
/// # Errors
/// When `/proc` is not mounted.
pub(crate) fn points_of(kind: &str) -> Result<Vec<PathBuf>, Error> {
    let path = Path::new("/proc/thread-self/mountinfo");
    let table = fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(points_in(&table, kind))
}

fn points_in(table: &[u8], kind: &str) -> Vec<PathBuf> {
    table.split(|&byte| byte == b'\n').filter_map(|line| mount_point(line, kind)).collect()
}

/// The mount point of a line of `mountinfo`, if it is a file system of that type seen from its root.
///
/// `36 35 0:30 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700`: the optional fields end at the dash (proc(5)).
fn mount_point(line: &[u8], kind: &str) -> Option<PathBuf> {
    let mut fields = line.split(|&byte| byte == b' ');
    let (root, point) = (fields.nth(3)?, fields.next()?);
    let file_system = fields.skip_while(|field| *field != b"-").nth(1)?;
    (root == b"/" && file_system == kind.as_bytes()).then(|| PathBuf::from(OsString::from_vec(unescape(point))))
}

/// Undoes the kernel's octal escapes of blanks and backslashes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| byte == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) => {
                out.push(escaped);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_by_type() {
        let table = b"\
24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
30 24 0:26 /sub /mnt/part rw - bpf bpf rw\n\
31 24 0:26 / /run/my\\040bpf rw,nosuid shared:9 master:2 - bpf none rw,mode=700\n\
32 24 0:27 / /sys/fs/bpf rw - bpf bpf rw\n\
33 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n";
        assert_eq!(points_in(table, "bpf"), ["/run/my bpf", "/sys/fs/bpf"].map(PathBuf::from));
        assert_eq!(points_in(table, "cgroup2"), [PathBuf::from("/sys/fs/cgroup/unified")]);
        assert!(points_in(b"24 1 8:1 / /sys/fs/bpf rw - ext4 bpf rw\n24 1\n", "bpf").is_empty());
    }
}
