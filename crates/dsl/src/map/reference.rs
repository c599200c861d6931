//! Map values where they lie.

use std::marker::PhantomData;
use std::ops::Deref;

use bpfasm_codegen::ir::{Op, Operand, Space};

use super::Stored;
use crate::header::Bytes;
use crate::join::{Dead, HostKey, Staged};
use crate::stage;
use crate::value::{I32, I64, Scalar, U32, U64};

/// Bytes that a value may have, so that each can be reached by the offset of an instruction (`off`, RFC 9669 section 3).
pub(super) const MAX_BYTES: u32 = 0x7fff;

/// A value in a map, or a field of one, proven to be there.
///
/// The value of a struct has a method a field, which gives the [`MapRef`] of that field.
#[derive(Debug)]
pub struct MapRef<V: Stored> {
    bytes: Bytes,
    view: V::View,
}

impl<V: Stored> MapRef<V> {
    pub(crate) fn new(bytes: Bytes) -> MapRef<V> {
        MapRef { bytes, view: bytes.into() }
    }

    /// Reads it.
    #[track_caller]
    pub fn get(&self) -> V {
        V::load(&self.bytes, 0)
    }

    /// Writes it. Where other programs or CPUs write it at the same time, one of the values stays.
    #[track_caller]
    pub fn set(&self, value: impl Into<V>) {
        value.into().store(&mut { self.bytes }, 0);
    }
}

impl<V: Atomic> MapRef<V> {
    /// Adds to it in one step: nothing is lost where other programs or CPUs add to it at the same time.
    #[track_caller]
    pub fn add(&self, value: impl Into<V>) {
        let (space, base, off) = self.bytes.parts();
        stage::emit(Op::AtomicAdd { space, size: V::SIZE, base, off, value: value.into().operand() });
    }
}

/// A number that can be added to in memory: BPF has such instructions for 32 and 64 bits (RFC 9669 section 5.3).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to in one step",
    note = "`U32 U64 I32 I64` can; other values are read with `get` and written with `set`"
)]
pub trait Atomic: Stored + Scalar {}

impl Atomic for U32 {}
impl Atomic for U64 {}
impl Atomic for I32 {}
impl Atomic for I64 {}

impl<V: Stored> Clone for MapRef<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Stored> Copy for MapRef<V> {}

impl<V: Stored> Deref for MapRef<V> {
    type Target = V::View;
    fn deref(&self) -> &V::View {
        &self.view
    }
}

impl<V: Stored> Staged for MapRef<V> {
    fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
        let (_, mut base, off) = self.bytes.parts();
        f(&mut base);
        *self = MapRef::new(Bytes::new(Space::Map, base, off));
    }
    fn host_part(&self, key: &mut HostKey) {
        let (_, _, off) = self.bytes.parts();
        key.add(&off);
    }
}

impl<V: Stored> Dead for MapRef<V> {
    fn dead() -> Self {
        MapRef::new(Bytes::new(Space::Map, Operand::Const(0), 0))
    }
}

/// The view of a value without fields.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NoFields(());

impl From<Bytes> for NoFields {
    fn from(_: Bytes) -> Self {
        NoFields(())
    }
}

/// The elements of an array in memory.
#[derive(Debug)]
pub struct Elements<T, const N: usize> {
    bytes: Bytes,
    element: PhantomData<fn() -> T>,
}

impl<T, const N: usize> Clone for Elements<T, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, const N: usize> Copy for Elements<T, N> {}

impl<T, const N: usize> From<Bytes> for Elements<T, N> {
    fn from(bytes: Bytes) -> Self {
        Elements { bytes, element: PhantomData }
    }
}

impl<T: Stored, const N: usize> Elements<T, N> {
    /// The element of an index that is known while the program is staged.
    ///
    /// # Panics
    /// Panics, which is an error of staging, where the array has no such element.
    #[track_caller]
    pub fn at(&self, index: usize) -> MapRef<T> {
        assert!(index < N, "element {index} of an array of {N}");
        let before = u32::try_from(index).map_or(u32::MAX, |index| index.saturating_mul(T::BYTES));
        self.bytes.part(before)
    }
}

impl Bytes {
    /// The part of a map value that begins after so many bytes.
    pub fn part<V: Stored>(&self, before: u32) -> MapRef<V> {
        MapRef::new(self.behind(before))
    }
}
