//! From slots to an instruction: total over all words.

use crate::{
    form::{Field, Form},
    insn::Insn,
    reg::Reg,
    slot::Slot,
    table::{Op, Row, Select},
};

/// Why slots are not an instruction.
///
/// The place is the caller's to add: [`disasm::insns`](crate::disasm::insns) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is no slot to decode.
    #[error("no instruction: no slots left")]
    Empty,
    /// No instruction has this opcode byte.
    #[error("unknown opcode {code:#04x}")]
    UnknownOpcode {
        /// The opcode byte.
        code: u8,
    },
    /// The opcode byte exists, but with other values in the field that selects among its instructions.
    #[error("opcode {code:#04x} has no variant with {field} {value:#x}")]
    UnknownVariant {
        /// The opcode byte.
        code: u8,
        /// The selecting field.
        field: Field,
        /// What it holds.
        value: i32,
    },
    /// A field that this instruction reserves is not zero.
    #[error("{op:?} reserves its {field} field, got {value:#x}")]
    Reserved {
        /// The instruction.
        op: Op,
        /// The field.
        field: Field,
        /// What it holds; for [`Field::SecondSlot`] the opcode byte, registers and offset as a number.
        value: i64,
    },
    /// A register above R10.
    #[error("{op:?} has no register {index} for {field}")]
    Register {
        /// The instruction.
        op: Op,
        /// The field.
        field: Field,
        /// The register's number.
        index: u8,
    },
    /// LDDW without its second slot.
    #[error("{op:?} has lost its second slot")]
    Truncated {
        /// The instruction.
        op: Op,
    },
}

impl Select {
    const fn field(self) -> Field {
        match self {
            Select::Src(_) => Field::Src,
            Select::Off(_) => Field::Off,
            Select::Imm(_) => Field::Imm,
        }
    }

    /// What `slot` holds in the selecting field.
    fn value_in(self, slot: &Slot) -> i32 {
        match self {
            Select::Src(_) => i32::from(slot.src),
            Select::Off(_) => i32::from(slot.off),
            Select::Imm(_) => slot.imm,
        }
    }

    fn matches(self, slot: &Slot) -> bool {
        match self {
            Select::Src(value) => slot.src == value,
            Select::Off(value) => slot.off == value,
            Select::Imm(value) => slot.imm == value,
        }
    }
}

/// The row that `slot` is an instance of, its reserved fields and registers not yet looked at.
fn row_of(slot: &Slot) -> Result<&'static Row, DecodeError> {
    let rows = Op::rows_of(slot.code);
    if let Some(row) = rows.iter().find(|row| row.select.is_none_or(|select| select.matches(slot))) {
        return Ok(row);
    }
    match rows.first().and_then(|row| row.select) {
        Some(select) => {
            Err(DecodeError::UnknownVariant { code: slot.code, field: select.field(), value: select.value_in(slot) })
        }
        None => Err(DecodeError::UnknownOpcode { code: slot.code }),
    }
}

/// A field of `op` that must be zero unless it is an operand or selects the row.
fn reserved(op: Op, field: Field, open: bool, value: i64) -> Result<(), DecodeError> {
    if open || value == 0 { Ok(()) } else { Err(DecodeError::Reserved { op, field, value }) }
}

/// The register that a field names; R0 where it is no operand.
fn register(op: Op, field: Field, open: bool, index: u8) -> Result<Reg, DecodeError> {
    if !open {
        return Ok(Reg::R0);
    }
    Reg::from_index(index).ok_or(DecodeError::Register { op, field, index })
}

/// The immediate of the second slot of LDDW, whose other fields are reserved.
fn high_half(row: &Row, second: Option<&Slot>) -> Result<i32, DecodeError> {
    let op = row.op;
    let second = second.ok_or(DecodeError::Truncated { op })?;
    let [code, regs, off0, off1, ..] = second.to_bytes(crate::Endian::Little);
    let others = u32::from_le_bytes([code, regs, off0, off1]);
    reserved(op, Field::SecondSlot, false, i64::from(others))?;
    let used = match row.form {
        Form::LddwPseudo(kind) => kind.uses_high(),
        _ => true,
    };
    reserved(op, Field::High, used, i64::from(second.imm))?;
    Ok(second.imm)
}

impl Insn {
    /// The instruction that `slots` begin with; slots after it are not looked at.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when they begin with none: unknown opcode or variant, a reserved field that is not zero, a
    /// register above R10, a LDDW cut in half. No input panics.
    pub fn decode(slots: &[Slot]) -> Result<Insn, DecodeError> {
        let (slot, rest) = slots.split_first().ok_or(DecodeError::Empty)?;
        let row = row_of(slot)?;
        let Row { op, form, select, .. } = *row;
        let open = op.operands();
        let selects = |field| select.is_some_and(|select| select.field() == field);
        reserved(op, Field::Dst, open.dst, i64::from(slot.dst))?;
        reserved(op, Field::Src, open.src || selects(Field::Src), i64::from(slot.src))?;
        reserved(op, Field::Off, open.off || selects(Field::Off), i64::from(slot.off))?;
        reserved(op, Field::Imm, open.imm || selects(Field::Imm), i64::from(slot.imm))?;
        Ok(Insn {
            op,
            dst: register(op, Field::Dst, open.dst, slot.dst)?,
            src: register(op, Field::Src, open.src, slot.src)?,
            off: if open.off { slot.off } else { 0 },
            imm: if open.imm { slot.imm } else { 0 },
            high: if form.is_wide() { high_half(row, rest.first())? } else { 0 },
        })
    }
}
