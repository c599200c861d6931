//! How large a type is, and what is behind qualifiers and typedefs.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::{Btf, Error, Type, TypeId};
use crate::limits::BTF_DEPTH;

/// Bytes of a pointer in a BPF program.
const POINTER_BYTES: u32 = 8;

impl Btf {
    /// The type behind typedefs, `const`, `volatile`, `restrict` and type tags.
    ///
    /// # Errors
    /// [`Error::NoSuchType`], or [`Error::TooDeep`] for a chain that the kernel would not follow, such as a cycle.
    pub fn resolve(&self, id: TypeId) -> Result<TypeId, Error> {
        let mut at = id;
        for _ in 0..BTF_DEPTH {
            match self.get(at).ok_or(Error::NoSuchType { id: at })? {
                Type::Typedef { to, .. }
                | Type::Const { to }
                | Type::Volatile { to }
                | Type::Restrict { to }
                | Type::TypeTag { to, .. } => at = to,
                _ => return Ok(at),
            }
        }
        Err(Error::TooDeep { id })
    }

    /// The size of a type, bytes.
    ///
    /// # Errors
    /// As [`resolve`](Btf::resolve), and [`Error::Unsized`] for `void`, functions, forward declarations and what is
    /// larger than 32 bits can say.
    pub fn size_of(&self, id: TypeId) -> Result<u32, Error> {
        let mut at = id;
        let mut count: u32 = 1;
        for _ in 0..BTF_DEPTH {
            at = self.resolve(at)?;
            let bytes = match self.get(at).ok_or(Error::NoSuchType { id: at })? {
                Type::Array { element, length, .. } => {
                    count = count.checked_mul(length).ok_or(Error::Unsized { id })?;
                    at = element;
                    continue;
                }
                Type::Int { bytes, .. }
                | Type::Struct { bytes, .. }
                | Type::Union { bytes, .. }
                | Type::Enum { bytes, .. }
                | Type::Enum64 { bytes, .. }
                | Type::Float { bytes, .. }
                | Type::Datasec { bytes, .. } => bytes,
                Type::Ptr { .. } => POINTER_BYTES,
                Type::Var { to, .. } => {
                    at = to;
                    continue;
                }
                _ => return Err(Error::Unsized { id }),
            };
            return count.checked_mul(bytes).ok_or(Error::Unsized { id });
        }
        Err(Error::TooDeep { id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{IntEncoding, SymbolLinkage};

    #[test]
    fn sizes_go_through_names_qualifiers_and_arrays() {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        let row = btf.array(int, int, 3);
        let table = btf.array(row, int, 5);
        let constant = btf.const_(table);
        let named = btf.typedef("table", constant).expect("typedef");
        let variable = btf.var("TABLE", named, SymbolLinkage::GLOBAL).expect("var");
        assert_eq!(btf.size_of(variable), Ok(60));
        let pointer = btf.ptr(named);
        assert_eq!(btf.size_of(pointer), Ok(8));
        assert_eq!(btf.size_of(TypeId::VOID), Err(Error::Unsized { id: TypeId::VOID }));
        assert_eq!(btf.size_of(TypeId(99)), Err(Error::NoSuchType { id: TypeId(99) }));
    }

    #[test]
    fn cycles_and_overflow_are_errors() {
        let mut btf = Btf::new();
        let own = btf.next_id();
        assert_eq!(btf.const_(own), own);
        assert_eq!(btf.size_of(own), Err(Error::TooDeep { id: own }));
        let array = btf.next_id();
        assert_eq!(btf.array(array, array, 1), array);
        assert_eq!(btf.size_of(array), Err(Error::TooDeep { id: array }));
        let int = btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        let mut large = btf.array(int, int, u32::MAX);
        assert_eq!(btf.size_of(large), Err(Error::Unsized { id: large }));
        large = btf.array(large, int, 2);
        assert_eq!(btf.size_of(large), Err(Error::Unsized { id: large }));
    }
}
