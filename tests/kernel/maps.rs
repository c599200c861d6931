//! Maps of programs: what the verifier takes, what user space sees, and which programs share them.

use std::os::fd::{AsFd, AsRawFd};

use bpfasm::{compile, loader, loader::TestRun, prelude::*};
use bpfasm_tests::{
    Case, Need, command,
    command::succeed,
    need::{BPFTOOL, CAP_BPF, CAP_NET_ADMIN},
};
use serde_json::Value;

/// What it takes to load a program.
const LOADS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN];

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("maps::count", LOADS, |_| counts())]
}

#[map]
static COUNTS: Hash<U32, U64> = Hash::new(16);

#[program(tc)]
fn count(skb: &mut Tc) -> TcAction {
    if let Some(count) = COUNTS.lookup(skb.mark()) {
        count.add(1);
    } else {
        COUNTS.update(skb.mark(), 1, BPF_NOEXIST);
    }
    TcAction::OK
}

fn counts() {
    let object = count.compile().unwrap();
    std::fs::write("/tmp/plan/maps.o", bpfasm::object::elf::write(&object).unwrap()).unwrap();
    let loaded = loader::load(&object).unwrap();
    let program = loaded.program("count").unwrap();
    for _ in 0..5 {
        program.test_run(&TestRun::packet(&[0; 64])).unwrap();
    }
    let id = loaded.map("COUNTS").unwrap().id().unwrap();
    let dump = succeed(&mut command!("bpftool", "map", "dump", "id", id.to_string()));
    println!("{dump}");
}
