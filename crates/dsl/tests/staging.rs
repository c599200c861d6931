//! What staging makes of ordinary Rust.

use std::cell::Cell;

use bpfasm_codegen::ir::{Function, Op, Terminator};
use bpfasm_dsl::build::{EntryError, Settings};
use bpfasm_dsl::prelude::*;
use bpfasm_dsl::stage::StageErrorKind;

/// Blocks that a path reaches, returns among them.
fn shape(function: &Function) -> (usize, usize) {
    let reached: Vec<_> = function.blocks.values().filter(|b| b.term != Terminator::Unreachable).collect();
    let returns = reached.iter().filter(|b| matches!(b.term, Terminator::Return(_))).count();
    (reached.len(), returns)
}

fn staged(program: &impl Program) -> Function {
    program.stage().unwrap_or_else(|error| panic!("{error}")).program.function
}

fn error(program: &impl Program) -> StageErrorKind {
    program.stage().expect_err("staging fails").kind
}

#[program(tc, crate = bpfasm_dsl)]
fn drop_one(skb: &mut Tc) -> TcAction {
    let Some(eth) = skb.header::<EthHdr>(0) else { return TcAction::OK };
    if eth.ethertype() != ETH_P_IP {
        return TcAction::OK;
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE) else { return TcAction::OK };
    if ip.saddr() == Ipv4Addr::new(192, 168, 1, 1) {
        return TcAction::SHOT;
    }
    TcAction::OK
}

#[test]
fn early_returns_are_paths() {
    let function = staged(&drop_one);
    assert_eq!(shape(&function).1, 5);
    let loads = function.blocks.values().flat_map(|b| &b.insts).filter(|i| matches!(i.op, Op::Load { .. })).count();
    assert_eq!(loads, 4, "data, data_end, the EtherType and the address are each read once");
}

#[program(tc, crate = bpfasm_dsl)]
fn score(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let mut s = U32::from(0);
    if ip.protocol() == 6 {
        s += 1;
    }
    if ip.ttl() < 32 {
        s += 2;
    } else {
        s += 1;
    }
    if ip.saddr() == Ipv4Addr::new(1, 2, 3, 4) {
        s += 4;
    }
    if ip.daddr() == Ipv4Addr::new(1, 2, 3, 4) {
        s += 8;
    }
    let w = if ip.ver_ihl() == 0x45 { U32::from(16) } else { U32::from(32) };
    s += w;
    if s > 20 {
        return TcAction::SHOT;
    }
    TcAction::OK
}

#[test]
fn conditions_in_a_row_join() {
    assert_eq!(shape(&staged(&score)).1, 3);
}

#[program(tc, crate = bpfasm_dsl)]
fn sum_to(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let n = U32::from(ip.ttl());
    let mut sum = U32::from(0);
    let mut i = U32::from(0);
    while i < n {
        if i == 7 {
            i += 1;
            continue;
        }
        sum += i;
        i += 1;
    }
    for j in range(0, n) {
        sum += j;
    }
    TcAction::from(sum)
}

#[test]
fn loops_on_kernel_values_stay_loops() {
    let function = staged(&sum_to);
    let (blocks, returns) = shape(&function);
    assert_eq!(returns, 2);
    assert!(blocks < 24, "{blocks} blocks");
}

#[program(tc, crate = bpfasm_dsl)]
fn unrolled(skb: &mut Tc, turns: u32) -> TcAction {
    let mut sum = skb.len();
    let mut i = 0u32;
    while i < turns {
        if sum > 100 {
            sum += i;
        }
        i += 1;
    }
    TcAction::from(sum)
}

#[test]
fn loops_on_host_values_unroll() {
    let compares = |turns| {
        let function = staged(&unrolled.with(turns));
        function.blocks.values().filter(|b| matches!(b.term, Terminator::Branch { .. })).count()
    };
    assert_eq!(compares(4), 4);
    assert_eq!(compares(9), 9);
}

#[program(tc, crate = bpfasm_dsl)]
fn blocklist(skb: &mut Tc, blocked: &[Ipv4Addr]) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    for address in blocked {
        if ip.saddr() == *address {
            return TcAction::SHOT;
        }
    }
    TcAction::OK
}

#[test]
fn lists_of_the_host_unroll() {
    let blocked: Vec<_> = (0..100).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect();
    let function = staged(&blocklist.with(&blocked));
    assert_eq!(shape(&function).1, 102);
}

