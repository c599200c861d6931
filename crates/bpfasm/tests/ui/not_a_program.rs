use bpfasm::prelude::*;

#[program(tc)]
fn no_context() -> TcAction {
    TcAction::OK
}

#[program(tc, sample = samples)]
fn bad_option(_skb: &mut Tc) -> TcAction {
    TcAction::OK
}

#[program(tc, args(limit = 3))]
fn bad_arg(_skb: &mut Tc) -> TcAction {
    TcAction::OK
}

#[derive(Header)]
struct Odd {
    name: String,
}

fn main() {}
