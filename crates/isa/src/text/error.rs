//! What is wrong with a text, where, and what would be right.

use core::fmt::{self, Display, Formatter};

use super::{Dialect, Fault};
use crate::{
    insn::InsnError,
    level::{CpuLevel, KernelVersion},
    operand::Width,
};

/// A piece of a text, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
}

/// A line and a column, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Span {
    /// From this span's start to the other's end.
    pub(super) const fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end }
    }

    /// Where it starts in `text`.
    pub fn place(self, text: &str) -> Place {
        let before = text.get(..self.start).unwrap_or(text);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Place { line, column }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// An error in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: ErrorKind,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A character that no statement has.
    #[error("no statement has this character")]
    Character,
    /// Text that ends with its line.
    #[error("the closing `\"` is missing")]
    OpenText,
    /// Digits that are no number.
    #[error("not a number: decimal digits, or `0x`, `0b` or `0o` and theirs")]
    Number,
    /// A number of more than 64 bits.
    #[error("a number of more than 64 bits")]
    NumberTooLarge,
    /// Something else than what must stand here.
    #[error("expected {wanted}")]
    Expected {
        /// What must stand here.
        wanted: &'static str,
    },
    /// Something behind a statement's end.
    #[error("the statement ends before this; the next one needs a new line or a `;`")]
    Trailing,
    /// A word that begins no statement.
    #[error("no instruction begins with this word")]
    UnknownInstruction {
        /// The word that is closest to it.
        nearest: Option<&'static str>,
    },
    /// A directive that there is not.
    #[error("unknown directive")]
    UnknownDirective {
        /// The directive that is closest to it.
        nearest: Option<&'static str>,
    },
    /// A helper that there is not.
    #[error("no helper has this name")]
    UnknownHelper {
        /// The helper that is closest to it.
        nearest: Option<&'static str>,
    },
    /// A register above the last one.
    #[error("no such register: they are `r0` to `r10`, and `w0` to `w10` for their low halves")]
    Register,
    /// A register seen at another width than the instruction has.
    #[error("a register of {} bits is wanted here: `{}`", .wanted.bits(), match .wanted { Width::W32 => "w…", Width::W64 => "r…" })]
    RegisterWidth {
        /// The width that is wanted.
        wanted: Width,
    },
    /// A second register in an instruction that changes one in place.
    #[error("the instruction changes a register in place: both must be the same")]
    OtherRegister,
    /// A write to the frame pointer.
    #[error("r10, the frame pointer, cannot be written")]
    WritesFramePointer,
    /// A number that its field has no room for.
    #[error("{value} does not fit: {field} reaches from {min} to {max}")]
    OutOfRange {
        /// The number.
        value: i128,
        /// What it is for.
        field: &'static str,
        /// The least number that fits.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// An instruction that cannot be.
    #[error(transparent)]
    Insn(InsnError),
    /// An instruction that is too new for the level asked for.
    #[error("needs cpu {needs}, and {level} is asked for{}", Since(*.since))]
    TooNew {
        /// The first level that has it.
        needs: CpuLevel,
        /// What was asked for.
        level: CpuLevel,
        /// The first kernel that has it.
        since: Option<KernelVersion>,
    },
    /// A label that stands nowhere.
    #[error("no label of this name in this section")]
    UndefinedLabel,
    /// A call of a function that stands nowhere.
    #[error("no function and no helper of this name")]
    UndefinedFunction,
    /// The address of something that stands nowhere.
    #[error("no map and no function of this name; a map is `.map NAME, TYPE, KEY, VALUE, ENTRIES`")]
    UndefinedSymbol,
    /// A label that stands twice.
    #[error("this label is defined twice, first in line {first}")]
    DuplicateLabel {
        /// The line of the first one.
        first: u32,
    },
    /// A jump that is too far for its instruction.
    #[error("the target is {distance} slots away; this jump reaches {reach} slots forward and {} back", .reach + 1)]
    JumpTooFar {
        /// How far it is, in slots from the next instruction.
        distance: i64,
        /// How far it may be.
        reach: i64,
    },
    /// A jump into an instruction.
    #[error("the target is the second slot of an LDDW")]
    IntoLddw,
    /// An instruction of one dialect in a text of the other.
    #[error("this is {found}, but the text began as {began} in line {line}: a text has one dialect")]
    Dialects {
        /// The dialect of this statement.
        found: Dialect,
        /// The dialect of the text.
        began: Dialect,
        /// The line where that was seen first; 0 if it was asked for.
        line: u32,
    },
    /// A line of the kernel's whose number is not that of the slot it would get.
    #[error("the line's number is {number}, but the next slot is {slot}: lines are missing")]
    LineMissing {
        /// The line's number.
        number: u64,
        /// The slot.
        slot: u32,
    },
    /// A line of the kernel's that was there before, as another instruction.
    #[error("slot {slot} was another instruction before")]
    LineDiffers {
        /// The slot.
        slot: u32,
    },
    /// An opcode byte in front of an instruction that has another one.
    #[error("the line says opcode {said:02x}, and this instruction has {code:02x}")]
    OpcodeDiffers {
        /// The byte that the line has.
        said: u64,
        /// The instruction's.
        code: u8,
    },
    /// Data that is no licence.
    #[error("text is taken in a section `license` alone")]
    Data,
    /// More slots than can be counted.
    #[error("too many instructions")]
    TooLong,
}

struct Since(Option<KernelVersion>);

impl Display for Since {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(version) => write!(f, "; the first kernel with it is Linux {version}"),
            None => f.write_str("; no kernel has it"),
        }
    }
}

impl ErrorKind {
    /// The error at a place.
    #[cold]
    pub(super) fn at(self, span: Span) -> Fault {
        Fault::new(Error { span, kind: self })
    }

    /// What to do about it, where more can be said.
    pub fn help(&self) -> Option<Help> {
        match *self {
            ErrorKind::UnknownInstruction { nearest: Some(word) }
            | ErrorKind::UnknownDirective { nearest: Some(word) } => Some(Help::Nearest { prefix: "", word }),
            ErrorKind::UnknownHelper { nearest: Some(word) } => Some(Help::Nearest { prefix: "bpf_", word }),
            ErrorKind::OutOfRange { field: WIDE_IMMEDIATE, .. } => {
                Some(Help::Text("a 64-bit operation extends the sign of its 32 bits; `rN = NUMBER ll` loads all 64"))
            }
            ErrorKind::JumpTooFar { reach, .. } if reach == i64::from(i16::MAX) => {
                Some(Help::Text("`gotol` reaches farther (cpu v4), also as the target of a condition's jump"))
            }
            _ => None,
        }
    }
}

/// The field of an immediate that is extended to 64 bits.
pub(super) const WIDE_IMMEDIATE: &str = "the immediate, which is sign-extended,";

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// Another word is meant, perhaps.
    Nearest {
        /// What stands in front of the word.
        prefix: &'static str,
        /// The word.
        word: &'static str,
    },
    /// Advice.
    Text(&'static str),
}

impl Display for Help {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Help::Nearest { prefix, word } => write!(f, "did you mean `{prefix}{word}`?"),
            Help::Text(text) => f.write_str(text),
        }
    }
}
