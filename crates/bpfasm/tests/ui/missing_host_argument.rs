use bpfasm::prelude::*;

#[program(tc)]
fn limited(skb: &mut Tc, limit: u32) -> TcAction {
    if skb.len() > limit { TcAction::SHOT } else { TcAction::OK }
}

fn main() {
    let _ = limited.stage();
}
