//! Join points: where paths that differ in kernel values alone go on together.
//!
//! The attribute macros put [`Join`]s behind `if`, `match`, `let` and loops. Each `mut` variable that the construct may have changed is
//! saved and restored through a [`Var`], and what happens depends on its type:
//! kernel values ([`Staged`]) become parameters of the joined block; host values that can be compared (`Copy + Hash + Eq`) keep paths
//! apart that differ in them; where any other host value is involved, the paths do not join: that is always right, only longer.

use std::hash::{Hash, Hasher};

use bpfasm_codegen::ir::{Loc, Operand};
use rustc_hash::FxHasher;

use crate::stage::{self, JoinAt, JoinKind, Scope};

/// A type made of kernel values.
pub trait Staged {
    /// Calls `f` with every value in it, in a fixed order.
    #[doc(hidden)]
    fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand));
    /// Adds the host side of it, such as whether an `Option` is filled.
    #[doc(hidden)]
    fn host_part(&self, _key: &mut HostKey) {}
}

/// A digest of the host state that keeps paths apart.
#[doc(hidden)]
#[derive(Default)]
pub struct HostKey(FxHasher);

impl HostKey {
    /// Adds a part of the state.
    pub fn add(&mut self, part: &impl Hash) {
        part.hash(&mut self.0);
    }
}

impl Staged for () {
    fn each_part(&mut self, _: &mut dyn FnMut(&mut Operand)) {}
}

impl<T: Staged> Staged for Option<T> {
    fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
        if let Some(inner) = self {
            inner.each_part(f);
        }
    }
    fn host_part(&self, key: &mut HostKey) {
        key.add(&self.is_some());
        if let Some(inner) = self {
            inner.host_part(key);
        }
    }
}

impl<T: Staged, const N: usize> Staged for [T; N] {
    fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
        self.iter_mut().for_each(|item| item.each_part(f));
    }
    fn host_part(&self, key: &mut HostKey) {
        self.iter().for_each(|item| item.host_part(key));
    }
}

impl<T: Dead, const N: usize> Dead for [T; N] {
    fn dead() -> Self {
        [(); N].map(|()| T::dead())
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => { $(
        impl<$($name: Staged),*> Staged for ($($name,)*) {
            #[allow(non_snake_case, reason = "the tuple's parts are named after their types")]
            fn each_part(&mut self, f: &mut dyn FnMut(&mut Operand)) {
                let ($($name,)*) = self;
                $($name.each_part(f);)*
            }
            #[allow(non_snake_case, reason = "the tuple's parts are named after their types")]
            fn host_part(&self, key: &mut HostKey) {
                let ($($name,)*) = self;
                $($name.host_part(key);)*
            }
        }
        impl<$($name: Dead),*> Dead for ($($name,)*) {
            fn dead() -> Self {
                ($($name::dead(),)*)
            }
        }
    )* };
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
}

/// A type that a path can return when it has nothing left to say.
#[diagnostic::on_unimplemented(
    message = "a `#[staged]` function cannot return `{Self}`",
    note = "it may return kernel values, verdicts, numbers, and `Option`, `Result` and tuples of them"
)]
pub trait Dead {
    /// Any value: nobody looks at it.
    #[doc(hidden)]
    fn dead() -> Self;
}

macro_rules! dead_defaults {
    ($($host:ty)*) => { $(
        impl Dead for $host {
            fn dead() -> Self {
                Default::default()
            }
        }
    )* };
}

dead_defaults!(() bool u8 u16 u32 u64 usize i8 i16 i32 i64 isize String);

impl<T> Dead for Option<T> {
    fn dead() -> Self {
        None
    }
}

impl<T: Dead, E> Dead for Result<T, E> {
    fn dead() -> Self {
        Ok(T::dead())
    }
}

impl<T> Dead for Vec<T> {
    fn dead() -> Self {
        Vec::new()
    }
}

/// The site of joins in functions of the eDSL: those of the macros are never zero.
pub(crate) const OWN_SITE: u64 = 0;

