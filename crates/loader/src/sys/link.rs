//! Links.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use bytemuck::{Pod, Zeroable};

use super::Errno;
use super::call::{Command, address_mut, adopt, bpf, length, number, read_name};

/// `union bpf_attr` for `BPF_LINK_CREATE` with the fields that TCX and control groups share.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct LinkCreateAttr {
    prog_fd: u32,
    /// `target_ifindex` or `target_fd`.
    target: u32,
    attach_type: u32,
    flags: u32,
    relative_fd: u32,
    reserved: u32,
    expected_revision: u64,
}
const _: () = assert!(size_of::<LinkCreateAttr>() == 32);
const _: () = assert!(offset_of!(LinkCreateAttr, relative_fd) == 16);
const _: () = assert!(offset_of!(LinkCreateAttr, expected_revision) == 24);

/// `BPF_LINK_CREATE` of a TCX link, behind those that hang there already.
///
/// `attach_type` is `BPF_TCX_INGRESS` (46) or `BPF_TCX_EGRESS` (47). A `revision` other than 0 makes the call fail if
/// the hook has changed since [`prog_query_tcx`](super::prog_query_tcx) told it.
///
/// # Errors
/// The kernel's error number: `EINVAL` before Linux 6.6, `ENODEV` for no such device in this network namespace,
/// `ESTALE` for an outdated revision.
///
/// # References
/// `tcx_link_attach` in `kernel/bpf/tcx.c`.
#[doc(alias = "BPF_LINK_CREATE")]
pub fn link_create_tcx(prog: BorrowedFd<'_>, ifindex: u32, attach_type: u32, revision: u64) -> Result<OwnedFd, Errno> {
    link_create(prog, ifindex, attach_type, revision)
}

/// `BPF_LINK_CREATE` of a link to a control group of version 2, behind the programs that are attached there.
///
/// Such a link counts as attached with `BPF_F_ALLOW_MULTI`. A `revision` other than 0 makes the call fail if what is
/// attached has changed since [`prog_query_cgroup`](super::prog_query_cgroup) told it.
///
/// # Errors
/// The kernel's error number: `EINVAL` before Linux 5.7, `EPERM` also where a program is attached in another mode,
/// `EBADF` for a descriptor that is no control group of version 2, `ESTALE` for an outdated revision.
///
/// # References
/// `cgroup_bpf_link_attach` in `kernel/bpf/cgroup.c`.
#[doc(alias = "BPF_LINK_CREATE")]
pub fn link_create_cgroup(
    prog: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    attach_type: u32,
    revision: u64,
) -> Result<OwnedFd, Errno> {
    link_create(prog, number(cgroup), attach_type, revision)
}

fn link_create(prog: BorrowedFd<'_>, target: u32, attach_type: u32, revision: u64) -> Result<OwnedFd, Errno> {
    let mut attr = LinkCreateAttr {
        prog_fd: number(prog),
        target,
        attach_type,
        expected_revision: revision,
        ..LinkCreateAttr::zeroed()
    };
    // SAFETY: the command follows no address.
    let fd = unsafe { bpf(Command::LINK_CREATE, &mut attr) }?;
    // SAFETY: BPF_LINK_CREATE returns a new descriptor.
    unsafe { adopt(fd) }
}

/// `BPF_F_REPLACE` of `BPF_LINK_UPDATE`: the link must hold the given old program.
const BPF_F_REPLACE: u32 = 1 << 2;

/// `union bpf_attr` for `BPF_LINK_UPDATE`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct LinkUpdateAttr {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}
const _: () = assert!(size_of::<LinkUpdateAttr>() == 16);
const _: () = assert!(offset_of!(LinkUpdateAttr, old_prog_fd) == 12);

/// `BPF_LINK_UPDATE`: swaps the program of a link, with no moment in between, if the link still holds `old`.
///
/// # Errors
/// The kernel's error number: `EPERM` if the link holds another program than `old`, `ENOLINK` if it was detached.
///
/// # References
/// `link_update` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_LINK_UPDATE")]
pub fn link_update(link: BorrowedFd<'_>, new: BorrowedFd<'_>, old: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attr = LinkUpdateAttr {
        link_fd: number(link),
        new_prog_fd: number(new),
        flags: BPF_F_REPLACE,
        old_prog_fd: number(old),
    };
    // SAFETY: the command follows no address.
    unsafe { bpf(Command::LINK_UPDATE, &mut attr) }.map(drop)
}

/// `union bpf_attr` for `BPF_LINK_DETACH`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct LinkDetachAttr {
    link_fd: u32,
}
const _: () = assert!(size_of::<LinkDetachAttr>() == 4);

/// `BPF_LINK_DETACH`: takes the program off its hook, even if others hold the link too.
///
/// When it returns, no further packet sees the program.
///
/// # Errors
/// The kernel's error number.
///
/// # References
/// `link_detach` in `kernel/bpf/syscall.c`; Linux 5.9.
#[doc(alias = "BPF_LINK_DETACH")]
pub fn link_detach(link: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attr = LinkDetachAttr { link_fd: number(link) };
    // SAFETY: the command follows no address.
    unsafe { bpf(Command::LINK_DETACH, &mut attr) }.map(drop)
}

/// `struct bpf_link_info`: the head, and the first fields of the part that depends on the type.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct LinkInfoRaw {
    link_type: u32,
    id: u32,
    prog_id: u32,
    reserved: u32,
    /// For TCX: `ifindex`, `attach_type`. For a control group: the two halves of `cgroup_id`, `attach_type`.
    detail: [u32; 4],
}
const _: () = assert!(size_of::<LinkInfoRaw>() == 32);
const _: () = assert!(offset_of!(LinkInfoRaw, detail) == 16);

