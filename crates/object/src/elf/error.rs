//! What can be wrong with an ELF object.

use crate::btf;
use crate::cursor::Truncated;
use crate::datasec::MapError;
use crate::model::Malformed;
use alloc::string::String;

/// What is wrong with the bytes of an ELF object, and where. Offsets are bytes from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file ends inside a field.
    #[error("at {at:#x}: {needed} bytes wanted, fewer left")]
    Truncated {
        /// Offset of the field.
        at: usize,
        /// Bytes of the field.
        needed: usize,
    },
    /// Not ELF at all.
    #[error("at 0x0: not an ELF file")]
    NotElf,
    /// ELF, but not of the sort that BPF objects are.
    #[error("at {at:#x}: {field} is {found}, a BPF object has {expected}")]
    NotBpf {
        /// Offset of the field.
        at: usize,
        /// Which field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The value it should have.
        expected: u64,
    },
    /// A part of the file lies outside it.
    #[error("at {at:#x}: {part} of {size} bytes at {offset:#x} reaches behind the end of the file")]
    OutOfBounds {
        /// Offset of the header that places it.
        at: usize,
        /// Which part.
        part: &'static str,
        /// Where it should be, bytes from the start of the file.
        offset: u64,
        /// Its size, bytes.
        size: u64,
    },
    /// A name that lies outside its string table, is too long, or is not UTF-8.
    #[error("at {at:#x}: no name at string offset {offset:#x}")]
    BadName {
        /// Offset of the field.
        at: usize,
        /// The name's offset in the string table.
        offset: u32,
    },
    /// A section count of 0, which stands for more sections than the header can count.
    #[error("at {at:#x}: more than 65279 sections are not supported")]
    TooManySections {
        /// Offset of the count.
        at: usize,
    },
    /// A section that can be there once is there twice.
    #[error("at {at:#x}: a second section {name:?}")]
    DuplicateSection {
        /// Offset of the second section's header.
        at: usize,
        /// The name.
        name: String,
    },
    /// A section that has to be there is not.
    #[error("at {at:#x}: section {name:?} is needed and missing")]
    MissingSection {
        /// Offset of what needs it.
        at: usize,
        /// Its name.
        name: &'static str,
    },
    /// A section of a sort that is not supported.
    #[error("at {at:#x}: section {name:?}: {rule}")]
    BadSection {
        /// Offset of the section's header.
        at: usize,
        /// Its name.
        name: String,
        /// What it should be like.
        rule: &'static str,
    },
    /// A symbol that cannot be what it says.
    #[error("at {at:#x}: symbol {name:?}: {rule}")]
    BadSymbol {
        /// Offset of the symbol.
        at: usize,
        /// Its name.
        name: String,
        /// What it should be like.
        rule: &'static str,
    },
    /// A relocation that cannot be applied.
    #[error("at {at:#x}: relocation: {rule}")]
    BadRelocation {
        /// Offset of the relocation.
        at: usize,
        /// What it should be like.
        rule: &'static str,
    },
    /// A relocation of a type that is not supported.
    #[error("at {at:#x}: relocation type {kind} is not supported")]
    UnsupportedRelocation {
        /// Offset of the relocation.
        at: usize,
        /// Its type.
        kind: u32,
    },
    /// A symbol that something refers to is not defined here. Kernel functions and variables are not supported yet.
    #[error("at {at:#x}: symbol {name:?} is not defined here")]
    UndefinedSymbol {
        /// Offset of the relocation.
        at: usize,
        /// The symbol's name.
        name: String,
    },
    /// A call that leads into the middle of a function, or nowhere.
    #[error("at {at:#x}: no function starts at slot {slot} of the section that is called")]
    NoFunction {
        /// Offset of the instruction.
        at: usize,
        /// Where it leads, slots from the start of the section.
        slot: i64,
    },
    /// The licence is not text with a NUL at its end.
    #[error("at {at:#x}: the licence is not a NUL-terminated string")]
    BadLicense {
        /// Offset of the section's content.
        at: usize,
    },
    /// The BTF or BTF.ext section is wrong; its offsets count from its start.
    #[error("in the section at {at:#x}")]
    Btf {
        /// Offset of the section's content.
        at: usize,
        /// What is wrong with it.
        source: btf::Error,
    },
    /// A map is described wrongly.
    #[error("in the section at {at:#x}")]
    Map {
        /// Offset of the BTF section's content.
        at: usize,
        /// What is wrong with it.
        source: MapError,
    },
    /// Function and line records that do not fit the code.
    #[error("in the section at {at:#x}: {rule}")]
    BadDebugInfo {
        /// Offset of the BTF.ext section's content.
        at: usize,
        /// What they should be like.
        rule: &'static str,
    },
    /// A function's relocations or lines do not fit its code.
    #[error("in the code at {at:#x}")]
    Malformed {
        /// Offset of the function's code.
        at: usize,
        /// What is wrong with it.
        source: Malformed,
    },
    /// Names and source lines that, repeated for everything that has them, weigh far more than the file.
    #[error("at {at:#x}: the file's names and source lines are more than four times the file")]
    TooMuchText {
        /// Offset of the last one.
        at: usize,
    },
}

impl From<Truncated> for ReadError {
    fn from(Truncated { at, needed }: Truncated) -> ReadError {
        ReadError::Truncated { at, needed }
    }
}
