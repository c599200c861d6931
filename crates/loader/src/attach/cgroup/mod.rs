//! Control groups: programs that see what the processes of a group do, such as the packets of their sockets.
//!
//! A group belongs to the hierarchy of version 2. Programs are attached to it by a *link* (Linux 5.7), which is gone
//! with the process that holds it unless it is pinned, or by themselves (`BPF_PROG_ATTACH`, Linux 4.10), which lasts
//! until they are detached or the group is removed. [`Mode`] says what else may be attached there, to this group and to
//! those below. Programs of a group's ancestors run for it too, where the modes let them: [`effective`].
//!
//! # Ownership
//!
//! - Our links hold programs whose BTF carries [a mark](crate::owner), or are pinned below `BPFFS/bpfasm/`. Our programs
//!   without a link carry the mark, or are pinned there under a name that tells where they are attached.
//! - The kernel would let a program of mode [`None`](Mode::None) or [`Override`](Mode::Override) take the place of
//!   whatever is there. This crate does not: it puts a program in another one's place only if that one is ours and has
//!   the same name, and only with [`Options::replace`].
//! - One program name is attached once per hook. A second attach is [`Error::AlreadyAttached`], or with
//!   [`Options::replace`] a swap with no moment in which no program, or both, see a packet. Only if the swap goes from a
//!   link to mode [`Multi`](Mode::Multi) or back, both run for a moment.
//! - Nothing is detached but what a listing has just shown to be ours.
//!
//! [`attach_program`] and [`detach_program`] know no owner: they are what bpftool does.
//!
//! From Linux 6.17 on, the kernel refuses a change if the hook has changed since it was listed, and the change is tried
//! again. Before, another process that attaches in the same moment with mode `none` or `override` may lose its program.
//!
//! To look at programs and links of another process, the kernel wants `CAP_SYS_ADMIN`. Without it, nothing of another
//! process is recognised as ours, and links cannot be told from other programs.

mod attachment;
mod by_link;
mod by_program;
mod entry;
mod group;
mod hook;
mod plain;
mod query;

use std::fmt;

pub use attachment::Attachment;
pub use entry::{Entry, Place};
pub(super) use group::tree;
pub use group::{Attached, Group};
pub use hook::{Hook, hooks};
pub use plain::{attach_program, detach_program};
pub(super) use query::pins;

use self::attachment::Held;
use self::query::Listing;
use super::existing::{Existing, until_unchanged};
use super::ours::among;
use crate::sys::{BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE};
use crate::{Error, Program};

/// How to attach, and what else may be attached then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// By a link: beside other links and programs of mode [`Multi`](Mode::Multi).
    #[default]
    Link,
    /// By itself and alone, with nothing attached to the groups below.
    None,
    /// By itself and alone; a group below may have a program of its own, which then runs in this one's place.
    Override,
    /// By itself: beside others, of this group and of those below.
    Multi,
}

impl Mode {
    /// The `BPF_F_ALLOW_*` of it.
    const fn flags(self) -> u32 {
        match self {
            Mode::None => 0,
            Mode::Override => BPF_F_ALLOW_OVERRIDE,
            Mode::Link | Mode::Multi => BPF_F_ALLOW_MULTI,
        }
    }

    /// The mode of a program that is attached without a link, by the flags that a query shows.
    const fn of_flags(flags: u32) -> Mode {
        match flags {
            0 => Mode::None,
            BPF_F_ALLOW_OVERRIDE => Mode::Override,
            _ => Mode::Multi,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mode::Link => "link",
            Mode::None => "none",
            Mode::Override => "override",
            Mode::Multi => "multi",
        })
    }
}

/// How to attach. [`Options::default`] is [`Mode::Link`] and no replacement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    mode: Mode,
    replace: bool,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Options {
        Options::default()
    }

    /// Asks for a mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Options {
        self.mode = mode;
        self
    }

    /// Swaps a program of the same name that this crate has attached at the hook, instead of refusing. The guard of the
    /// swapped program then detaches nothing, unless both hold the very same program.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Options {
        self.replace = replace;
        self
    }
}

