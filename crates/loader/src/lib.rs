//! Load, attach and observe BPF programs: the bpf() and rtnetlink layer.
//!
//! # Terms
//!
//! - An *object* ([`bpfasm_object::Object`]) holds programs, maps and types. [`load()`] gives it to the kernel.
//! - A *program* ([`Program`]) is held by a descriptor, and gone when nothing holds it any more.
//! - A *map* ([`Map`]) is what programs and user space share: keys and values in the kernel.
//! - A *hook* is a place where programs run, such as the ingress of a device ([`attach::tc::Hook`]) or of a
//!   control group's sockets ([`attach::cgroup::Hook`]). What attaches a program there is a guard
//!   ([`attach::tc::Attachment`], [`attach::cgroup::Attachment`]): dropping it detaches.
//!
//! # Layers
//!
//! [`sys`] makes the system calls and reports what the kernel says, [`netlink`] speaks rtnetlink over it; [`load()`],
//! [`Program`] and [`attach`] know what the calls mean. They ask the kernel first and look for the reason after a
//! refusal: [`Error`] says which capability is missing, which kernel has what is lacking, what the verifier objects to
//! and at which source line.
//!
//! ```no_run
//! use bpfasm_loader::attach::tc::{Direction, Hook, Options, attach};
//!
//! # fn f(object: &bpfasm_object::Object) -> Result<(), bpfasm_loader::Error> {
//! let loaded = bpfasm_loader::load(object)?;
//! let program = loaded.program("tc_drop")?;
//! let attachment = attach(program, &Hook::new("veth0", Direction::Ingress)?, &Options::default())?;
//! println!("attached {attachment}");
//! attachment.persist()?;
//! # Ok(())
//! # }
//! ```

pub mod attach;
pub mod bpffs;
mod by_id;
mod error;
mod fdinfo;
mod load;
mod log;
pub mod map;
mod memlock;
mod mounts;
pub mod netlink;
pub mod observe;
pub mod owner;
mod privilege;
mod program;
pub mod sys;
pub mod tc;
mod test_run;

pub use bpfasm_object::ErrorKind;
pub use error::Error;
pub use load::{LoadOptions, Loaded, load};
pub use log::VerifierLog;
pub use map::{Map, TypedMap};
pub use privilege::{Capability, NotPermitted, Restriction};
pub use program::{Program, ProgramInfo, programs};
pub use test_run::{TestRun, TestRunOutput};
