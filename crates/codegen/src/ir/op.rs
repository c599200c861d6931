//! Operations and their operands.

use super::{GlobalRef, HelperId, MapRef, Size, StackSlot, Value, Width};

/// A constant in network byte order: `value` is the number as people write it, of [`Size::H`], [`Size::W`] or [`Size::DW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetConst {
    /// How many bytes it has in memory.
    pub size: Size,
    /// Its number; the bytes above `size` are zero.
    pub value: u64,
}

/// What an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A value defined before.
    Value(Value),
    /// A constant, as the register's 64 bits.
    Const(u64),
    /// A constant in network byte order.
    Net(NetConst),
}

/// Arithmetic with two operands. Shifts take their count modulo the width; division by zero gives 0 and modulo by zero the
/// dividend (RFC 9669 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinOp {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Unsigned quotient.
    Div,
    /// Signed quotient (cpu v4).
    SDiv,
    /// Unsigned remainder.
    Mod,
    /// Signed remainder (cpu v4).
    SMod,
    /// Bitwise or.
    Or,
    /// Bitwise and.
    And,
    /// Bitwise exclusive or.
    Xor,
    /// Left shift.
    Lsh,
    /// Right shift, filled with zeros.
    Rsh,
    /// Right shift, filled with the sign.
    Arsh,
}

/// A condition between two operands of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Unsigned greater.
    Gt,
    /// Unsigned greater or equal.
    Ge,
    /// Unsigned less.
    Lt,
    /// Unsigned less or equal.
    Le,
    /// Signed greater.
    SGt,
    /// Signed greater or equal.
    SGe,
    /// Signed less.
    SLt,
    /// Signed less or equal.
    SLe,
}

/// The memory that a load or store touches: stores to one space never change another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// The program's context.
    Context,
    /// Packet bytes between `data` and `data_end`.
    Packet,
    /// Map values and other memory that helpers hand out, and global variables.
    Map,
    /// The stack frame.
    Stack,
}

/// The arguments of a call: at most five (RFC 9669 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Args {
    len: u8,
    items: [Operand; 5],
}

impl Args {
    /// Arguments for R1 and up.
    ///
    /// # Panics
    /// Panics on more than five: the calling convention has no place for them.
    pub fn new(args: &[Operand]) -> Args {
        assert!(args.len() <= 5, "a BPF call takes at most five arguments, not {}", args.len());
        let mut items = [Operand::Const(0); 5];
        items[..args.len()].copy_from_slice(args);
        Args { len: u8::try_from(args.len()).expect("at most five"), items }
    }
    /// The arguments in order.
    pub fn as_slice(&self) -> &[Operand] {
        &self.items[..usize::from(self.len)]
    }
    /// The arguments in order, to change.
    pub fn as_mut_slice(&mut self) -> &mut [Operand] {
        &mut self.items[..usize::from(self.len)]
    }
}

/// An operation with one result. That of a store or an atomic addition is no value that anything may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// The pointer to the program's context, R1 at entry.
    Context,
    /// Arithmetic.
    Bin {
        /// What to compute.
        op: BinOp,
        /// At which width.
        width: Width,
        /// The left operand.
        a: Operand,
        /// The right operand.
        b: Operand,
    },
    /// Exchanges network and host byte order of the low `size` bytes, and clears those above.
    NetSwap {
        /// [`Size::H`], [`Size::W`] or [`Size::DW`].
        size: Size,
        /// The operand.
        a: Operand,
    },
    /// Copies the sign of the low `from` bytes into all 64 bits.
    SignExtend {
        /// [`Size::B`], [`Size::H`] or [`Size::W`].
        from: Size,
        /// The operand.
        a: Operand,
    },
    /// Reads memory, zero-extended.
    Load {
        /// The memory.
        space: Space,
        /// How many bytes.
        size: Size,
        /// The pointer.
        base: Operand,
        /// Bytes to add to the pointer.
        off: i16,
    },
    /// Writes memory.
    Store {
        /// The memory.
        space: Space,
        /// How many bytes.
        size: Size,
        /// The pointer.
        base: Operand,
        /// Bytes to add to the pointer.
        off: i16,
        /// What to write: its low `size` bytes.
        value: Operand,
    },
    /// Adds to a number in memory in one step, as all CPUs see it.
    AtomicAdd {
        /// The memory.
        space: Space,
        /// [`Size::W`] or [`Size::DW`].
        size: Size,
        /// The pointer.
        base: Operand,
        /// Bytes to add to the pointer.
        off: i16,
        /// What to add: its low `size` bytes.
        value: Operand,
    },
    /// The address of a stack slot's first byte.
    StackAddr(StackSlot),
    /// The address of a map, for helpers.
    MapAddr(MapRef),
    /// The address of a global variable's first byte, in [`Space::Map`].
    GlobalAddr(GlobalRef),
    /// A call to a helper; the result is R0.
    Call {
        /// The helper.
        helper: HelperId,
        /// Its arguments.
        args: Args,
    },
}

/// What an operation does besides giving its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing: equal operations give equal results and an unused one may go.
    Pure,
    /// Depends on what was stored to the space; an unused one may go.
    Reads(Space),
    /// Changes the space at most, and gives what nothing else gives.
    Writes(Space),
    /// Calls out: may change maps, the stack it was given and the context; `moves_packet` when pointers into the packet die.
    Calls {
        /// Whether packet pointers are invalid afterwards.
        moves_packet: bool,
    },
}

