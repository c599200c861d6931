//! Walking the ids of the kernel's objects, and opening an object by its id.
#![expect(unsafe_code, reason = "bpf() and the descriptors it makes")]

use std::mem::offset_of;
use std::os::fd::OwnedFd;

use bytemuck::{Pod, Zeroable};

use super::Errno;
use super::call::{Command, adopt, bpf};

/// `union bpf_attr` for `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct IdAttr {
    /// `start_id`, or the id of the object to open.
    id: u32,
    next_id: u32,
    open_flags: u32,
}
const _: () = assert!(size_of::<IdAttr>() == 12);
const _: () = assert!(offset_of!(IdAttr, next_id) == 4);

fn next_id(command: Command, after: u32) -> Result<Option<u32>, Errno> {
    let mut attr = IdAttr { id: after, ..IdAttr::zeroed() };
    // SAFETY: the command follows no address.
    match unsafe { bpf(command, &mut attr) } {
        Ok(_) => Ok(Some(attr.next_id)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn fd_by_id(command: Command, id: u32) -> Result<OwnedFd, Errno> {
    let mut attr = IdAttr { id, ..IdAttr::zeroed() };
    // SAFETY: the command follows no address.
    let fd = match unsafe { bpf(command, &mut attr) } {
        // A link that is being made has its id already, and for the kernel "doesn't exist yet" (`bpf_link_by_id`).
        Err(Errno::EAGAIN) => Err(Errno::ENOENT),
        fd => fd,
    }?;
    // SAFETY: the callers pass the BPF_*_GET_FD_BY_ID commands, which return a new descriptor.
    unsafe { adopt(fd) }
}

/// Declares one function per command. One row: what it walks, function, command.
macro_rules! id_commands {
    (
        next: $($what:literal $next:ident $next_command:ident;)*
        open: $($kind:literal $open:ident $open_command:ident;)*
    ) => {
        $(
            #[doc = concat!("`BPF_", stringify!($next_command), "`: the id of the first ", $what, " above `after`.")]
            ///
            /// # Errors
            /// The kernel's error number; `EPERM` without `CAP_SYS_ADMIN`.
            pub fn $next(after: u32) -> Result<Option<u32>, Errno> {
                next_id(Command::$next_command, after)
            }
        )*
        $(
            #[doc = concat!("`BPF_", stringify!($open_command), "`: opens the ", $kind, " with this id.")]
            ///
            /// # Errors
            /// The kernel's error number; `ENOENT` if it is gone or still being made, `EPERM` without `CAP_SYS_ADMIN`.
            pub fn $open(id: u32) -> Result<OwnedFd, Errno> {
                fd_by_id(Command::$open_command, id)
            }
        )*
    };
}

id_commands! {
    next:
        "program" prog_get_next_id PROG_GET_NEXT_ID;
        "map" map_get_next_id MAP_GET_NEXT_ID;
        "link" link_get_next_id LINK_GET_NEXT_ID;
    open:
        "program" prog_get_fd_by_id PROG_GET_FD_BY_ID;
        "map" map_get_fd_by_id MAP_GET_FD_BY_ID;
        "BTF" btf_get_fd_by_id BTF_GET_FD_BY_ID;
        "link" link_get_fd_by_id LINK_GET_FD_BY_ID;
}
