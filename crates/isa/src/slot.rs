//! The 8-byte slot: an instruction's fields without byte order, and its bytes in either order.

use core::{fmt, ops::Deref};

/// Byte order of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first (`bpfel`).
    Little,
    /// Most significant byte first (`bpfeb`).
    Big,
}

impl Endian {
    /// The byte order this crate was compiled for.
    pub const NATIVE: Endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };
}

/// A position in a program, in slots from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIx(pub u32);

impl SlotIx {
    /// The slot `distance` slots after this one, or `None` outside of 32 bits.
    pub fn checked_add(self, distance: i64) -> Option<SlotIx> {
        let at = i64::from(self.0).checked_add(distance)?;
        u32::try_from(at).ok().map(SlotIx)
    }

    /// Position in bytes from the start of the program.
    pub fn byte_offset(self) -> u64 {
        u64::from(self.0) * u64::from(Slot::BYTES)
    }
}

impl fmt::Display for SlotIx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One 8-byte slot as fields, free of byte order.
///
/// Any 64-bit word is a slot; whether it is an instruction is for [`Insn::decode`](crate::Insn::decode) to say.
///
/// # References
///
/// RFC 9669 §3.1; `struct bpf_insn` in `include/uapi/linux/bpf.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The opcode byte.
    pub code: u8,
    /// The dst field; only its low 4 bits are stored.
    pub dst: u8,
    /// The src field; only its low 4 bits are stored.
    pub src: u8,
    /// The 16-bit offset.
    pub off: i16,
    /// The 32-bit immediate.
    pub imm: i32,
}

impl Slot {
    /// Bytes of one slot.
    pub const BYTES: u32 = 8;

    /// The slot's bytes. Only the low 4 bits of `dst` and of `src` are kept.
    pub const fn to_bytes(self, endian: Endian) -> [u8; 8] {
        let (dst, src) = (self.dst & 0x0f, self.src & 0x0f);
        let (regs, [o0, o1], [i0, i1, i2, i3]) = match endian {
            Endian::Little => (src << 4 | dst, self.off.to_le_bytes(), self.imm.to_le_bytes()),
            Endian::Big => (dst << 4 | src, self.off.to_be_bytes(), self.imm.to_be_bytes()),
        };
        [self.code, regs, o0, o1, i0, i1, i2, i3]
    }

    /// The slot that these bytes hold. Every word is one.
    pub const fn from_bytes(bytes: [u8; 8], endian: Endian) -> Slot {
        let [code, regs, o0, o1, i0, i1, i2, i3] = bytes;
        let (low, high) = (regs & 0x0f, regs >> 4);
        match endian {
            Endian::Little => Slot {
                code,
                dst: low,
                src: high,
                off: i16::from_le_bytes([o0, o1]),
                imm: i32::from_le_bytes([i0, i1, i2, i3]),
            },
            Endian::Big => Slot {
                code,
                dst: high,
                src: low,
                off: i16::from_be_bytes([o0, o1]),
                imm: i32::from_be_bytes([i0, i1, i2, i3]),
            },
        }
    }
}

/// The slots of one instruction: one, or two for LDDW. Dereferences to `[Slot]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded(Slots);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slots {
    One([Slot; 1]),
    Two([Slot; 2]),
}

impl Encoded {
    pub(crate) fn one(slot: Slot) -> Encoded {
        Encoded(Slots::One([slot]))
    }

    pub(crate) fn two(first: Slot, second: Slot) -> Encoded {
        Encoded(Slots::Two([first, second]))
    }
}

impl Deref for Encoded {
    type Target = [Slot];

    fn deref(&self) -> &[Slot] {
        match &self.0 {
            Slots::One(slots) => slots,
            Slots::Two(slots) => slots,
        }
    }
}
