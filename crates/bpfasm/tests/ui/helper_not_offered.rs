use bpfasm::prelude::*;

#[program(tc)]
fn not_offered(skb: &mut Tc) -> TcAction {
    skb.msg_redirect_hash();
    skb.set_len(5);
    TcAction::OK
}

fn main() {}
