//! The code of a program after the verifier's rewriting, and what belongs to its instructions.
#![expect(unsafe_code, reason = "bpf() with pointers to buffers")]

use std::os::fd::BorrowedFd;

use super::Errno;
use super::call::address_mut;
use super::link::info_by_fd;
use super::prog::{FUNC_INFO_SIZE, LINE_INFO_SIZE, ProgInfoRaw};

/// The verified code of a program, with the records that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgCode {
    /// Instruction slots in the machine's byte order. `None` where the kernel shows them to nobody: they hold constants
    /// that were hidden from attackers, and `kernel.kptr_restrict` is set.
    pub xlated: Option<Vec<[u8; 8]>>,
    /// `struct bpf_func_info`: first slot, type id.
    pub func_info: Vec<[u32; 2]>,
    /// `struct bpf_line_info`: first slot, offset of the file's name and of the line's text in the BTF's strings, line and
    /// column.
    pub line_info: Vec<[u32; 4]>,
    /// A hash of the instructions of each function.
    pub tags: Vec<[u8; 8]>,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a program, for its code.
///
/// Without `CAP_BPF` the lists are empty.
///
/// # Errors
/// The kernel's error number.
///
/// # References
/// `bpf_prog_get_info_by_fd` in `kernel/bpf/syscall.c`.
pub fn prog_code(prog: BorrowedFd<'_>) -> Result<ProgCode, Errno> {
    let mut sizes = ProgInfoRaw::default();
    // SAFETY: every list has address null and length 0.
    unsafe { info_by_fd(prog, &mut sizes) }?;
    let count = |number: u32| usize::try_from(number).map_err(|_| Errno::E2BIG);
    let mut xlated = vec![[0_u8; 8]; count(sizes.xlated_prog_len / 8)?];
    let mut func_info = vec![[0_u32; 2]; count(sizes.nr_func_info)?];
    let mut line_info = vec![[0_u32; 4]; count(sizes.nr_line_info)?];
    let mut tags = vec![[0_u8; 8]; count(sizes.nr_prog_tags)?];
    let mut info = ProgInfoRaw {
        xlated_prog_len: sizes.xlated_prog_len / 8 * 8,
        xlated_prog_insns: address_mut(&mut xlated),
        nr_func_info: sizes.nr_func_info,
        func_info_rec_size: FUNC_INFO_SIZE,
        func_info: address_mut(&mut func_info),
        nr_line_info: sizes.nr_line_info,
        line_info_rec_size: LINE_INFO_SIZE,
        line_info: address_mut(&mut line_info),
        nr_prog_tags: sizes.nr_prog_tags,
        prog_tags: address_mut(&mut tags),
        ..ProgInfoRaw::default()
    };
    // SAFETY: each of the four lists is as many writable elements as its number says, of the record size given or of the
    // 8 bytes that the kernel's structs have, not otherwise borrowed; every other list is null with length 0.
    unsafe { info_by_fd(prog, &mut info) }?;
    // The kernel clears the address of what it does not show.
    let shown = info.xlated_prog_insns != 0;
    Ok(ProgCode { xlated: shown.then_some(xlated), func_info, line_info, tags })
}
