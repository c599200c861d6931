//! Control groups: opening them, and `BPF_PROG_ATTACH` to them.
#![expect(unsafe_code, reason = "bpf() with the numbers of descriptors, open_by_handle_at()")]

use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use bytemuck::{Pod, Zeroable};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, fstatfs};

use super::Errno;
use super::call::{Command, above_stdio, bpf, number};

/// Opens a folder.
///
/// # Errors
/// The kernel's error number.
pub fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    above_stdio(open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// The version of the control group hierarchy that an open folder belongs to, 1 or 2; `None` for any other folder.
///
/// # Errors
/// The kernel's error number.
pub fn cgroup_version(folder: BorrowedFd<'_>) -> Result<Option<u8>, Errno> {
    let file_system = fstatfs(folder)?.filesystem_type();
    Ok(match file_system {
        CGROUP_SUPER_MAGIC => Some(1),
        CGROUP2_SUPER_MAGIC => Some(2),
        _ => None,
    })
}

/// The id of a control group of version 2: the number of its inode.
///
/// # Errors
/// The kernel's error number.
///
/// # References
/// `cgroup_id` in `include/linux/cgroup.h`, `kernfs_ino` in `include/linux/kernfs.h`.
pub fn cgroup_id(cgroup: BorrowedFd<'_>) -> Result<u64, Errno> {
    Ok(fstat(cgroup)?.st_ino)
}

/// `struct file_handle` of `include/linux/fs.h`, with the 8 bytes that name a node of kernfs.
#[repr(C)]
struct KernfsHandle {
    handle_bytes: u32,
    handle_type: i32,
    id: u64,
}
const _: () = assert!(size_of::<KernfsHandle>() == size_of::<libc::file_handle>() + 8);
const _: () = assert!(offset_of!(KernfsHandle, id) == size_of::<libc::file_handle>());

/// `FILEID_KERNFS` of `include/linux/exportfs.h`.
const FILEID_KERNFS: i32 = 0xfe;

/// Opens the control group of version 2 that has this id; `hierarchy` is any of its groups.
///
/// # Errors
/// The kernel's error number: `ESTALE` if there is none, `EPERM` without `CAP_DAC_READ_SEARCH`, `EOPNOTSUPP` before Linux
/// 5.5.
///
/// # References
/// `kernfs_fh_to_dentry` in `fs/kernfs/mount.c`.
#[doc(alias = "open_by_handle_at")]
pub fn open_cgroup_by_id(hierarchy: BorrowedFd<'_>, id: u64) -> Result<OwnedFd, Errno> {
    let mut handle = KernfsHandle { handle_bytes: 8, handle_type: FILEID_KERNFS, id };
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: `handle` is a live `struct file_handle` followed by as many bytes as its first field says.
    let fd = unsafe { libc::open_by_handle_at(hierarchy.as_raw_fd(), std::ptr::from_mut(&mut handle).cast(), flags) };
    if fd < 0 {
        return Err(Errno(nix::errno::Errno::last_raw()));
    }
    // SAFETY: the call has just made this descriptor, and nothing else has seen it.
    above_stdio(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `union bpf_attr` for `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ProgAttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
    relative_fd: u32,
    expected_revision: u64,
}
const _: () = assert!(size_of::<ProgAttachAttr>() == 32);
const _: () = assert!(offset_of!(ProgAttachAttr, replace_bpf_fd) == 16);
const _: () = assert!(offset_of!(ProgAttachAttr, expected_revision) == 24);

/// `BPF_F_ALLOW_OVERRIDE` of `BPF_PROG_ATTACH`: a group below may put another program in this one's place.
pub const BPF_F_ALLOW_OVERRIDE: u32 = 1;
/// `BPF_F_ALLOW_MULTI`: beside others, of this group and of those above and below.
pub const BPF_F_ALLOW_MULTI: u32 = 1 << 1;
/// `BPF_F_REPLACE`, with `BPF_F_ALLOW_MULTI`: in the place of one given program.
const BPF_F_REPLACE: u32 = 1 << 2;

/// `BPF_PROG_ATTACH` to a control group of version 2.
///
/// `mode` is 0, [`BPF_F_ALLOW_OVERRIDE`] or [`BPF_F_ALLOW_MULTI`]. Without the latter the kernel puts the program in the
/// place of the one that is there, whosever that is. `replace` names the one to replace with the latter. A `revision`
/// other than 0 makes the call fail if what is attached has changed since
/// [`prog_query_cgroup`](super::prog_query_cgroup) told it.
///
/// # Errors
/// The kernel's error number: `EPERM` also where a program is attached in another mode, `EINVAL` for a program that is
/// attached already, `ENOENT` if the one to replace is not there, `ESTALE` for an outdated revision.
///
/// # References
/// `__cgroup_bpf_attach` in `kernel/bpf/cgroup.c`.
#[doc(alias = "BPF_PROG_ATTACH")]
pub fn prog_attach_cgroup(
    prog: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    attach_type: u32,
    mode: u32,
    replace: Option<BorrowedFd<'_>>,
    revision: u64,
) -> Result<(), Errno> {
    let mut attr = ProgAttachAttr {
        target_fd: number(cgroup),
        attach_bpf_fd: number(prog),
        attach_type,
        attach_flags: mode | if replace.is_some() { BPF_F_REPLACE } else { 0 },
        replace_bpf_fd: replace.map_or(0, number),
        expected_revision: revision,
        ..ProgAttachAttr::zeroed()
    };
    // SAFETY: the command follows no address.
    unsafe { bpf(Command::PROG_ATTACH, &mut attr) }.map(drop)
}

/// `BPF_PROG_DETACH` of one program from a control group of version 2.
///
/// Where the programs are attached without `BPF_F_ALLOW_MULTI`, the kernel detaches the one that is there, whichever
/// is given, so that a `revision` of [`prog_query_cgroup`](super::prog_query_cgroup) other than 0 is worth giving.
///
/// # Errors
/// The kernel's error number: `ENOENT` if it is not attached there, `ESTALE` for an outdated revision.
///
/// # References
/// `cgroup_bpf_prog_detach` in `kernel/bpf/cgroup.c`.
#[doc(alias = "BPF_PROG_DETACH")]
pub fn prog_detach_cgroup(
    prog: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    attach_type: u32,
    revision: u64,
) -> Result<(), Errno> {
    let mut attr = ProgAttachAttr {
        target_fd: number(cgroup),
        attach_bpf_fd: number(prog),
        attach_type,
        expected_revision: revision,
        ..ProgAttachAttr::zeroed()
    };
    // SAFETY: the command follows no address.
    unsafe { bpf(Command::PROG_DETACH, &mut attr) }.map(drop)
}