/// Attaches a program, and detaches it when the guard is dropped.
///
/// ```no_run
/// use bpfasm_loader::attach::cgroup::{Hook, Options, attach};
/// use bpfasm_object::kernel::AttachType;
///
/// # fn f(program: &bpfasm_loader::Program) -> Result<(), bpfasm_loader::Error> {
/// let hook = Hook::new("/sys/fs/cgroup/web", AttachType::CGROUP_INET_INGRESS)?;
/// let attachment = attach(program, &hook, &Options::default())?;
/// println!("{attachment}");
/// attachment.detach()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// - [`Error::AlreadyAttached`] if a program of that name is there and replacement is not asked for.
/// - [`Error::ModeTaken`] if the mode does not go together with what is attached to the group or to one above it.
/// - [`Error::Unsupported`] if the kernel has no such links.
/// - [`Error::NotPermitted`] without `CAP_BPF` and `CAP_NET_ADMIN`.
/// - [`Error::Usage`] for a program of another type than the hook takes.
pub fn attach(program: &Program, hook: &Hook, options: &Options) -> Result<Attachment, Error> {
    hook.check(program)?;
    let program_id = program.id()?;
    let once = || attach_once(program, hook, options);
    let (held, rest) = until_unchanged(hook, "a program was being attached", once)?;
    let attachment = Attachment::new(program, program_id, hook, held);
    rest.iter().try_for_each(|entry| remove(hook, entry))?;
    Ok(attachment)
}

/// Attaches, and gives besides the attachment what of ours the new program stands for. `None` if the hook has changed
/// meanwhile.
fn attach_once(program: &Program, hook: &Hook, options: &Options) -> Result<Option<(Held, Vec<Entry>)>, Error> {
    let listing = query::list(hook)?;
    let same_mode = |place: &Place| place.mode() == options.mode;
    let named = (program.name(), hook);
    let Existing { swapped, rest } = Existing::find(listing.entries.iter(), named, options.replace, same_mode)?;
    let held = match &swapped {
        Some(entry) => replace(program, hook, entry, &listing)?,
        None => {
            listing.check(hook, options.mode)?;
            match options.mode {
                Mode::Link => by_link::add(program, hook, &listing)?,
                mode => by_program::add(program, hook, mode, &listing)?,
            }
        }
    };
    Ok(held.map(|held| (held, rest)))
}

fn replace(program: &Program, hook: &Hook, entry: &Entry, listing: &Listing) -> Result<Option<Held>, Error> {
    match *entry.place() {
        Place::Link { link_id } => by_link::replace(program, hook, (link_id, entry)),
        Place::Program { mode } => by_program::replace(program, hook, (mode, entry), listing),
    }
}

/// What is attached at a hook, ours and others', in the order it runs. Programs of the group's ancestors are not in it.
///
/// # Errors
/// [`Error::NotPermitted`] without `CAP_NET_ADMIN`; [`Error::CgroupGone`].
pub fn attached(hook: &Hook) -> Result<Vec<Entry>, Error> {
    Ok(query::list(hook)?.entries)
}

/// The ids of all programs that run for the group's processes, those of its ancestors included, in the order they run.
///
/// # Errors
/// [`Error::NotPermitted`] without `CAP_NET_ADMIN`; [`Error::CgroupGone`].
///
/// # References
/// `BPF_F_QUERY_EFFECTIVE` of `BPF_PROG_QUERY`.
pub fn effective(hook: &Hook) -> Result<Vec<u32>, Error> {
    Ok(query::query(hook, true)?.prog_ids)
}

/// What of ours is attached at a hook, also by another process, in the order it runs.
///
/// # Errors
/// [`Error::NothingAttached`] if nothing of ours is there; [`Error::NotPermitted`] without `CAP_NET_ADMIN`, or without
/// `CAP_SYS_ADMIN` if that keeps it from telling whose a program is.
pub fn ours(hook: &Hook) -> Result<Vec<Entry>, Error> {
    among(attached(hook)?, hook)
}

/// Detaches everything of [`ours`] at a hook, and gives it.
///
/// What others have attached stays. Pins of ours below `BPFFS/bpfasm/` go.
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
    match *entry.place() {
        Place::Link { link_id } => by_link::remove(hook, (link_id, entry)),
        Place::Program { mode } => by_program::remove(hook, (mode, entry)),
    }
}
