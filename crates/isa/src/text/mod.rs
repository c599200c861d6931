//! Text in, instructions out: an assembler for what compilers, other assemblers and the kernel print.
//!
//! A statement ends with its line or with a `;`. Comments begin with `#` or `//`, or stand between `/*` and `*/`. Labels
//! end with a colon; `1:` may stand many times, and `1b` and `1f` name the last and the next one.
//!
//! # Dialects
//!
//! A text has one dialect, told by its first instruction ([`Dialect`]).
//!
//! | | pseudo-C: LLVM and clang | mnemonics: ubpf, rbpf, GNU as |
//! | --- | --- | --- |
//! | arithmetic | `r1 += 5`, `w1 *= w2`, `r1 s/= r2` | `add r1, 5`, `mul32 %r1, %r2`, `sdiv64 r1, r2` |
//! | moves | `r1 = r2`, `w1 = (s8)w2`, `r1 = -r1` | `mov r1, r2`, `movsx832 r1, r2` or `movs32 %r1, %r2, 8`, `neg r1` |
//! | byte swaps | `r1 = be16 r1`, `r1 = bswap32 r1` | `be16 r1` or `endbe %r1, 16`, `swap32 r1` |
//! | 64 bits | `r1 = 0x1122334455667788 ll`, `r1 = MAP ll` | `lddw r1, 0x1122334455667788`, `lddw r1, MAP` |
//! | loads | `r1 = *(u32 *)(r2 + 4)`, `r1 = *(s8 *)(r2 + 0)` | `ldxw r1, [r2+4]`, `ldxsb r1, [r2]` |
//! | stores | `*(u16 *)(r1 - 8) = r2`, `*(u8 *)(r1 + 0) = 5` | `stxh [r1-8], r2`, `stb [r1], 5` |
//! | atomics | `lock *(u64 *)(r1 + 0) += r2`, `r2 = atomic_fetch_or((u64 *)(r1 + 0), r2)` | `lock add [r1], r2` or `aadd [%r1], %r2` or `stxxadddw [r1], r2`, `lock fetch or [r1], r2` or `afor [%r1], %r2` |
//! | exchanges | `r2 = xchg_64(r1 + 0, r2)`, `r0 = cmpxchg_64(r1 + 0, r0, r2)` | `lock xchg [r1], r2` or `axchg [%r1], %r2`, `lock cmpxchg [r1], r2` or `acmp [%r1], %r2` |
//! | ordered | `w1 = load_acquire((u8 *)(r2 + 0))`, `store_release((u8 *)(r1 + 0), w2)` | |
//! | packet | `r0 = *(u16 *)skb[12]`, `r0 = *(u8 *)skb[r2 + 4]` | `ldabsh 12`, `ldindb r2, 4` |
//! | jumps | `goto L`, `gotol L`, `may_goto L`, `if r1 s> 5 goto L`, `if w1 & w2 goto +3` | `ja L`, `ja32 L` or `jal L`, `jsgt r1, 5, L`, `jset32 r1, r2, +3` |
//! | calls | `call 23`, `call bpf_redirect`, `call F`, `call kfunc 77`, `callx r1` | `call 23`, `call bpf_redirect`, `call local F`, `call runtime 77`, `callx r1` |
//! | end | `exit` | `exit`, and the label `exit` for the first one |
//!
//! Pseudo-C includes what the kernel prints, in the verifier's log and in dumps of loaded programs:
//! `12: (bf) r1 = r6 ; R1_w=ctx()`, `goto pc+3`, `call bpf_map_lookup_elem#1`. Such a line's number must be that of the
//! slot it gets, its opcode byte that of the instruction; other lines of a log are passed over.
//!
//! # Directives
//!
//! | | |
//! | --- | --- |
//! | `.section NAME`, `.text` | where the code that follows belongs; libbpf's section names tell the program type |
//! | `.globl NAME` | the label is a function that others may call; so is a program |
//! | `.type NAME, @function` | the label is a function; a label that is called is one anyhow |
//! | `.map NAME, TYPE, KEY, VALUE, ENTRIES[, FLAGS]` | a map: its type as bpftool names it, sizes in bytes |
//! | `.license "GPL"` | the licence; so does text in a section `license` |
//! | `.quad NUMBER[, …]` | slots that are no instruction, 8 bytes each in the target's byte order |
//!
//! Directives that say nothing to BPF (`.size`, `.p2align`, `.file`, …) are passed over, and so are the sections of debug
//! information that compilers emit.
//!
//! # Example
//!
//! ```
//! use bpfasm_isa::text::{self, Options};
//!
//! let unit = text::assemble(
//!     "        r0 = 2
//!              if r1 != 0 goto out
//!              r0 = 0
//!      out:    exit",
//!     &Options::default(),
//! )
//! .unwrap();
//! assert_eq!(unit.sections[0].slots.len(), 4);
//!
//! let errors = text::assemble("r1 = 1\nr11 = 2\nrexit", &Options::default()).unwrap_err();
//! assert_eq!(errors.len(), 2);
//! assert!(errors[0].to_string().starts_with("no such register"));
//! ```

mod assemble;
mod call;
mod directive;
mod error;
mod lexer;
mod mnemonic;
mod pseudo_c;
mod source;
mod statement;
mod unit;
mod words;

use core::fmt::{self, Display, Formatter};

use crate::{level::CpuLevel, slot::Endian};

/// An error on its way to the list of all: boxed, since hardly any statement has one.
type Fault = alloc::boxed::Box<Error>;

pub use assemble::assemble;
pub use error::{Error, ErrorKind, Help, Place, Span};
pub use source::{Source, source};
pub use unit::{Function, Line, Map, MapType, Reference, Section, Unit};

/// The two ways to write an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// LLVM's and the kernel's: `r1 += 5`.
    PseudoC,
    /// Those of ubpf, rbpf and GNU as: `add r1, 5`.
    Mnemonic,
}

impl Display for Dialect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Dialect::PseudoC => "pseudo-C",
            Dialect::Mnemonic => "mnemonics",
        })
    }
}

/// How to assemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The dialect; `None` lets the first instruction tell.
    pub dialect: Option<Dialect>,
    /// The level that no instruction may be above; `None` for all that there are.
    pub level: Option<CpuLevel>,
    /// The target's byte order, in which `.quad` is written.
    pub endian: Endian,
}

impl Default for Options {
    fn default() -> Options {
        Options { dialect: None, level: None, endian: Endian::NATIVE }
    }
}
