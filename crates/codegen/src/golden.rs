//! Whole programs, from IR text to the listing of their slots.

use crate::compile::compile_function;
use crate::ir::parse::parse;
use crate::ir::verify;
use crate::options::Options;
use crate::regalloc;
use bpfasm_isa::{CpuLevel, Endian, Slot, disasm};

#[track_caller]
fn slots(text: &str, options: &Options) -> Vec<Slot> {
    let function = parse(text);
    assert_eq!(verify::function(&function, 2), Ok(()), "{text}");
    let declared = core::panic::Location::caller();
    let code = compile_function(&function, "test", declared, options, &mut regalloc::Context::default());
    code.unwrap().slots
}

fn listing(slots: &[Slot]) -> String {
    let lines = disasm::insns(slots).map(|(at, insn)| format!("{at}: {}", insn.unwrap()));
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn golden(text: &str, options: &Options, expected: &str) {
    assert_eq!(listing(&slots(text, options)), expected.trim());
}

fn little(cpu: CpuLevel) -> Options {
    Options::new().endian(Endian::Little).cpu(cpu)
}

/// Drops packets from 192.168.1.1, as a front end stages it: each path with its own return.
const TC_INGRESS: &str = "
block0:
  v0 = context
  v1 = load.w context v0 + 80
  v2 = load.w context v0 + 76
  v3 = add64 v2, 14
  branch.gt64 v3, v1, block1, block2
block1:
  return 0
block2:
  v4 = load.h packet v2 + 12
  branch.ne32 v4, net.h 0x0800, block3, block4
block3:
  return 0
block4:
  v5 = add64 v2, 34
  branch.gt64 v5, v1, block5, block6
block5:
  return 0
block6:
  v6 = add64 v2, 14
  v7 = load.w packet v6 + 12
  branch.eq32 v7, net.w 0xc0a80101, block7, block8
block7:
  return 2
block8:
  return 0
";

#[test]
fn tc_ingress() {
    golden(TC_INGRESS, &little(CpuLevel::V3), "");
}
