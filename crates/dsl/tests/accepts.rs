//! Forms of Rust that programs and staged helpers may use: the macros leave them their meaning.

use bpfasm_codegen::ir::{Function, Terminator};
use bpfasm_dsl::prelude::*;

fn staged(program: &impl Program) -> Function {
    program.stage().unwrap_or_else(|error| panic!("{error}")).program.function
}

/// How many of the blocks that a path reaches return.
fn returns(function: &Function) -> usize {
    function.blocks.values().filter(|block| matches!(block.term, Terminator::Return(_))).count()
}

#[staged(crate = bpfasm_dsl)]
fn ports(skb: &Tc) -> Option<(Be16, Be16)> {
    let ip = skb.header::<Ipv4Hdr>(EthHdr::SIZE)?;
    if ip.protocol() != IPPROTO_UDP {
        return None;
    }
    let udp = skb.header::<UdpHdr>(ip.header_len() + EthHdr::SIZE)?;
    Some((udp.source(), udp.dest()))
}

#[program(tc, crate = bpfasm_dsl)]
fn question_marks(skb: &mut Tc) -> TcAction {
    match ports(skb) {
        Some((_, dest)) if dest == 53 || dest == 5353 => TcAction::SHOT,
        Some((source, dest)) if source == dest => TcAction::UNSPEC,
        Some(_) => TcAction::OK,
        None => TcAction::OK,
    }
}

#[program(tc, crate = bpfasm_dsl)]
fn labels(skb: &mut Tc, rows: &[&[u16]]) -> TcAction {
    let Some((source, dest)) = ports(skb) else { return TcAction::OK };
    'rows: for row in rows {
        for port in row.iter() {
            if source == *port {
                continue 'rows;
            }
            if dest == *port {
                break 'rows;
            }
        }
    }
    let found = 'search: {
        if dest == 1 {
            break 'search true;
        }
        false
    };
    if found { TcAction::SHOT } else { TcAction::OK }
}

#[program(tc, crate = bpfasm_dsl)]
fn late_and_shadowed(skb: &mut Tc) -> TcAction {
    let late;
    let value = skb.len();
    if value > 100 {
        late = U32::from(1);
    } else {
        late = value + 1;
    }
    let value = value & 7;
    let mut total = late;
    {
        let mut total = total + 5;
        if value == 3 {
            total += 1;
        }
        if total > 50 {
            return TcAction::UNSPEC;
        }
    }
    total += value;
    TcAction::from(total)
}

#[program(tc, crate = bpfasm_dsl)]
fn host_data(skb: &mut Tc) -> TcAction {
    let mut weights: Vec<U32> = (1..4u32).map(|n| skb.len() & n).collect();
    let names = ["a".to_owned(), "bb".to_owned()];
    if skb.mark() == 7 {
        weights.push(U32::from(9));
    }
    let longest = names.iter().map(String::len).max().unwrap_or_default();
    let mut sum = U32::from(u32::try_from(longest).unwrap_or(0));
    for weight in weights.drain(..) {
        sum += weight;
    }
    while let Some(last) = weights.pop() {
        sum += last;
    }
    let pick = |wide: bool| if wide { sum } else { sum & 0xff };
    TcAction::from(pick(names.len() > 1))
}

#[program(tc, crate = bpfasm_dsl)]
fn loops_with_values(skb: &mut Tc) -> TcAction {
    let limit = skb.len() & 15;
    let mut i = U32::from(0);
    let found = loop {
        if i >= limit {
            break U32::from(0);
        }
        if i == 7 {
            break i;
        }
        i += 1;
    };
    let mut n = 3;
    while n > 0 && found != 0 {
        n -= 1;
    }
    if n == 0 { TcAction::from(found) } else { TcAction::OK }
}

#[program(tc, crate = bpfasm_dsl)]
fn chains(skb: &mut Tc) -> TcAction {
    if let Some(eth) = skb.header::<EthHdr>(0)
        && eth.ethertype() == ETH_P_IP
        && let Some(ip) = skb.header::<Ipv4Hdr>(EthHdr::SIZE)
        && (ip.ttl() < 2 || ip.protocol() == IPPROTO_ICMP)
    {
        TcAction::SHOT
    } else if skb.len() > 1500 {
        TcAction::UNSPEC
    } else {
        TcAction::OK
    }
}

#[program(tc, crate = bpfasm_dsl)]
fn constants(skb: &mut Tc, level: u8, name: &str) -> TcAction {
    const LOW: u8 = 1;
    let host = match level {
        0 => 10,
        LOW => 20,
        2..=5 => 30,
        other if other > 100 => 40,
        _ => 50,
    };
    let named = match name {
        "drop" => TcAction::SHOT,
        _ => TcAction::OK,
    };
    if skb.len() == host { named } else { TcAction::UNSPEC }
}

#[program(tc, crate = bpfasm_dsl)]
fn macs(skb: &mut Tc, gateway: [u8; 6]) -> TcAction {
    let Some(mut eth) = skb.header_mut::<EthHdr>(0) else { return TcAction::OK };
    if eth.src() != gateway {
        return TcAction::OK;
    }
    let (dst, src) = (eth.dst(), eth.src());
    eth.set_dst(src);
    eth.set_src(dst);
    TcAction::REDIRECT
}

#[test]
fn control_flow_of_every_form() {
    assert!(returns(&staged(&question_marks)) >= 4);
    let rows: [&[u16]; 2] = [&[1, 2], &[3]];
    assert!(returns(&staged(&labels.with(&rows))) >= 3);
    assert_eq!(returns(&staged(&late_and_shadowed)), 2);
    assert!(returns(&staged(&host_data)) <= 2);
    // The second loop runs on a host number: it may end after each of its turns.
    assert!(returns(&staged(&loops_with_values)) <= 5);
    assert!(returns(&staged(&chains)) >= 3);
}

#[test]
fn host_matches_keep_their_meaning() {
    let compared_with = |level| {
        let function = staged(&constants.with(level, "drop"));
        let entry = &function.blocks[function.entry()].term;
        format!("{entry:?}")
    };
    for (level, number) in [(0, 10), (1, 20), (4, 30), (101, 40), (50, 50)] {
        assert!(compared_with(level).contains(&format!("Const({number})")), "{}", compared_with(level));
    }
}

#[test]
fn arrays_and_addresses_are_written() {
    assert_eq!(returns(&staged(&macs.with([2, 0, 0, 0, 0, 1]))), 4);
}
