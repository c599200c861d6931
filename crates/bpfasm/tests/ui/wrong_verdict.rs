use bpfasm::prelude::*;

#[program(tc)]
fn wrong(skb: &mut Tc) -> TcAction {
    if skb.len() > 100 {
        return true;
    }
    TcAction::OK
}

#[program(tc)]
fn no_verdict(_skb: &mut Tc) -> u32 {
    2
}

fn main() {}
