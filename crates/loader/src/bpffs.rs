//! The bpffs: where BPF objects get names that keep them alive.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use bpfasm_object::kernel::AttachType;
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, mounts};

/// Where a bpffs is mounted by convention.
pub const MOUNT_POINT: &str = "/sys/fs/bpf";

/// The folder below the mount point that this crate pins in.
pub const DIRECTORY: &str = "bpfasm";

/// Where a bpffs is mounted in this mount namespace, if there is one: [`MOUNT_POINT`] before any other.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn find() -> Result<Option<PathBuf>, Error> {
    Ok(preferred(&mounts::points_of("bpf")?))
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

/// Pins an object at a path.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    sys::obj_pin(object, path).map_err(|errno| match errno {
        Errno::EEXIST => Error::PinExists { path: path.to_owned() },
        _ if is_elsewhere(path) => Error::NotBpffs { path: path.to_owned() },
        errno => Error::sys(Action::PIN, errno),
    })
}

/// Whether a path would be in another file system.
fn is_elsewhere(path: &Path) -> bool {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    statfs(folder).is_ok_and(|found| found.filesystem_type() != BPF_FS_MAGIC)
}

/// Makes a folder of a bpffs, for this user alone, if it is missing.
pub(crate) fn ensure_folder(path: &Path) -> Result<(), Error> {
    match fs::DirBuilder::new().mode(0o700).recursive(true).create(path) {
        // Somebody else may have made it meanwhile.
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Opens what is pinned at a path, if it is such an object; `kind` is what the kernel calls its descriptors.
pub(crate) fn open(path: &Path, what: &str, kind: &str) -> Result<OwnedFd, Error> {
    let fd = sys::obj_get(path).map_err(|errno| match errno {
        Errno::ENOENT | Errno::EACCES => Error::NoSuchPin { path: path.to_owned() },
        errno => Error::sys(Action::OPEN_PIN, errno),
    })?;
    // Every kind of object answers with its own struct; only the descriptor's name tells them apart.
    if descriptor_is(&fd, kind) {
        Ok(fd)
    } else {
        Err(Error::Usage { what: format!("{} is a pin, but not of a {what}", path.display()) })
    }
}

/// Whether a descriptor is of the kind that the kernel calls so, as in `anon_inode:bpf-prog`.
fn descriptor_is(fd: &OwnedFd, kind: &str) -> bool {
    let link = fs::read_link(format!("/proc/thread-self/fd/{}", fd.as_raw_fd()));
    link.is_ok_and(|link| link.to_string_lossy().trim_start_matches("anon_inode:") == kind)
}

/// The name that a link is pinned by: the program, the link's id. A bpffs takes no dots in names.
pub(crate) fn link_name(program: &str, link_id: u32) -> String {
    format!("{}-{link_id}", file_name(program))
}

/// A name of a program or map as one in a bpffs, which takes no dots.
pub(crate) fn file_name(program: &str) -> String {
    program.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The pins of a link in our folder. None where there is no bpffs, or no right to read it.
pub(crate) fn pins_of_link(link_id: u32) -> Vec<PathBuf> {
    // The name is a hint: the link decides.
    let is_it = |link: BorrowedFd<'_>| sys::link_info(link).is_ok_and(|info| info.id == link_id);
    pins(&format!("-{link_id}"), is_it)
}

/// Where a program is attached by itself, without a link, to a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The program's id.
    pub program_id: u32,
    /// The group's id.
    pub cgroup_id: u64,
    /// The attach type.
    pub attach_type: AttachType,
}

impl Record {
    /// The name that the program is pinned by, as the record of who has attached it there. It ends in a word, so that
    /// it is no link's name.
    pub(crate) fn name(&self, program: &str) -> String {
        format!("{}{}", file_name(program), self.ending())
    }

    fn ending(&self) -> String {
        let attach_type = self.attach_type.name().unwrap_or("unknown");
        format!("-{}-{}-{attach_type}", self.program_id, self.cgroup_id)
    }

    /// The pins that record it. None where there is no bpffs, or no right to read it.
    pub(crate) fn pins(&self) -> Vec<PathBuf> {
        pins(&self.ending(), |program| sys::prog_info(program).is_ok_and(|info| info.id == self.program_id))
    }
}

/// What is pinned in our folder under a name that ends so, if it is what it should be.
fn pins(ending: &str, is_it: impl Fn(BorrowedFd<'_>) -> bool) -> Vec<PathBuf> {
    let Ok(Some(bpffs)) = find() else { return Vec::new() };
    let Ok(folder) = fs::read_dir(bpffs.join(DIRECTORY)) else { return Vec::new() };
    let named = folder.flatten().filter(|entry| entry.file_name().as_bytes().ends_with(ending.as_bytes()));
    let is_it = |path: &PathBuf| sys::obj_get(path).is_ok_and(|object| is_it(object.as_fd()));
    named.map(|entry| entry.path()).filter(is_it).collect()
}

/// Removes pins.
pub(crate) fn unpin(paths: Vec<PathBuf>) -> Result<(), Error> {
    for path in paths {
        fs::remove_file(&path).map_err(|source| Error::File { path, source })?;
    }
    Ok(())
}

fn preferred(points: &[PathBuf]) -> Option<PathBuf> {
    points.iter().find(|path| *path == Path::new(MOUNT_POINT)).or(points.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_place_comes_first() {
        let points = ["/run/bpf", MOUNT_POINT].map(PathBuf::from);
        assert_eq!(preferred(&points), Some(PathBuf::from(MOUNT_POINT)));
        assert_eq!(preferred(&points[..1]), Some(PathBuf::from("/run/bpf")));
        assert_eq!(preferred(&[]), None);
    }

    #[test]
    fn a_pins_name_has_no_dots() {
        assert_eq!(link_name("a.b", 7), "a_b-7");
        let record = Record { program_id: 7, cgroup_id: 99, attach_type: AttachType::CGROUP_INET_EGRESS };
        assert_eq!(record.name("a.b"), "a_b-7-99-cgroup_inet_egress");
    }
}
