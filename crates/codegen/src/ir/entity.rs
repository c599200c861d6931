//! Typed indexes into the tables of a function: never a bare `usize`.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A typed index.
pub trait Entity: Copy + Eq {
    /// The index as a position.
    fn index(self) -> usize;
    /// The entity at a position.
    ///
    /// # Panics
    /// Panics when `index` does not fit 32 bits: no function has so many parts.
    fn new(index: usize) -> Self;
}

macro_rules! entities {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $crate::ir::Entity for $name {
            fn index(self) -> usize {
                self.0 as usize
            }
            fn new(index: usize) -> Self {
                $name(u32::try_from(index).expect("fewer than 2^32 parts in a function"))
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )* };
}

pub(crate) use entities;

entities! {
    /// An SSA value: defined once, by an instruction or as a block parameter.
    Value = "v";
    /// A basic block.
    Block = "block";
    /// A piece of the stack frame.
    StackSlot = "slot";
    /// A map of the module.
    MapRef = "map";
    /// A global variable of the module.
    GlobalRef = "global";
}

/// A table indexed by one kind of entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<K, T> {
    items: Vec<T>,
    key: PhantomData<K>,
}

impl<K: Entity, T> Table<K, T> {
    /// An empty table.
    pub fn new() -> Self {
        Table { items: Vec::new(), key: PhantomData }
    }
    /// Appends an item and gives its index.
    pub fn push(&mut self, item: T) -> K {
        let key = K::new(self.items.len());
        self.items.push(item);
        key
    }
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
    /// The item, unless the index is out of range.
    pub fn get(&self, key: K) -> Option<&T> {
        self.items.get(key.index())
    }
    /// All indexes, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = K> + use<K, T> {
        (0..self.items.len()).map(K::new)
    }
    /// All items with their indexes, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &T)> {
        self.items.iter().enumerate().map(|(i, item)| (K::new(i), item))
    }
    /// All items, in order.
    pub fn values(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }
    /// All items, in order, to change.
    pub fn values_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }
}

impl<K: Entity, T> Default for Table<K, T> {
    fn default() -> Self {
        Table::new()
    }
}

impl<K: Entity, T: Clone> Table<K, T> {
    /// A table of `len` equal items.
    pub fn filled(item: T, len: usize) -> Self {
        Table { items: vec![item; len], key: PhantomData }
    }

    /// Becomes a table of `len` equal items, in the memory that it has.
    pub fn refill(&mut self, item: T, len: usize) {
        self.items.clear();
        self.items.resize(len, item);
    }
}

impl<K: Entity, T> Index<K> for Table<K, T> {
    type Output = T;
    fn index(&self, key: K) -> &T {
        &self.items[key.index()]
    }
}

impl<K: Entity, T> IndexMut<K> for Table<K, T> {
    fn index_mut(&mut self, key: K) -> &mut T {
        &mut self.items[key.index()]
    }
}
