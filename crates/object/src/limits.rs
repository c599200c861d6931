//! The limits of this crate and of what it writes, each with its source.

/// Bytes of a name in BTF, without the final NUL: `KSYM_NAME_LEN` was 128 until Linux 6.1 made it 512.
///
/// `include/linux/kallsyms.h`; checked by `btf_name_valid_identifier` in `kernel/bpf/btf.c`.
pub(crate) const BUILT_NAME_BYTES: usize = 127;

/// Bytes of a name that the BTF reader accepts: eight times what any kernel does, so that a hostile table of names costs
/// time linear in its size.
pub(crate) const READ_NAME_BYTES: usize = 4096;

/// Members, parameters or values of one type: `BTF_MAX_VLEN` was 0xffff until Linux 7.1.
///
/// `include/uapi/linux/btf.h`.
pub(crate) const BTF_ELEMENTS: usize = 0xffff;

/// The last offset of a string: `BTF_MAX_NAME_OFFSET` of `include/uapi/linux/btf.h`.
pub(crate) const BTF_STRING_OFFSET: usize = 0x00ff_ffff;

/// Types that a chain of pointers, qualifiers, typedefs or arrays may go through: `MAX_RESOLVE_DEPTH` in
/// `kernel/bpf/btf.c`.
pub(crate) const BTF_DEPTH: usize = 32;

/// The last line number of a line record: `BPF_LINE_INFO_LINE_NUM` of `include/uapi/linux/bpf.h` leaves 22 bits.
pub(crate) const LINE: u32 = (1 << 22) - 1;

/// The last column of a line record: `BPF_LINE_INFO_LINE_COL` of `include/uapi/linux/bpf.h` leaves 10 bits.
pub(crate) const COLUMN: u32 = (1 << 10) - 1;

/// Instruction slots of one program: `BPF_COMPLEXITY_LIMIT_INSNS` of `include/linux/bpf.h` since Linux 5.2.
pub(crate) const PROGRAM_SLOTS: usize = 1_000_000;

/// Strings that the ELF reader copies out of a file may weigh this many times the file, plus [`READ_SLACK_BYTES`].
/// Real objects stay below one.
pub(crate) const READ_COPY_FACTOR: usize = 4;

/// See [`READ_COPY_FACTOR`].
pub(crate) const READ_SLACK_BYTES: usize = 64 * 1024;

/// Members of the struct that describes a map. libbpf 1.7 knows 11.
pub(crate) const MAP_MEMBERS: usize = 16;

/// Bytes of the struct that describes a map: its members are pointers, of 8 bytes each.
pub(crate) const MAP_DEFINITION_BYTES: usize = MAP_MEMBERS * 8;

/// Values that the bytes of a map's key or value are taken apart into: so many for each byte, plus [`VALUE_NODES`]. A
/// byte has one in an array of bytes, and one more for each union and struct that it is in.
pub(crate) const VALUE_NODES_PER_BYTE: usize = 64;

/// See [`VALUE_NODES_PER_BYTE`].
pub(crate) const VALUE_NODES: usize = 4096;

/// Bytes of a function's declaration in C: as long as `bpftool` writes them.
pub(crate) const SIGNATURE_BYTES: usize = 1023;
