//! Random functions through the whole compiler: what each means before must be what it means after.
//!
//! [`check`] is the body of the fuzz target and of the property tests. It makes a function from bytes, runs it in the IR interpreter, and
//! asserts that every pass, all passes, and the code for every cpu level and byte order, run by a small BPF machine, do the same:
//! return value, memory, calls. The IR verifier and the checker of register allocations look on.

mod generate;
mod interpret;
mod machine;
mod world;

use crate::compile::compile_function;
use crate::error::Error;
use crate::ir::{BinOp, Function, Op, verify};
use crate::options::Options;
use crate::passes;
use bpfasm_isa::{CpuLevel, Endian};
use world::World;

pub use generate::function;

/// Checks the function that `bytes` describe; every sequence of bytes describes one.
///
/// # Panics
/// Panics when something in the compiler is wrong.
pub fn check(bytes: &[u8]) {
    let original = function(bytes);
    verify::function(&original, generate::MAPS).unwrap_or_else(|error| panic!("generator: {error}\n{original}"));
    for endian in [Endian::Little, Endian::Big] {
        let worlds: Vec<World> = (0..4).map(|seed| World::new(endian, seed)).collect();
        let meant: Vec<_> = worlds.iter().map(|world| interpret::run(&original, world.clone())).collect();
        let ends = |outcome: &world::Outcome| matches!(outcome, world::Outcome::Returned { .. });
        assert!(meant.iter().all(ends), "the generator made what does not run: {meant:?}\n{original}");
        for pass in passes::PASSES {
            let mut changed = original.clone();
            (pass.run)(&mut changed, &mut passes::Analysis::new(endian));
            same(pass.name, &original, &changed, &worlds, &meant);
        }
        let mut optimized = original.clone();
        passes::optimize(&mut optimized, endian);
        same("all passes", &original, &optimized, &worlds, &meant);
        for cpu in [CpuLevel::V1, CpuLevel::V2, CpuLevel::V3, CpuLevel::V4] {
            for optimize in [false, true] {
                let options = Options::new().endian(endian).cpu(cpu).optimize(optimize);
                let before_codegen = if optimize { &optimized } else { &original };
                emitted(before_codegen, &original, &options, &worlds, &meant);
            }
        }
    }
}

fn same(pass: &str, original: &Function, changed: &Function, worlds: &[World], meant: &[world::Outcome]) {
    verify::function(changed, generate::MAPS).unwrap_or_else(|error| panic!("{pass}: {error}\n{original}\n{changed}"));
    for (world, meant) in worlds.iter().zip(meant) {
        let outcome = interpret::run(changed, world.clone());
        assert_eq!(outcome, *meant, "{pass} changed what the function does\n{original}\n{changed}");
    }
}

/// Compiles `original` and runs the code. `before_codegen` is what instruction selection sees.
fn emitted(
    before_codegen: &Function,
    original: &Function,
    options: &Options,
    worlds: &[World],
    meant: &[world::Outcome],
) {
    let declared = original.blocks[original.entry()].term_loc;
    let code = match compile_function(original, "fuzz", declared, options) {
        Ok(code) => code,
        Err(Error::NeedsCpu { .. }) if options.cpu < CpuLevel::V4 && has_signed_division(before_codegen) => return,
        Err(Error::StackTooLarge { .. }) => return,
        Err(error) => panic!("{error}\n{original}"),
    };
    for (world, meant) in worlds.iter().zip(meant) {
        let outcome = machine::run(&code, world.clone());
        assert_eq!(outcome, *meant, "the code for {options:?} does something else\n{original}\n{before_codegen}");
    }
}

fn has_signed_division(function: &Function) -> bool {
    let is_signed = |op| matches!(op, Op::Bin { op: BinOp::SDiv | BinOp::SMod, .. });
    function.blocks.values().flat_map(|data| &data.insts).any(|inst| is_signed(inst.op))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Bytes that are printed in one line.
    #[derive(Clone)]
    struct Bytes(Vec<u8>);

    impl std::fmt::Debug for Bytes {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{:?}", self.0)
        }
    }

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..600).prop_map(Bytes)
    }

    /// A case runs a function some hundred times, so a quarter of the usual number has to do; `PROPTEST_CASES` still counts.
    fn config() -> ProptestConfig {
        let default = ProptestConfig::default();
        ProptestConfig { cases: default.cases.div_ceil(4), failure_persistence: None, ..default }
    }

    proptest! {
        #![proptest_config(config())]
        #[test]
        fn random_functions_keep_their_meaning(bytes in bytes()) {
            super::check(&bytes.0);
        }
    }
}
