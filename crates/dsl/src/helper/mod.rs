//! Helper functions: one table of those that programs may call, in parts by what they are about.
//!
//! Helpers that work on the program's context are methods of it: [`Tc::vlan_push`](crate::context::Tc::vlan_push). They have the
//! helper's name without `bpf_` and `skb_`, and are there where the kernel offers them to the context's programs. What every program
//! may ask, whatever its context, are functions of this module: [`ktime_get_ns`]. Those for maps are [methods of maps](crate::map).
//!
//! [`Context::helpers`](crate::context::Context::helpers) lists the table for a context, with the first kernel that offers each
//! helper there, and with the helpers that have no method yet.

mod absent;
mod bytes;
mod checksum;
mod clock;
mod fib;
mod identity;
mod layout;
mod map;
mod memory;
mod redirect;
mod resize;
mod socket;
mod stack;
mod syncookie;
mod task;
mod text;
mod tunnel;

pub use clock::{get_numa_node_id, get_prandom_u32, get_smp_processor_id, jiffies64};
pub use clock::{ktime_get_boot_ns, ktime_get_coarse_ns, ktime_get_ns, ktime_get_tai_ns};
pub use fib::{FibLookup, FibRoute};
pub use memory::{BranchEntry, get_branch_snapshot};
pub use memory::{probe_read_kernel, probe_read_kernel_str, probe_read_user, probe_read_user_str};
pub use redirect::NextHop;
pub use socket::{SockTuple, TupleV4, TupleV6};
pub use task::{NsPidTgid, get_ns_current_pid_tgid, send_signal, send_signal_thread};
pub use task::{get_current_ancestor_cgroup_id, get_current_cgroup_id, get_current_comm};
pub use task::{get_current_pid_tgid, get_current_task, get_current_uid_gid};
pub use text::{strtol, strtoul, trace_printk, trace_vprintk};
pub use tunnel::{TunnelKey, XfrmState};

use bpfasm_codegen::ir::{Args, HelperId, Op, Operand};
use bpfasm_object::kernel::{KernelVersion, ProgramType};

use crate::context::TcAction;
use crate::stage;
use crate::value::{I64, Scalar, U32, U64};

/// A helper, as the kernel offers it to the programs of one context.
#[derive(Clone, Copy, Debug)]
pub struct Helper {
    /// Which one.
    pub id: HelperId,
    /// The first kernel that offers it to these programs.
    pub since: KernelVersion,
    /// How a program calls it.
    pub call: Call,
}

/// How a program calls a helper.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// Through a method of the context, or a function of this module.
    Method {
        /// Its name.
        name: &'static str,
        /// Its generics, arguments and result.
        signature: &'static str,
        /// Stages a call to it, in a program whose context it gets.
        example: fn(),
    },
    /// Not yet: this is missing.
    Needs(&'static str),
}

/// A row of the table.
struct Row {
    id: HelperId,
    offers: &'static [Offer],
}

/// To whom the helper of a row is offered.
struct Offer {
    /// The context.
    to: &'static str,
    /// The first kernel, if that is later than the helper's and the program type's.
    since: Option<KernelVersion>,
    call: Call,
}

/// The table.
static TABLE: &[&[Row]] = &[
    absent::ROWS,
    bytes::ROWS,
    checksum::ROWS,
    clock::ROWS,
    fib::ROWS,
    identity::ROWS,
    map::ROWS,
    memory::ROWS,
    redirect::ROWS,
    resize::ROWS,
    socket::ROWS,
    syncookie::ROWS,
    task::ROWS,
    text::ROWS,
    tunnel::ROWS,
];

/// The helpers that are offered to a context.
pub(crate) fn offered(to: &'static str, program_types: &'static [ProgramType]) -> impl Iterator<Item = Helper> + use<> {
    let first_program = program_types.iter().filter_map(|program_type| program_type.first_kernel()).min();
    TABLE.iter().copied().flatten().filter_map(move |row| {
        let offer = row.offers.iter().find(|offer| offer.to == to)?;
        let since = [offer.since, row.id.first_kernel(), first_program].into_iter().flatten().max()?;
        Some(Helper { id: row.id, since, call: offer.call })
    })
}

