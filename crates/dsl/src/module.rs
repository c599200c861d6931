//! Staged programs as one module.

use bpfasm_codegen::ir::{Entity, Module, Op, Table};
use bpfasm_codegen::source::SourceMap;

use crate::program::Staged;
use crate::stage::StaticUse;

/// The licence that programs have unless they say otherwise: most helpers ask for it.
const LICENSE: &str = "GPL";

/// Takes staged programs together: those that use the same map or global variable share it. Adds their sources.
pub fn module(programs: impl IntoIterator<Item = Staged>, sources: &mut SourceMap) -> Module {
    let license = LICENSE.to_owned();
    let mut module = Module { license, programs: Vec::new(), maps: Table::new(), globals: Table::new() };
    let (mut maps, mut globals) = (Vec::new(), Vec::new());
    for Staged { mut program, maps: own_maps, globals: own_globals, source } in programs {
        sources.add(source);
        let own_maps = share(own_maps, &mut maps, &mut module.maps);
        let own_globals = share(own_globals, &mut globals, &mut module.globals);
        for inst in program.function.blocks.values_mut().flat_map(|block| &mut block.insts) {
            match &mut inst.op {
                Op::MapAddr(map) => *map = own_maps[map.index()],
                Op::GlobalAddr(global) => *global = own_globals[global.index()],
                _ => {}
            }
        }
        module.programs.push(program);
    }
    module
}

/// Adds what a program uses and the module has not yet. `known` are the addresses of what it has. Gives the module's number of each.
fn share<K: Entity, D>(uses: Vec<StaticUse<D>>, known: &mut Vec<usize>, table: &mut Table<K, D>) -> Vec<K> {
    let share = |StaticUse { address, decl }| match known.iter().position(|&other| other == address) {
        Some(index) => K::new(index),
        None => {
            known.push(address);
            table.push(decl)
        }
    };
    uses.into_iter().map(share).collect()
}
