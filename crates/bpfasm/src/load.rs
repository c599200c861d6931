//! From a program to the kernel.

use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};

use bpfasm_dsl::program::Program;
use bpfasm_loader::{self as loader, map::TypedMap};

use crate::map::{MapOf, UserMap};
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
        let mut maps = loader::load(&object)?;
        Ok(Loaded { program: maps.take_program(self.declaration().name)?, maps })
    }
}

/// A program in the kernel, with the maps that it uses: both stay as long as this value, or what the program is attached to.
#[derive(Debug)]
pub struct Loaded {
    program: loader::Program,
    /// Everything else of the object.
    maps: loader::Loaded,
}

impl Loaded {
    /// A map that the program uses, by its static.
    ///
    /// ```no_run
    /// use bpfasm::prelude::*;
    ///
    /// #[map]
    /// static COUNTS: Hash<U32, U64> = Hash::new(1024);
    ///
    /// #[program(tc)]
    /// fn count(skb: &mut Tc) -> TcAction {
    ///     if let Some(count) = COUNTS.lookup_or_insert(skb.mark(), 0) {
    ///         count.add(1);
    ///     }
    ///     TcAction::OK
    /// }
    ///
    /// let loaded = count.load()?;
    /// for entry in &loaded.map(&COUNTS)? {
    ///     let (mark, count): (u32, u64) = entry?;
    ///     println!("{mark}: {count}");
    /// }
    /// # Ok::<(), bpfasm::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`loader::Error::NoSuchMap`] where the program does not use it.
    pub fn map<M: UserMap>(&self, map: &M) -> Result<TypedMap<M::Key, M::Value>, Error> {
        self.maps.map_of(map)
    }

    /// The program alone. It keeps its maps.
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