/// One part of the table. A row is
/// `[WHO (MAJOR, MINOR), …] ID(skb): EXAMPLE => { METHOD }`: the contexts that have the helper, each with its first kernel where that
/// is later than the helper's own; a call as an example; the method. In place of `|skb|`, `free` makes it a function.
macro_rules! helpers {
    ($([$($to:ident $(($major:literal, $minor:literal))?),+] $id:ident $skb:tt: $example:expr => $method:tt)*) => {
        pub(super) static ROWS: &[$crate::helper::Row] = &[$(
            $crate::helper::Row {
                id: bpfasm_codegen::ir::HelperId::$id,
                offers: &[$(
                    $crate::helper::Offer {
                        to: stringify!($to),
                        since: $crate::context::since!(? $(($major, $minor))?),
                        call: $crate::helper::Call::Method {
                            name: $crate::helper::method!(name $method),
                            signature: $crate::helper::method!(signature $method),
                            example: $crate::helper::example!($to $skb $example),
                        },
                    }
                ),+],
            }
        ),*];
        $($crate::helper::methods! { $skb [$($to)+] $method })*
    };
}
use helpers;

/// A row's method, in each of its contexts.
macro_rules! methods {
    (($skb:ident) [$($to:ident)+] $method:tt) => {
        $(impl $crate::context::$to {
            $crate::helper::method! { item $method }
        })+
    };
    (() $contexts:tt $method:tt) => {
        $crate::helper::method! { item $method }
    };
}
use methods;

/// What is to be known of a method.
macro_rules! method {
    (item { $(#[$doc:meta])* pub fn $($rest:tt)* }) => {
        $(#[$doc])*
        #[track_caller]
        pub fn $($rest)*
    };
    (name { $(#[$doc:meta])* pub fn $name:ident $($rest:tt)* }) => {
        stringify!($name)
    };
    (signature { $(#[$doc:meta])* pub fn $name:ident $($rest:tt)* }) => {
        $crate::helper::method!(head [] $($rest)*)
    };
    (head [$($head:tt)*] { $($body:tt)* }) => {
        stringify!($($head)*)
    };
    (head [$($head:tt)*] $next:tt $($rest:tt)*) => {
        $crate::helper::method!(head [$($head)* $next] $($rest)*)
    };
}
use method;

/// A call as an example, staged.
macro_rules! example {
    ($to:ident ($skb:ident) $example:expr) => {
        || {
            let $skb = &mut <$crate::context::$to as $crate::context::Context>::new();
            let _ = $example;
        }
    };
    ($to:ident () $example:expr) => {
        || {
            let _ = $example;
        }
    };
}
use example;

/// Calls a helper: its name, then its arguments. The type that the call has to have says how the result is read.
macro_rules! call {
    ($id:ident $(, $arg:expr)*) => {
        $crate::helper::Answer::from_register($crate::helper::emit(
            bpfasm_codegen::ir::HelperId::$id,
            &[$($crate::helper::Argument::operand($arg)),*],
        ))
    };
}
use call;

/// Calls a helper.
#[track_caller]
pub(crate) fn emit(helper: HelperId, args: &[Operand]) -> Operand {
    stage::emit(Op::Call { helper, args: Args::new(args) })
}

/// The pointer to the context.
#[track_caller]
fn skb() -> Operand {
    stage::emit(Op::Context)
}

/// What can be passed in a register.
trait Argument {
    fn operand(self) -> Operand;
}

impl<T: Scalar> Argument for T {
    fn operand(self) -> Operand {
        Scalar::operand(self)
    }
}

impl Argument for Operand {
    fn operand(self) -> Operand {
        self
    }
}

macro_rules! host_arguments {
    ($($host:ty)*) => { $(
        impl Argument for $host {
            fn operand(self) -> Operand {
                Operand::Const(self.into())
            }
        }
    )* };
}

host_arguments!(u32 u64);

/// What can come back in a register.
trait Answer {
    fn from_register(register: Operand) -> Self;
}

macro_rules! answers {
    ($($type:ident: |$register:ident| $value:expr;)*) => { $(
        impl Answer for $type {
            fn from_register($register: Operand) -> $type {
                $value
            }
        }
    )* };
}

answers! {
    Operand: |register| register;
    U32: |register| U32::from_operand(register);
    U64: |register| U64::from_operand(register);
    I64: |register| I64::from_operand(register);
    TcAction: |register| TcAction(register);
}
