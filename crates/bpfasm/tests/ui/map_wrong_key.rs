use bpfasm::prelude::*;

#[map]
static COUNTS: Hash<U32, U64> = Hash::new(16);

#[program(tc)]
fn wrong_keys(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let number: u64 = 5;
    COUNTS.delete(3);
    COUNTS.delete(ip.saddr());
    COUNTS.delete(number);
    TcAction::OK
}

fn main() {}
