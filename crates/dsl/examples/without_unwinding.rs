//! Stages in a binary whose panics abort: paths end, and errors come back, without unwinding.
//!
//! `cargo run --profile abort --package bpfasm-dsl --example without_unwinding`

use std::cell::Cell;

use bpfasm_dsl::prelude::*;
use bpfasm_dsl::stage::StageErrorKind;

#[program(tc, crate = bpfasm_dsl)]
fn joins(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let mut weight = U32::from(0);
    if ip.protocol() == IPPROTO_TCP {
        weight += 1;
    }
    if ip.ttl() < 5 {
        weight += 2;
    }
    for _ in range(0, weight) {
        weight += 1;
    }
    if weight > 2 { TcAction::SHOT } else { TcAction::OK }
}

#[program(tc, crate = bpfasm_dsl)]
fn hides_state(skb: &mut Tc) -> TcAction {
    let seen = Cell::new(0);
    if skb.len() > 100 {
        seen.set(1);
    }
    TcAction::from(U32::from(seen.get()))
}

fn main() {
    if cfg!(panic = "unwind") {
        println!("panics unwind here");
    }
    joins.stage().expect("joined paths end by returning");
    let error = hides_state.stage().expect_err("the shadow check sees it");
    assert!(matches!(error.kind, StageErrorKind::HostStateDiffers(_)), "{error}");
    println!("staged without unwinding");
}