#[program(tc, crate = bpfasm_dsl)]
fn pushes(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let mut seen = Vec::new();
    if ip.protocol() == 6 {
        seen.push(1);
    }
    if ip.ttl() < 5 {
        seen.push(2);
    }
    TcAction::from(U32::from(u32::try_from(seen.len()).expect("two at most")))
}

#[test]
fn paths_that_differ_in_host_values_do_not_join() {
    assert_eq!(shape(&staged(&pushes)).1, 5);
}

#[program(tc, crate = bpfasm_dsl)]
fn cell(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let value = Cell::new(0);
    if ip.protocol() == 6 {
        value.set(1);
    }
    TcAction::from(U32::from(value.get()))
}

#[test]
fn a_cell_changed_under_a_condition_is_caught() {
    match error(&cell) {
        StageErrorKind::HostStateDiffers(mismatch) => {
            assert_eq!((&*mismatch.now, &*mismatch.before), ("the return of 0", "the return of 1"));
        }
        other => panic!("{other}"),
    }
}

#[program(tc, crate = bpfasm_dsl)]
fn expects(skb: &mut Tc) -> TcAction {
    let ip = skb.header::<Ipv4Hdr>(14).expect("too short");
    if ip.ttl() == 1 { TcAction::SHOT } else { TcAction::OK }
}

#[test]
fn a_panic_is_an_error_with_its_place() {
    let error = expects.stage().expect_err("it panics");
    assert_eq!(error.kind, StageErrorKind::Panic { message: "too short".to_owned() });
    assert!(error.at.file.ends_with("staging.rs") && error.at.line > 100, "{}", error.at);
    assert_eq!(error.program, "expects");
}

/// A helper without join points whose paths differ in a host value.
fn count_bits(ip: &Pkt<'_, Ipv4Hdr>) -> u32 {
    (0..20).map(|bit| u32::from((U32::from(ip.ttl()) + bit) & 3 == 1)).sum()
}

#[program(tc, crate = bpfasm_dsl)]
fn explodes(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    TcAction::from(U32::from(count_bits(&ip)))
}

#[test]
fn too_many_paths_name_the_line_that_splits_most() {
    let error = explodes.stage().expect_err("a million paths");
    assert!(matches!(error.kind, StageErrorKind::PathLimit { .. }), "{error}");
    let line = include_str!("staging.rs").lines().position(|line| line.contains("(0..20).map")).expect("it is there");
    assert_eq!(error.at.line as usize, line + 1);
}

fn count_up(n: U32) -> U32 {
    let mut i = U32::from(0);
    while i < n {
        i += 1;
    }
    i
}

#[program(tc, crate = bpfasm_dsl)]
fn endless(skb: &mut Tc) -> TcAction {
    TcAction::from(count_up(skb.len()))
}

#[test]
fn a_loop_in_a_plain_helper_is_an_error_that_tells_of_staged() {
    let error = endless.stage().expect_err("it never ends");
    assert!(error.to_string().contains("#[staged]"), "{error}");
}

#[staged(crate = bpfasm_dsl)]
fn count_up_staged(n: U32) -> U32 {
    let mut i = U32::from(0);
    while i < n {
        i += 1;
    }
    i
}

#[program(tc, crate = bpfasm_dsl)]
fn ends(skb: &mut Tc) -> TcAction {
    let len = skb.len();
    let n = count_up_staged(len);
    if n > 5 && count_up_staged(n) > 5 { TcAction::SHOT } else { TcAction::OK }
}

#[test]
fn a_staged_helper_keeps_its_loop() {
    assert!(shape(&staged(&ends)).0 < 20);
}

#[program(tc, crate = bpfasm_dsl)]
fn matches(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let weight = match ip.protocol() {
        IPPROTO_TCP => U32::from(1),
        IPPROTO_UDP | IPPROTO_ICMP => U32::from(2),
        100..=200 => U32::from(3),
        other if other == 47 => U32::from(4),
        _ => skb.len(),
    };
    TcAction::from(weight)
}

#[test]
fn a_match_on_a_kernel_value_joins_its_arms() {
    assert_eq!(shape(&staged(&matches)).1, 2);
}

#[derive(Clone, Copy)]
enum Policy {
    Drop,
    Pass,
}

#[program(tc, crate = bpfasm_dsl)]
fn by_policy(skb: &mut Tc, policy: Policy, note: &str) -> TcAction {
    let verdict = match policy {
        Policy::Drop => TcAction::SHOT,
        Policy::Pass => TcAction::OK,
    };
    if note == "len" && skb.len() < 60 {
        return TcAction::UNSPEC;
    }
    verdict
}

