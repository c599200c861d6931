//! The statics that a program names: maps and global variables.

use bpfasm_codegen::ir::{Function, GlobalDecl, MapDecl};

/// What a staging gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The function.
    pub function: Function,
    /// The maps that it names, by their numbers.
    pub maps: Vec<StaticUse<MapDecl>>,
    /// The global variables that it names, by their numbers.
    pub globals: Vec<StaticUse<GlobalDecl>>,
}

/// A static that a program uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticUse<D> {
    /// Its address, by which programs that are built together know that they mean the same one.
    pub address: usize,
    /// What it is.
    pub decl: D,
}

/// The statics that a program names so far.
#[derive(Default)]
pub(crate) struct Statics {
    pub maps: Vec<StaticUse<MapDecl>>,
    pub globals: Vec<StaticUse<GlobalDecl>>,
}

impl Statics {
    /// All there is of a program.
    pub fn with(self, function: Function) -> Graph {
        Graph { function, maps: self.maps, globals: self.globals }
    }
}

/// The number of the static at this address: the next one if it is not among those that are known. Then it is added, if it may, as what
/// `declare` tells. `None` if that has no name.
pub(super) fn number<D>(
    known: &mut Vec<StaticUse<D>>,
    may_add: bool,
    address: usize,
    declare: impl FnOnce() -> Option<D>,
) -> Option<usize> {
    if let Some(number) = known.iter().position(|known| known.address == address) {
        return Some(number);
    }
    let (decl, next) = (declare()?, known.len());
    if may_add {
        known.push(StaticUse { address, decl });
    }
    Some(next)
}
