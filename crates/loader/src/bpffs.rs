//! The bpffs: where BPF objects get names that keep them alive.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::sys;

/// Where a bpffs is mounted by convention.
pub const MOUNT_POINT: &str = "/sys/fs/bpf";

/// The folder below the mount point that this crate pins in.
pub const DIRECTORY: &str = "bpfasm";

/// Where a bpffs is mounted in this mount namespace, if there is one: [`MOUNT_POINT`] before any other.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn find() -> Result<Option<PathBuf>, Error> {
    let path = Path::new("/proc/thread-self/mountinfo");
    let table = fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(find_in(&table))
}

/// Finds a bpffs, or mounts one at [`MOUNT_POINT`].
///
/// # Errors
/// [`Error::NoBpffs`] with the command to run, when there is none and this process may not mount one.
pub fn ensure() -> Result<PathBuf, Error> {
    if let Some(path) = find()? {
        return Ok(path);
    }
    let target = Path::new(MOUNT_POINT);
    let command = format!("mount -t bpf bpf {MOUNT_POINT}");
    sys::mount_bpffs(target).map_err(|errno| Error::NoBpffs { errno, command })?;
    Ok(target.to_owned())
}

/// The folder below the bpffs that this crate pins in, made if missing.
///
/// # Errors
/// A folder that somebody else owns, or that others may write to, is refused: they could remove our pins, or put theirs there.
pub(crate) fn ensure_directory() -> Result<PathBuf, Error> {
    let path = ensure()?.join(DIRECTORY);
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => return Ok(path),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(Error::File { path, source }),
    }
    let looked = fs::symlink_metadata(&path).and_then(|folder| Ok((folder, fs::metadata("/proc/self")?.uid())));
    let (folder, own) = looked.map_err(|source| Error::File { path: path.clone(), source })?;
    if folder.is_dir() && [0, own].contains(&folder.uid()) && folder.mode() & 0o022 == 0 {
        return Ok(path);
    }
    let reason = "others may change it; remove it, and mount the bpffs with mode=0700";
    Err(Error::File { path, source: io::Error::new(io::ErrorKind::PermissionDenied, reason) })
}

/// The name that a link is pinned by: the program, the link's id. A bpffs takes no dots in names.
pub(crate) fn link_name(program: &str, link_id: u32) -> String {
    let program: String = program.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{program}-{link_id}")
}

/// The pins of a link in our folder. None where there is no bpffs, or no right to read it.
pub(crate) fn pins_of_link(link_id: u32) -> Vec<PathBuf> {
    let Ok(Some(bpffs)) = find() else { return Vec::new() };
    let Ok(folder) = fs::read_dir(bpffs.join(DIRECTORY)) else { return Vec::new() };
    let ending = format!("-{link_id}");
    let named = folder.flatten().filter(|entry| entry.file_name().as_bytes().ends_with(ending.as_bytes()));
    // The name is a hint: the link decides.
    let is_it = |path: &PathBuf| {
        let link = sys::obj_get(path).ok();
        link.and_then(|link| sys::link_info(link.as_fd()).ok()).is_some_and(|info| info.id == link_id)
    };
    named.map(|entry| entry.path()).filter(is_it).collect()
}

fn find_in(table: &[u8]) -> Option<PathBuf> {
    let points: Vec<PathBuf> = table.split(|&byte| byte == b'\n').filter_map(bpffs_mount_point).collect();
    points.iter().find(|path| *path == Path::new(MOUNT_POINT)).or(points.first()).cloned()
}

/// The mount point of a line of `mountinfo`, if it is a bpffs seen from its root.
///
/// `36 35 0:30 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700`: the optional fields end at the dash (proc(5)).
fn bpffs_mount_point(line: &[u8]) -> Option<PathBuf> {
    let mut fields = line.split(|&byte| byte == b' ');
    let (root, point) = (fields.nth(3)?, fields.next()?);
    let file_system = fields.skip_while(|field| *field != b"-").nth(1)?;
    (root == b"/" && file_system == b"bpf").then(|| PathBuf::from(OsString::from_vec(unescape(point))))
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
32 24 0:27 / /sys/fs/bpf rw - bpf bpf rw\n";
        assert_eq!(find_in(table), Some(PathBuf::from("/sys/fs/bpf")));
        let without_usual: Vec<&[u8]> = table.split(|&b| b == b'\n').take(3).collect();
        assert_eq!(find_in(&without_usual.join(&b'\n')), Some(PathBuf::from("/run/my bpf")));
        assert_eq!(find_in(b"24 1 8:1 / /sys/fs/bpf rw - ext4 bpf rw\n24 1\n"), None);
    }

    #[test]
    fn a_pins_name_has_no_dots() {
        assert_eq!(link_name("a.b", 7), "a_b-7");
    }
}
