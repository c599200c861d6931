//! IR as text: what `--emit ir` shows. `{:#}` adds the place each line was written at.

use super::{Block, DataType, Function, GlobalDecl, Inst, Loc, Module, NetConst, Op, Operand, Size, Terminator, Width};
use std::fmt::{Display, Formatter, Result};

/// The suffix of a memory size: `b`, `h`, `w` or `dw`.
pub(crate) fn size_suffix(size: Size) -> &'static str {
    match size {
        Size::B => "b",
        Size::H => "h",
        Size::W => "w",
        Size::DW => "dw",
    }
}

/// The suffix of a width: `32` or `64`.
pub(crate) fn width_suffix(width: Width) -> &'static str {
    match width {
        Width::W32 => "32",
        Width::W64 => "64",
    }
}

/// A number, in hexadecimal where that reads better.
struct Number(u64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.0 < 0x1000 { write!(f, "{}", self.0) } else { write!(f, "{:#x}", self.0) }
    }
}

impl Display for NetConst {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let digits = usize::from(self.size.bytes()) * 2 + 2;
        write!(f, "net.{} {:#0digits$x}", size_suffix(self.size), self.value)
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Operand::Value(value) => value.fmt(f),
            Operand::Const(number) => Number(*number).fmt(f),
            Operand::Net(net) => net.fmt(f),
        }
    }
}

/// Things with commas between them.
struct List<I>(I);

impl<T: Display, I: Iterator<Item = T> + Clone> Display for List<I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (i, item) in self.0.clone().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

/// A pointer and what is added to it.
struct Address(Operand, i16);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let sign = if self.1 < 0 { '-' } else { '+' };
        write!(f, "{} {sign} {}", self.0, self.1.unsigned_abs())
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Op::Context => f.write_str("context"),
            Op::Bin { op, width, a, b } => write!(f, "{op}{} {a}, {b}", width_suffix(*width)),
            Op::NetSwap { size, a } => write!(f, "net_swap.{} {a}", size_suffix(*size)),
            Op::SignExtend { from, a } => write!(f, "sign_extend.{} {a}", size_suffix(*from)),
            Op::Load { space, size, base, off } => {
                write!(f, "load.{} {space} {}", size_suffix(*size), Address(*base, *off))
            }
            Op::Store { space, size, base, off, value } => {
                write!(f, "store.{} {space} {}, {value}", size_suffix(*size), Address(*base, *off))
            }
            Op::AtomicAdd { space, size, base, off, value } => {
                write!(f, "atomic_add.{} {space} {}, {value}", size_suffix(*size), Address(*base, *off))
            }
            Op::StackAddr(slot) => write!(f, "address {slot}"),
            Op::MapAddr(map) => write!(f, "address {map}"),
            Op::GlobalAddr(global) => write!(f, "address {global}"),
            Op::Call { helper, args } => {
                match helper.name() {
                    Some(name) => write!(f, "call {name}")?,
                    None => write!(f, "call {}", helper.0)?,
                }
                write!(f, "({})", List(args.as_slice().iter()))
            }
        }
    }
}

/// A block with what its parameters take.
struct Target<'a>(Block, &'a [Operand]);

impl Display for Target<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.fmt(f)?;
        if self.1.is_empty() { Ok(()) } else { write!(f, "({})", List(self.1.iter())) }
    }
}

impl Display for Terminator {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Terminator::Jump { target, args } => write!(f, "jump {}", Target(*target, args)),
            Terminator::Branch { cond, width, a, b, then, otherwise } => {
                write!(f, "branch.{cond}{} {a}, {b}, {then}, {otherwise}", width_suffix(*width))
            }
            Terminator::Return(value) => write!(f, "return {value}"),
            Terminator::Unreachable => f.write_str("unreachable"),
        }
    }
}

impl Display for Inst {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.op.has_result() {
            write!(f, "{} = ", self.result)?;
        }
        self.op.fmt(f)
    }
}

fn line(f: &mut Formatter<'_>, what: &impl Display, loc: Loc) -> Result {
    if f.alternate() {
        writeln!(f, "  {:<56} ; {}:{}:{}", what.to_string(), loc.file(), loc.line(), loc.column())
    } else {
        writeln!(f, "  {what}")
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (slot, data) in self.slots.iter() {
            writeln!(f, "{slot}: {} bytes", data.bytes)?;
        }
        for (block, data) in self.blocks.iter() {
            match data.params.as_slice() {
                [] => writeln!(f, "{block}:")?,
                params => writeln!(f, "{block}({}):", List(params.iter()))?,
            }
            for inst in &data.insts {
                line(f, inst, inst.loc)?;
            }
            line(f, &data.term, data.term_loc)?;
        }
        Ok(())
    }
}

impl Display for DataType {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            DataType::Int { name, .. } => f.write_str(name),
            DataType::Struct { name, .. } => write!(f, "struct {name}"),
            DataType::Array { element, len } => write!(f, "{element}[{len}]"),
        }
    }
}

impl Display for Module {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "license {:?}", self.license)?;
        for (map, decl) in self.maps.iter() {
            write!(
                f,
                "{map}: {} type {}, {} entries, flags {:#x}",
                decl.name, decl.map_type.0, decl.max_entries, decl.flags
            )?;
            if let Some(key) = &decl.key {
                write!(f, ", key {key}")?;
            }
            if let Some(value) = &decl.value {
                write!(f, ", value {value}")?;
            }
            writeln!(f)?;
        }
        for (global, GlobalDecl { name, data, read_only, .. }) in self.globals.iter() {
            let access = if *read_only { ", read only" } else { "" };
            writeln!(f, "{global}: {name}, {data}{access}")?;
        }
        for program in &self.programs {
            let (context, param) = (program.signature.context, program.signature.param);
            writeln!(f, "\nprogram {} {:?} (struct {context} *{param})", program.name, program.section)?;
            program.function.fmt(f)?;
        }
        Ok(())
    }
}
