//! `BPF_OBJ_PIN` and `BPF_OBJ_GET`: names in a bpffs.
#![expect(unsafe_code, reason = "bpf() with pointers to paths")]

use std::ffi::CString;
use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytemuck::{Pod, Zeroable};

use super::Errno;
use super::call::{Command, address, adopt, bpf, number};

/// `union bpf_attr` for `BPF_OBJ_PIN` and `BPF_OBJ_GET`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ObjAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}
const _: () = assert!(size_of::<ObjAttr>() == 16);
const _: () = assert!(offset_of!(ObjAttr, bpf_fd) == 8);

fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// `BPF_OBJ_PIN`: gives a program, map or link a path in a bpffs, which keeps it alive.
///
/// # Errors
/// The kernel's error number: `EEXIST` if the path exists, `EPERM` if it is not in a bpffs. `EINVAL` for a path with a
/// NUL.
///
/// # References
/// `bpf_obj_pin_user` in `kernel/bpf/inode.c`.
#[doc(alias = "BPF_OBJ_PIN")]
pub fn obj_pin(object: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    let path = c_path(path)?;
    let mut attr = ObjAttr { pathname: address(path.as_bytes_with_nul()), bpf_fd: number(object), file_flags: 0 };
    // SAFETY: `pathname` is a string that ends in a NUL and lives past the call.
    unsafe { bpf(Command::OBJ_PIN, &mut attr) }.map(drop)
}

/// `BPF_OBJ_GET`: opens what is pinned at a path.
///
/// # Errors
/// The kernel's error number: `ENOENT` for no such path, `EACCES` if it is not in a bpffs. `EINVAL` for a path with a
/// NUL.
#[doc(alias = "BPF_OBJ_GET")]
pub fn obj_get(path: &Path) -> Result<OwnedFd, Errno> {
    let path = c_path(path)?;
    let mut attr = ObjAttr { pathname: address(path.as_bytes_with_nul()), bpf_fd: 0, file_flags: 0 };
    // SAFETY: `pathname` is a string that ends in a NUL and lives past the call.
    let fd = unsafe { bpf(Command::OBJ_GET, &mut attr) }?;
    // SAFETY: BPF_OBJ_GET returns a new descriptor.
    unsafe { adopt(fd) }
}
