//! What a listing of a hook shows.

use std::fmt;

/// Something attached at a hook; `P` says where it hangs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<P> {
    pub(super) program_name: Option<String>,
    pub(super) program_id: Option<u32>,
    pub(super) ours: bool,
    pub(super) place: P,
}

impl<P> Entry<P> {
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
    pub fn place(&self) -> &P {
        &self.place
    }
}

impl<P: fmt::Display> Entry<P> {
    /// Writes it, with `kind` where it has no name.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, kind: fmt::Arguments<'_>) -> fmt::Result {
        match &self.program_name {
            Some(name) => f.write_str(name)?,
            None => f.write_fmt(kind)?,
        }
        if let Some(id) = self.program_id {
            write!(f, " (id {id})")?;
        }
        write!(f, ", {}", self.place)
    }
}
