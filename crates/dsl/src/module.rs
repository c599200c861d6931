//! Staged programs as one module.

use bpfasm_codegen::ir::{Entity, MapRef, Module, Op, Table};
use bpfasm_codegen::source::SourceMap;

use crate::program::Staged;
use crate::stage::MapUse;

/// The licence that programs have unless they say otherwise: most helpers ask for it.
const LICENSE: &str = "GPL";

/// Takes staged programs together: those that use the same map share it. Gives their sources as well.
pub fn module(programs: impl IntoIterator<Item = Staged>) -> (Module, SourceMap) {
    let mut module = Module { license: LICENSE.to_owned(), programs: Vec::new(), maps: Table::new() };
    let mut sources = SourceMap::new();
    let mut known: Vec<usize> = Vec::new();
    for Staged { mut program, maps, source } in programs {
        sources.add(source);
        let mut shared = Vec::with_capacity(maps.len());
        for MapUse { address, decl } in maps {
            shared.push(match known.iter().position(|&map| map == address) {
                Some(index) => MapRef::new(index),
                None => {
                    known.push(address);
                    module.maps.push(decl)
                }
            });
        }
        let insts = program.function.blocks.values_mut().flat_map(|block| &mut block.insts);
        for inst in insts {
            if let Op::MapAddr(map) = &mut inst.op
                && let Some(&number) = shared.get(map.index())
            {
                *map = number;
            }
        }
        module.programs.push(program);
    }
    (module, sources)
}
