//! The bpffs: where BPF objects get names that keep them alive.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use bpfasm_object::kernel::AttachType;
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::privilege::Action;
use crate::sys::{self, Errno, LinkInfo};
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

/// A kind of object that can be pinned. Each answers any question about it with a struct of its own: only the descriptor's
/// name tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Program,
    Map,
    Link,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Program => "program",
            Kind::Map => "map",
            Kind::Link => "link",
        }
    }

    /// What the kernel calls such descriptors, as in `anon_inode:bpf-prog`.
    const fn descriptors(self) -> &'static [&'static str] {
        match self {
            Kind::Program => &["bpf-prog"],
            Kind::Map => &["bpf-map"],
            Kind::Link => &["bpf_link", "bpf-link"],
        }
    }

    fn is_of(self, fd: &OwnedFd) -> bool {
        let link = fs::read_link(format!("/proc/thread-self/fd/{}", fd.as_raw_fd()));
        link.is_ok_and(|link| self.descriptors().contains(&link.to_string_lossy().trim_start_matches("anon_inode:")))
    }
}

/// Opens what is pinned at a path, if it is of that kind.
pub(crate) fn open(path: &Path, kind: Kind) -> Result<OwnedFd, Error> {
    let fd = sys::obj_get(path).map_err(|errno| match errno {
        Errno::ENOENT | Errno::EACCES => Error::NoSuchPin { path: path.to_owned() },
        errno => Error::sys(Action::OPEN_PIN, errno),
    })?;
    if kind.is_of(&fd) {
        Ok(fd)
    } else {
        Err(Error::Usage { what: format!("{} is a pin, but not of a {}", path.display(), kind.name()) })
    }
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
    let named = pins().into_iter().filter(|pin| pin.name.ends_with(&format!("-{link_id}")));
    named.filter(|pin| pin.link().is_some_and(|link| link.id == link_id)).map(|pin| pin.path).collect()
}

/// The pins in our folder that keep nothing attached: those of links that were detached or whose target has gone, and
/// records of programs that are not attached there any more.
pub(crate) fn leftovers() -> Vec<PathBuf> {
    let is_over = |pin: &Pin| match pin.link() {
        Some(link) => link.is_defunct(),
        None => Record::parse(&pin.name)
            .is_some_and(|record| pin.program() == Some(record.program_id) && record.is_attached() == Some(false)),
    };
    pins().into_iter().filter(is_over).map(|pin| pin.path).collect()
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
        let attach_type = self.attach_type.name().unwrap_or("unknown");
        format!("{}-{}-{}-{attach_type}", file_name(program), self.program_id, self.cgroup_id)
    }

    /// The record that a pin's name tells.
    fn parse(name: &str) -> Option<Record> {
        let mut words = name.rsplit('-');
        let attach_type = AttachType::from_name(words.next()?)?;
        let cgroup_id = words.next()?.parse().ok()?;
        let program_id = words.next()?.parse().ok()?;
        Some(Record { program_id, cgroup_id, attach_type })
    }

    /// The pins that record it. None where there is no bpffs, or no right to read it.
    pub(crate) fn pins(&self) -> Vec<PathBuf> {
        let named = pins().into_iter().filter(|pin| Record::parse(&pin.name).as_ref() == Some(self));
        named.filter(|pin| pin.program() == Some(self.program_id)).map(|pin| pin.path).collect()
    }

    /// Whether the program is attached there still. `None` if that cannot be told.
    fn is_attached(&self) -> Option<bool> {
        let hierarchy = sys::open_directory(mounts::points_of("cgroup2").ok()?.first()?).ok()?;
        match sys::open_cgroup_by_id(hierarchy.as_fd(), self.cgroup_id) {
            Ok(group) => {
                let attached = sys::prog_query_cgroup(group.as_fd(), self.attach_type.0, false).ok()?;
                Some(attached.prog_ids.contains(&self.program_id))
            }
            // The group has gone.
            Err(Errno::ESTALE) => Some(false),
            Err(_) => None,
        }
    }
}

/// A name in our folder.
struct Pin {
    path: PathBuf,
    name: String,
}

impl Pin {
    /// What is pinned, if it is of that kind.
    fn object(&self, kind: Kind) -> Option<OwnedFd> {
        sys::obj_get(&self.path).ok().filter(|object| kind.is_of(object))
    }

    /// The link that is pinned, if it is one.
    fn link(&self) -> Option<LinkInfo> {
        sys::link_info(self.object(Kind::Link)?.as_fd()).ok()
    }

    /// The id of the program that is pinned, if it is one.
    fn program(&self) -> Option<u32> {
        sys::prog_info(self.object(Kind::Program)?.as_fd()).ok().map(|info| info.id)
    }
}

/// What is pinned in our folder.
fn pins() -> Vec<Pin> {
    let Ok(Some(bpffs)) = find() else { return Vec::new() };
    let Ok(folder) = fs::read_dir(bpffs.join(DIRECTORY)) else { return Vec::new() };
    let pin = |entry: fs::DirEntry| Some(Pin { path: entry.path(), name: entry.file_name().into_string().ok()? });
    folder.flatten().filter_map(pin).collect()
}

/// Removes pins. One that has gone meanwhile is fine.
pub(crate) fn unpin(paths: Vec<PathBuf>) -> Result<(), Error> {
    for path in paths {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(Error::File { path, source }),
            _ => {}
        }
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
        assert_eq!(Record::parse(&record.name("a-b")), Some(record));
        for other in ["a-7", "a-7-99", "7-99-cgroup", "a-x-99-cgroup_inet_egress", ""] {
            assert_eq!(Record::parse(other), None, "{other}");
        }
    }
}
