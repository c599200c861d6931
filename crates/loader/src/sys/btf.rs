//! `BPF_BTF_LOAD` and the information about a loaded BTF.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use bytemuck::{Pod, Zeroable};

use super::Errno;
use super::call::{Command, address, address_mut, adopt, bpf, length, read_name};
use super::link::info_by_fd;

/// `union bpf_attr` for `BPF_BTF_LOAD`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct BtfLoadAttr {
    btf: u64,
    btf_log_buf: u64,
    btf_size: u32,
    btf_log_size: u32,
    btf_log_level: u32,
    btf_log_true_size: u32,
}
const _: () = assert!(size_of::<BtfLoadAttr>() == 32);
const _: () = assert!(offset_of!(BtfLoadAttr, btf_log_buf) == 8);
const _: () = assert!(offset_of!(BtfLoadAttr, btf_size) == 16);
const _: () = assert!(offset_of!(BtfLoadAttr, btf_log_true_size) == 28);

/// What [`btf_load`] needs.
#[derive(Debug)]
pub struct BtfLoad<'a> {
    /// The encoded BTF, in the machine's byte order.
    pub btf: &'a [u8],
    /// Where the kernel writes its log; empty for none.
    pub log: &'a mut [u8],
}

/// `BPF_BTF_LOAD`: gives type information to the kernel.
///
/// # Errors
/// The kernel's error number, and the size in bytes that the full log takes (0 before Linux 6.4, or without a log).
///
/// # References
/// `btf_new_fd` in `kernel/bpf/btf.c`; Linux 4.18.
#[doc(alias = "BPF_BTF_LOAD")]
pub fn btf_load(load: &mut BtfLoad<'_>) -> Result<OwnedFd, (Errno, u32)> {
    let plain = |errno| (errno, 0);
    let mut attr = BtfLoadAttr {
        btf: address(load.btf),
        btf_log_size: length(load.log).map_err(plain)?,
        btf_log_level: u32::from(!load.log.is_empty()),
        btf_log_buf: address_mut(load.log),
        btf_size: length(load.btf).map_err(plain)?,
        btf_log_true_size: 0,
    };
    // SAFETY: `btf` is `btf_size` readable bytes and `btf_log_buf` is `btf_log_size` writable ones, exclusively
    // borrowed by `load`.
    let fd = unsafe { bpf(Command::BTF_LOAD, &mut attr) }.map_err(|errno| (errno, attr.btf_log_true_size))?;
    // SAFETY: BPF_BTF_LOAD returns a new descriptor.
    unsafe { adopt(fd) }.map_err(plain)
}

/// `struct bpf_btf_info`.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct BtfInfoRaw {
    btf: u64,
    btf_size: u32,
    id: u32,
    name: u64,
    name_len: u32,
    kernel_btf: u32,
}
const _: () = assert!(size_of::<BtfInfoRaw>() == 32);
const _: () = assert!(offset_of!(BtfInfoRaw, id) == 12);
const _: () = assert!(offset_of!(BtfInfoRaw, kernel_btf) == 28);

/// A BTF object in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BtfInfo {
    /// The id.
    pub id: u32,
    /// The module, or `vmlinux`; empty for a program's BTF.
    pub name: String,
    /// Whether it describes the kernel or a module.
    pub kernel: bool,
    /// The encoded types, as they were loaded.
    pub data: Vec<u8>,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a BTF, with its data.
///
/// # Errors
/// The kernel's error number.
///
/// # References
/// `btf_get_info_by_fd` in `kernel/bpf/btf.c`.
pub fn btf_info(btf: BorrowedFd<'_>) -> Result<BtfInfo, Errno> {
    let mut sizes = BtfInfoRaw::default();
    // SAFETY: all addresses are null with length 0.
    unsafe { info_by_fd(btf, &mut sizes) }?;
    let length_of = |size: u32| usize::try_from(size).map_err(|_| Errno::E2BIG);
    let mut data = vec![0; length_of(sizes.btf_size)?];
    // Only a BTF that has a name is asked for it: before 5.11 there are no names, and no field for one.
    let with_end = if sizes.name_len == 0 { 0 } else { sizes.name_len.saturating_add(1) };
    let mut name = vec![0_u8; length_of(with_end)?];
    let mut info = BtfInfoRaw {
        btf: address_mut(&mut data),
        btf_size: sizes.btf_size,
        name: address_mut(&mut name),
        name_len: length(&name)?,
        ..BtfInfoRaw::default()
    };
    // SAFETY: `btf` is `btf_size` writable bytes and `name` is `name_len`; both live past the call and are not
    // otherwise borrowed.
    unsafe { info_by_fd(btf, &mut info) }?;
    Ok(BtfInfo { id: info.id, name: read_name(&name), kernel: info.kernel_btf != 0, data })
}
