//! What a listing of a hook shows.

use std::fmt;

use super::Mode;
use crate::attach;

/// Something attached to a control group.
pub type Entry = attach::Entry<Place>;

/// How an [`Entry`] is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// By a link.
    Link {
        /// The link's id.
        link_id: u32,
    },
    /// By itself.
    Program {
        /// Never [`Mode::Link`].
        mode: Mode,
    },
}

impl Place {
    /// The mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self {
            Place::Link { .. } => Mode::Link,
            Place::Program { mode } => *mode,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Link { link_id } => write!(f, "cgroup link {link_id}"),
            Place::Program { mode } => write!(f, "attached in mode {mode}"),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, format_args!("program"))
    }
}
