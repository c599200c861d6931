//! `BPF_PROG_LOAD` and the information about a program.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::ffi::CStr;
use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use bytemuck::{Pod, Zeroable};

use super::Errno;
use super::call::{Command, address, address_mut, adopt, bpf, length, number, object_name, read_name};
use super::link::info_by_fd;

/// `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ProgLoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    core_relo_cnt: u32,
    fd_array: u64,
    core_relos: u64,
    core_relo_rec_size: u32,
    log_true_size: u32,
}
const _: () = assert!(size_of::<ProgLoadAttr>() == 144);
const _: () = assert!(offset_of!(ProgLoadAttr, log_buf) == 32);
const _: () = assert!(offset_of!(ProgLoadAttr, prog_name) == 48);
const _: () = assert!(offset_of!(ProgLoadAttr, prog_btf_fd) == 72);
const _: () = assert!(offset_of!(ProgLoadAttr, func_info) == 80);
const _: () = assert!(offset_of!(ProgLoadAttr, line_info) == 96);
const _: () = assert!(offset_of!(ProgLoadAttr, attach_prog_fd) == 112);
const _: () = assert!(offset_of!(ProgLoadAttr, fd_array) == 120);
const _: () = assert!(offset_of!(ProgLoadAttr, log_true_size) == 140);

/// Bytes of a `struct bpf_func_info`: instruction offset in slots, type id.
pub(super) const FUNC_INFO_SIZE: u32 = 8;
/// Bytes of a `struct bpf_line_info`: instruction offset in slots, file name, line text, line and column.
pub(super) const LINE_INFO_SIZE: u32 = 16;

/// What [`prog_load`] needs.
#[derive(Debug)]
pub struct ProgLoad<'a> {
    /// `enum bpf_prog_type`.
    pub prog_type: u32,
    /// `enum bpf_attach_type`, where the type needs one, else 0.
    pub expected_attach_type: u32,
    /// Instruction slots, 8 bytes each, in the machine's byte order.
    pub code: &'a [u8],
    /// The licence, such as `GPL`.
    pub license: &'a CStr,
    /// The name; the kernel keeps 15 bytes of it.
    pub name: &'a str,
    /// `BPF_F_*` of program load.
    pub flags: u32,
    /// The BTF that `func_info` and `line_info` refer to.
    pub btf: Option<BorrowedFd<'a>>,
    /// `struct bpf_func_info` records, 8 bytes each.
    pub func_info: &'a [u8],
    /// `struct bpf_line_info` records, 16 bytes each.
    pub line_info: &'a [u8],
    /// 0 for no log, 1 for the failing path, 2 for every instruction, 4 for statistics.
    pub log_level: u32,
    /// Where the kernel writes its log; empty for none.
    pub log: &'a mut [u8],
}

/// A failed [`prog_load`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgLoadFailure {
    /// The kernel's error number.
    pub errno: Errno,
    /// Bytes that the full log takes; 0 before Linux 6.4, or without a log.
    pub log_true_size: u32,
}

impl From<Errno> for ProgLoadFailure {
    fn from(errno: Errno) -> ProgLoadFailure {
        ProgLoadFailure { errno, log_true_size: 0 }
    }
}