/// Joins on one value, for functions of the eDSL. A path that ends here stays silent from here on: its value does not matter.
#[track_caller]
pub(crate) fn merge_one(scope: &Scope, value: &mut impl Staged) {
    let mut join = Join::new();
    join.save(value);
    if !join.merge(scope, OWN_SITE) {
        join.restore(value);
    }
}

/// A join in the making: the values of the variables that it joins.
#[doc(hidden)]
#[derive(Default)]
pub struct Join {
    values: Vec<Operand>,
    host: HostKey,
    opaque: bool,
    head: bool,
    restored: usize,
}

impl Join {
    /// An empty join.
    pub fn new() -> Join {
        Join::default()
    }

    fn save(&mut self, value: &mut impl Staged) {
        value.each_part(&mut |part| self.values.push(*part));
        value.host_part(&mut self.host);
    }

    fn restore(&mut self, value: &mut impl Staged) {
        value.each_part(&mut |part| {
            *part = self.values[self.restored];
            self.restored += 1;
        });
    }

    /// An empty join at the start of a loop's next turn: what the loop changes is unknown.
    pub fn head() -> Join {
        Join { head: true, ..Join::default() }
    }

    /// Joins the paths. Whether this one ends here.
    #[track_caller]
    pub fn merge(&mut self, scope: &Scope, site: u64) -> bool {
        let loc = Loc::from(core::panic::Location::caller());
        let kind = if self.head { JoinKind::Head } else { JoinKind::After };
        let join = JoinAt { site, host: self.host.0.finish(), kind };
        stage::with(
            |session| {
                if self.opaque { session.is_dead() } else { session.join(scope, join, &mut self.values, loc) }
            },
        )
    }
}

/// A variable at a join. Method lookup tries the traits below by the number of references in front: kernel values first, then
/// comparable host values, then anything.
#[doc(hidden)]
pub struct Var<'a, T>(pub &'a mut T);

/// How a variable of kernel values joins.
#[doc(hidden)]
pub trait JoinStaged {
    fn save(&mut self, join: &mut Join);
    fn restore(&mut self, join: &mut Join);
    fn save_iterator(&mut self, join: &mut Join, turn: u64);
    fn restore_iterator(&mut self, join: &mut Join);
    fn is_staged(&mut self) -> bool;
}

impl<T: Staged> JoinStaged for &mut &mut Var<'_, T> {
    fn save(&mut self, join: &mut Join) {
        join.save(&mut *self.0);
    }
    fn restore(&mut self, join: &mut Join) {
        join.restore(&mut *self.0);
    }
    fn save_iterator(&mut self, join: &mut Join, _turn: u64) {
        join.save(&mut *self.0);
        join.head = true;
    }
    fn restore_iterator(&mut self, join: &mut Join) {
        join.restore(&mut *self.0);
    }
    #[inline]
    fn is_staged(&mut self) -> bool {
        true
    }
}

/// How a comparable host variable joins.
#[doc(hidden)]
pub trait JoinHost {
    fn save(&mut self, join: &mut Join);
    fn restore(&mut self, _join: &mut Join) {}
}

impl<T: Copy + Hash + Eq> JoinHost for &mut Var<'_, T> {
    fn save(&mut self, join: &mut Join) {
        join.host.add(&*self.0);
    }
}

/// How any other variable joins: not at all.
#[doc(hidden)]
pub trait JoinOpaque {
    fn save(&mut self, join: &mut Join);
    fn restore(&mut self, _join: &mut Join) {}
    fn restore_iterator(&mut self, _join: &mut Join) {}
    #[inline]
    fn is_staged(&mut self) -> bool {
        false
    }
    fn save_iterator(&mut self, join: &mut Join, turn: u64) {
        join.host.add(&turn);
    }
}

impl<T> JoinOpaque for Var<'_, T> {
    fn save(&mut self, join: &mut Join) {
        join.opaque = true;
    }
}
