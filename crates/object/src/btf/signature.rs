//! Types and functions in the words of C.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::{Btf, Elements, Param, Type, TypeId};
use crate::limits::{BTF_DEPTH, SIGNATURE_BYTES};
use alloc::string::{String, ToString};

impl Btf {
    /// A function as C declares it, such as `int drop(struct __sk_buff * skb)`. `None` for a type that is no function, or
    /// that takes more than 1,023 bytes to write.
    ///
    /// The words are those of `bpftool prog dump xlated`.
    #[must_use]
    pub fn signature(&self, function: TypeId) -> Option<String> {
        let Type::Func { .. } = self.get(function)? else { return None };
        let mut writer = Writer { btf: self, out: String::new() };
        writer.declare(function, BTF_DEPTH)?;
        Some(writer.out)
    }
}

struct Writer<'a> {
    btf: &'a Btf,
    out: String,
}

impl<'a> Writer<'a> {
    fn word(&mut self, text: &str) -> Option<()> {
        self.out.push_str(text);
        (self.out.len() <= SIGNATURE_BYTES).then_some(())
    }

    /// Writes a type, with a blank behind it.
    fn declare(&mut self, id: TypeId, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let btf = self.btf;
        let mut spelled = |prefix: &str, name: &str| {
            self.word(prefix)?;
            self.word(name)?;
            self.word(" ")
        };
        match btf.get(id)? {
            Type::Void => spelled("void", ""),
            Type::Int { name, .. } | Type::Typedef { name, .. } | Type::Float { name, .. } => spelled("", name),
            Type::Struct { name, .. } | Type::Fwd { name, is_union: false } => spelled("struct ", name),
            Type::Union { name, .. } | Type::Fwd { name, is_union: true } => spelled("union ", name),
            Type::Enum { name, .. } | Type::Enum64 { name, .. } => spelled("enum ", name),
            Type::Ptr { to } => {
                self.declare(to, depth)?;
                self.word("* ")
            }
            Type::Array { element, length, .. } => {
                self.declare(element, depth)?;
                self.word("[")?;
                self.word(&length.to_string())?;
                self.word("]")
            }
            Type::Volatile { to } => self.qualified("volatile ", to, depth),
            Type::Const { to } => self.qualified("const ", to, depth),
            Type::Restrict { to } => self.qualified("restrict ", to, depth),
            Type::TypeTag { to, .. } => self.declare(to, depth),
            Type::FuncProto { result, params } => self.function(result, "", params, depth),
            Type::Func { name, proto, .. } => match btf.get(proto)? {
                Type::FuncProto { result, params } => self.function(result, name, params, depth),
                _ => None,
            },
            _ => None,
        }
    }

    fn qualified(&mut self, qualifier: &str, to: TypeId, depth: usize) -> Option<()> {
        self.word(qualifier)?;
        self.declare(to, depth)
    }

    fn function(&mut self, result: TypeId, name: &str, params: Elements<'a, Param<'a>>, depth: usize) -> Option<()> {
        self.declare(result, depth)?;
        self.word(name)?;
        self.word("(")?;
        for (place, param) in params.enumerate() {
            if place > 0 {
                self.word(", ")?;
            }
            if param.type_id == TypeId::VOID {
                self.word("...")?;
                continue;
            }
            self.declare(param.type_id, depth)?;
            match param.name {
                "" => self.out.truncate(self.out.trim_end_matches(' ').len()),
                name => self.word(name)?,
            }
        }
        self.word(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{IntEncoding, SymbolLinkage};

    #[test]
    fn functions_are_declared_as_in_c() {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, IntEncoding::SIGNED).expect("int");
        let context = btf.strukt("__sk_buff", 4, &[]).expect("struct");
        let context = btf.ptr(context);
        let void = btf.ptr(TypeId::VOID);
        let unnamed = btf.func_proto(int, &[Param { name: "", type_id: int }]).expect("proto");
        let callback = btf.ptr(unnamed);
        let params = [("skb", context), ("ctx", void), ("f", callback), ("", TypeId::VOID)];
        let params = params.map(|(name, type_id)| Param { name, type_id });
        let proto = btf.func_proto(int, &params).expect("proto");
        let function = btf.func("run", proto, SymbolLinkage::GLOBAL).expect("func");
        let expected = "int run(struct __sk_buff * skb, void * ctx, int (int)* f, ...)";
        assert_eq!(btf.signature(function).as_deref(), Some(expected));
        assert_eq!(btf.signature(int), None);
        assert_eq!(btf.signature(TypeId(99)), None);
    }

    /// Each level names the one before twice.
    #[test]
    fn what_would_be_very_long_is_not_written() {
        let mut btf = Btf::new();
        let mut proto = btf.func_proto(TypeId::VOID, &[]).expect("proto");
        for _ in 0..BTF_DEPTH {
            let pointer = btf.ptr(proto);
            let params = ["a", "b"].map(|name| Param { name, type_id: pointer });
            proto = btf.func_proto(TypeId::VOID, &params).expect("proto");
        }
        let function = btf.func("deep", proto, SymbolLinkage::STATIC).expect("func");
        assert_eq!(btf.signature(function), None);
    }
}
