//! Maps of programs, as user space has them: found by their statics, with types for their keys and values.

use bpfasm_dsl::map::{Array, Hash, LpmKey, LpmTrie, LruHash, PerCpuArray, PerCpuHash, Stored};
use bpfasm_dsl::value::U32;
use bpfasm_loader as loader;
use bpfasm_loader::map::{MapValue, PerCpu, TypedMap};
use bpfasm_object::MapData;

use crate::Error;

/// A static with `#[map]`, as user space sees it.
pub trait UserMap {
    /// Its keys.
    type Key: MapData;
    /// Its values: [`PerCpu`] of them where each CPU has one.
    type Value: MapValue;
    /// Its name in objects.
    fn name(&self) -> &'static str;
}

/// One row a kind of map.
macro_rules! user_maps {
    ($($name:ident<$($param:ident),+>: $key:ty => $value:ty;)*) => { $(
        impl<$($param: Stored + MapData),+> UserMap for $name<$($param),+> {
            type Key = $key;
            type Value = $value;
            fn name(&self) -> &'static str {
                bpfasm_dsl::map::Map::name(self)
            }
        }
    )* };
}

user_maps! {
    Hash<K, V>: K => V;
    Array<V>: U32 => V;
    PerCpuHash<K, V>: K => PerCpu<V>;
    PerCpuArray<V>: U32 => PerCpu<V>;
    LruHash<K, V>: K => V;
    LpmTrie<D, V>: LpmKey<D> => V;
}

/// Finding the map of a static among those of a loaded object.
pub trait MapOf {
    /// The map of that static, with its types.
    ///
    /// # Errors
    /// [`loader::Error::NoSuchMap`] where none of the object's programs uses it.
    fn map_of<M: UserMap>(&self, map: &M) -> Result<TypedMap<M::Key, M::Value>, Error>;
}

impl MapOf for loader::Loaded {
    fn map_of<M: UserMap>(&self, map: &M) -> Result<TypedMap<M::Key, M::Value>, Error> {
        Ok(self.map(map.name())?.typed()?)
    }
}
