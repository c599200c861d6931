//! From a program to the kernel.

use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};

use bpfasm_dsl::program::Program;
use bpfasm_loader as loader;

use crate::{Compile, Error};

/// Loading a program where it stands.
pub trait Load: Program {
    /// Stages the program, compiles it and loads it into the kernel.
    ///
    /// # Errors
    /// [`Error::Stage`] and [`Error::Compile`] before the kernel is asked; [`Error::Load`] with the verifier's log where it refuses
    /// the program, and where this process may not load any.
    fn load(&self) -> Result<Loaded, Error>;
}

impl<P: Program> Load for P {
    fn load(&self) -> Result<Loaded, Error> {
        let object = self.compile()?;
        let mut loaded = loader::load(&object)?;
        Ok(Loaded { program: loaded.take_program(self.declaration().name)? })
    }
}

/// A program in the kernel: it stays as long as this value, or what it is attached to.
#[derive(Debug)]
pub struct Loaded {
    program: loader::Program,
}

impl Loaded {
    /// The program alone.
    pub fn into_program(self) -> loader::Program {
        self.program
    }
}

impl Deref for Loaded {
    type Target = loader::Program;
    fn deref(&self) -> &loader::Program {
        &self.program
    }
}

impl AsFd for Loaded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}