#[test]
fn host_conditions_emit_nothing() {
    assert_eq!(shape(&staged(&by_policy.with(Policy::Drop, ""))), (1, 1));
    assert_eq!(shape(&staged(&by_policy.with(Policy::Pass, "len"))), (3, 2));
}

#[program(tc, crate = bpfasm_dsl)]
fn bits(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let tcp = ip.protocol().eq_bit(6);
    let low = ip.ttl().lt_bit(5);
    let me = ip.saddr().eq_bit(Ipv4Addr::new(1, 2, 3, 4));
    if (tcp & low | me).is_set() { TcAction::SHOT } else { TcAction::OK }
}

#[test]
fn bits_do_not_split_the_path_for_good() {
    let function = staged(&bits);
    let branches = function.blocks.values().filter(|b| matches!(b.term, Terminator::Branch { .. })).count();
    assert_eq!(branches, 5);
}

#[program(tc, crate = bpfasm_dsl)]
fn moves(skb: &mut Tc) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    let old = ip.daddr();
    if old == Ipv4Addr::LOCALHOST {
        skb.store_bytes(30u32, Be32::from(Ipv4Addr::UNSPECIFIED), 0);
    }
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::SHOT };
    if ip.daddr() == old { TcAction::OK } else { TcAction::UNSPEC }
}

#[test]
fn a_packet_that_moved_is_checked_again() {
    let function = staged(&moves);
    let checks = function.blocks.values().flat_map(|b| &b.insts);
    let data_loads = checks.filter(|i| matches!(i.op, Op::Load { off: 76, .. })).count();
    assert_eq!(data_loads, 2, "once at the start, once on the path that stored bytes");
}

#[program(cgroup_skb/ingress, crate = bpfasm_dsl)]
fn misplaced(_skb: &mut Tc) -> TcAction {
    TcAction::OK
}

#[test]
fn a_section_must_fit_the_context() {
    match error(&misplaced) {
        StageErrorKind::Section { section, known } => {
            assert_eq!(section, "cgroup_skb/ingress");
            assert!(known.split(", ").any(|name| name == "tc"), "{known}");
        }
        other => panic!("{other}"),
    }
}

/// Numbers to add, as a tree that only the host knows.
enum Sum {
    Byte(u32),
    Of(Box<Sum>, Box<Sum>),
}

#[staged(crate = bpfasm_dsl)]
fn add_up(skb: &Tc, sum: &Sum) -> U32 {
    match sum {
        Sum::Byte(offset) => match skb.header::<UdpHdr>(*offset) {
            Some(udp) => U32::from(udp.len().host()),
            None => U32::from(0),
        },
        Sum::Of(a, b) => {
            let (a, b) = (add_up(skb, a), add_up(skb, b));
            a + b
        }
    }
}

#[program(tc, crate = bpfasm_dsl)]
fn recursive(skb: &mut Tc, sum: &Sum) -> TcAction {
    TcAction::from(add_up(skb, sum))
}

#[test]
fn a_helper_may_call_itself_before_anything_happened() {
    let byte = |offset| Box::new(Sum::Byte(offset));
    let sum = Sum::Of(Box::new(Sum::Of(byte(1), byte(2))), byte(3));
    assert_eq!(shape(&staged(&recursive.with(&sum))).1, 1);
}

#[program(tc, crate = bpfasm_dsl, args(blocked = &[Ipv4Addr::LOCALHOST], turns = 2))]
fn with_presets(skb: &mut Tc, blocked: &[Ipv4Addr], turns: u32) -> TcAction {
    let Some(ip) = skb.header::<Ipv4Hdr>(14) else { return TcAction::OK };
    for address in blocked {
        if ip.saddr() == *address {
            return TcAction::from(U32::from(turns));
        }
    }
    TcAction::OK
}

#[test]
fn settings_take_the_place_of_presets() {
    let returns = |settings: &[(&str, &str)]| {
        let mut all = Settings::default();
        settings.iter().for_each(|(name, text)| all.add(name, text));
        all.check(&[&__BPFASM_with_presets])?;
        (__BPFASM_with_presets.stage)(&all).map(|staged| shape(&staged.program.function).1)
    };
    assert_eq!(returns(&[]), Ok(3));
    assert_eq!(returns(&[("blocked", "10.0.0.1, 10.0.0.2,10.0.0.3"), ("turns", "7")]), Ok(5));
    assert!(matches!(returns(&[("turns", "many")]), Err(EntryError::Invalid { name, .. }) if name == "turns"));
    assert!(matches!(returns(&[("turn", "1")]), Err(EntryError::Unknown { known, .. }) if known == "blocked, turns"));
}
