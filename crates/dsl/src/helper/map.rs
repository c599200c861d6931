//! The helpers behind the methods of maps.

use bpfasm_codegen::ir::HelperId;

use super::{Call, Offer, Row};
use crate::map::Hash;
use crate::uapi::BPF_ANY;
use crate::value::{U32, U64};

static EXAMPLE: Hash<U32, U64> = Hash::new(1).named("EXAMPLE");

macro_rules! rows {
    ($($id:ident $name:literal $signature:literal: $example:expr;)*) => {
        pub(super) static ROWS: &[Row] = &[$(
            Row {
                id: HelperId::$id,
                offers: &{
                    let example = || {
                        let _ = $example;
                    };
                    let call = Call::Method { name: $name, signature: $signature, example };
                    [Offer { to: "Tc", since: None, call }, Offer { to: "CgroupSkb", since: None, call }]
                },
            }
        ),*];
    };
}

rows! {
    MAP_LOOKUP_ELEM "lookup" "(&self, key: impl Into<K>) -> Option<MapRef<V>>": EXAMPLE.lookup(1);
    MAP_UPDATE_ELEM "update" "(&self, key: impl Into<K>, value: impl Into<V>, flags: u64) -> HelperResult":
        EXAMPLE.update(1, 2, BPF_ANY);
    MAP_DELETE_ELEM "delete" "(&self, key: impl Into<K>) -> HelperResult": EXAMPLE.delete(1);
}
