//! Global variables: the data sections of an object.

use bpfasm_codegen::ir::{GlobalDecl, Op, Space};

use super::reference::Atomic;
use super::{MapRef, Stored};
use crate::header::Bytes;
use crate::stage;

/// A variable that programs and user space share: a static with [`#[global]`](macro@crate::prelude::global).
///
/// It lies in the section `.data` of the object, or in `.bss` where it starts as zero. Every load of the object has its own.
///
/// ```
/// use bpfasm_dsl::prelude::*;
///
/// #[global(crate = bpfasm_dsl)]
/// static SEEN: Global<U64> = Global::new(0);
///
/// #[program(tc, crate = bpfasm_dsl)]
/// fn count(_skb: &mut Tc) -> TcAction {
///     SEEN.add(1);
///     TcAction::OK
/// }
/// # assert_eq!(count.stage()?.globals[0].decl.name, "SEEN");
/// # Ok::<(), bpfasm_dsl::stage::StageError>(())
/// ```
#[derive(Debug)]
pub struct Global<T: Stored> {
    name: Option<&'static str>,
    start: T::Host,
}

/// A variable that user space may set in the object before it is loaded, and nobody afterwards: a static with
/// [`#[global]`](macro@crate::prelude::global) in the section `.rodata`. The kernel's verifier knows its value.
///
/// What is known when a program is staged is better a host argument, which takes no space at all.
#[derive(Debug)]
pub struct Constant<T: Stored> {
    name: Option<&'static str>,
    value: T::Host,
}

impl<T: Stored> Global<T> {
    /// A variable that starts so.
    #[must_use]
    pub const fn new(start: T::Host) -> Self {
        Global { name: None, start }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Global { name: Some(name), start: self.start }
    }

    /// Where it lies: for its fields, if it has some.
    #[track_caller]
    pub fn place(&self) -> MapRef<T> {
        place(self.name, &self.start, false)
    }

    /// Reads it.
    #[track_caller]
    pub fn get(&self) -> T {
        self.place().get()
    }

    /// Writes it. Where other programs or CPUs write it at the same time, one of the values stays.
    #[track_caller]
    pub fn set(&self, value: impl Into<T>) {
        self.place().set(value);
    }
}

impl<T: Atomic> Global<T> {
    /// Adds to it in one step: nothing is lost where other programs or CPUs add to it at the same time.
    #[track_caller]
    pub fn add(&self, value: impl Into<T>) {
        self.place().add(value);
    }
}

impl<T: Stored> Constant<T> {
    /// A constant of this value, unless user space sets another one.
    #[must_use]
    pub const fn new(value: T::Host) -> Self {
        Constant { name: None, value }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Constant { name: Some(name), value: self.value }
    }

    /// Reads it.
    #[track_caller]
    pub fn get(&self) -> T {
        place::<T>(self.name, &self.value, true).get()
    }
}

/// The place of a variable, which becomes one of those that the program uses.
#[track_caller]
fn place<T: Stored>(name: Option<&'static str>, value: &T::Host, read_only: bool) -> MapRef<T> {
    let identity = std::ptr::from_ref(value).addr();
    let declare = || {
        let mut bytes = vec![0; T::BYTES as usize];
        T::encode(value, &mut bytes);
        Some(GlobalDecl { name: name?.to_owned(), data: T::DATA, value: bytes, read_only })
    };
    let global = stage::global(identity, declare);
    MapRef::new(Bytes::new(Space::Map, stage::emit(Op::GlobalAddr(global)), 0))
}
