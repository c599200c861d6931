//! Addresses of more bytes than a register has.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::BitAnd;

use bpfasm_codegen::ir::Operand;

use super::{Be16, Be32};
use crate::join::{Dead, Staged};

/// 128 bits in network byte order: an IPv6 address.
///
/// Compare it with an [`Ipv6Addr`]; a mask makes a prefix of it:
/// `ip.saddr() & mask == Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)`.
#[derive(Clone, Copy, Debug)]
pub struct Be128 {
    pub(crate) words: [Be32; 4],
}

impl Be128 {
    /// Its 32-bit words in the order of the packet.
    pub fn words(self) -> [Be32; 4] {
        self.words
    }

    /// An IPv4 address in the place of an IPv6 address, as kernel structs that take either want it: in the first word.
    pub fn of_ipv4(address: impl Into<Be32>) -> Be128 {
        Be128 { words: [address.into(), 0.into(), 0.into(), 0.into()] }
    }

    /// The IPv4 address that [`of_ipv4`](Be128::of_ipv4) put there.
    pub fn as_ipv4(self) -> Be32 {
        let [address, ..] = self.words;
        address
    }
}

impl From<[Be32; 4]> for Be128 {
    fn from(words: [Be32; 4]) -> Be128 {
        Be128 { words }
    }
}

impl From<u128> for Be128 {
    /// The number as people write it.
    fn from(number: u128) -> Be128 {
        Ipv6Addr::from(number).into()
    }
}

impl From<Ipv6Addr> for Be128 {
    fn from(address: Ipv6Addr) -> Be128 {
        let [a, b, c, d, e, f, g, h] = address.segments().map(u32::from);
        Be128 { words: [a << 16 | b, c << 16 | d, e << 16 | f, g << 16 | h].map(Be32::from) }
    }
}

impl From<Ipv4Addr> for Be128 {
    /// The IPv4-mapped address, `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
    fn from(address: Ipv4Addr) -> Be128 {
        address.to_ipv6_mapped().into()
    }
}

#[expect(clippy::partialeq_ne_impl, reason = "the default one would hide where it is called")]
impl PartialEq for Be128 {
    #[track_caller]
    fn eq(&self, other: &Be128) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.words, other.words);
        a == e && b == f && c == g && d == h
    }
    #[track_caller]
    fn ne(&self, other: &Be128) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.words, other.words);
        a != e || b != f || c != g || d != h
    }
}

#[expect(clippy::partialeq_ne_impl, reason = "the default one would hide where it is called")]
impl PartialEq<Ipv6Addr> for Be128 {
    #[track_caller]
    fn eq(&self, other: &Ipv6Addr) -> bool {
        *self == Be128::from(*other)
    }
    #[track_caller]
    fn ne(&self, other: &Ipv6Addr) -> bool {
        *self != Be128::from(*other)
    }
}

macro_rules! masks {
    ($($right:ident)*) => { $(
        impl BitAnd<$right> for Be128 {
            type Output = Be128;
            #[track_caller]
            fn bitand(self, right: $right) -> Be128 {
                let ([a, b, c, d], [e, f, g, h]) = (self.words, Be128::from(right).words);
                Be128 { words: [a & e, b & f, c & g, d & h] }
            }
        }
    )* };
}

masks!(Be128 Ipv6Addr);

impl Staged for Be128 {
    fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
        self.words.each_part(f);
    }
}

impl Dead for Be128 {
    fn dead() -> Be128 {
        Be128 { words: Dead::dead() }
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug)]
pub struct Mac {
    pub(crate) high: Be32,
    pub(crate) low: Be16,
}

impl From<[u8; 6]> for Mac {
    fn from(bytes: [u8; 6]) -> Mac {
        let [a, b, c, d, e, f] = bytes;
        Mac { high: u32::from_be_bytes([a, b, c, d]).into(), low: u16::from_be_bytes([e, f]).into() }
    }
}

#[expect(clippy::partialeq_ne_impl, reason = "the default one would hide where it is called")]
impl PartialEq for Mac {
    #[track_caller]
    fn eq(&self, other: &Mac) -> bool {
        self.high == other.high && self.low == other.low
    }
    #[track_caller]
    fn ne(&self, other: &Mac) -> bool {
        self.high != other.high || self.low != other.low
    }
}

#[expect(clippy::partialeq_ne_impl, reason = "the default one would hide where it is called")]
impl PartialEq<[u8; 6]> for Mac {
    #[track_caller]
    fn eq(&self, other: &[u8; 6]) -> bool {
        *self == Mac::from(*other)
    }
    #[track_caller]
    fn ne(&self, other: &[u8; 6]) -> bool {
        *self != Mac::from(*other)
    }
}

impl Staged for Mac {
    fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
        f(&mut self.high.0);
        f(&mut self.low.0);
    }
}

impl Dead for Mac {
    fn dead() -> Mac {
        Mac { high: Be32::dead(), low: Be16::dead() }
    }
}
