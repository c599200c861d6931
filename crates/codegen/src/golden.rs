//! Whole programs, from IR text to the listing of their slots.

use crate::compile::compile_function;
use crate::ir::parse::parse;
use crate::ir::verify;
use crate::options::Options;
use bpfasm_isa::{CpuLevel, Endian, Slot, disasm};

#[track_caller]
fn slots(text: &str, options: &Options) -> Vec<Slot> {
    let function = parse(text);
    assert_eq!(verify::function(&function, 2), Ok(()), "{text}");
    let declared = core::panic::Location::caller();
    let code = compile_function(&function, "test", declared, options);
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
    let expected = "
0: r2 = *(u32 *)(r1 + 0x50)
1: r4 = *(u32 *)(r1 + 0x4c)
2: r0 = r4
3: r0 += 0x22
4: if r0 > r2 goto +0x6
5: r0 = *(u16 *)(r4 + 0xc)
6: if w0 != 0x8 goto +0x4
7: r0 = *(u32 *)(r4 + 0x1a)
8: if w0 != 0x101a8c0 goto +0x2
9: w0 = 0x2
10: exit
11: w0 = 0x0
12: exit";
    golden(TC_INGRESS, &little(CpuLevel::V3), expected);
    // The other byte order differs in nothing but the network-order constants.
    let big = expected.replace("0x8 goto", "0x800 goto").replace("0x101a8c0", "-0x3f57feff");
    golden(TC_INGRESS, &little(CpuLevel::V3).endian(Endian::Big), &big);
}

/// Asks again for the same bytes, where the answer to the first question is not known any more.
const AGAIN: &str = "
block0:
  v0 = context
  v1 = load.w context v0 + 80
  v2 = load.w context v0 + 76
  v3 = add64 v2, 34
  branch.gt64 v3, v1, block1, block2
block1:
  jump block3(0)
block2:
  v4 = load.w packet v2 + 26
  jump block3(v4)
block3(v5):
  store.w context v0 + 8, v5
  branch.gt64 v3, v1, block4, block5
block4:
  return v5
block5:
  v6 = load.w packet v2 + 30
  return v6
";

#[test]
fn a_sum_that_is_compared_again_is_made_again() {
    let expected = "
0: r2 = *(u32 *)(r1 + 0x50)
1: r4 = *(u32 *)(r1 + 0x4c)
2: r0 = r4
3: r0 += 0x22
4: if r0 <= r2 goto +0x2
5: w0 = 0x0
6: goto +0x1
7: r0 = *(u32 *)(r4 + 0x1a)
8: *(u32 *)(r1 + 0x8) = r0
9: r1 = r4
10: r1 += 0x22
11: if r1 > r2 goto +0x1
12: r0 = *(u32 *)(r4 + 0x1e)
13: exit";
    golden(AGAIN, &little(CpuLevel::V3), expected);
}

#[test]
fn network_constants_have_the_bytes_of_the_packet() {
    for endian in [Endian::Little, Endian::Big] {
        let slots = slots(TC_INGRESS, &little(CpuLevel::V3).endian(endian));
        let in_memory = |at: usize| slots[at].to_bytes(endian);
        assert_eq!(in_memory(8)[4..], [192, 168, 1, 1]);
        // A comparison has 32 bits: two bytes of the packet, zero-extended.
        let ethertype = if endian == Endian::Little { [0x08, 0x00, 0, 0] } else { [0, 0, 0x08, 0x00] };
        assert_eq!(in_memory(6)[4..], ethertype);
    }
}

/// Rewrites the destination 10.0.0.2 to 10.0.0.1.
const TC_NAT: &str = "
slot0: 4 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 80
  v2 = load.w context v0 + 76
  v3 = add64 v2, 34
  branch.gt64 v3, v1, block1, block2
block1:
  return 0
block2:
  v4 = add64 v2, 14
  v5 = load.w packet v4 + 16
  branch.ne32 v5, net.w 0x0a000002, block3, block4
block3:
  return 0
block4:
  v6 = call l3_csum_replace(v0, 24, v5, net.w 0x0a000001, 4)
  v7 = address slot0
  store.w stack v7 + 0, net.w 0x0a000001
  v8 = call skb_store_bytes(v0, 30, v7, 4, 0)
  return 0
";