/// `BPF_PROG_LOAD`: verifies and loads a program.
///
/// # Errors
/// The kernel's error number, and the size of the log it wanted to write.
///
/// # References
/// `bpf_prog_load` in `kernel/bpf/syscall.c`.
#[doc(alias = "BPF_PROG_LOAD")]
pub fn prog_load(load: &mut ProgLoad<'_>) -> Result<OwnedFd, ProgLoadFailure> {
    let log_size = length(load.log)?;
    let mut attr = ProgLoadAttr {
        prog_type: load.prog_type,
        insn_cnt: length(load.code)? / 8,
        insns: address(load.code),
        license: address(load.license.to_bytes_with_nul()),
        log_level: if log_size == 0 { 0 } else { load.log_level },
        log_size,
        log_buf: address_mut(load.log),
        prog_flags: load.flags,
        prog_name: object_name(load.name),
        expected_attach_type: load.expected_attach_type,
        prog_btf_fd: load.btf.map_or(0, number),
        func_info_rec_size: if load.func_info.is_empty() { 0 } else { FUNC_INFO_SIZE },
        func_info: address(load.func_info),
        func_info_cnt: length(load.func_info)? / FUNC_INFO_SIZE,
        line_info_rec_size: if load.line_info.is_empty() { 0 } else { LINE_INFO_SIZE },
        line_info: address(load.line_info),
        line_info_cnt: length(load.line_info)? / LINE_INFO_SIZE,
        ..ProgLoadAttr::zeroed()
    };
    // SAFETY: `insns`, `func_info` and `line_info` are readable for count times record size bytes, since the counts are
    // the byte lengths divided by the record sizes; `license` ends in a NUL; `log_buf` is `log_size` writable bytes,
    // exclusively borrowed by `load`; the other addresses are null with count 0.
    let fd = unsafe { bpf(Command::PROG_LOAD, &mut attr) }
        .map_err(|errno| ProgLoadFailure { errno, log_true_size: attr.log_true_size })?;
    // SAFETY: BPF_PROG_LOAD returns a new descriptor.
    Ok(unsafe { adopt(fd) }?)
}

/// `struct bpf_prog_info`.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(super) struct ProgInfoRaw {
    pub(super) prog_type: u32,
    pub(super) id: u32,
    pub(super) tag: [u8; 8],
    pub(super) jited_prog_len: u32,
    pub(super) xlated_prog_len: u32,
    pub(super) jited_prog_insns: u64,
    pub(super) xlated_prog_insns: u64,
    pub(super) load_time: u64,
    pub(super) created_by_uid: u32,
    pub(super) nr_map_ids: u32,
    pub(super) map_ids: u64,
    pub(super) name: [u8; 16],
    pub(super) ifindex: u32,
    pub(super) gpl_compatible: u32,
    pub(super) netns_dev: u64,
    pub(super) netns_ino: u64,
    pub(super) nr_jited_ksyms: u32,
    pub(super) nr_jited_func_lens: u32,
    pub(super) jited_ksyms: u64,
    pub(super) jited_func_lens: u64,
    pub(super) btf_id: u32,
    pub(super) func_info_rec_size: u32,
    pub(super) func_info: u64,
    pub(super) nr_func_info: u32,
    pub(super) nr_line_info: u32,
    pub(super) line_info: u64,
    pub(super) jited_line_info: u64,
    pub(super) nr_jited_line_info: u32,
    pub(super) line_info_rec_size: u32,
    pub(super) jited_line_info_rec_size: u32,
    pub(super) nr_prog_tags: u32,
    pub(super) prog_tags: u64,
    pub(super) run_time_ns: u64,
    pub(super) run_cnt: u64,
    pub(super) recursion_misses: u64,
    pub(super) verified_insns: u32,
    pub(super) attach_btf_obj_id: u32,
    pub(super) attach_btf_id: u32,
    pub(super) reserved: u32,
}
const _: () = assert!(size_of::<ProgInfoRaw>() == 232);
const _: () = assert!(offset_of!(ProgInfoRaw, load_time) == 40);
const _: () = assert!(offset_of!(ProgInfoRaw, name) == 64);
const _: () = assert!(offset_of!(ProgInfoRaw, netns_dev) == 88);
const _: () = assert!(offset_of!(ProgInfoRaw, btf_id) == 128);
const _: () = assert!(offset_of!(ProgInfoRaw, nr_jited_line_info) == 168);
const _: () = assert!(offset_of!(ProgInfoRaw, run_time_ns) == 192);
const _: () = assert!(offset_of!(ProgInfoRaw, verified_insns) == 216);

