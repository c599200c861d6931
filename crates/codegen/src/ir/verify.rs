//! The IR verifier. Its time grows with the size of the function alone.
//!
//! # Invariants that it checks
//! 1. Every block, value, stack slot, map and global variable that is named exists.
//! 2. The entry block has no parameters and no predecessors.
//! 3. Every value is defined once: by one instruction or as one parameter of one block.
//! 4. A value that a reachable block uses is defined before the use in the same block, or in a block that dominates it; a jump's
//!    arguments are used at the jump. A store's result is never used.
//! 5. A jump has as many arguments as its target has parameters; the targets of a branch have none.
//! 6. No path leads to [`Terminator::Unreachable`].
//! 7. Network constants and swaps have 2, 4 or 8 bytes, atomic additions 4 or 8, sign extensions start from fewer than 8; a constant's
//!    bits above its size are zero; a pointer that is loaded or stored through is a value.
//!
//! Unreachable blocks are held to 1, 2, 3, 5 and 7 alone: nothing runs them.

use super::{
    Block, Cfg, Dominators, Entity, Function, GlobalRef, MapRef, Module, Op, Operand, Size, StackSlot, Table,
    Terminator, Value,
};
use crate::fold::truncate;

/// Where in a function: an operation of a block by its index, or the block's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The block.
    pub block: Block,
    /// The index of the operation in the block; the terminator's is the number of operations.
    pub inst: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, instruction {}", self.block, self.inst)
    }
}

/// A broken invariant, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no block at all.
    #[error("the function has no entry block")]
    NoEntry,
    /// The entry block has parameters.
    #[error("the entry block has parameters")]
    EntryParams,
    /// The entry block is jumped to.
    #[error("{0} leads back to the entry block")]
    EntryPred(Place),
    /// A block that does not exist.
    #[error("{0}: there is no {1}")]
    NoBlock(Place, Block),
    /// A value that does not exist.
    #[error("{0}: there is no {1}")]
    NoValue(Place, Value),
    /// A stack slot that does not exist.
    #[error("{0}: there is no {1}")]
    NoSlot(Place, StackSlot),
    /// A map that the module does not have.
    #[error("{0}: there is no {1}")]
    NoMap(Place, MapRef),
    /// A global variable that the module does not have.
    #[error("{0}: there is no {1}")]
    NoGlobal(Place, GlobalRef),
    /// A second definition.
    #[error("{0}: {1} is defined a second time")]
    DefinedTwice(Place, Value),
    /// A use that a definition does not dominate.
    #[error("{0}: {1} is used where it may not be defined")]
    NotDominated(Place, Value),
    /// A use of what nothing defines, or of a store's result.
    #[error("{0}: {1} has no definition that gives it a value")]
    NoResult(Place, Value),
    /// A jump whose arguments do not match the parameters.
    #[error("{place}: {target} takes {expected} arguments, not {found}")]
    ArgCount {
        /// The jump.
        place: Place,
        /// Where it leads.
        target: Block,
        /// How many parameters that block has.
        expected: usize,
        /// How many arguments there are.
        found: usize,
    },
    /// A branch to a block with parameters.
    #[error("{0}: a branch leads to {1}, which has parameters")]
    BranchToParams(Place, Block),
    /// A path to a block without an end.
    #[error("a path leads to {0}, which is marked unreachable")]
    Reached(Block),
    /// A size that the operation does not exist for.
    #[error("{0}: no such operation on {bytes} bytes", bytes = .1.bytes())]
    Size(Place, Size),
    /// A network constant with bits above its size.
    #[error("{0}: the network constant {1:#x} has more bits than its size")]
    WideNetConst(Place, u64),
    /// A constant as a pointer.
    #[error("{0}: a constant is used as a pointer")]
    ConstPointer(Place),
}

/// Checks every function of a module; the error comes with the index of its program.
///
/// # Errors
/// The first broken invariant.
pub fn module(module: &Module) -> Result<(), (usize, Error)> {
    for (index, program) in module.programs.iter().enumerate() {
        function(&program.function, module.maps.len()).map_err(|error| (index, error))?;
        globals(&program.function, module.globals.len()).map_err(|error| (index, error))?;
    }
    Ok(())
}

