use bpfasm::prelude::*;

#[program(tc)]
fn number(skb: &mut Tc) -> TcAction {
    if skb.len() { TcAction::SHOT } else { TcAction::OK }
}

fn main() {}
