//! What a listing of a hook shows.

use std::fmt;

use crate::attach;

/// Something attached at a tc hook.
pub type Entry = attach::Entry<Place>;

/// Where an [`Entry`] hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Among the TCX programs.
    Tcx {
        /// The link; `None` for a program attached without one.
        link_id: Option<u32>,
    },
    /// Among the filters of `clsact`.
    Clsact {
        /// Lower runs first; among equals, the last one added.
        priority: u16,
        /// The filter's handle, unique within its priority.
        handle: u32,
        /// The `ETH_P_*` it sees; 3 is all.
        protocol: u16,
        /// The chain; 0 runs unless another filter jumps.
        chain: u32,
        /// The classifier: `bpf`, `flower`, `u32` and so on.
        kind: String,
    },
}

impl Place {
    /// The TCX link.
    pub(in crate::attach) fn link_id(&self) -> Option<u32> {
        match self {
            Place::Tcx { link_id } => *link_id,
            Place::Clsact { .. } => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcx { link_id: Some(id) } => write!(f, "tcx link {id}"),
            Place::Tcx { link_id: None } => f.write_str("tcx without a link"),
            Place::Clsact { priority, handle, chain, .. } => {
                write!(f, "clsact priority {priority} handle {handle:#x}")?;
                if *chain == 0 { Ok(()) } else { write!(f, " chain {chain}") }
            }
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Clsact { kind, .. } => self.write(f, format_args!("{kind} filter")),
            Place::Tcx { .. } => self.write(f, format_args!("program")),
        }
    }
}