/// Drops TCP to port 8080 in a cgroup, where packets start with the IP header.
const CGROUP_8080: &str = "
block0:
  v0 = context
  v1 = load.w context v0 + 16
  branch.ne32 v1, net.h 0x0800, block1, block2
block1:
  return 1
block2:
  v2 = load.w context v0 + 80
  v3 = load.w context v0 + 76
  v4 = add64 v3, 20
  branch.gt64 v4, v2, block3, block4
block3:
  return 1
block4:
  v5 = load.b packet v3 + 9
  branch.eq32 v5, 6, block5, block6
block5:
  v6 = add64 v3, 40
  branch.gt64 v6, v2, block7, block8
block6:
  jump block10
block7:
  return 1
block8:
  v7 = add64 v3, 20
  v8 = load.h packet v7 + 2
  branch.eq32 v8, net.h 0x1f90, block9, block10
block9:
  return 0
block10:
  return 1
";

#[test]
fn tc_nat() {
    let expected = "
0: r2 = *(u32 *)(r1 + 0x50)
1: r4 = *(u32 *)(r1 + 0x4c)
2: r6 = r1
3: r0 = r4
4: r0 += 0x22
5: if r0 > r2 goto +0xe
6: r3 = *(u32 *)(r4 + 0x1e)
7: if w3 != 0x200000a goto +0xc
8: w2 = 0x18
9: w4 = 0x100000a
10: w5 = 0x4
11: call 0xa
12: *(u32 *)(r10 - 0x8) = 0x100000a
13: w2 = 0x1e
14: r3 = r10
15: r3 += -0x8
16: w4 = 0x4
17: w5 = 0x0
18: r1 = r6
19: call 0x9
20: w0 = 0x0
21: exit";
    golden(TC_NAT, &little(CpuLevel::V3), expected);
}

#[test]
fn cgroup_8080() {
    let expected = "
0: r2 = *(u32 *)(r1 + 0x10)
1: if w2 != 0x8 goto +0xb
2: r5 = *(u32 *)(r1 + 0x50)
3: r0 = *(u32 *)(r1 + 0x4c)
4: r1 = r0
5: r1 += 0x28
6: if r1 > r5 goto +0x6
7: r1 = *(u8 *)(r0 + 0x9)
8: if w1 != 0x6 goto +0x4
9: r0 = *(u16 *)(r0 + 0x16)
10: if w0 != 0x901f goto +0x2
11: w0 = 0x0
12: exit
13: w0 = 0x1
14: exit";
    golden(CGROUP_8080, &little(CpuLevel::V3), expected);
}

/// 32-bit operations on 64-bit values.
const NARROW: &str = "
block0:
  v0 = context
  v1 = load.dw context v0 + 0
  v2 = add32 v1, 7
  v3 = rsh32 v1, 3
  v4 = xor64 v2, v3
  branch.lt32 v1, 0x80000000, block1, block2
block1:
  return v4
block2:
  branch.slt32 v1, v4, block3, block1
block3:
  v5 = sign_extend.h v1
  return v5
";

#[test]
fn each_level_has_its_instructions() {
    let v1 = "
0: r0 = *(u64 *)(r1 + 0x0)
1: r1 = r0
2: r1 += 0x7
3: r1 <<= 0x20
4: r1 >>= 0x20
5: r2 = r0
6: r2 <<= 0x20
7: r2 >>= 0x20
8: r2 >>= 0x3
9: r1 ^= r2
10: r2 = r0
11: r2 <<= 0x20
12: r2 >>= 0x20
13: r3 = 0x80000000 ll
15: if r3 > r2 goto +0xa
16: r2 = r0
17: r2 <<= 0x20
18: r2 s>>= 0x20
19: r3 = r1
20: r3 <<= 0x20
21: r3 s>>= 0x20
22: if r2 s>= r3 goto +0x3
23: r0 <<= 0x30
24: r0 s>>= 0x30
25: exit
26: r0 = r1
27: exit";
    golden(NARROW, &little(CpuLevel::V1), v1);
    // The one difference: a jump on less.
    golden(NARROW, &little(CpuLevel::V2), &v1.replace("if r3 > r2", "if r2 < r3"));
    let v3 = "
0: r0 = *(u64 *)(r1 + 0x0)
1: r1 = r0
2: w1 += 0x7
3: r2 = r0
4: w2 >>= 0x3
5: r1 ^= r2
6: if w0 < -0x80000000 goto +0x4
7: if w0 s>= w1 goto +0x3
8: r0 <<= 0x30
9: r0 s>>= 0x30
10: exit
11: r0 = r1
12: exit";
    golden(NARROW, &little(CpuLevel::V3), v3);
    let v4 = listing(&slots(NARROW, &little(CpuLevel::V4)));
    assert!(v4.contains("r0 = (s16)r2"), "{v4}");
}

