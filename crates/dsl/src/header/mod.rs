//! Protocol headers as typed views of packet bytes.

mod net;

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bpfasm_codegen::ir::{BinOp, Op, Operand, Size, Space, Width};

use crate::stage;
use crate::value::{Be16, Be32, Be128, Mac, Scalar, U32};

pub use net::{
    ArpHdr, ArpHdrView, EthHdr, EthHdrView, IcmpHdr, IcmpHdrView, Icmpv6Hdr, Icmpv6HdrView, Ipv4Hdr, Ipv4HdrView,
    Ipv6Hdr, Ipv6HdrView, TcpHdr, TcpHdrView, UdpHdr, UdpHdrView, VlanHdr, VlanHdrView,
};

/// A protocol header: a struct of kernel values, laid out without padding in the order of its fields.
///
/// Derive it. `#[derive(Header)] struct Ports { source: Be16, dest: Be16 }` gives
/// - the offsets of the fields in bytes as constants, `Ports::dest`;
/// - a view `PortsView` with a method a field: `dest()` reads it, `set_dest(value)` writes it.
#[diagnostic::on_unimplemented(message = "`{Self}` is no protocol header", note = "add `#[derive(Header)]` to it")]
pub trait Header {
    /// Its size in bytes.
    const SIZE: u32;
    /// The view of it, with a method a field.
    #[doc(hidden)]
    type View: From<Bytes> + AsRef<Bytes>;
}

/// A place in memory that is known to be good.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    space: Space,
    base: Operand,
    off: i16,
}

impl Bytes {
    pub(crate) fn new(space: Space, base: Operand, off: i16) -> Bytes {
        Bytes { space, base, off }
    }
    /// The memory, the pointer, and what is added to it.
    pub(crate) fn parts(&self) -> (Space, Operand, i16) {
        (self.space, self.base, self.off)
    }
    /// What begins `offset` bytes behind it.
    pub(crate) fn behind(&self, offset: u32) -> Bytes {
        Bytes { off: self.at(offset), ..*self }
    }
    /// What is added to the pointer for the byte at `offset`.
    fn at(&self, offset: u32) -> i16 {
        // The end of a header or of a map value was checked when the view was made.
        i16::try_from(i64::from(self.off) + i64::from(offset)).unwrap_or(i16::MAX)
    }
    /// Whether one access can take the four bytes at `offset`.
    fn takes_word_at(&self, offset: u32) -> bool {
        self.space != Space::Stack || self.at(offset) % 4 == 0
    }
    /// The address of the first byte.
    #[track_caller]
    pub(crate) fn address(&self) -> Operand {
        match self.off {
            0 => self.base,
            off => {
                let off = Operand::Const(i64::from(off).cast_unsigned());
                stage::emit(Op::Bin { op: BinOp::Add, width: Width::W64, a: self.base, b: off })
            }
        }
    }
    /// Reads a field.
    #[inline]
    #[track_caller]
    pub fn load<T: Field>(&self, offset: u32) -> T {
        T::load(self, offset)
    }
    /// Reads a field that has `size` bytes and so little in them that its type is shorter.
    #[track_caller]
    pub(crate) fn load_as<T: Scalar>(&self, size: Size, offset: u32) -> T {
        let Bytes { space, base, .. } = *self;
        T::from_operand(stage::emit(Op::Load { space, size, base, off: self.at(offset) }))
    }
    /// Writes a field.
    #[track_caller]
    pub fn store<T: Field>(&mut self, offset: u32, value: T) {
        value.store(self, offset);
    }
}

/// A type that a header can have as a field, and that helpers can read or write in memory.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field, nor be in the memory that a helper is given",
    note = "both have kernel values (`U8`, `Be16`, …), `Be128`, `Mac`, and arrays of them"
)]
pub trait Field: Sized {
    /// Its size in bytes.
    #[doc(hidden)]
    const BYTES: u32;
    #[doc(hidden)]
    #[track_caller]
    fn load(bytes: &Bytes, offset: u32) -> Self;
    #[doc(hidden)]
    #[track_caller]
    fn store(self, bytes: &mut Bytes, offset: u32);
}

impl<T: Scalar> Field for T {
    const BYTES: u32 = T::SIZE.bytes() as u32;

    #[inline]
    #[track_caller]
    fn load(bytes: &Bytes, offset: u32) -> T {
        let Bytes { space, base, .. } = *bytes;
        T::from_operand(stage::emit(Op::Load { space, size: T::SIZE, base, off: bytes.at(offset) }))
    }

    #[track_caller]
    fn store(self, bytes: &mut Bytes, offset: u32) {
        let Bytes { space, base, .. } = *bytes;
        stage::emit(Op::Store { space, size: T::SIZE, base, off: bytes.at(offset), value: self.operand() });
    }
}