impl Op {
    /// What the operation does besides giving its result.
    pub fn effect(&self) -> Effect {
        match *self {
            Op::Context
            | Op::Bin { .. }
            | Op::NetSwap { .. }
            | Op::SignExtend { .. }
            | Op::StackAddr(_)
            | Op::MapAddr(_)
            | Op::GlobalAddr(_) => Effect::Pure,
            Op::Load { space, .. } => Effect::Reads(space),
            Op::Store { space, .. } | Op::AtomicAdd { space, .. } => Effect::Writes(space),
            Op::Call { helper, .. } if helper.changes_maps_only() => Effect::Writes(Space::Map),
            Op::Call { helper, .. } => Effect::Calls { moves_packet: helper.moves_packet_data() },
        }
    }

    /// Whether there is a value that anything may use.
    pub fn has_result(&self) -> bool {
        !matches!(self, Op::Store { .. } | Op::AtomicAdd { .. })
    }

    /// Whether the operation may be dropped when nothing uses its result.
    pub fn is_removable(&self) -> bool {
        matches!(self.effect(), Effect::Pure | Effect::Reads(_))
    }

    /// The operands in order.
    pub fn operands(&self) -> impl Iterator<Item = Operand> + use<> {
        let args = match *self {
            Op::Context | Op::StackAddr(_) | Op::MapAddr(_) | Op::GlobalAddr(_) => Args::new(&[]),
            Op::Bin { a, b, .. } => Args::new(&[a, b]),
            Op::NetSwap { a, .. } | Op::SignExtend { a, .. } => Args::new(&[a]),
            Op::Load { base, .. } => Args::new(&[base]),
            Op::Store { base, value, .. } | Op::AtomicAdd { base, value, .. } => Args::new(&[base, value]),
            Op::Call { args, .. } => args,
        };
        args.items.into_iter().take(usize::from(args.len))
    }

    /// Calls `f` with each operand, to change it.
    pub fn for_each_operand(&mut self, mut f: impl FnMut(&mut Operand)) {
        match self {
            Op::Context | Op::StackAddr(_) | Op::MapAddr(_) | Op::GlobalAddr(_) => {}
            Op::Bin { a, b, .. } => {
                f(a);
                f(b);
            }
            Op::NetSwap { a, .. } | Op::SignExtend { a, .. } => f(a),
            Op::Load { base, .. } => f(base),
            Op::Store { base, value, .. } | Op::AtomicAdd { base, value, .. } => {
                f(base);
                f(value);
            }
            Op::Call { args, .. } => args.as_mut_slice().iter_mut().for_each(f),
        }
    }
}

impl Operand {
    /// The value, if it is one.
    pub fn as_value(self) -> Option<Value> {
        match self {
            Operand::Value(value) => Some(value),
            Operand::Const(_) | Operand::Net(_) => None,
        }
    }

    /// The number, if it is one.
    pub fn as_const(self) -> Option<u64> {
        match self {
            Operand::Const(number) => Some(number),
            Operand::Value(_) | Operand::Net(_) => None,
        }
    }
}

impl From<Value> for Operand {
    fn from(value: Value) -> Operand {
        Operand::Value(value)
    }
}

/// Gives an enum its members in order and their names in IR text.
macro_rules! named {
    ($type:ident { $($member:ident = $name:literal,)* }) => {
        impl $type {
            /// All of them, in the order of their declaration.
            pub const ALL: &[$type] = &[$($type::$member),*];

            /// Its name in IR text.
            pub fn name(self) -> &'static str {
                match self { $($type::$member => $name),* }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

named!(BinOp {
    Add = "add",
    Sub = "sub",
    Mul = "mul",
    Div = "div",
    SDiv = "sdiv",
    Mod = "mod",
    SMod = "smod",
    Or = "or",
    And = "and",
    Xor = "xor",
    Lsh = "lsh",
    Rsh = "rsh",
    Arsh = "arsh",
});
named!(Cond {
    Eq = "eq",
    Ne = "ne",
    Gt = "gt",
    Ge = "ge",
    Lt = "lt",
    Le = "le",
    SGt = "sgt",
    SGe = "sge",
    SLt = "slt",
    SLe = "sle",
});
named!(Space { Context = "context", Packet = "packet", Map = "map", Stack = "stack", });

impl BinOp {
    /// Whether the operands may change places.
    pub fn is_commutative(self) -> bool {
        matches!(self, BinOp::Add | BinOp::Mul | BinOp::Or | BinOp::And | BinOp::Xor)
    }
}

impl Cond {
    /// Whether it compares signed numbers.
    pub fn is_signed(self) -> bool {
        matches!(self, Cond::SGt | Cond::SGe | Cond::SLt | Cond::SLe)
    }

    /// The condition that holds when this one does not.
    pub fn inverse(self) -> Cond {
        match self {
            Cond::Eq => Cond::Ne,
            Cond::Ne => Cond::Eq,
            Cond::Gt => Cond::Le,
            Cond::Ge => Cond::Lt,
            Cond::Lt => Cond::Ge,
            Cond::Le => Cond::Gt,
            Cond::SGt => Cond::SLe,
            Cond::SGe => Cond::SLt,
            Cond::SLt => Cond::SGe,
            Cond::SLe => Cond::SGt,
        }
    }

    /// The condition with its operands exchanged.
    pub fn swapped(self) -> Cond {
        match self {
            Cond::Eq => Cond::Eq,
            Cond::Ne => Cond::Ne,
            Cond::Gt => Cond::Lt,
            Cond::Ge => Cond::Le,
            Cond::Lt => Cond::Gt,
            Cond::Le => Cond::Ge,
            Cond::SGt => Cond::SLt,
            Cond::SGe => Cond::SLe,
            Cond::SLt => Cond::SGt,
            Cond::SLe => Cond::SGe,
        }
    }
}