/// A program in the kernel: the fixed part of `struct bpf_prog_info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgInfo {
    /// `enum bpf_prog_type`.
    pub prog_type: u32,
    /// The id.
    pub id: u32,
    /// A hash of the instructions.
    pub tag: [u8; 8],
    /// Bytes of machine code; 0 without a JIT.
    pub jited_len: u32,
    /// Bytes of verified BPF code.
    pub xlated_len: u32,
    /// When it was loaded, nanoseconds since boot.
    pub load_time: u64,
    /// The user who loaded it.
    pub created_by_uid: u32,
    /// How many maps it uses.
    pub map_count: u32,
    /// The first 15 bytes of the name.
    pub name: String,
    /// Whether its licence lets it call helpers reserved to the GPL.
    pub gpl_compatible: bool,
    /// The id of its BTF; 0 for none.
    pub btf_id: u32,
    /// How many functions have BTF.
    pub func_info_count: u32,
    /// Nanoseconds it has run, while statistics were on.
    pub run_time_ns: u64,
    /// How often it has run, while statistics were on.
    pub run_count: u64,
    /// Runs that were skipped to avoid recursion.
    pub recursion_misses: u64,
    /// Instructions the verifier went through; 0 before Linux 5.16.
    pub verified_insns: u32,
    /// The BTF of the function that it is attached to; 0 for none.
    pub attach_btf_obj_id: u32,
    /// That function in the BTF; 0 for none.
    pub attach_btf_id: u32,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a program, without its lists.
///
/// # Errors
/// The kernel's error number.
///
/// # References
/// `bpf_prog_get_info_by_fd` in `kernel/bpf/syscall.c`.
pub fn prog_info(prog: BorrowedFd<'_>) -> Result<ProgInfo, Errno> {
    let mut raw = ProgInfoRaw::default();
    // SAFETY: every list has address null and length 0.
    unsafe { info_by_fd(prog, &mut raw) }?;
    Ok(ProgInfo {
        prog_type: raw.prog_type,
        id: raw.id,
        tag: raw.tag,
        jited_len: raw.jited_prog_len,
        xlated_len: raw.xlated_prog_len,
        load_time: raw.load_time,
        created_by_uid: raw.created_by_uid,
        map_count: raw.nr_map_ids,
        name: read_name(&raw.name),
        // A bit field: the other 31 bits are unused.
        gpl_compatible: raw.gpl_compatible & 1 != 0,
        btf_id: raw.btf_id,
        func_info_count: raw.nr_func_info,
        run_time_ns: raw.run_time_ns,
        run_count: raw.run_cnt,
        recursion_misses: raw.recursion_misses,
        verified_insns: raw.verified_insns,
        attach_btf_obj_id: raw.attach_btf_obj_id,
        attach_btf_id: raw.attach_btf_id,
    })
}

/// The ids of the maps that a program uses.
///
/// # Errors
/// The kernel's error number.
pub fn prog_map_ids(prog: BorrowedFd<'_>) -> Result<Vec<u32>, Errno> {
    let count = prog_info(prog)?.map_count;
    let mut ids = vec![0_u32; usize::try_from(count).map_err(|_| Errno::E2BIG)?];
    let mut raw = ProgInfoRaw { nr_map_ids: count, map_ids: address_mut(&mut ids), ..ProgInfoRaw::default() };
    // SAFETY: `map_ids` is `nr_map_ids` writable u32, not otherwise borrowed; every other list is null with length 0.
    unsafe { info_by_fd(prog, &mut raw) }?;
    Ok(ids)
}

/// The functions of a program that have BTF, as (first slot, type id), the entry function first.
///
/// # Errors
/// The kernel's error number. Without `CAP_BPF` the list is empty.
pub fn prog_func_info(prog: BorrowedFd<'_>) -> Result<Vec<(u32, u32)>, Errno> {
    let count = prog_info(prog)?.func_info_count;
    let mut records = vec![[0_u32; 2]; usize::try_from(count).map_err(|_| Errno::E2BIG)?];
    let mut raw = ProgInfoRaw {
        nr_func_info: count,
        func_info_rec_size: FUNC_INFO_SIZE,
        func_info: address_mut(&mut records),
        ..ProgInfoRaw::default()
    };
    // SAFETY: `func_info` is `nr_func_info` writable records of `func_info_rec_size` bytes, not otherwise borrowed;
    // every other list is null with length 0.
    unsafe { info_by_fd(prog, &mut raw) }?;
    Ok(records.into_iter().map(|[slot, type_id]| (slot, type_id)).collect())
}
