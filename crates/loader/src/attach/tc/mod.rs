//! Traffic control: programs at the ingress and egress of a network device.
//!
//! The kernel has two mechanisms. A *TCX link* (Linux 6.6) belongs to a descriptor: it is gone with the process that
//! holds it, unless it is pinned. A *`clsact`* filter hangs in a queueing discipline of the device and stays until it
//! is deleted. [`attach`] tries the first and falls back to the second, and [`Options::mode`] asks for one of them. At
//! a hook, all TCX programs run before any `clsact` filter.
//!
//! # Ownership
//!
//! - Our `clsact` filters are named `bpfasm:PROGRAM`, with priority 1000 unless asked otherwise, protocol `all` and the
//!   program's id as their handle. The qdisc is made if it is missing and never removed, since others may have filters
//!   in it.
//! - Our TCX links hold programs whose BTF carries [a mark](crate::owner), or are pinned below `BPFFS/bpfasm/`.
//! - A filter is deleted only after a dump has shown our name and our program's id in it; a link is detached only while
//!   it holds our program. What somebody else has put in its place stays.
//! - One program name is attached once per hook, by either mechanism. A second attach is [`Error::AlreadyAttached`], or
//!   with [`Options::replace`] a swap with no moment in which no program, or both, see a packet. Only if the swap moves
//!   the program to the other mechanism or to another priority, both run for a moment: the new one is there before the
//!   old one goes.
//!
//! Two processes that attach the same program at the same time are kept apart by the kernel for TCX. For `clsact` it
//! offers no means, and both may succeed.
//!
//! To look at a program of another process, the kernel wants `CAP_SYS_ADMIN`. Without it, TCX links of other processes
//! are not recognised as ours; attaching and `clsact` work with `CAP_BPF` and `CAP_NET_ADMIN`.
//!
//! Everything is found by asking the kernel in the network namespace of the calling thread. A guard remembers its
//! namespace, and detaches there.

mod attachment;
mod clsact;
mod entry;
mod tcx;

use std::fmt;

use bpfasm_object::kernel::{AttachType, ProgramType};

pub use attachment::Attachment;
pub use entry::{Entry, Place};

use self::attachment::Held;
use super::existing::{Existing, until_unchanged};
use super::ours::among;
use crate::netlink::tc::Handle;
use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, Program};

/// Which packets of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Those that come in.
    Ingress,
    /// Those that go out.
    Egress,
}

impl Direction {
    const fn attach_type(self) -> AttachType {
        match self {
            Direction::Ingress => AttachType::TCX_INGRESS,
            Direction::Egress => AttachType::TCX_EGRESS,
        }
    }

    /// Where its filters hang in `clsact`.
    #[must_use]
    pub const fn parent(self) -> Handle {
        match self {
            Direction::Ingress => Handle::INGRESS,
            Direction::Egress => Handle::EGRESS,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        })
    }
}

/// By which mechanism to attach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A TCX link where the kernel has them, else a `clsact` filter. A replaced program stays where it is.
    #[default]
    Auto,
    /// A `clsact` filter.
    Clsact,
    /// A TCX link.
    Tcx,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Auto => "auto",
            Mode::Clsact => "clsact",
            Mode::Tcx => "tcx",
        })
    }
}

/// A side of a network device, in the network namespace of the thread that named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hook {
    device: String,
    ifindex: u32,
    direction: Direction,
}

impl Hook {
    /// The hook of a device of the calling thread's network namespace.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`].
    pub fn new(device: &str, direction: Direction) -> Result<Hook, Error> {
        let ifindex = sys::if_nametoindex(device).map_err(|_| Error::NoSuchDevice { name: device.to_owned() })?;
        Ok(Hook { device: device.to_owned(), ifindex, direction })
    }

    /// The device's name.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The device's index.
    #[must_use]
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The direction.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The error for a device that has gone since it was named.
    fn gone(&self) -> Error {
        Error::DeviceGone { name: self.device.clone() }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tc:{}:{}", self.device, self.direction)
    }
}

/// Both hooks of every device of the calling thread's network namespace.
///
/// # Errors
/// When the kernel does not list the devices.
pub fn hooks() -> Result<Vec<Hook>, Error> {
    let devices = sys::if_nameindex().map_err(|errno| Error::sys(Action::LIST_DEVICES, errno))?;
    let both = |(ifindex, device): (u32, String)| {
        [Direction::Ingress, Direction::Egress].map(|direction| Hook { device: device.clone(), ifindex, direction })
    };
    Ok(devices.into_iter().flat_map(both).collect())
}

/// How to attach. [`Options::default`] is [`Mode::Auto`], priority 1000, no replacement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    mode: Mode,
    priority: Option<u16>,
    replace: bool,
}

/// The priority of a `clsact` filter, unless another is asked for.
pub const DEFAULT_PRIORITY: u16 = 1000;

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Options {
        Options::default()
    }

    /// Asks for a mechanism.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Options {
        self.mode = mode;
        self
    }

    /// Asks for a priority among the `clsact` filters: lower ones run first, 0 is not allowed. TCX links run in the
    /// order in which they were attached, whatever this says.
    #[must_use]
    pub fn priority(mut self, priority: u16) -> Options {
        self.priority = Some(priority);
        self
    }

    /// Swaps a program of the same name that is attached at the hook, instead of refusing. The guard of the swapped
    /// program then detaches nothing, unless both hold the very same program.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Options {
        self.replace = replace;
        self
    }
}

