//! The guard of an attached program.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Hook, Mode, Place, clsact};
use crate::attach::link::Link;
use crate::netlink::Connection;
use crate::netlink::tc::FilterAddress;
use crate::{Error, Program};

/// A program attached at a tc hook. Dropping it detaches the program; errors of that are lost, and
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
}

/// What keeps a program attached.
#[derive(Debug)]
pub(super) enum Held {
    Tcx(Link),
    Clsact {
        /// Belongs to the network namespace of the filter, wherever the thread goes.
        connection: Connection,
        address: FilterAddress,
    },
}

impl Attachment {
    pub(super) fn new(program: &Program, program_id: u32, hook: &Hook, held: Held) -> Attachment {
        Attachment { held: Some(held), hook: hook.clone(), program: program.name().to_owned(), program_id }
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

    /// The mechanism in use: never [`Mode::Auto`].
    #[must_use]
    pub fn mode(&self) -> Mode {
        match &self.held {
            Some(Held::Clsact { .. }) => Mode::Clsact,
            Some(Held::Tcx(_)) | None => Mode::Tcx,
        }
    }

    /// The link or the filter.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.held {
            Some(Held::Clsact { address, .. }) => Place::Clsact {
                priority: address.priority,
                handle: address.handle,
                protocol: address.protocol,
                chain: 0,
                kind: "bpf".to_owned(),
            },
            Some(Held::Tcx(link)) => Place::Tcx { link_id: Some(link.id()) },
            None => Place::Tcx { link_id: None },
        }
    }

    /// Detaches the program. When this returns, it sees no further packet.
    ///
    /// # Errors
    /// [`Error::NothingAttached`] if it was not there any more, since it was detached or replaced by another process or
    /// its device is gone.
    pub fn detach(mut self) -> Result<(), Error> {
        self.release()
    }

    /// Lets the program stay as long as the kernel keeps it without this process: a filter until it is deleted, a link
    /// until this process ends. [`persist`](Attachment::persist) makes either outlive the process.
    pub fn forget(mut self) {
        if let Some(Held::Tcx(link)) = self.held.take() {
            link.forget();
        }
    }

    /// Pins the link in a folder of a bpffs as `PROGRAM-LINKID`, where it outlives the process, and gives the path.
    ///
    /// # Errors
    /// [`Error::Usage`] for a `clsact` filter, which has no link; [`Error::PinExists`] if the path exists. After an
    /// error the program is detached.
    pub fn pin(mut self, folder: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let Some(Held::Tcx(link)) = &self.held else {
            let what = "a clsact filter has no link to pin: it stays by itself when it is forgotten".to_owned();
            return Err(Error::Usage { what });
        };
        let path = link.pin(folder.as_ref(), &self.program)?;
        self.held = None;
        Ok(path)
    }

    /// Makes the attachment outlive the process: a filter stays by itself, a link is pinned as
    /// `BPFFS/bpfasm/PROGRAM-LINKID`. Gives the path of the pin, if there is one. [`detach_ours`](super::detach_ours)
    /// undoes either.
    ///
    /// # Errors
    /// [`Error::NoBpffs`] if there is no bpffs and none can be mounted. After an error the program is detached.
    pub fn persist(mut self) -> Result<Option<PathBuf>, Error> {
        let path = self.keep()?;
        self.held = None;
        Ok(path)
    }

    /// Does what can fail of [`persist`](Attachment::persist) and leaves the guard in force, so that several attachments
    /// can persist together or not at all: a link is pinned, and detaching removes the pin. After
    /// [`forget`](Attachment::forget) it stays.
    ///
    /// # Errors
    /// Those of [`persist`](Attachment::persist); [`Error::Raced`] if another process has detached it meanwhile.
    pub fn keep(&self) -> Result<Option<PathBuf>, Error> {
        match &self.held {
            Some(Held::Tcx(link)) => match link.keep(&self.program)? {
                Some(path) => Ok(Some(path)),
                None => Err(Error::Raced { hook: self.hook.to_string(), doing: "a pin was being made" }),
            },
            Some(Held::Clsact { .. }) | None => Ok(None),
        }
    }

    fn release(&mut self) -> Result<(), Error> {
        let ours = match self.held.take() {
            None => true,
            Some(Held::Clsact { mut connection, address }) => {
                clsact::release(&mut connection, &self.hook, &address, &self.program, self.program_id)?
            }
            Some(Held::Tcx(link)) => link.release(self.program_id)?,
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
        write!(f, "{} (id {}) at {}, {}", self.program, self.program_id, self.hook, self.place())
    }
}
