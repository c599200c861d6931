//! The way from a module to an object.

use crate::emit::{self, Code, Data, Lines, Types};
use crate::error::Error;
use crate::ir::{Function, MapDecl, Module, Program, verify};
use crate::options::Options;
use crate::select::mir::Symbol;
use crate::source::{Loc, SourceMap};
use crate::{passes, regalloc, select};
use bpfasm_object::{self as object, Linkage, MapDef, MapIx, Object, Relocation, RelocationTarget};
use std::collections::BTreeSet;

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
    check_names(module)?;
    let data = Data::new(&module.globals);
    let target = |symbol: Symbol| match symbol {
        Symbol::Map(map) => RelocationTarget::Map(MapIx(map.0)),
        Symbol::Global(global) => data.target(module.maps.len(), global),
    };
    for program in &module.programs {
        let code = compile_function(&program.function, &program.name, program.loc, options)?;
        object.functions.push(function(program, code, &mut object.btf, &mut types, &mut lines, &target)?);
    }
    for map in module.maps.values() {
        object.maps.push(map_def(map, &mut object.btf, &mut types)?);
    }
    object.add_datasecs().map_err(|source| Error::Btf { what: "the maps".to_owned(), source })?;
    let sections = data.maps(&mut object.btf, &mut types, options.endian);
    object.maps.extend(sections.map_err(|source| Error::Btf { what: "the global variables".to_owned(), source })?);
    Ok(object)
}

