//! BTF types of programs and of what maps hold.

use crate::ir::{DataType, Signature};
use bpfasm_object::btf::{Btf, Error, IntEncoding, Member, Param, SymbolLinkage};
use bpfasm_object::{Datum, TypeId};

/// Adds types to a BTF; what was added once is not added again.
#[derive(Default)]
pub(crate) struct Types {
    contexts: Vec<(&'static str, TypeId)>,
    structs: Vec<(DataType, TypeId)>,
}

impl Types {
    /// `int NAME(struct CONTEXT *PARAM)`. The context has no members: the kernel knows it by name.
    ///
    /// # Errors
    /// A name that is no C identifier.
    pub(crate) fn program(&mut self, btf: &mut Btf, name: &str, signature: Signature) -> Result<TypeId, Error> {
        let int = btf.int("int", 4, IntEncoding::SIGNED)?;
        let context = match self.contexts.iter().find(|(known, _)| *known == signature.context) {
            Some(&(_, id)) => id,
            None => {
                let id = btf.strukt(signature.context, 0, &[])?;
                self.contexts.push((signature.context, id));
                id
            }
        };
        let pointer = btf.ptr(context);
        let proto = btf.func_proto(int, &[Param { name: signature.param, type_id: pointer }])?;
        btf.func(name, proto, SymbolLinkage::GLOBAL)
    }

    /// A map's keys or values.
    ///
    /// # Errors
    /// A name that is no C identifier, a size that no such type has.
    pub(crate) fn datum(&mut self, btf: &mut Btf, data: Option<&DataType>) -> Result<Datum, Error> {
        match data {
            None => Ok(Datum::Absent),
            Some(data) => self.data(btf, data).map(Datum::Type),
        }
    }

    pub(super) fn data(&mut self, btf: &mut Btf, data: &DataType) -> Result<TypeId, Error> {
        match *data {
            DataType::Int { name, bytes, signed } => {
                let encoding = if signed { IntEncoding::SIGNED } else { IntEncoding::UNSIGNED };
                btf.int(name, bytes.into(), encoding)
            }
            DataType::Array { element, len } => {
                let element = self.data(btf, element)?;
                let index = btf.int("__ARRAY_SIZE_TYPE__", 4, IntEncoding::UNSIGNED)?;
                Ok(btf.array(element, index, len))
            }
            DataType::Struct { name, bytes, fields } => {
                if let Some(&(_, id)) = self.structs.iter().find(|(known, _)| known == data) {
                    return Ok(id);
                }
                let mut members = Vec::with_capacity(fields.len());
                for field in fields {
                    let type_id = self.data(btf, &field.ty)?;
                    let bit_offset = field.offset.saturating_mul(8);
                    members.push(Member { name: field.name, type_id, bit_offset, bitfield_bits: 0 });
                }
                let id = btf.strukt(name, bytes, &members)?;
                self.structs.push((*data, id));
                Ok(id)
            }
        }
    }
}
