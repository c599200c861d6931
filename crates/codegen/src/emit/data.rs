//! Global variables, as data sections of the object.

use super::Types;
use crate::ir::{Entity, GlobalDecl, GlobalRef, Table};
use bpfasm_isa::Endian;
use bpfasm_object::btf::{Btf, Error, SecVar, SymbolLinkage};
use bpfasm_object::{MapDef, MapIx, RelocationTarget};

/// What each variable's place is a multiple of, in bytes: enough for every type.
const ALIGN: u32 = 8;

/// A data section in the making.
#[derive(Debug)]
struct Section {
    name: &'static str,
    variables: Vec<GlobalRef>,
    bytes: u32,
}

/// Where the variables of a module lie.
#[derive(Debug)]
pub(crate) struct Data<'m> {
    globals: &'m Table<GlobalRef, GlobalDecl>,
    sections: Vec<Section>,
    /// The section of each variable, and its place there.
    places: Table<GlobalRef, (usize, u32)>,
}

impl<'m> Data<'m> {
    /// Lays out the variables.
    pub(crate) fn new(globals: &'m Table<GlobalRef, GlobalDecl>) -> Data<'m> {
        let mut data = Data { globals, sections: Vec::new(), places: Table::new() };
        for (global, decl) in globals.iter() {
            let name = match decl {
                GlobalDecl { read_only: true, .. } => ".rodata",
                GlobalDecl { value, .. } if value.iter().any(|&byte| byte != 0) => ".data",
                _ => ".bss",
            };
            let index = data.sections.iter().position(|section| section.name == name).unwrap_or_else(|| {
                data.sections.push(Section { name, variables: Vec::new(), bytes: 0 });
                data.sections.len() - 1
            });
            let section = &mut data.sections[index];
            data.places.push((index, section.bytes));
            section.variables.push(global);
            section.bytes = (section.bytes + decl.data.bytes()).next_multiple_of(ALIGN);
        }
        data
    }

    /// What an instruction that loads the address of a variable refers to, in an object with so many other maps.
    pub(crate) fn target(&self, maps: usize, global: GlobalRef) -> RelocationTarget {
        let (section, offset) = self.places[global];
        RelocationTarget::Data { map: MapIx(GlobalRef::new(maps + section).0), offset }
    }

    /// The maps that stand for the sections.
    ///
    /// # Errors
    /// A name that is no C identifier.
    pub(crate) fn maps(&self, btf: &mut Btf, types: &mut Types, endian: Endian) -> Result<Vec<MapDef>, Error> {
        let mut maps = Vec::with_capacity(self.sections.len());
        for Section { name, variables, bytes } in &self.sections {
            let (mut data, mut section_variables) = (vec![0; *bytes as usize], Vec::with_capacity(variables.len()));
            for &global in variables {
                let (GlobalDecl { name, data: ty, value, read_only }, (_, offset)) =
                    (&self.globals[global], self.places[global]);
                let own = data[offset as usize..].iter_mut().take(ty.bytes() as usize);
                own.zip(value).for_each(|(to, from)| *to = *from);
                if endian != Endian::NATIVE {
                    ty.swap_bytes(&mut data[offset as usize..]);
                }
                let type_id = types.data(btf, ty)?;
                let type_id = if *read_only { btf.const_(type_id) } else { type_id };
                let type_id = btf.var(name, type_id, SymbolLinkage::GLOBAL)?;
                section_variables.push(SecVar { type_id, offset, size: ty.bytes() });
            }
            btf.datasec(name, *bytes, &section_variables)?;
            if *name == ".bss" {
                data.clear();
            }
            maps.push(MapDef::section(btf, name, *bytes, data).expect("a section of the size of its DATASEC"));
        }
        Ok(maps)
    }
}
