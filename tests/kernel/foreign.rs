//! Somebody else's filters on the same qdisc: they are there first, and survive everything we do.

use bpfasm_tests::{
    Case, Sandbox,
    command::{finish, succeed},
    need::{BPFFS, CLS_U32, TC},
    net::{DEVICE, Direction, Wire, qdisc},
};
use serde_json::Value;

use crate::{
    attach::needs_of,
    fixture,
    hook::{Mode, PRIORITY, attach, detach, tc_add, tc_add_object, tc_filters},
};

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in Mode::ALL {
        for direction in Direction::ALL {
            let needs = [&needs_of(mode)[..], &[&TC, &CLS_U32, &BPFFS]].concat();
            let name = format!("foreign::filters_survive::{}::{}", mode.name(), direction.name());
            cases.push(Case::new(name, &needs, move |sandbox| filters_survive(sandbox, mode, direction)));
        }
    }
    cases
}

/// Filters of others, each in the words of tc.
const OTHERS: &[(u16, &[&str])] = &[
    // Ahead of ours; classic BPF that matches nothing, so that the next filter is asked.
    (10, &["bpf", "bytecode", "1,6 0 0 0", "flowid", "1:1"]),
    // Of the same priority as ours.
    (PRIORITY, &["bpf", "bytecode", "1,6 0 0 0", "flowid", "1:2"]),
    // After ours.
    (2000, &["protocol", "ip", "u32", "match", "u32", "0", "0", "flowid", "1:3"]),
];

fn filters_survive(sandbox: &Sandbox, mode: Mode, direction: Direction) {
    let wire = Wire::new(direction).unwrap();
    qdisc::add(DEVICE, qdisc::Kind::Clsact).unwrap();
    for &(priority, words) in OTHERS {
        succeed(tc_add(direction, priority).args(words));
    }
    // Between ours and the last; an eBPF program in direct-action mode, just as ours is.
    let object = fixture::no_opinion(sandbox.scratch(), "not_ours");
    succeed(&mut tc_add_object(direction, 1500, &object));
    let before = others(direction);
    assert!(before.len() > OTHERS.len(), "{before:?}");
    assert_eq!(before, tc_filters(direction));
    wire.assert_all_received();

    let file = &fixture::tc_drop(sandbox.scratch());
    let mut replace = attach(file, mode, direction);
    replace.arg("--replace");
    let steps = [
        ("attach", attach(file, mode, direction), true),
        ("attach again", attach(file, mode, direction), true),
        ("replace", replace, true),
        ("detach", detach(direction), false),
        ("detach again", detach(direction), false),
        ("attach anew", attach(file, mode, direction), true),
    ];
    for (step, mut command, drops) in steps {
        finish(&mut command);
        assert_eq!(others(direction), before, "{step} changed a filter that is not ours");
        if drops {
            wire.assert_first_dropped();
        } else {
            wire.assert_all_received();
        }
    }
}

/// The filters that do not carry our name, whole, as tc shows them.
fn others(direction: Direction) -> Vec<Value> {
    let ours = |filter: &Value| filter["options"]["bpf_name"].as_str().is_some_and(|name| name.starts_with("bpfasm:"));
    tc_filters(direction).into_iter().filter(|filter| !ours(filter)).collect()
}
