//! `BPF_PROG_QUERY`: what hangs at a hook.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::mem::offset_of;
use std::os::fd::BorrowedFd;

use bytemuck::{Pod, Zeroable};

use super::Errno;
use super::call::{Command, address_mut, bpf, length, number};

/// `union bpf_attr` for `BPF_PROG_QUERY`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ProgQueryAttr {
    /// `target_ifindex` or `target_fd`.
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    reserved: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}
const _: () = assert!(size_of::<ProgQueryAttr>() == 64);
const _: () = assert!(offset_of!(ProgQueryAttr, prog_ids) == 16);
const _: () = assert!(offset_of!(ProgQueryAttr, count) == 24);
const _: () = assert!(offset_of!(ProgQueryAttr, link_ids) == 40);
const _: () = assert!(offset_of!(ProgQueryAttr, revision) == 56);

/// The programs at a TCX hook, in the order they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcxQuery {
    /// Counts the changes of the hook, from 1.
    pub revision: u64,
    /// The programs.
    pub entries: Vec<TcxQueryEntry>,
}

/// One program at a TCX hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcxQueryEntry {
    /// The program's id.
    pub prog_id: u32,
    /// The link that holds it; `None` if it was attached by `BPF_PROG_ATTACH`.
    pub link_id: Option<u32>,
}

/// Room for a first query; `BPF_MPROG_MAX` of `include/linux/bpf_mprog.h` is 64, so the first query is the only one.
const TCX_QUERY_ROOM: usize = 64;

/// `BPF_PROG_QUERY` of a TCX hook, in the network namespace of the calling thread.
///
/// # Errors
/// The kernel's error number: `EINVAL` before Linux 6.6, `ENODEV` for no such device, `EPERM` without `CAP_NET_ADMIN`.
///
/// # References
/// `bpf_mprog_query` in `kernel/bpf/mprog.c`.
#[doc(alias = "BPF_PROG_QUERY")]
pub fn prog_query_tcx(ifindex: u32, attach_type: u32) -> Result<TcxQuery, Errno> {
    let attr = ProgQueryAttr { target: ifindex, attach_type, ..ProgQueryAttr::zeroed() };
    let Answer { attr, progs, links, .. } = query(attr, TCX_QUERY_ROOM, Besides::Links)?;
    let entry = |(&prog_id, &link): (&u32, &u32)| TcxQueryEntry { prog_id, link_id: (link != 0).then_some(link) };
    Ok(TcxQuery { revision: attr.revision, entries: progs.iter().zip(&links).map(entry).collect() })
}

/// The programs that a control group has for an attach type, in the order they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupQuery {
    /// Counts the changes of the hook; 0 from a kernel that does not count them (before Linux 6.17).
    pub revision: u64,
    /// How they are attached: `BPF_F_ALLOW_OVERRIDE` (1), `BPF_F_ALLOW_MULTI` (2), or neither. 0 in the effective list.
    pub attach_flags: u32,
    /// Their ids, those that links hold included.
    pub prog_ids: Vec<u32>,
    /// How each of them is attached, where the kernel tells that by program: for `BPF_LSM_CGROUP` (Linux 6.0), and not in
    /// the effective list.
    pub prog_flags: Vec<u32>,
}

/// `BPF_F_QUERY_EFFECTIVE`.
const BPF_F_QUERY_EFFECTIVE: u32 = 1;

/// `BPF_LSM_CGROUP` of `enum bpf_attach_type`.
const BPF_LSM_CGROUP: u32 = 43;

/// Room for a first query; `BPF_CGROUP_MAX_PROGS` of `kernel/bpf/cgroup.c` is 64, but ancestors add to an effective list.
const CGROUP_QUERY_ROOM: usize = 64;

/// `BPF_PROG_QUERY` of a control group of version 2: its own programs, or all that run for its processes, those of its
/// ancestors included (`effective`).
///
/// # Errors
/// The kernel's error number: `EPERM` without `CAP_NET_ADMIN`, `EBADF` for a descriptor that is no control group of
/// version 2.
///
/// # References
/// `__cgroup_bpf_query` in `kernel/bpf/cgroup.c`.
#[doc(alias = "BPF_PROG_QUERY")]
pub fn prog_query_cgroup(cgroup: BorrowedFd<'_>, attach_type: u32, effective: bool) -> Result<CgroupQuery, Errno> {
    let query_flags = if effective { BPF_F_QUERY_EFFECTIVE } else { 0 };
    let attr = ProgQueryAttr { target: number(cgroup), attach_type, query_flags, ..ProgQueryAttr::zeroed() };
    // A kernel without that attach type does not know the field, and would refuse the whole.
    let besides = if attach_type == BPF_LSM_CGROUP && !effective { Besides::Flags } else { Besides::Nothing };
    let Answer { attr, progs, flags, .. } = query(attr, CGROUP_QUERY_ROOM, besides)?;
    Ok(CgroupQuery { revision: attr.revision, attach_flags: attr.attach_flags, prog_ids: progs, prog_flags: flags })
}

/// What to ask for besides the programs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// The link that holds each.
    Links,
    /// How each is attached.
    Flags,
}

/// What the kernel answers to a query.
struct Answer {
    attr: ProgQueryAttr,
    progs: Vec<u32>,
    /// A link's id for each program, 0 for none; empty where links are not asked for.
    links: Vec<u32>,
    /// The flags of each program; empty where they are not asked for.
    flags: Vec<u32>,
}

/// Asks with room for that many programs, and again where there are more.
fn query(template: ProgQueryAttr, mut room: usize, besides: Besides) -> Result<Answer, Errno> {
    loop {
        let mut progs = vec![0_u32; room];
        let mut links = vec![0_u32; if besides == Besides::Links { room } else { 0 }];
        let mut flags = vec![0_u32; if besides == Besides::Flags { room } else { 0 }];
        let address_if_any = |list: &mut Vec<u32>| if list.is_empty() { 0 } else { address_mut(list) };
        let mut attr = ProgQueryAttr {
            prog_ids: address_mut(&mut progs),
            link_ids: address_if_any(&mut links),
            prog_attach_flags: address_if_any(&mut flags),
            count: length(&progs)?,
            ..template
        };
        // SAFETY: `prog_ids` is `count` writable u32, and so are `link_ids` and `prog_attach_flags` unless they are null;
        // none is otherwise borrowed. The other address is null in every template.
        let result = unsafe { bpf(Command::PROG_QUERY, &mut attr) };
        let count = usize::try_from(attr.count).map_err(|_| Errno::E2BIG)?;
        match result {
            // The kernel tells how many there are.
            Err(Errno::ENOSPC) if count > room => room = count,
            Err(errno) => return Err(errno),
            Ok(_) => {
                for list in [&mut progs, &mut links, &mut flags] {
                    list.truncate(count);
                }
                return Ok(Answer { attr, progs, links, flags });
            }
        }
    }
}
