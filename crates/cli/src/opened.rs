//! A program to attach: one that is in the kernel, or one of a file that is loaded now.

use bpfasm::loader::{Loaded, Program};

use crate::error::Error;

/// A program, and what it was loaded with.
#[derive(Debug)]
pub enum Opened {
    /// It was in the kernel.
    There(Program),
    /// It was loaded now; it has that name.
    Loaded(Loaded, String),
}

impl Opened {
    /// The program.
    ///
    /// # Errors
    ///
    /// It is not among those that were loaded.
    pub fn program(&self) -> Result<&Program, Error> {
        match self {
            Self::There(program) => Ok(program),
            Self::Loaded(loaded, name) => Ok(loaded.program(name)?),
        }
    }
}
