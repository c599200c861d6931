//! What a listing of a hook shows.

use std::fmt;

/// Something attached at a tc hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) program_name: Option<String>,
    pub(super) program_id: Option<u32>,
    pub(super) ours: bool,
    pub(super) place: Place,
}

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

impl Entry {
    /// The program's name: in full for ours, otherwise what its filter or the kernel calls it. `None` for a filter that
    /// is no BPF program, or for a program that this process may not look at.
    #[must_use]
    pub fn program_name(&self) -> Option<&str> {
        self.program_name.as_deref()
    }

    /// The program's id; `None` for a filter that is no BPF program.
    #[must_use]
    pub fn program_id(&self) -> Option<u32> {
        self.program_id
    }

    /// Whether this crate has attached it, in this or in another process.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    /// Where it hangs.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
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
        match (&self.program_name, &self.place) {
            (Some(name), _) => f.write_str(name)?,
            (None, Place::Clsact { kind, .. }) => write!(f, "{kind} filter")?,
            (None, Place::Tcx { .. }) => f.write_str("program")?,
        }
        if let Some(id) = self.program_id {
            write!(f, " (id {id})")?;
        }
        write!(f, ", {}", self.place)
    }
}
