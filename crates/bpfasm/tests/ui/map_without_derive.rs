use bpfasm::prelude::*;

struct Stat {
    packets: U64,
}

#[derive(BpfStruct)]
struct Nested {
    stat: Stat,
}

#[map]
static STATS: Hash<U32, Stat> = Hash::new(16);

#[map]
static HOST: Hash<u32, U64> = Hash::new(16);

fn main() {}
