//! Where the fields of a struct lie: as in C, each at a multiple of its alignment.

use bpfasm_codegen::ir::{DataType, Size};

use super::Stored;

/// The layout of a struct of `N` fields.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Layout<const N: usize> {
    /// The offset of each field, in bytes.
    pub offsets: [u32; N],
    /// The size of all, with the padding behind the last field.
    pub bytes: u32,
    /// What its place is a multiple of.
    pub align: u32,
}

impl<const N: usize> Layout<N> {
    /// Lays out fields that have so many bytes, each at a multiple of so many.
    #[must_use]
    pub const fn new(fields: [(u32, u32); N]) -> Layout<N> {
        let mut layout = Layout { offsets: [0; N], bytes: 0, align: 1 };
        let mut at = 0;
        while at < N {
            let (bytes, align) = fields[at];
            layout.offsets[at] = layout.bytes.next_multiple_of(align);
            layout.bytes = layout.offsets[at] + bytes;
            if align > layout.align {
                layout.align = align;
            }
            at += 1;
        }
        layout.bytes = layout.bytes.next_multiple_of(layout.align);
        layout
    }
}

/// Words of 8 bytes that the stack has.
const WORDS: usize = 64;

/// For each word of a type, a bit a byte that no field covers.
const fn padding(data: &DataType) -> [u8; WORDS] {
    let mut words = [0; WORDS];
    let mut at = 0;
    while at < data.bytes() {
        set(&mut words, at, true);
        at += 1;
    }
    cover(&mut words, data, 0);
    words
}

const fn set(words: &mut [u8; WORDS], at: u32, is_padding: bool) {
    // What does not fit the stack is refused when it is compiled.
    if (at as usize) < WORDS * 8 {
        let (word, bit) = (at as usize / 8, 1 << (at % 8));
        words[word] = if is_padding { words[word] | bit } else { words[word] & !bit };
    }
}

const fn cover(words: &mut [u8; WORDS], data: &DataType, start: u32) {
    let mut at = 0;
    match data {
        DataType::Int { bytes, .. } => {
            while at < *bytes as u32 {
                set(words, start + at, false);
                at += 1;
            }
        }
        DataType::Array { element, len } => {
            while at < *len {
                cover(words, element, start + at * element.bytes());
                at += 1;
            }
        }
        DataType::Struct { fields, .. } => {
            while (at as usize) < fields.len() {
                let field = &fields[at as usize];
                cover(words, &field.ty, start + field.offset);
                at += 1;
            }
        }
    }
}

/// Computes [`padding`] once a type, not once a use.
struct Padding<T>(T);

impl<T: Stored> Padding<T> {
    const WORDS: [u8; WORDS] = padding(&T::DATA);
}

/// The stores of zeros that cover the bytes of `T` that none of its fields does: at most one a word, to be made before those of the
/// fields.
pub(super) fn zeroed<T: Stored>() -> impl Iterator<Item = (Size, i16)> {
    let words = T::BYTES.div_ceil(8) as usize;
    let padded = (0i16..).step_by(8).zip(Padding::<T>::WORDS).take(words).filter(|(_, bits)| *bits != 0);
    padded.map(|(start, bits)| {
        let (first, last) = (bits.trailing_zeros(), 7 - bits.leading_zeros());
        let sizes = [(Size::B, 1), (Size::H, 2), (Size::W, 4)];
        let fitting = sizes.into_iter().find(|(_, bytes)| first / bytes == last / bytes);
        let (size, bytes) = fitting.unwrap_or((Size::DW, 8));
        (size, start + i16::try_from(first / bytes * bytes).unwrap_or_default())
    })
}
