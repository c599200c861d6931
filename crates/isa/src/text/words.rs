//! The words and operators of statements, taken from the opcode table.

use super::lexer::pack;
use crate::{
    form::Form,
    operand::{AluOp, AtomicOp, JmpOp, Narrow, Operand, Size, Swap, SwapBits, Width},
    reg::Reg,
    table::TABLE,
};

/// Collects from the rows of one form what their text says; the table is filled with any value before.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident: [$value:ty; $count:literal] = $any:expr, $pattern:pat => $found:expr) => {
        $(#[$doc])*
        static $name: [(u32, $value); $count] = {
            let mut found = [(0, $any); $count];
            let (mut row, mut next) = (0, 0);
            while row < TABLE.len() {
                if let $pattern = TABLE[row].form {
                    found[next] = (pack(TABLE[row].text), $found);
                    next += 1;
                }
                row += 1;
            }
            assert!(next == $count, "as many rows as there is room for");
            found
        };
    };
}

texts! {
    /// `+=` and its like.
    ALU: [AluOp; 13] = AluOp::Add, Form::Alu(Width::W64, op, Operand::K) => op
}
texts! {
    /// `==` and its like.
    CONDITIONS: [JmpOp; 11] = JmpOp::Eq, Form::JumpIf(Width::W64, op, Operand::K) => op
}
texts! {
    /// `u8` and its like.
    UNSIGNED: [Size; 4] = Size::B, Form::Load(size) => size
}
texts! {
    /// `s8` and its like.
    SIGNED: [Narrow; 3] = Narrow::B, Form::LoadSx(size) => size
}

fn find<T: Copy>(table: &[(u32, T)], word: u32) -> Option<T> {
    table.iter().find(|(text, _)| *text == word).map(|&(_, value)| value)
}

/// The operation of an operator such as `+=`.
pub(super) fn alu(operator: u32) -> Option<AluOp> {
    find(&ALU, operator)
}

/// The condition of an operator such as `==`.
pub(super) fn condition(operator: u32) -> Option<JmpOp> {
    find(&CONDITIONS, operator)
}

/// A type of memory: `u8` to `u64`, and `s8` to `s32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    Unsigned(Size),
    Signed(Narrow),
}

impl Memory {
    /// The type that a packed word names.
    pub(super) fn of(word: u32) -> Option<Memory> {
        find(&UNSIGNED, word).map(Memory::Unsigned).or_else(|| find(&SIGNED, word).map(Memory::Signed))
    }

    pub(super) const fn size(self) -> Size {
        match self {
            Memory::Unsigned(size) => size,
            Memory::Signed(narrow) => narrow.size(),
        }
    }
}

/// The byte swap of a word such as `be16`.
pub(super) fn swap(word: &str) -> Option<(Swap, SwapBits)> {
    let digits = word.find(|letter: char| letter.is_ascii_digit())?;
    let (name, bits) = word.split_at(digits);
    let swap = match name {
        "be" => Swap::ToBe,
        "le" => Swap::ToLe,
        "bswap" => Swap::Always,
        _ => return None,
    };
    Some((swap, SwapBits::from_bits(bits.parse().ok()?)?))
}

/// A word that may be a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    /// It is one, seen at a width.
    Is(Width, Reg),
    /// It looks like one, but there is none of this number.
    Missing,
    /// It is none.
    Not,
}

/// The register that a word names.
pub(super) fn register(word: &str) -> Register {
    let (width, digits) = match word.as_bytes() {
        [b'r', digits @ ..] => (Width::W64, digits),
        [b'w', digits @ ..] => (Width::W32, digits),
        _ => return Register::Not,
    };
    let index = match *digits {
        [digit @ b'0'..=b'9'] => digit - b'0',
        [b'1', b'0'] => 10,
        [b'1'..=b'9', b'0'..=b'9'] => return Register::Missing,
        _ => return Register::Not,
    };
    Reg::from_index(index).map_or(Register::Missing, |reg| Register::Is(width, reg))
}

/// An atomic operation that gives the old value, as a call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AtomicCall {
    pub(super) op: AtomicOp,
    /// The width that the word says; else its pointer's type does.
    pub(super) width: Option<Width>,
}

/// The operation of a word such as `atomic_fetch_add` or `cmpxchg_64` (LLVM), `atomic64_fetch_add` or `atomic_cmpxchg`
/// (the kernel).
pub(super) fn atomic_call(word: &str) -> Option<AtomicCall> {
    const W64: Option<Width> = Some(Width::W64);
    const W32: Option<Width> = Some(Width::W32);
    let (name, width) = match word {
        "xchg_64" => ("xchg", W64),
        "xchg32_32" => ("xchg", W32),
        "cmpxchg_64" => ("cmpxchg", W64),
        "cmpxchg32_32" => ("cmpxchg", W32),
        _ => match word.strip_prefix("atomic64_") {
            Some(name) => (name, W64),
            None => (word.strip_prefix("atomic_")?, None),
        },
    };
    let op = match name {
        "fetch_add" => AtomicOp::Add,
        "fetch_or" => AtomicOp::Or,
        "fetch_and" => AtomicOp::And,
        "fetch_xor" => AtomicOp::Xor,
        "xchg" => AtomicOp::Xchg,
        "cmpxchg" => AtomicOp::CmpXchg,
        _ => return None,
    };
    Some(AtomicCall { op, width })
}

/// The operation of the operator in `lock *(u64 *)(r1 + 0) += r2`.
pub(super) fn atomic_operator(operator: u32) -> Option<AtomicOp> {
    match alu(operator)? {
        AluOp::Add => Some(AtomicOp::Add),
        AluOp::Or => Some(AtomicOp::Or),
        AluOp::And => Some(AtomicOp::And),
        AluOp::Xor => Some(AtomicOp::Xor),
        _ => None,
    }
}

/// The word of `words` that is closest to `word`: at most a third of its letters differ.
pub(super) fn nearest(word: &str, words: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let limit = 1.max(word.chars().count() / 3);
    words.map(|known| (distance(word, known), known)).filter(|&(far, _)| far <= limit).min().map(|(_, known)| known)
}

/// How many letters must be inserted, deleted, replaced or exchanged with their neighbour to make one word the other.
fn distance(left: &str, right: &str) -> usize {
    /// Longer words are not compared.
    const MOST: usize = 32;
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() >= MOST || right.len() >= MOST {
        return usize::MAX;
    }
    let mut rows = [[0; MOST]; 3];
    for (column, cell) in rows[2].iter_mut().enumerate() {
        *cell = column;
    }
    for (row, &letter) in left.iter().enumerate() {
        rows.rotate_left(1);
        rows[2][0] = row + 1;
        for (column, &other) in right.iter().enumerate() {
            let replaced = rows[1][column] + usize::from(letter != other);
            let mut least = replaced.min(rows[1][column + 1] + 1).min(rows[2][column] + 1);
            if row > 0 && column > 0 && letter == right[column - 1] && left[row - 1] == other {
                least = least.min(rows[0][column - 1] + 1);
            }
            rows[2][column + 1] = least;
        }
    }
    rows[2][right.len()]
}
