//! Every system call of this crate, one safe function per command.
//!
//! This is the raw layer: numbers as in `include/uapi/linux/bpf.h`, descriptors as [`BorrowedFd`] in and [`OwnedFd`]
//! out, the kernel's [`Errno`] as the error. The typed layers above ([`load`](crate::load()),
//! [`attach`](crate::attach)) explain failures; this one reports them. It is public as a way out for what they do not
//! model.
//!
//! What holds for all of it:
//!
//! - One `#[repr(C)]` struct per `bpf()` command, cut after the last field that is used, its layout asserted beside it.
//!   Each derives [`bytemuck::Pod`], which refuses padding: no uninitialised byte reaches the kernel.
//! - A descriptor that is handed out is close-on-exec and never 0, 1 or 2, even when those are closed: a program that
//!   prints must not write into a BPF object.
//! - `EINTR` and `EAGAIN` are retried five times; the sixth attempt blocks signals for its duration, since a program
//!   that takes the verifier longer than the interval of a profiling timer would otherwise never load.
//!
//! # Safety
//!
//! The crate's only `unsafe` code is in the files of this folder, and comes in three forms: the `bpf` call with
//! pointers into buffers that live longer than the call, the adoption of a descriptor that the kernel has just
//! returned, and two calls that nix does not have: `setsockopt` with an integer, `open_by_handle_at` with a fixed handle.
//! Where the kernel takes a length from an object and not from the call, as with keys and values of maps, a type that
//! cannot be made by hand carries that length ([`MapFd`]).
//!
//! # References
//!
//! - `include/uapi/linux/bpf.h`, `kernel/bpf/syscall.c`
//! - <https://docs.kernel.org/userspace-api/ebpf/syscall.html>
//!
//! [`BorrowedFd`]: std::os::fd::BorrowedFd
//! [`OwnedFd`]: std::os::fd::OwnedFd

mod btf;
mod call;
mod cgroup;
mod clock;
mod cpu;
mod errno;
mod iterate;
mod link;
mod map;
mod map_batch;
mod map_element;
mod namespace;
mod netlink;
mod pin;
mod prog;
mod prog_code;
mod query;
mod test_run;

pub use btf::{BtfInfo, BtfLoad, btf_info, btf_load};
pub use cgroup::{
    BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE, cgroup_id, cgroup_version, open_cgroup_by_id, open_directory,
    prog_attach_cgroup, prog_detach_cgroup,
};
pub use clock::time_of_day;
pub use cpu::PossibleCpus;
pub use errno::Errno;
pub use iterate::{
    btf_get_fd_by_id, link_get_fd_by_id, link_get_next_id, map_get_fd_by_id, map_get_next_id, prog_get_fd_by_id,
    prog_get_next_id,
};
pub use link::{LinkInfo, link_create_cgroup, link_create_tcx, link_detach, link_info, link_name, link_update};
pub use map::{MapCreate, MapFd, MapInfo, map_create, map_info};
pub(crate) use map_batch::place_bytes;
pub use map_batch::{BatchRead, map_delete_batch, map_lookup_and_delete_batch, map_lookup_batch, map_update_batch};
pub use map_element::{
    map_delete_elem, map_freeze, map_get_next_key, map_lookup_and_delete_elem, map_lookup_elem, map_update_elem,
};
pub use namespace::{
    if_indextoname, if_nameindex, if_nametoindex, mount_bpffs, raise_memlock, unshare_mount, unshare_net,
};
pub(crate) use netlink::NetlinkSocket;
#[cfg(test)]
pub(crate) use netlink::{socket_pair, user_sockets};
pub use pin::{obj_get, obj_pin};
pub use prog::{ProgInfo, ProgLoad, ProgLoadFailure, prog_func_info, prog_info, prog_load, prog_map_ids};
pub use prog_code::{ProgCode, prog_code};
pub use query::{CgroupQuery, TcxQuery, TcxQueryEntry, prog_query_cgroup, prog_query_tcx};
pub use test_run::{TestRunIn, TestRunOut, prog_test_run};