impl<T: Field, const N: usize> Field for [T; N] {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a field of 4 GiB fits no packet; a const cannot use `try_from`"
    )]
    const BYTES: u32 = T::BYTES * N as u32;

    #[track_caller]
    fn load(bytes: &Bytes, offset: u32) -> [T; N] {
        let mut next = offset;
        [(); N].map(|()| {
            let item = T::load(bytes, next);
            next += T::BYTES;
            item
        })
    }

    #[track_caller]
    fn store(self, bytes: &mut Bytes, offset: u32) {
        let mut next = offset;
        for item in self {
            item.store(bytes, next);
            next += T::BYTES;
        }
    }
}

/// Nothing: the argument of a helper that may be left out.
impl Field for () {
    const BYTES: u32 = 0;
    fn load(_: &Bytes, _: u32) {}
    fn store(self, _: &mut Bytes, _: u32) {}
}

impl Field for Be128 {
    const BYTES: u32 = 16;

    #[track_caller]
    fn load(bytes: &Bytes, offset: u32) -> Be128 {
        Be128 {
            words: [
                Be32::load(bytes, offset),
                Be32::load(bytes, offset + 4),
                Be32::load(bytes, offset + 8),
                Be32::load(bytes, offset + 12),
            ],
        }
    }

    #[track_caller]
    fn store(self, bytes: &mut Bytes, offset: u32) {
        self.words.store(bytes, offset);
    }
}

/// The stack takes words at offsets that are multiples of their size alone, and an address of six bytes may begin between two.
impl Field for Mac {
    const BYTES: u32 = 6;

    #[track_caller]
    fn load(bytes: &Bytes, offset: u32) -> Mac {
        if bytes.takes_word_at(offset) {
            return Mac { high: Be32::load(bytes, offset), low: Be16::load(bytes, offset + 4) };
        }
        let (first, rest) = (Be16::load(bytes, offset).host(), Be32::load(bytes, offset + 2).host());
        Mac { high: ((U32::from(first) << 16) | (rest >> 16)).to_be(), low: rest.low16().to_be() }
    }

    #[track_caller]
    fn store(self, bytes: &mut Bytes, offset: u32) {
        if bytes.takes_word_at(offset) {
            self.high.store(bytes, offset);
            self.low.store(bytes, offset + 4);
            return;
        }
        let (high, low) = (self.high.host(), U32::from(self.low.host()));
        if bytes.at(offset) % 2 != 0 {
            return [high >> 24, high >> 16, high >> 8, high, low >> 8, low].map(U32::low8).store(bytes, offset);
        }
        (high >> 16).low16().to_be().store(bytes, offset);
        ((high << 16) | low).to_be().store(bytes, offset + 2);
    }
}

/// A header in the packet, proven to lie inside of it. It lives as long as the context is not asked to change the packet.
#[derive(Debug)]
pub struct Pkt<'a, T: Header> {
    view: T::View,
    context: PhantomData<&'a T>,
}

/// A header in the packet that may be written.
#[derive(Debug)]
pub struct PktMut<'a, T: Header> {
    view: T::View,
    context: PhantomData<&'a mut T>,
}

impl<T: Header> Pkt<'_, T> {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Pkt { view: bytes.into(), context: PhantomData }
    }
}

impl<T: Header> Pkt<'_, T> {
    /// The address of the header's first byte.
    #[track_caller]
    pub(crate) fn address(&self) -> Operand {
        self.view.as_ref().address()
    }
}

impl<T: Header> PktMut<'_, T> {
    pub(crate) fn new(bytes: Bytes) -> Self {
        PktMut { view: bytes.into(), context: PhantomData }
    }
}

impl<T: Header> Deref for Pkt<'_, T> {
    type Target = T::View;
    fn deref(&self) -> &T::View {
        &self.view
    }
}

impl<T: Header> Deref for PktMut<'_, T> {
    type Target = T::View;
    fn deref(&self) -> &T::View {
        &self.view
    }
}

impl<T: Header> DerefMut for PktMut<'_, T> {
    fn deref_mut(&mut self) -> &mut T::View {
        &mut self.view
    }
}

/// Where something begins in a packet, in bytes: known now, or a kernel value.
///
/// The verifier must see that a kernel value is small: `header_len()` is; mask others.
#[derive(Clone, Copy, Debug)]
pub struct Offset {
    pub(crate) value: Option<Operand>,
    pub(crate) bytes: i64,
}

macro_rules! offsets {
    ($($host:ty)*) => { $(
        impl From<$host> for Offset {
            fn from(bytes: $host) -> Offset {
                Offset { value: None, bytes: bytes.into() }
            }
        }
    )* };
}

offsets!(u8 u16 u32 i32);

impl From<U32> for Offset {
    fn from(offset: U32) -> Offset {
        match offset.operand() {
            Operand::Const(known) => Offset { value: None, bytes: i64::try_from(known).unwrap_or(i64::MAX) },
            value => Offset { value: Some(value), bytes: 0 },
        }
    }
}
