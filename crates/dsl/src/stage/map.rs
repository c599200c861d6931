//! The maps that a program names.

use bpfasm_codegen::ir::MapDecl;

/// A map that a program uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapUse {
    /// The address of its static, by which programs that are built together know that they mean the same map.
    pub address: usize,
    /// What it is.
    pub decl: MapDecl,
}
