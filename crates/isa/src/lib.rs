//! The BPF instruction set: opcode table, instructions, labels, printer.
//!
//! # Terms
//!
//! - A *slot* is 8 bytes: opcode byte, two registers, a 16-bit offset, a 32-bit immediate ([`Slot`]). Positions and
//!   distances count slots ([`SlotIx`]).
//! - An *instruction* ([`Insn`]) takes one slot, or two for LDDW, the load of 64 bits.
//! - *dst* and *src* are the register fields, *off* and *imm* the offset and the immediate. `K` marks an operation
//!   whose second operand is the immediate, `X` one whose second operand is src.
//! - A *reserved* field is one that an instruction has no use for; it must be zero, as the kernel's verifier wants it.
//!
//! # Layers
//!
//! | | |
//! | --- | --- |
//! | [`table`] | one row for each instruction, and the enum [`Op`] of all rows |
//! | [`form`] | what a row does, as a value to match on ([`Form`]) |
//! | [`insn`], [`decode`] | a row with operands: constructors, accessors, to slots and back |
//! | [`label`] | programs whose jumps name labels ([`Assembler`]) |
//! | [`print`], [`disasm`] | text as `llvm-objdump -d` prints it |
//! | [`kernel`] | text as the kernel's verifier and `bpftool` print it |
//! | [`text`] | text to instructions: [`text::assemble`], and back: [`text::source`] |
//! | [`helper`] | the kernel's helper functions by number ([`HelperId`]) |
//!
//! Everything expands from the table or is driven by it: constructor, encoder, decoder and printer cannot disagree on
//! an opcode. An [`Insn`] is legal by construction, and decoding is total: any words give an instruction or a
//! [`DecodeError`]. Byte order appears only where a slot becomes bytes.
//!
//! # Example
//!
//! ```
//! use bpfasm_isa::{Assembler, Endian, HelperId, Insn, JmpOp, Reg, Size, Width, disasm};
//!
//! // Drop packets of 1500 bytes and more; __sk_buff.len is at offset 0.
//! let mut asm = Assembler::new();
//! let pass = asm.new_label();
//! asm.push(Insn::load(Size::W, Reg::R1, Reg::R1, 0));
//! asm.push(Insn::mov(Width::W32, Reg::R0, 0));
//! asm.jump_if(Width::W32, JmpOp::Lt, Reg::R1, 1500, pass);
//! asm.push(Insn::mov(Width::W32, Reg::R0, 2));
//! asm.bind(pass);
//! asm.push(Insn::exit());
//! let slots = asm.finish()?;
//!
//! let text: Vec<String> = disasm::insns(&slots)
//!     .map(|(at, insn)| insn.map(|insn| format!("{at}: {insn}")))
//!     .collect::<Result<_, _>>()?;
//! assert_eq!(
//!     text,
//!     ["0: r1 = *(u32 *)(r1 + 0x0)", "1: w0 = 0x0", "2: if w1 < 0x5dc goto +0x1", "3: w0 = 0x2", "4: exit"],
//! );
//! assert_eq!(slots[3].to_bytes(Endian::Little), [0xb4, 0, 0, 0, 2, 0, 0, 0]);
//! assert_eq!(HelperId::REDIRECT.name(), Some("redirect"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! RFC 9669, *BPF Instruction Set Architecture*; `include/uapi/linux/bpf.h` and `kernel/bpf/verifier.c` of Linux for
//! what the RFC leaves out.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod decode;
pub mod disasm;
pub mod form;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod helper;
pub mod insn;
pub mod kernel;
pub mod label;
pub mod level;
pub mod operand;
pub mod print;
pub mod reg;
pub mod slot;
pub mod table;
pub mod text;

pub use decode::DecodeError;
pub use form::{Field, Form};
pub use helper::HelperId;
pub use insn::{Insn, InsnError};
pub use label::{Assembler, Label, LabelError};
pub use level::{Class, CpuLevel, Group, KernelVersion};
pub use operand::{AluOp, AtomicOp, Extend, JmpOp, Narrow, Operand, PseudoSrc, Rmw, Size, Src, Swap, SwapBits, Width};
pub use print::Annotate;
pub use reg::Reg;
pub use slot::{Encoded, Endian, Slot, SlotIx};
pub use table::{Op, Row, Select};
