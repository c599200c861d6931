use bpfasm::prelude::*;

#[map]
static COUNTS: Hash<U32, U64> = Hash::new(16);

#[program(tc)]
fn unchecked(skb: &mut Tc) -> TcAction {
    COUNTS.lookup(skb.mark()).add(1);
    TcAction::OK
}

fn main() {}