/// Attaches a program, and detaches it when the guard is dropped.
///
/// ```no_run
/// use bpfasm_loader::attach::tc::{Direction, Hook, Options, attach};
///
/// # fn f(program: &bpfasm_loader::Program) -> Result<(), bpfasm_loader::Error> {
/// let hook = Hook::new("veth0", Direction::Ingress)?;
/// let attachment = attach(program, &hook, &Options::default())?;
/// println!("{attachment}");
/// attachment.detach()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// - [`Error::AlreadyAttached`] if a program of that name is there and replacement is not asked for.
/// - [`Error::QdiscTaken`] if the device has an `ingress` qdisc, which excludes `clsact`; [`Error::PriorityTaken`] if
///   filters of another kind or protocol have the priority.
/// - [`Error::Unsupported`] if TCX is asked for and the kernel lacks it.
/// - [`Error::NotPermitted`] without `CAP_BPF` and `CAP_NET_ADMIN`.
/// - [`Error::Usage`] for a program that is no `sched_cls`, for priority 0 or for a name too long for a filter.
pub fn attach(program: &Program, hook: &Hook, options: &Options) -> Result<Attachment, Error> {
    check(program, options)?;
    let program_id = program.id()?;
    let once = || attach_once((program, program_id), hook, options);
    let (held, rest) = until_unchanged(hook, "a program was being attached", once)?;
    let attachment = Attachment::new(program, program_id, hook, held);
    rest.iter().try_for_each(|entry| remove(hook, entry))?;
    Ok(attachment)
}

fn check(program: &Program, options: &Options) -> Result<(), Error> {
    if program.program_type() != ProgramType::SCHED_CLS {
        let what = format!(
            "`{}` is a {} program, and a tc hook takes {} only",
            program.name(),
            program.program_type(),
            ProgramType::SCHED_CLS
        );
        return Err(Error::Usage { what });
    }
    if options.priority == Some(0) {
        return Err(Error::Usage {
            what: "priority 0 would let the kernel choose: name one from 1 to 65535".to_owned(),
        });
    }
    clsact::check_name(program.name())
}

/// One attempt: the attachment, and what it replaces and could not be swapped. `None` if the hook changed between
/// looking at it and changing it.
fn attach_once(
    (program, program_id): (&Program, u32),
    hook: &Hook,
    options: &Options,
) -> Result<Option<(Held, Vec<Entry>)>, Error> {
    let tcx = tcx::query(hook)?;
    if tcx.is_none() && options.mode == Mode::Tcx {
        return Err(tcx::unsupported());
    }
    let (tcx_entries, revision) = tcx.map_or((Vec::new(), None), |hook| (hook.entries, Some(hook.revision)));
    let mut connection = clsact::connect()?;
    let filters = clsact::entries(&mut connection, hook)?;
    let Existing { swapped, rest } =
        Existing::find(tcx_entries.iter().chain(&filters), (program.name(), hook), options.replace, |place| {
            can_swap(place, options)
        })?;
    let held = match (swapped, revision) {
        (Some(entry), _) => match entry.place() {
            Place::Tcx { .. } => tcx::replace(program, hook, &entry)?,
            Place::Clsact { .. } => clsact::replace(connection, (program, program_id), hook, &entry)?,
        },
        (None, Some(revision)) if options.mode != Mode::Clsact => tcx::add(program, hook, revision)?,
        (None, _) => {
            let priority = options.priority.unwrap_or(DEFAULT_PRIORITY);
            clsact::add(connection, (program, program_id), hook, priority, &filters)?
        }
    };
    Ok(held.map(|held| (held, rest)))
}

/// Whether what is there can be swapped in place, rather than joined by the new one and then removed.
fn can_swap(place: &Place, options: &Options) -> bool {
    match place {
        Place::Tcx { .. } => options.mode != Mode::Clsact,
        Place::Clsact { priority, .. } => {
            options.mode != Mode::Tcx && options.priority.is_none_or(|asked| asked == *priority)
        }
    }
}

/// What is attached at a hook, ours and others', in the order it runs.
///
/// Without `CAP_SYS_ADMIN` the names of TCX programs are unknown, and none is recognised as ours.
///
/// # Errors
/// [`Error::NotPermitted`] without `CAP_NET_ADMIN`; [`Error::DeviceGone`].
pub fn attached(hook: &Hook) -> Result<Vec<Entry>, Error> {
    let mut entries = tcx::query(hook)?.map_or_else(Vec::new, |hook| hook.entries);
    entries.extend(clsact::entries(&mut clsact::connect()?, hook)?);
    Ok(entries)
}

/// What of ours is attached at a hook, also by another process, in the order it runs.
///
/// # Errors
/// [`Error::NothingAttached`] if nothing of ours is there; [`Error::NotPermitted`] without `CAP_NET_ADMIN`, or without
/// `CAP_SYS_ADMIN` if that keeps it from telling whose a TCX program is.
pub fn ours(hook: &Hook) -> Result<Vec<Entry>, Error> {
    among(attached(hook)?, hook)
}

/// Detaches everything of [`ours`] at a hook, and gives it.
///
/// Foreign filters and links, and the `clsact` qdisc itself, stay. Pins of the links below `BPFFS/bpfasm/` go.
///
/// # Errors
/// Those of [`ours`], or the kernel refuses.
pub fn detach_ours(hook: &Hook) -> Result<Vec<Entry>, Error> {
    let ours = ours(hook)?;
    ours.iter().try_for_each(|entry| remove(hook, entry))?;
    Ok(ours)
}

/// Removes an entry that a listing has just shown to be ours. One that has gone meanwhile is fine.
pub(super) fn remove(hook: &Hook, entry: &Entry) -> Result<(), Error> {
    match entry.place() {
        Place::Tcx { .. } => tcx::remove(hook, entry),
        Place::Clsact { .. } => clsact::remove(hook, entry),
    }
}

/// The kernel's answer where a device has gone.
fn is_gone(errno: Option<Errno>) -> bool {
    errno == Some(Errno::ENODEV)
}