/// Checks that every program, map and global variable has a name of its own.
fn check_names(module: &Module) -> Result<(), Error> {
    let programs = module.programs.iter().map(|program| &program.name);
    let names = programs.chain(module.maps.values().map(|map| &map.name));
    let mut known = BTreeSet::new();
    match names.chain(module.globals.values().map(|global| &global.name)).find(|&name| !known.insert(name)) {
        Some(name) => Err(Error::DuplicateName { name: name.clone() }),
        None => Ok(()),
    }
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
    target: &impl Fn(Symbol) -> RelocationTarget,
) -> Result<object::Function, Error> {
    let type_id = types
        .program(btf, &program.name, program.signature)
        .map_err(|source| Error::Btf { what: format!("program {}", program.name), source })?;
    Ok(object::Function {
        name: program.name.clone(),
        section: program.section.clone(),
        linkage: Linkage::Global,
        code: code.slots,
        relocations: code.symbols.into_iter().map(|(at, symbol)| Relocation { at, target: target(symbol) }).collect(),
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
        data: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse::parse;
    use crate::ir::{DataType, Field, GlobalDecl, GlobalRef, Signature, Table};
    use crate::source::SourceText;
    use bpfasm_isa::{CpuLevel, Endian, SlotIx};
    use bpfasm_object::btf::{Kind, Type};
    use bpfasm_object::{Datum, kernel::MapType};

    const COUNTER: &str = "
slot0: 4 bytes
block0:
  v0 = context
  v1 = address slot0
  store.w stack v1 + 0, 7
  v2 = address map0
  v3 = call map_lookup_elem(v2, v1)
  branch.eq64 v3, 0, block1, block2
block1:
  return 0
block2:
  v4 = load.dw map v3 + 0
  v5 = add64 v4, 1
  store.dw map v3 + 0, v5
  return 0";

    #[track_caller]
    fn module(text: &str) -> Module {
        const U32: DataType = DataType::Int { name: "__u32", bytes: 4, signed: false };
        const FIELDS: &[Field] =
            &[Field { name: "packets", offset: 0, ty: U32 }, Field { name: "bytes", offset: 4, ty: U32 }];
        let loc = core::panic::Location::caller();
        let map = |name: &str| MapDecl {
            name: name.to_owned(),
            map_type: MapType::HASH,
            key: Some(U32),
            value: Some(DataType::Struct { name: "stats", bytes: 8, fields: FIELDS }),
            max_entries: 16,
            flags: 1,
        };
        let mut maps = Table::new();
        maps.push(map("COUNTS"));
        maps.push(map("OTHERS"));
        let signature = Signature { context: "__sk_buff", param: "skb" };
        let program = |name: &str| Program {
            name: name.to_owned(),
            section: "tc".to_owned(),
            signature,
            loc,
            function: parse(text),
        };
        let programs = vec![program("first"), program("second")];
        Module { license: "GPL".to_owned(), programs, maps, globals: Table::new() }
    }

    #[test]
    fn an_object_has_code_relocations_lines_and_types() {
        let mut module = module(COUNTER);
        let declared = module.programs[0].loc;
        // The store and the call are of other lines, the call of the same one as what follows it.
        let (store, call): (Loc, Loc) = (here(), here());
        let insts = &mut module.programs[0].function.blocks[crate::ir::Block(0)].insts;
        (insts[2].loc, insts[3].loc, insts[4].loc) = (store, call, call);
        let mut sources = SourceMap::new();
        let text = "fn first() {}\nsecond line".into();
        let (path, name) = (declared.file().into(), "programs/first.rs".into());
        sources.add(SourceText { path, name, first_line: declared.line(), text });
        let object = compile(&module, &Options::new(), &sources).unwrap();
        assert_eq!(object, compile(&module, &Options::new(), &sources).unwrap());

        let first = object.program("first").unwrap();
        assert_eq!(first.check(), Ok(()));
        assert!(first.has_debug_info());
        assert_eq!((&*first.section, first.linkage, object.license.as_str()), ("tc", Linkage::Global, "GPL"));
        let lddw = first.relocations[0].at;
        assert_eq!(first.relocations, [Relocation { at: lddw, target: RelocationTarget::Map(MapIx(0)) }]);
        assert_eq!(first.code[lddw.0 as usize].code, 0x18);
        let line = &first.lines[0];
        assert_eq!((line.at, &*line.file, &*line.text), (SlotIx(0), "programs/first.rs", "fn first() {}"));
        let numbers: Vec<u32> = first.lines.iter().map(|line| line.line).collect();
        let rest = module.programs[0].function.blocks[crate::ir::Block(0)].term_loc;
        assert_eq!(numbers, [declared.line(), call.line(), rest.line()], "{:?}", first.lines);

        let Some(Type::Func { name: "first", .. }) = object.btf.get(first.type_id.unwrap()) else { panic!("a FUNC") };
        let context = object.btf.find(Kind::STRUCT, "__sk_buff").unwrap();
        assert_eq!(object.btf.size_of(context), Ok(0));
        let structs =
            object.btf.iter().filter(|(_, ty)| matches!(ty, Type::Struct { name: "stats" | "__sk_buff", .. }));
        assert_eq!(structs.count(), 2, "each is there once");
        let counts = &object.maps[0];
        let Datum::Type(value) = counts.value else { panic!("a type") };
        assert_eq!(object.btf.size_of(value), Ok(8));
        assert_eq!(counts.value, object.maps[1].value);
        assert!(counts.type_id.is_some() && object.btf.find(Kind::DATASEC, ".maps").is_some());
    }

    #[test]
    fn globals_lie_in_data_sections() {
        const PORT: DataType = DataType::Int { name: "__be16", bytes: 2, signed: false };
        const COUNT: DataType = DataType::Int { name: "__u32", bytes: 4, signed: false };
        let text = "
block0:
  v0 = address global2
  v1 = load.w map v0 + 0
  v2 = address global1
  store.w map v2 + 0, v1
  v3 = address global3
  v4 = load.h map v3 + 0
  return v4";
        let mut module = module(text);
        let mut global = |name: &str, data, value: &[u8], read_only| {
            module.globals.push(GlobalDecl { name: name.to_owned(), data, value: value.to_owned(), read_only });
        };
        global("UNUSED", COUNT, &1_u32.to_ne_bytes(), false);
        global("SEEN", COUNT, &[0; 4], false);
        global("START", COUNT, &2_u32.to_ne_bytes(), false);
        global("LISTENS", PORT, &[0, 80], true);
        for endian in [Endian::Little, Endian::Big] {
            let object = compile(&module, &Options::new().endian(endian), &SourceMap::new()).unwrap();
            let sections: Vec<_> = object.maps[2..].iter().map(|map| (map.name.as_str(), map.data.clone())).collect();
            let word = |number: u32| if endian == Endian::Big { number.to_be_bytes() } else { number.to_le_bytes() };
            let data = [word(1), [0; 4], word(2), [0; 4]].concat();
            let rodata = vec![0, 80, 0, 0, 0, 0, 0, 0];
            assert_eq!(sections, [(".data", Some(data)), (".bss", Some(vec![])), (".rodata", Some(rodata))]);
            let targets: Vec<_> = object.functions[0].relocations.iter().map(|relocation| relocation.target).collect();
            let data = |map, offset| RelocationTarget::Data { map: MapIx(map), offset };
            assert_eq!(targets, [data(2, 8), data(3, 0), data(4, 0)]);
            let Datum::Type(section) = object.maps[2].value else { panic!("typed") };
            let Some(Type::Datasec { bytes: 16, variables, .. }) = object.btf.get(section) else { panic!("a datasec") };
            let offsets: Vec<_> = variables.map(|variable| (variable.offset, variable.size)).collect();
            assert_eq!(offsets, [(0, 4), (8, 4)]);
        }
        module.globals.push(module.globals[GlobalRef(0)].clone());
        let error = compile(&module, &Options::new(), &SourceMap::new()).unwrap_err();
        assert!(matches!(error, Error::DuplicateName { name } if name == "UNUSED"));
        module.globals = Table::new();
        let error = compile(&module, &Options::new(), &SourceMap::new()).unwrap_err();
        assert!(matches!(error, Error::InvalidIr { source: verify::Error::NoGlobal(..), .. }), "{error}");
    }

    #[track_caller]
    fn here() -> Loc {
        core::panic::Location::caller()
    }

    #[track_caller]
    fn error(text: &str, options: Options) -> Error {
        compile(&module(text), &options, &SourceMap::new()).unwrap_err()
    }

    #[test]
    fn errors_say_which_program_and_what() {
        let v3 = Options::new();
        let sdiv = "block0:\n  v0 = context\n  v1 = sdiv64 v0, 7\n  return v1";
        assert!(matches!(
            error(sdiv, v3),
            Error::NeedsCpu { op: "signed division", level: CpuLevel::V4, chosen: CpuLevel::V3, .. }
        ));
        assert!(compile(&module(sdiv), &v3.cpu(CpuLevel::V4), &SourceMap::new()).is_ok());
        let invalid = error("block0:\n  return v0", v3);
        assert!(matches!(&invalid, Error::InvalidIr { program, .. } if program == "first"));
        let large = error("slot0: 505 bytes\nslot1: 1 bytes\nblock0:\n  return 0", v3);
        assert!(matches!(&large, Error::StackTooLarge { bytes: 520, limit: 512, .. }), "{large}");
        let mut named = module("block0:\n  return 0");
        named.programs[1].name = "net::drop".to_owned();
        let error = compile(&named, &v3, &SourceMap::new()).unwrap_err();
        assert_eq!(error.to_string().split(": ").next(), Some("types of program net::drop"));
    }

    #[test]
    fn spill_slots_count_as_stack() {
        // Thirteen values that all live over a call do not fit the four registers that calls keep.
        let mut text = "slot0: 448 bytes\nblock0:\n  v0 = context\n".to_owned();
        for value in 1..14 {
            text += &format!("  v{value} = load.w context v0 + {}\n", value * 4);
        }
        text += "  v14 = call ktime_get_ns()\n";
        for value in 1..14 {
            text += &format!("  v{} = xor64 v{}, v{value}\n", value + 14, value + 13);
        }
        text += "  return v27";
        assert!(compile(&module(&text.replace("448", "8")), &Options::new(), &SourceMap::new()).is_ok());
        let error = error(&text, Options::new());
        assert!(matches!(error, Error::StackTooLarge { bytes: 513..=560, .. }), "{error}");
    }

    /// Where the first jump leads in the end.
    fn lands(code: &[bpfasm_isa::Slot]) -> usize {
        let jump_at = |at: usize| bpfasm_isa::Insn::decode(&code[at..]).unwrap().jump_target();
        let mut at = (0..code.len()).find(|&at| jump_at(at).is_some()).unwrap();
        while let Some(distance) = jump_at(at) {
            at = at.checked_add_signed(isize::try_from(distance).unwrap()).unwrap() + 1;
        }
        at
    }

    #[test]
    fn jumps_forward_reach_as_far_as_they_like() {
        let long = |stores: usize, level: CpuLevel| {
            let mut text = "block0:\n  v0 = context\n  branch.eq64 v0, 7, block1, block2\nblock1:\n".to_owned();
            text += &"  store.dw map v0 + 0, 1\n".repeat(stores);
            text += "  jump block2\nblock2:\n  v1 = load.dw map v0 + 8\n  return v1";
            let object = compile(&module(&text), &Options::new().cpu(level), &SourceMap::new()).unwrap();
            object.program("first").unwrap().code.clone()
        };
        let jumps = |code: &[bpfasm_isa::Slot]| code.iter().filter(|slot| slot.code == 0x05).count();
        let far = |code: &[bpfasm_isa::Slot]| code.iter().filter(|slot| slot.code == 0x06).count();
        // At v4 one jump of the new kind is enough, and an island jumps over itself.
        for (stores, level, expected) in [
            (0x8100, CpuLevel::V3, (2, 0)),
            (0x8100, CpuLevel::V4, (2, 0)),
            (0x10000, CpuLevel::V3, (4, 0)),
            (0x10000, CpuLevel::V4, (1, 1)),
        ] {
            let code = long(stores, level);
            assert_eq!((jumps(&code), far(&code)), expected, "{stores} {level}");
            assert_eq!(lands(&code), code.len() - 2);
        }
    }

    #[test]
    fn a_loop_that_is_too_long_is_refused() {
        let mut text = "block0:\n  v0 = context\n  jump block1\nblock1:\n".to_owned();
        text += &"  store.dw map v0 + 0, 1\n".repeat(0x8000);
        text += "  v1 = load.dw map v0 + 8\n  branch.eq64 v1, 7, block1, block2\nblock2:\n  return v1";
        let error = error(&text, Options::new());
        assert!(matches!(&error, Error::JumpTooFar { program, .. } if program == "first"), "{error}");
    }
}
