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

/// Checks that the fields are zero that `op` reserves.
fn check_reserved(op: Op, slot: &Slot) -> Result<(), DecodeError> {
    let used = op.used();
    let clean = (used.dst | (slot.dst == 0))
        & (used.src | (slot.src == 0))
        & (used.off | (slot.off == 0))
        & (used.imm | (slot.imm == 0));
    if clean {
        return Ok(());
    }
    let (field, value) = match () {
        () if !used.dst && slot.dst != 0 => (Field::Dst, slot.dst.into()),
        () if !used.src && slot.src != 0 => (Field::Src, slot.src.into()),
        () if !used.off && slot.off != 0 => (Field::Off, slot.off.into()),
        () => (Field::Imm, slot.imm.into()),
    };
    Err(DecodeError::Reserved { op, field, value })
}

/// The register that a field names; R0 where it is no operand.
fn register(op: Op, field: Field, open: bool, index: u8) -> Result<Reg, DecodeError> {
    let index = if open { index } else { 0 };
    Reg::from_index(index).ok_or(DecodeError::Register { op, field, index })
}

/// The immediate of the second slot of LDDW, whose other fields are reserved.
fn high_half(row: &Row, second: Option<&Slot>) -> Result<i32, DecodeError> {
    let op = row.op;
    let second = second.ok_or(DecodeError::Truncated { op })?;
    let [code, regs, off0, off1, ..] = second.to_bytes(crate::Endian::Little);
    let others = u32::from_le_bytes([code, regs, off0, off1]);
    if others != 0 {
        return Err(DecodeError::Reserved { op, field: Field::SecondSlot, value: others.into() });
    }
    let used = match row.form {
        Form::LddwPseudo(kind) => kind.uses_high(),
        _ => true,
    };
    if !used && second.imm != 0 {
        return Err(DecodeError::Reserved { op, field: Field::High, value: second.imm.into() });
    }
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
        let (op, open) = (row.op, row.op.operands());
        check_reserved(op, slot)?;
        Ok(Insn {
            op,
            dst: register(op, Field::Dst, open.dst, slot.dst)?,
            src: register(op, Field::Src, open.src, slot.src)?,
            off: if open.off { slot.off } else { 0 },
            imm: if open.imm { slot.imm } else { 0 },
            high: if row.form.is_wide() { high_half(row, rest.first())? } else { 0 },
        })
    }
}