/// Checks that the module has the globals that a function names.
fn globals(function: &Function, count: usize) -> Result<(), Error> {
    for (block, data) in function.blocks.iter() {
        for (inst, op) in data.insts.iter().map(|inst| &inst.op).enumerate() {
            match *op {
                Op::GlobalAddr(global) if global.index() >= count => {
                    return Err(Error::NoGlobal(Place { block, inst }, global));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Checks a function of a module with `maps` maps.
///
/// # Errors
/// The first broken invariant.
pub fn function(function: &Function, maps: usize) -> Result<(), Error> {
    if function.blocks.is_empty() {
        return Err(Error::NoEntry);
    }
    if !function.blocks[function.entry()].params.is_empty() {
        return Err(Error::EntryParams);
    }
    let mut verifier =
        Verifier { function, maps, defs: Table::filled(Def::None, function.value_count as usize), dominators: None };
    for block in function.blocks.keys() {
        verifier.definitions(block)?;
        verifier.targets(block)?;
    }
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    for block in function.blocks.keys() {
        verifier.dominators = cfg.is_reachable(block).then_some(&dominators);
        verifier.uses(block)?;
    }
    Ok(())
}

/// What defines a value.
#[derive(Clone, Copy)]
enum Def {
    None,
    NoResult,
    /// By the operation before this index: parameters have 0, the first operation 1.
    At(Block, usize),
}

struct Verifier<'f> {
    function: &'f Function,
    maps: usize,
    defs: Table<Value, Def>,
    /// Set while a reachable block is checked.
    dominators: Option<&'f Dominators>,
}

impl Verifier<'_> {
    fn definitions(&mut self, block: Block) -> Result<(), Error> {
        let data = &self.function.blocks[block];
        for &param in &data.params {
            self.define(Place { block, inst: 0 }, param, Def::At(block, 0))?;
        }
        for (index, inst) in data.insts.iter().enumerate() {
            let def = if inst.op.has_result() { Def::At(block, index + 1) } else { Def::NoResult };
            self.define(Place { block, inst: index }, inst.result, def)?;
        }
        Ok(())
    }

    fn define(&mut self, place: Place, value: Value, def: Def) -> Result<(), Error> {
        match self.defs.get(value) {
            None => Err(Error::NoValue(place, value)),
            Some(Def::None) => {
                self.defs[value] = def;
                Ok(())
            }
            Some(_) => Err(Error::DefinedTwice(place, value)),
        }
    }

    fn targets(&self, block: Block) -> Result<(), Error> {
        let data = &self.function.blocks[block];
        let place = Place { block, inst: data.insts.len() };
        for target in data.term.successors() {
            let params = &self.function.blocks.get(target).ok_or(Error::NoBlock(place, target))?.params;
            if target == self.function.entry() {
                return Err(Error::EntryPred(place));
            }
            match &data.term {
                Terminator::Jump { args, .. } if args.len() != params.len() => {
                    return Err(Error::ArgCount { place, target, expected: params.len(), found: args.len() });
                }
                Terminator::Branch { .. } if !params.is_empty() => return Err(Error::BranchToParams(place, target)),
                _ => {}
            }
        }
        Ok(())
    }

    fn uses(&self, block: Block) -> Result<(), Error> {
        let data = &self.function.blocks[block];
        for (inst, op) in data.insts.iter().map(|inst| &inst.op).enumerate() {
            let place = Place { block, inst };
            for operand in op.operands() {
                self.operand(place, operand)?;
            }
            self.op(place, op)?;
        }
        let place = Place { block, inst: data.insts.len() };
        for operand in data.term.operands() {
            self.operand(place, operand)?;
        }
        match data.term {
            Terminator::Unreachable if self.dominators.is_some() => Err(Error::Reached(block)),
            _ => Ok(()),
        }
    }

    fn operand(&self, place: Place, operand: Operand) -> Result<(), Error> {
        match operand {
            Operand::Const(_) => Ok(()),
            Operand::Net(net) if net.size == Size::B => Err(Error::Size(place, net.size)),
            Operand::Net(net) if truncate(net.size, net.value) != net.value => {
                Err(Error::WideNetConst(place, net.value))
            }
            Operand::Net(_) => Ok(()),
            Operand::Value(value) => match *self.defs.get(value).ok_or(Error::NoValue(place, value))? {
                Def::None | Def::NoResult => Err(Error::NoResult(place, value)),
                Def::At(block, after) => match self.dominators {
                    Some(_) if block == place.block && after <= place.inst => Ok(()),
                    Some(dominators) if block != place.block && dominators.dominates(block, place.block) => Ok(()),
                    Some(_) => Err(Error::NotDominated(place, value)),
                    None => Ok(()),
                },
            },
        }
    }

    fn op(&self, place: Place, op: &Op) -> Result<(), Error> {
        match *op {
            Op::NetSwap { size: Size::B, .. } => Err(Error::Size(place, Size::B)),
            Op::SignExtend { from: Size::DW, .. } => Err(Error::Size(place, Size::DW)),
            Op::StackAddr(slot) if self.function.slots.get(slot).is_none() => Err(Error::NoSlot(place, slot)),
            Op::MapAddr(map) if map.0 as usize >= self.maps => Err(Error::NoMap(place, map)),
            Op::AtomicAdd { size: size @ (Size::B | Size::H), .. } => Err(Error::Size(place, size)),
            Op::Load { base, .. } | Op::Store { base, .. } | Op::AtomicAdd { base, .. }
                if base.as_value().is_none() =>
            {
                Err(Error::ConstPointer(place))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse::parse;

    #[track_caller]
    fn check(text: &str) -> Result<(), Error> {
        function(&parse(text), 1)
    }

    const fn at(block: u32, inst: usize) -> Place {
        Place { block: Block(block), inst }
    }

    #[test]
    fn good_functions_pass() {
        let text = "
slot0: 8 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 76
  v2 = address slot0
  store.dw stack v2 + 0, net.w 0x0a000001
  v3 = address map0
  v4 = call map_lookup_elem(v3, v2)
  branch.eq64 v4, 0, block1, block2
block1:
  return 0
block2:
  jump block3(v1, 0)
block3(v5, v6):
  v7 = add32 v6, 1
  branch.lt32 v7, v5, block4, block1
block4:
  jump block3(v5, v7)
";
        assert_eq!(check(text), Ok(()));
        assert_eq!(parse(text).to_string().trim(), text.trim());
    }

    #[test]
    fn each_invariant_has_its_error() {
        let cases = [
            ("block0(v0):\n  return 0", Error::EntryParams),
            ("block0:\n  jump block0", Error::EntryPred(at(0, 0))),
            ("block0:\n  jump block7", Error::NoBlock(at(0, 0), Block(7))),
            ("block0:\n  v0 = address slot0\n  return v0", Error::NoSlot(at(0, 0), StackSlot(0))),
            ("block0:\n  v0 = address map1\n  return v0", Error::NoMap(at(0, 0), MapRef(1))),
            ("block0:\n  v0 = context\n  v0 = context\n  return v0", Error::DefinedTwice(at(0, 1), Value(0))),
            ("block0:\n  v1 = add64 v0, 1\n  v0 = context\n  return v1", Error::NotDominated(at(0, 0), Value(0))),
            ("block0:\n  return v0", Error::NoValue(at(0, 0), Value(0))),
            ("block0:\n  v1 = context\n  return v0", Error::NoResult(at(0, 1), Value(0))),
            (
                "block0:\n  jump block1(1, 2)\nblock1(v0):\n  return v0",
                Error::ArgCount { place: at(0, 0), target: Block(1), expected: 1, found: 2 },
            ),
            (
                "block0:\n  branch.eq32 0, 1, block1, block1\nblock1(v0):\n  return v0",
                Error::BranchToParams(at(0, 0), Block(1)),
            ),
            ("block0:\n  jump block1\nblock1:\n  unreachable", Error::Reached(Block(1))),
            ("block0:\n  v0 = net_swap.b 7\n  return v0", Error::Size(at(0, 0), Size::B)),
            ("block0:\n  v0 = sign_extend.dw 7\n  return v0", Error::Size(at(0, 0), Size::DW)),
            ("block0:\n  v0 = context\n  atomic_add.h map v0 + 0, 7\n  return 0", Error::Size(at(0, 1), Size::H)),
            ("block0:\n  return net.h 0x12345", Error::WideNetConst(at(0, 0), 0x12345)),
            ("block0:\n  v0 = load.w map 7 + 0\n  return v0", Error::ConstPointer(at(0, 0))),
        ];
        for (text, error) in cases {
            assert_eq!(check(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_side_does_not_dominate_the_join() {
        let text = "
block0:
  v0 = context
  branch.eq64 v0, 0, block1, block2
block1:
  v1 = add64 v0, 1
  jump block3
block2:
  jump block3
block3:
  return v1
";
        assert_eq!(check(text), Err(Error::NotDominated(at(3, 0), Value(1))));
        assert_eq!(check(&text.replace("  jump block3\nblock3", "  return 0\nblock3")), Ok(()));
    }

    #[test]
    fn nothing_may_use_a_store() {
        let mut function =
            parse("slot0: 8 bytes\nblock0:\n  v0 = address slot0\n  store.w stack v0 + 0, 1\n  return v0");
        let result = function.blocks[Block(0)].insts[1].result;
        function.blocks[Block(0)].term = Terminator::Return(result.into());
        assert_eq!(super::function(&function, 0), Err(Error::NoResult(at(0, 2), result)));
    }

    #[test]
    fn nothing_runs_an_unreachable_block() {
        assert_eq!(check("block0:\n  return 0\nblock1:\n  unreachable"), Ok(()));
        assert_eq!(check("block0:\n  return 0\nblock1:\n  v0 = add64 v0, v0\n  return v0"), Ok(()));
    }
}
