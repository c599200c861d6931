//! The kinds of BTF types, and what the records of each are made of.

use crate::kernel::KernelVersion;
use core::fmt;

/// What one 32-bit word of a type's record means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A number.
    Data,
    /// The offset of a string.
    Name,
    /// A type id.
    Type,
}
use Field::{Data, Name, Type};

/// The words of a record behind `name_off` and `info`, which all kinds have. Everything in BTF is made of 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The word that is a size or a type.
    pub(super) size_or_type: Field,
    /// The words that follow it once.
    pub(super) once: &'static [Field],
    /// The words that follow for each element (member, parameter, value, variable).
    pub(super) each: &'static [Field],
}

/// Words of every record: `name_off`, `info`, `size` or `type`.
pub(super) const HEAD_WORDS: usize = 3;

impl Shape {
    /// What each word of a record of `words` words means.
    pub(super) fn fields(&self, words: usize) -> impl Iterator<Item = Field> + '_ {
        [Name, Data, self.size_or_type]
            .into_iter()
            .chain(self.once.iter().copied())
            .chain(self.each.iter().copied().cycle())
            .take(words)
    }
}

/// `BTF_KIND_*`: the kind of a type.
///
/// # References
/// `include/uapi/linux/btf.h`; `Documentation/bpf/btf.rst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u32);

/// Rows of `CONST = value, "NAME", first kernel, size-or-type word, words once, words for each element`. The names are
/// those of `bpftool btf dump`.
macro_rules! kinds {
    ($(
        $constant:ident = $value:literal, $name:literal, $major:literal $minor:literal,
        $size_or_type:ident, [$($once:ident)*], [$($each:ident)*];
    )*) => {
        impl Kind {
            $(
                #[doc = concat!("`", $name, "`, since Linux ", $major, ".", $minor, ".")]
                pub const $constant: Kind = Kind($value);
            )*

            /// Every known kind, ascending.
            pub const ALL: &'static [Kind] = &[$(Kind::$constant),*];

            /// The name that `bpftool btf dump` prints.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)*
                    _ => None,
                }
            }

            /// The first kernel whose BPF_BTF_LOAD takes it.
            #[must_use]
            pub const fn first_kernel(self) -> Option<KernelVersion> {
                match self.0 {
                    $($value => Some(KernelVersion::new($major, $minor)),)*
                    _ => None,
                }
            }

            pub(super) const fn shape(self) -> Option<&'static Shape> {
                match self.0 {
                    $($value => {
                        Some(&Shape { size_or_type: $size_or_type, once: &[$($once),*], each: &[$($each),*] })
                    })*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    INT = 1, "INT", 4 18, Data, [Data], [];
    PTR = 2, "PTR", 4 18, Type, [], [];
    ARRAY = 3, "ARRAY", 4 18, Data, [Type Type Data], [];
    STRUCT = 4, "STRUCT", 4 18, Data, [], [Name Type Data];
    UNION = 5, "UNION", 4 18, Data, [], [Name Type Data];
    ENUM = 6, "ENUM", 4 18, Data, [], [Name Data];
    FWD = 7, "FWD", 4 18, Data, [], [];
    TYPEDEF = 8, "TYPEDEF", 4 18, Type, [], [];
    VOLATILE = 9, "VOLATILE", 4 18, Type, [], [];
    CONST = 10, "CONST", 4 18, Type, [], [];
    RESTRICT = 11, "RESTRICT", 4 18, Type, [], [];
    FUNC = 12, "FUNC", 5 0, Type, [], [];
    FUNC_PROTO = 13, "FUNC_PROTO", 5 0, Type, [], [Name Type];
    VAR = 14, "VAR", 5 2, Type, [Data], [];
    DATASEC = 15, "DATASEC", 5 2, Data, [], [Type Data Data];
    FLOAT = 16, "FLOAT", 5 13, Data, [], [];
    DECL_TAG = 17, "DECL_TAG", 5 16, Type, [Data], [];
    TYPE_TAG = 18, "TYPE_TAG", 5 17, Type, [], [];
    ENUM64 = 19, "ENUM64", 6 0, Data, [], [Name Data Data];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "BTF kind {}", self.0),
        }
    }
}

/// The `info` word of a type: how many elements, the kind, one flag.
///
/// The count had 16 bits and the kind 5 until Linux 7.1 gave them the zero bits next to them; reading the wide fields
/// reads both.
///
/// # References
/// `include/uapi/linux/btf.h`, `BTF_INFO_VLEN`, `BTF_INFO_KIND`, `BTF_INFO_KFLAG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Info(pub(super) u32);

impl Info {
    pub(super) const fn new(kind: Kind, elements: u32, flag: bool) -> Info {
        Info(kind.0 << 24 | (elements & 0xff_ffff) | if flag { 1 << 31 } else { 0 })
    }

    pub(super) const fn elements(self) -> u32 {
        self.0 & 0x00ff_ffff
    }

    pub(super) const fn kind(self) -> Kind {
        Kind((self.0 >> 24) & 0x7f)
    }

    pub(super) const fn flag(self) -> bool {
        self.0 >> 31 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_keeps_its_parts() {
        let info = Info::new(Kind::STRUCT, 0xffff, true);
        assert_eq!((info.kind(), info.elements(), info.flag()), (Kind::STRUCT, 0xffff, true));
        assert_eq!(Info::new(Kind::INT, 0, false).0, 0x0100_0000);
    }

    /// Record sizes of `include/uapi/linux/btf.h`, bytes behind `struct btf_type`: once and for each element.
    #[test]
    fn shapes_have_the_sizes_of_the_header() {
        let sizes: &[(Kind, usize, usize)] = &[
            (Kind::INT, 4, 0),
            (Kind::ARRAY, 12, 0),
            (Kind::STRUCT, 0, 12),
            (Kind::ENUM, 0, 8),
            (Kind::FUNC, 0, 0),
            (Kind::FUNC_PROTO, 0, 8),
            (Kind::VAR, 4, 0),
            (Kind::DATASEC, 0, 12),
            (Kind::DECL_TAG, 4, 0),
            (Kind::ENUM64, 0, 12),
        ];
        for &(kind, once, each) in sizes {
            let shape = kind.shape().expect("a known kind");
            assert_eq!((shape.once.len() * 4, shape.each.len() * 4), (once, each), "{kind}");
        }
        assert_eq!(Kind::ALL.len(), 19);
        assert_eq!(Kind(20).shape(), None);
    }
}