/// `BPF_LINK_TYPE_CGROUP` of `enum bpf_link_type`.
const BPF_LINK_TYPE_CGROUP: u32 = 3;
/// `BPF_LINK_TYPE_TCX` of `enum bpf_link_type`.
const BPF_LINK_TYPE_TCX: u32 = 11;

/// A link in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// `enum bpf_link_type`.
    pub link_type: u32,
    /// The id.
    pub id: u32,
    /// The id of the program it holds.
    pub prog_id: u32,
    /// For a TCX link: the device's index (0 once it is gone) and the attach type. The index names no network
    /// namespace.
    pub tcx: Option<(u32, u32)>,
    /// For a link to a control group: the group's id (0 once it is gone) and the attach type.
    pub cgroup: Option<(u64, u32)>,
    /// The first words of the part that depends on the type.
    pub detail: [u32; 4],
}

impl LinkInfo {
    /// Whether it is at no device and at no group any more: it was detached, or its target has gone. Not known of links to
    /// anything else.
    #[must_use]
    pub fn is_defunct(&self) -> bool {
        self.tcx.is_some_and(|(ifindex, _)| ifindex == 0) || self.cgroup.is_some_and(|(id, _)| id == 0)
    }
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a link.
///
/// # Errors
/// The kernel's error number; `EINVAL` for a descriptor that is no BPF object.
pub fn link_info(link: BorrowedFd<'_>) -> Result<LinkInfo, Errno> {
    let mut raw = LinkInfoRaw::default();
    // SAFETY: the fields that some link types read as an address and a length (a name buffer) are all zero.
    unsafe { info_by_fd(link, &mut raw) }?;
    let [first, second, third, _] = raw.detail;
    let tcx = (raw.link_type == BPF_LINK_TYPE_TCX).then_some((first, second));
    let cgroup_id: u64 = bytemuck::cast([first, second]);
    let cgroup = (raw.link_type == BPF_LINK_TYPE_CGROUP).then_some((cgroup_id, third));
    Ok(LinkInfo { link_type: raw.link_type, id: raw.id, prog_id: raw.prog_id, tcx, cgroup, detail: raw.detail })
}

/// `struct bpf_link_info` of the two types whose part begins with the address and the length of a buffer for a name:
/// raw tracepoints and iterators.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct LinkNameRaw {
    link_type: u32,
    id: u32,
    prog_id: u32,
    reserved: u32,
    name: u64,
    name_len: u32,
    more: u32,
}
const _: () = assert!(size_of::<LinkNameRaw>() == 32);
const _: () = assert!(offset_of!(LinkNameRaw, name) == 16);

/// `BPF_LINK_TYPE_RAW_TRACEPOINT` of `enum bpf_link_type`.
const BPF_LINK_TYPE_RAW_TRACEPOINT: u32 = 1;
/// `BPF_LINK_TYPE_ITER` of `enum bpf_link_type`.
const BPF_LINK_TYPE_ITER: u32 = 4;

/// What a link to a raw tracepoint or of an iterator is attached to, by name. Links of other types have no such name.
///
/// # Errors
/// The kernel's error number.
///
/// # References
/// `bpf_raw_tp_link_fill_link_info` in `kernel/bpf/syscall.c`, `bpf_iter_link_fill_link_info` in `kernel/bpf/bpf_iter.c`.
pub fn link_name(link: BorrowedFd<'_>) -> Result<Option<String>, Errno> {
    if !matches!(link_info(link)?.link_type, BPF_LINK_TYPE_RAW_TRACEPOINT | BPF_LINK_TYPE_ITER) {
        return Ok(None);
    }
    let mut name = [0_u8; 128];
    let mut raw = LinkNameRaw { name: address_mut(&mut name), name_len: length(&name)?, ..LinkNameRaw::zeroed() };
    // SAFETY: `name` is `name_len` writable bytes, not otherwise borrowed, in the place where links of these two types
    // have them, and a link does not change its type.
    unsafe { info_by_fd(link, &mut raw) }?;
    Ok(Some(read_name(&name)))
}

/// `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct InfoByFdAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}
const _: () = assert!(size_of::<InfoByFdAttr>() == 16);
const _: () = assert!(offset_of!(InfoByFdAttr, info) == 8);

/// `BPF_OBJ_GET_INFO_BY_FD` into the struct that belongs to the object's kind. An older kernel fills a part of it.
///
/// # Errors
/// The kernel's error number.
///
/// # Safety
/// Every address in `info` is null, or points to as many writable bytes, not otherwise borrowed, as the length that
/// belongs to it says.
pub(super) unsafe fn info_by_fd<I: Pod>(fd: BorrowedFd<'_>, info: &mut I) -> Result<(), Errno> {
    let info = std::slice::from_mut(info);
    let mut attr = InfoByFdAttr {
        bpf_fd: number(fd),
        info_len: u32::try_from(size_of::<I>()).map_err(|_| Errno::E2BIG)?,
        info: address_mut(info),
    };
    // SAFETY: `info` is `info_len` writable bytes, exclusively borrowed, and any bytes are a valid `I` (Pod); the
    // addresses inside it are the caller's promise.
    unsafe { bpf(Command::OBJ_GET_INFO_BY_FD, &mut attr) }.map(drop)
}
