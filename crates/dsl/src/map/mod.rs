//! Maps: what programs share with each other, with user space, and from one packet to the next.
//!
//! A map is a static with [`#[map]`](macro@crate::prelude::map), which gives it its name:
//!
//! ```
//! use bpfasm_dsl::prelude::*;
//!
//! /// Bytes received, by source address.
//! #[map(crate = bpfasm_dsl)]
//! static BYTES: Hash<Be32, U64> = Hash::new(1024);
//!
//! #[program(tc, crate = bpfasm_dsl)]
//! fn count(skb: &mut Tc) -> TcAction {
//!     let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
//!     if let Some(bytes) = BYTES.lookup(ip.saddr()) {
//!         bytes.add(skb.len());
//!     }
//!     TcAction::OK
//! }
//!
//! let staged = count.stage()?;
//! assert_eq!(staged.maps[0].decl.name, "BYTES");
//! # Ok::<(), bpfasm_dsl::stage::StageError>(())
//! ```
//!
//! - Keys and values are kernel values, or structs of them with [`#[derive(BpfStruct)]`](macro@crate::prelude::BpfStruct).
//! - A lookup gives an `Option`: it splits the path, and nothing can be read of an entry that may not be there. What it gives, a
//!   [`MapRef`], stays good as long as the program runs, whatever happens to the packet.
//! - Programs of one object that name the same static share the map. Its address tells it from others.
//! - Global variables are [`Global`] and [`Constant`], statics with [`#[global]`](macro@crate::prelude::global).

mod global;
mod layout;
mod lpm;
mod reference;
mod stored;

use std::marker::PhantomData;

use bpfasm_codegen::ir::{Cond, HelperId, MapDecl, Op, Operand, Space, Width};
use bpfasm_object::kernel::MapType;

use crate::context::HelperResult;
use crate::header::{Bytes, Field};
use crate::helper;
use crate::join;
use crate::stage;
use crate::uapi;
use crate::value::{I64, Scalar, U32};

pub use global::{Constant, Global};
pub use layout::Layout;
pub use lpm::{LpmKey, LpmKeyValue};
pub use reference::{Atomic, Elements, MapRef, NoFields};
pub use stored::Stored;

/// `BPF_F_NO_PREALLOC`: entries are allocated one by one (`include/uapi/linux/bpf.h`). The kernel makes no trie without it.
const NO_PREALLOC: u32 = 1;

/// What a map of any kind is declared with.
#[doc(hidden)]
#[derive(Debug)]
pub struct Head {
    name: Option<&'static str>,
    max_entries: u32,
    flags: u32,
}

/// A map that programs can use: a static with `#[map]`.
pub trait Map {
    /// Its keys.
    type Key: Stored;
    /// Its values.
    type Value: Stored;
    /// Its kind.
    const TYPE: MapType;

    #[doc(hidden)]
    fn head(&self) -> &Head;

    /// The name that `#[map]` gave it. It is empty where that is missing.
    fn name(&self) -> &'static str {
        self.head().name.unwrap_or_default()
    }
}

macro_rules! delete {
    (delete $name:ident<$($param:ident),+>, $key:ty) => {
        impl<$($param: Stored),+> $name<$($param),+> {
            /// Removes the entry of a key (`bpf_map_delete_elem`). It fails where there is none.
            #[track_caller]
            pub fn delete(&self, key: impl Into<$key>) -> HelperResult {
                delete(self, key.into())
            }
        }
    };
    ($name:ident<$($param:ident),+>, $key:ty) => {};
}

/// One row a kind of map: its parameters, the kernel's type, the flags that it needs, its keys and values, and `delete` where entries
/// can be removed.
macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $name:ident<$($param:ident),+>: $kind:ident, $flags:expr, $key:ty => $value:ty $(, $delete:ident)?;
    )*) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<$($param: Stored),+> {
            head: Head,
            types: PhantomData<fn() -> ($($param,)+)>,
        }

        impl<$($param: Stored),+> $name<$($param),+> {
            /// A map of at most `max_entries` entries, for a static with `#[map]`.
            #[must_use]
            pub const fn new(max_entries: u32) -> Self {
                const { assert!(<$value as Field>::BYTES <= reference::MAX_BYTES, "a map's value has at most 32767 bytes") }
                $name { head: Head { name: None, max_entries, flags: $flags }, types: PhantomData }
            }

            /// The same with these `BPF_F_*` flags besides (`map_flags` of `BPF_MAP_CREATE`, `include/uapi/linux/bpf.h`).
            #[must_use]
            pub const fn flags(self, flags: u32) -> Self {
                let Head { name, max_entries, flags: own } = self.head;
                $name { head: Head { name, max_entries, flags: own | flags }, types: PhantomData }
            }

            #[doc(hidden)]
            #[must_use]
            pub const fn named(self, name: &'static str) -> Self {
                let Head { max_entries, flags, .. } = self.head;
                $name { head: Head { name: Some(name), max_entries, flags }, types: PhantomData }
            }

            /// The value of a key, where there is one (`bpf_map_lookup_elem`): splits the path.
            #[track_caller]
            pub fn lookup(&self, key: impl Into<$key>) -> Option<MapRef<$value>> {
                lookup(self, key.into())
            }

            /// The value of a key, which is put there if there is none: splits the path. It is `None` where the map is full.
            #[track_caller]
            pub fn lookup_or_insert(&self, key: impl Into<$key>, value: impl Into<$value>) -> Option<MapRef<$value>> {
                lookup_or_insert(self, key.into(), value.into())
            }

            /// Sets the value of a key (`bpf_map_update_elem`). `flags` are `BPF_ANY`, `BPF_NOEXIST` or `BPF_EXIST`.
            #[track_caller]
            pub fn update(&self, key: impl Into<$key>, value: impl Into<$value>, flags: u64) -> HelperResult {
                update(self, key.into(), value.into(), flags)
            }
        }

        impl<$($param: Stored),+> Map for $name<$($param),+> {
            type Key = $key;
            type Value = $value;
            const TYPE: MapType = MapType::$kind;
            fn head(&self) -> &Head {
                &self.head
            }
        }

        delete! { $($delete)? $name<$($param),+>, $key }
    )* };
}

