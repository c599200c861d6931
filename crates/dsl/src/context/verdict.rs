//! Verdicts: what a program may answer, a type a kind of program.

use bpfasm_codegen::ir::Operand;

use crate::value::{U32, handle};

/// What a program returns.
#[diagnostic::on_unimplemented(
    message = "a program cannot return `{Self}`",
    note = "return a verdict such as `TcAction::OK` or `Cgroup::PASS`"
)]
pub trait Verdict: Copy {
    #[doc(hidden)]
    fn result(self) -> Operand;
    /// Its number, where it is known.
    #[doc(hidden)]
    fn known(self) -> Option<u32>;
}

macro_rules! verdicts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $number:expr;)* })*) => { $(
        handle! {
            $(#[$doc])*
            $name
        }

        impl $name { $(
            $(#[$value_doc])*
            pub const $value: $name = $name(Operand::Const($number));
        )* }

        impl From<U32> for $name {
            /// The verdict with this number.
            fn from(number: U32) -> $name {
                $name(number.0)
            }
        }

        impl Verdict for $name {
            fn result(self) -> Operand {
                self.0
            }
            fn known(self) -> Option<u32> {
                match self.0 {
                    Operand::Const(number) => u32::try_from(number).ok(),
                    _ => None,
                }
            }
        }
    )* };
}

verdicts! {
    /// What the traffic control layer does with a packet (`TC_ACT_*`, `include/uapi/linux/pkt_cls.h`).
    ///
    /// Of cls_bpf in direct-action mode the kernel honours these; any other number acts as [`UNSPEC`](TcAction::UNSPEC).
    TcAction {
        /// Go on with the next filter.
        UNSPEC = 0xffff_ffff;
        /// Let the packet pass.
        OK = 0;
        /// Drop it.
        SHOT = 2;
        /// The packet was taken; it counts as passed on.
        STOLEN = 4;
        /// Send it where the redirect helper said.
        REDIRECT = 7;
        /// Drop it and hand it to the CPU of an offloading device.
        TRAP = 8;
    }

    /// What becomes of a packet of a control group's socket (the comment at `BPF_PROG_CGROUP_INET_EGRESS_RUN_ARRAY`,
    /// `include/linux/bpf-cgroup.h`).
    ///
    /// The kernel takes the two that tell of congestion at egress only: its verifier refuses them at ingress.
    Cgroup {
        /// Drop it. At egress the sender is told: `EPERM`.
        DROP = 0;
        /// Let it pass.
        PASS = 1;
        /// Egress: drop it and tell TCP of congestion.
        DROP_CN = 2;
        /// Egress: let it pass and tell TCP of congestion.
        PASS_CN = 3;
    }
}
