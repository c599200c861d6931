//! The guard of an attached program.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::{Hook, Mode, Place, by_program};
use crate::attach::link::Link;
use crate::{Error, Program};

/// A program attached to a control group. Dropping it detaches the program; errors of that are lost, and
/// [`detach`](Attachment::detach) gives them.
///
/// What another process has put in this one's place in the meantime, by replacement, is left alone.
#[derive(Debug)]
#[must_use = "dropping an attachment detaches its program"]
pub struct Attachment {
    held: Option<Held>,
    hook: Hook,
    program: String,
    program_id: u32,
    /// As it was when it was attached.
    place: Place,
}

/// What keeps a program attached.
#[derive(Debug)]
pub(super) enum Held {
    Link(Link),
    Program { program: OwnedFd, mode: Mode },
}

impl Attachment {
    pub(super) fn new(program: &Program, program_id: u32, hook: &Hook, held: Held) -> Attachment {
        let place = match &held {
            Held::Link(link) => Place::Link { link_id: link.id() },
            Held::Program { mode, .. } => Place::Program { mode: *mode },
        };
        Attachment { held: Some(held), hook: hook.clone(), program: program.name().to_owned(), program_id, place }
    }

    /// Where it is attached.
    #[must_use]
    pub fn hook(&self) -> &Hook {
        &self.hook
    }

    /// The program's name.
    #[must_use]
    pub fn program_name(&self) -> &str {
        &self.program
    }

    /// The program's id.
    #[must_use]
    pub fn program_id(&self) -> u32 {
        self.program_id
    }

    /// How it is attached.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Detaches the program. When this returns, it sees no further packet.
    ///
    /// # Errors
    /// [`Error::NothingAttached`] if it was not there any more, since it was detached or replaced by another process or
    /// its group is gone.
    pub fn detach(mut self) -> Result<(), Error> {
        self.release()
    }

    /// Lets the program stay as long as the kernel keeps it without this process: a program attached by itself until it is
    /// detached or its group is removed, a link until this process ends. [`persist`](Attachment::persist) makes either
    /// outlive the process.
    pub fn forget(mut self) {
        if let Some(Held::Link(link)) = self.held.take() {
            link.forget();
        }
    }

    /// Makes the attachment outlive the process, and gives the path of its pin: a link is pinned as
    /// `BPFFS/bpfasm/PROGRAM-LINKID`. A program attached by itself stays anyway; it is pinned too, under a name that tells
    /// where it is attached, as the record of who has attached it. [`detach_ours`](super::detach_ours) undoes either.
    ///
    /// # Errors
    /// [`Error::NoBpffs`] if there is no bpffs and none can be mounted. After an error the program is detached.
    pub fn persist(mut self) -> Result<PathBuf, Error> {
        let path = self.keep()?;
        self.held = None;
        Ok(path)
    }

    /// Pins as [`persist`](Attachment::persist) does, and leaves the guard in force, so that several attachments can
    /// persist together or not at all: detaching removes the pin. After [`forget`](Attachment::forget) it stays.
    ///
    /// # Errors
    /// Those of [`persist`](Attachment::persist); [`Error::Raced`] if another process has detached it meanwhile.
    pub fn keep(&self) -> Result<PathBuf, Error> {
        let kept = match &self.held {
            Some(Held::Link(link)) => link.keep(&self.program)?,
            Some(Held::Program { program, mode }) => {
                by_program::keep(&self.hook, *mode, program.as_fd(), (self.program_id, &self.program))?
            }
            None => None,
        };
        kept.ok_or_else(|| Error::Raced { hook: self.hook.to_string(), doing: "a pin was being made" })
    }

    fn release(&mut self) -> Result<(), Error> {
        let ours = match self.held.take() {
            None => true,
            Some(Held::Link(link)) => link.release(self.program_id)?,
            Some(Held::Program { program, mode }) => {
                by_program::release(&self.hook, mode, program.as_fd(), self.program_id)?
            }
        };
        if ours { Ok(()) } else { Err(Error::NothingAttached { hook: self.hook.to_string() }) }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // Nobody is left to tell: `detach` is for those who want to know.
        let _ = self.release();
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (id {}) at {}, {}", self.program, self.program_id, self.hook, self.place)
    }
}