#[test]
fn a_conjunction_and_its_branch_are_one_jump() {
    let text = "
block0:
  v0 = context
  v1 = load.w context v0 + 8
  v2 = and32 v1, 5
  branch.eq32 v2, 0, block1, block2
block1:
  return 1
block2:
  return v1";
    let expected = "
0: r0 = *(u32 *)(r1 + 0x8)
1: if w0 & 0x5 goto +0x1
2: w0 = 0x1
3: exit";
    golden(text, &little(CpuLevel::V3), expected);
}

/// Rules that hand their number and verdict to one place.
const RULES: &str = "
block0:
  v0 = context
  v1 = load.w context v0 + 0
  v2 = load.w context v0 + 4
  branch.eq32 v1, 6, block1, block3
block1:
  branch.ge32 v2, 22, block2, block3
block2:
  branch.le32 v2, 22, block4, block3
block3:
  branch.eq32 v1, 17, block5, block6
block4:
  jump block7(0, 2)
block5:
  jump block7(1, 2)
block6:
  jump block7(2, 0)
block7(v3, v4):
  v5 = call redirect(v3, v4)
  return v5";

#[test]
fn a_rule_sets_what_it_hands_on_before_its_last_comparison() {
    let expected = "
0: r3 = *(u32 *)(r1 + 0x0)
1: r4 = *(u32 *)(r1 + 0x4)
2: if w3 != 0x6 goto +0x3
3: w1 = 0x0
4: w2 = 0x2
5: if w4 == 0x16 goto +0x5
6: w1 = 0x1
7: w2 = 0x2
8: if w3 == 0x11 goto +0x2
9: w1 = 0x2
10: w2 = 0x0
11: call 0x17
12: exit";
    golden(RULES, &little(CpuLevel::V3), expected);
}

#[test]
fn context_stores_take_registers_and_others_immediates() {
    let text = "
slot0: 16 bytes
block0:
  v0 = context
  store.w context v0 + 8, 7
  v1 = address slot0
  store.w stack v1 + 0, 0xffffffff
  store.dw stack v1 + 8, 0xffffffffffffffff
  store.dw stack v1 + 8, 0xffffffff
  v2 = call map_lookup_elem(v0, v1)
  return 0";
    let expected = "
0: w2 = 0x7
1: *(u32 *)(r1 + 0x8) = r2
2: *(u32 *)(r10 - 0x10) = -0x1
3: *(u64 *)(r10 - 0x8) = -0x1
4: w0 = -0x1
5: *(u64 *)(r10 - 0x8) = r0
6: r2 = r10
7: r2 += -0x10
8: call 0x1
9: w0 = 0x0
10: exit";
    golden(text, &little(CpuLevel::V3), expected);
}

/// Counts packets by mark.
const COUNTER: &str = "
slot0: 4 bytes
block0:
  v0 = context
  v1 = load.w context v0 + 8
  v2 = address slot0
  store.w stack v2 + 0, v1
  v3 = address map0
  v4 = call map_lookup_elem(v3, v2)
  branch.ne64 v4, 0, block1, block2
block1:
  atomic_add.dw map v4 + 0, 1
  v5 = add64 v4, 8
  atomic_add.w map v5 + 0, v1
  jump block2
block2:
  return 0
";

#[test]
fn additions_to_memory_take_a_register() {
    let expected = "
0: r6 = *(u32 *)(r1 + 0x8)
1: *(u32 *)(r10 - 0x8) = r6
2: r1 = 0x0 ll
4: r2 = r10
5: r2 += -0x8
6: call 0x1
7: if r0 == 0x0 goto +0x3
8: w1 = 0x1
9: lock *(u64 *)(r0 + 0x0) += r1
10: lock *(u32 *)(r0 + 0x8) += r6
11: w0 = 0x0
12: exit";
    golden(COUNTER, &little(CpuLevel::V3), expected);
}
