//! The way from a module to an object.

use crate::emit::{self, Code, Lines, Types};
use crate::error::Error;
use crate::ir::{Function, MapDecl, Module, Program, verify};
use crate::options::Options;
use crate::source::{Loc, SourceMap};
use crate::{passes, regalloc, select};
use bpfasm_object::{self as object, Linkage, MapDef, MapIx, Object, Relocation, RelocationTarget};

/// Compiles a module to an object. The same module, options and sources give the same object on every machine.
///
/// # Errors
/// [`Error::NeedsCpu`], [`Error::StackTooLarge`], [`Error::JumpTooFar`], [`Error::Btf`] for programs that cannot be compiled as they
/// are; [`Error::InvalidIr`] where the front end broke a rule of the IR, [`Error::Registers`] where this crate made a mistake.
pub fn compile(module: &Module, options: &Options, sources: &SourceMap) -> Result<Object, Error> {
    verify::module(module)
        .map_err(|(index, source)| Error::InvalidIr { program: module.programs[index].name.clone(), source })?;
    let mut object = Object::new(options.endian);
    object.license.clone_from(&module.license);
    let mut types = Types::default();
    let mut lines = Lines::new(sources);
    for program in &module.programs {
        let code = compile_function(&program.function, &program.name, program.loc, options)?;
        object.functions.push(function(program, code, &mut object.btf, &mut types, &mut lines)?);
    }
    for map in module.maps.values() {
        object.maps.push(map_def(map, &mut object.btf, &mut types)?);
    }
    object.add_datasecs().map_err(|source| Error::Btf { what: "the maps".to_owned(), source })?;
    Ok(object)
}

/// Compiles one verified function.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_function(
    function: &Function,
    name: &str,
    declared: Loc,
    options: &Options,
) -> Result<Code, Error> {
    let mut function = function.clone();
    if options.optimize {
        passes::optimize(&mut function, options.endian);
    }
    passes::split_critical_edges(&mut function);
    let machine = select::select(&function, name, options)?;
    let registers = |reason| Error::Registers { program: name.to_owned(), reason };
    let allocation = regalloc::allocate(&machine).map_err(registers)?;
    let bytes = u32::from(machine.frame_bytes) + 8 * allocation.spill_slots();
    let limit = u32::from(select::STACK_LIMIT);
    if bytes > limit {
        return Err(Error::StackTooLarge { program: name.to_owned(), bytes, limit });
    }
    emit::emit(&machine, &allocation, options, declared)
        .map_err(|source| Error::JumpTooFar { program: name.to_owned(), source })
}

fn function(
    program: &Program,
    code: Code,
    btf: &mut object::Btf,
    types: &mut Types,
    lines: &mut Lines<'_>,
) -> Result<object::Function, Error> {
    let type_id = types
        .program(btf, &program.name, program.signature)
        .map_err(|source| Error::Btf { what: format!("program {}", program.name), source })?;
    let map = |(at, map): (_, crate::ir::MapRef)| Relocation { at, target: RelocationTarget::Map(MapIx(map.0)) };
    Ok(object::Function {
        name: program.name.clone(),
        section: program.section.clone(),
        linkage: Linkage::Global,
        code: code.slots,
        relocations: code.maps.into_iter().map(map).collect(),
        lines: code.places.into_iter().map(|(at, loc)| lines.line(at, loc)).collect(),
        type_id: Some(type_id),
    })
}

fn map_def(map: &MapDecl, btf: &mut object::Btf, types: &mut Types) -> Result<MapDef, Error> {
    let failed = |source| Error::Btf { what: format!("map {}", map.name), source };
    Ok(MapDef {
        name: map.name.clone(),
        map_type: map.map_type,
        key: types.datum(btf, map.key.as_ref()).map_err(failed)?,
        value: types.datum(btf, map.value.as_ref()).map_err(failed)?,
        max_entries: map.max_entries,
        flags: map.flags,
        type_id: None,
    })
}