kinds! {
    /// A hash table (`BPF_MAP_TYPE_HASH`).
    Hash<K, V>: HASH, 0, K => V, delete;
    /// An array, whose entries are all there from the start, filled with zeros (`BPF_MAP_TYPE_ARRAY`). A lookup behind its end finds
    /// nothing.
    Array<V>: ARRAY, 0, U32 => V;
    /// A hash table with a value a CPU: a program sees that of the CPU where it runs (`BPF_MAP_TYPE_PERCPU_HASH`).
    PerCpuHash<K, V>: PERCPU_HASH, 0, K => V, delete;
    /// An array with a value a CPU: a program sees that of the CPU where it runs (`BPF_MAP_TYPE_PERCPU_ARRAY`).
    PerCpuArray<V>: PERCPU_ARRAY, 0, U32 => V;
    /// A hash table that, when it is full, drops entries that were not used for long (`BPF_MAP_TYPE_LRU_HASH`).
    LruHash<K, V>: LRU_HASH, 0, K => V, delete;
    /// A table of prefixes, such as routes: a lookup finds the longest one that the key has (`BPF_MAP_TYPE_LPM_TRIE`). `D` is compared
    /// byte by byte, so it is made of numbers in network order and of bytes.
    LpmTrie<D, V>: LPM_TRIE, NO_PREALLOC, LpmKey<D> => V, delete;
}

/// The address of a map, which becomes one of those that the program uses.
#[track_caller]
fn address<M: Map>(map: &M) -> Operand {
    let identity = std::ptr::from_ref(map.head()).addr();
    let declare = || {
        let Head { name, max_entries, flags } = *map.head();
        Some(MapDecl {
            name: name?.to_owned(),
            map_type: M::TYPE,
            key: Some(<M::Key as Stored>::DATA),
            value: Some(<M::Value as Stored>::DATA),
            max_entries,
            flags,
        })
    };
    stage::emit(Op::MapAddr(stage::map(identity, declare)))
}

/// Writes a value into the `nth` scratch slot, the bytes between its fields zeroed: the kernel reads all of them.
#[track_caller]
fn spill<T: Stored>(nth: usize, value: T) -> Operand {
    let slot = stage::scratch(nth, u16::try_from(T::BYTES.next_multiple_of(8)).unwrap_or(u16::MAX));
    let base = stage::emit(Op::StackAddr(slot));
    for (size, off) in layout::zeroed::<T>() {
        stage::emit(Op::Store { space: Space::Stack, size, base, off, value: Operand::Const(0) });
    }
    value.store(&mut Bytes::new(Space::Stack, base, 0), 0);
    base
}

#[track_caller]
fn lookup<M: Map>(map: &M, key: M::Key) -> Option<MapRef<M::Value>> {
    lookup_at(address(map), spill(0, key))
}

/// Looks up a key that lies on the stack.
#[track_caller]
fn lookup_at<V: Stored>(map: Operand, key: Operand) -> Option<MapRef<V>> {
    let value = helper::emit(HelperId::MAP_LOOKUP_ELEM, &[map, key]);
    let found = stage::fork(Cond::Ne, Width::W64, value, Operand::Const(0));
    found.then(|| MapRef::new(Bytes::new(Space::Map, value, 0)))
}

#[track_caller]
fn lookup_or_insert<M: Map>(map: &M, key: M::Key, value: M::Value) -> Option<MapRef<M::Value>> {
    let (map, key) = (address(map), spill(0, key));
    let scope = stage::scope();
    let mut found = lookup_at(map, key);
    if found.is_none() {
        // Another CPU may be faster: then its value is found.
        let args = [map, key, spill(1, value), Operand::Const(uapi::BPF_NOEXIST)];
        helper::emit(HelperId::MAP_UPDATE_ELEM, &args);
        found = lookup_at(map, key);
    }
    join::merge_one(&scope, &mut found);
    found
}

#[track_caller]
fn update<M: Map>(map: &M, key: M::Key, value: M::Value, flags: u64) -> HelperResult {
    let args = [address(map), spill(0, key), spill(1, value), Operand::Const(flags)];
    I64::from_operand(helper::emit(HelperId::MAP_UPDATE_ELEM, &args))
}

#[track_caller]
fn delete<M: Map>(map: &M, key: M::Key) -> HelperResult {
    let args = [address(map), spill(0, key)];
    I64::from_operand(helper::emit(HelperId::MAP_DELETE_ELEM, &args))
}
