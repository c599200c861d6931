//! Random programs: the optimised and the plain code, at every cpu level, do what an interpreter of the same program does.

use std::collections::BTreeMap;
use std::time::Duration;

use bpfasm::codegen::{CpuLevel, Options};
use bpfasm::loader::{self, TestRun};
use bpfasm::{compile, prelude::*};
use bpfasm_isa::{Insn, Reg, Size, Width};
use bpfasm_tests::{
    Case, Need,
    need::{CAP_BPF, CAP_NET_ADMIN},
    slowdown,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::fixture;

/// How many programs are tried, fewer where the machine is slow.
const PROGRAMS: u32 = 60;
/// The verdict of a program that does not return by itself.
const FELL_OFF: u32 = 77;

/// A verifier that knows the instructions of cpu level 4, by a sign-extending move.
static CPU_V4: Need = Need::new("CPU_V4", || {
    let extend = Insn::movsx(Width::W64, Size::B, Reg::R0, Reg::R0).map_err(|error| error.to_string())?;
    let code = [Insn::mov(Width::W64, Reg::R0, 0), extend, Insn::exit()];
    fixture::takes(&code)
});

/// The cases, one a cpu level.
pub(crate) fn cases() -> Vec<Case> {
    let levels: [(CpuLevel, &[&Need]); 4] =
        [(CpuLevel::V1, &[]), (CpuLevel::V2, &[]), (CpuLevel::V3, &[]), (CpuLevel::V4, &[&CPU_V4])];
    let case = |(cpu, own): (CpuLevel, &[&'static Need])| {
        let name = format!("random::programs_do_what_they_say::{cpu}");
        let needs = [&[&CAP_BPF, &CAP_NET_ADMIN], own].concat();
        Case::new(name, &needs, move |_| programs_do_what_they_say(cpu)).within(Duration::from_secs(240))
    };
    let asked_twice = Case::new("random::bytes_are_asked_for_twice", &[&CAP_BPF, &CAP_NET_ADMIN], |_| asked_twice());
    levels.map(case).into_iter().chain([asked_twice]).collect()
}

#[derive(Clone, Copy, Debug)]
enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    Shr,
}

#[derive(Clone, Debug)]
enum Value {
    Number(u32),
    Variable(usize),
    Byte(u8),
    Word(u8),
    Counter(u32),
    Signed(Box<Value>, Box<Value>),
    Arith(Arith, Box<Value>, Box<Value>),
}

#[derive(Clone, Copy, Debug)]
enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    SignedLt,
}

#[derive(Clone, Debug)]
enum Statement {
    Set(usize, Value),
    Store(u8, Value),
    Count(u32, Value),
    Insert(u32, Value),
    If(Compare, Value, Value, Vec<Statement>, Vec<Statement>),
    Repeat(Value, Vec<Statement>),
    Return(Value),
}

#[derive(Header)]
struct Byte {
    value: U8,
}

#[derive(Header)]
struct Word {
    value: Be32,
}

type Variables = [U32; 3];

/// How many counters there are; one more is asked for.
const COUNTERS: u32 = 3;

#[map]
static COUNTS: Hash<U32, U32> = Hash::new(COUNTERS + 1);

#[staged]
fn byte(skb: &Tc, offset: u8) -> U32 {
    match skb.header::<Byte>(offset) {
        Some(byte) => U32::from(byte.value()),
        None => U32::from(0),
    }
}

#[staged]
fn word(skb: &Tc, offset: u8) -> U32 {
    match skb.header::<Word>(offset) {
        Some(word) => word.value().host(),
        None => U32::from(0),
    }
}

#[staged]
fn counter(index: u32) -> U32 {
    match COUNTS.lookup(index) {
        Some(count) => count.get(),
        None => U32::from(0),
    }
}

#[staged]
fn value(skb: &Tc, variables: Variables, expr: &Value) -> U32 {
    match expr {
        Value::Number(number) => U32::from(*number),
        Value::Variable(index) => variables[*index],
        Value::Byte(offset) => byte(skb, *offset),
        Value::Word(offset) => word(skb, *offset),
        Value::Counter(index) => counter(*index),
        Value::Signed(a, b) => {
            let (a, b) = (value(skb, variables, a), value(skb, variables, b));
            let sum = I64::from(a.signed()) + I64::from(b.signed());
            (sum >> I64::from(1)).unsigned().low32()
        }
        Value::Arith(op, a, b) => {
            let (a, b) = (value(skb, variables, a), value(skb, variables, b));
            match op {
                Arith::Add => a + b,
                Arith::Sub => a - b,
                Arith::Mul => a * b,
                Arith::Div => a / b,
                Arith::Rem => a % b,
                Arith::And => a & b,
                Arith::Or => a | b,
                Arith::Xor => a ^ b,
                Arith::Shl => a << b,
                Arith::Shr => a >> b,
            }
        }
    }
}

#[staged]
fn holds(skb: &Tc, variables: Variables, compare: Compare, a: &Value, b: &Value) -> bool {
    let (a, b) = (value(skb, variables, a), value(skb, variables, b));
    match compare {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::SignedLt => a.signed() < b.signed(),
    }
}

#[staged]
fn execute(skb: &mut Tc, mut variables: Variables, body: &[Statement]) -> (Variables, Option<U32>) {
    for statement in body {
        match statement {
            Statement::Set(index, expr) => variables[*index] = value(skb, variables, expr),
            Statement::Store(offset, expr) => {
                let stored = value(skb, variables, expr);
                if let Some(mut byte) = skb.header_mut::<Byte>(*offset) {
                    byte.set_value(stored.low8());
                }
            }
            Statement::Count(index, expr) => {
                let step = value(skb, variables, expr);
                if let Some(count) = COUNTS.lookup(*index) {
                    count.add(step);
                }
            }
            Statement::Insert(index, expr) => {
                let start = value(skb, variables, expr);
                if let Some(count) = COUNTS.lookup_or_insert(*index, start) {
                    count.set(count.get() ^ 1);
                }
            }
            Statement::If(compare, a, b, then, otherwise) => {
                let arm = if holds(skb, variables, *compare, a, b) { then } else { otherwise };
                let (after, result) = execute(skb, variables, arm);
                variables = after;
                if result.is_some() {
                    return (variables, result);
                }
            }
            Statement::Repeat(times, body) => {
                let times = value(skb, variables, times) & 3;
                let mut turn = U32::from(0);
                while turn < times {
                    let (after, result) = execute(skb, variables, body);
                    variables = after;
                    if result.is_some() {
                        return (variables, result);
                    }
                    turn += 1;
                }
            }
            Statement::Return(expr) => return (variables, Some(value(skb, variables, expr))),
        }
    }
    (variables, None)
}

#[program(tc)]
fn random(skb: &mut Tc, body: &[Statement]) -> TcAction {
    let variables = [U32::from(1), U32::from(2), skb.len()];
    let (_, result) = execute(skb, variables, body);
    TcAction::from(result.unwrap_or(U32::from(FELL_OFF)))
}

/// The same program on a packet, in plain Rust.
struct Interpreter {
    packet: Vec<u8>,
    variables: [u32; 3],
    /// What programs before left in the map, and this one changes.
    counters: BTreeMap<u32, u32>,
}

impl Interpreter {
    fn value(&self, expr: &Value) -> u32 {
        match expr {
            Value::Number(number) => *number,
            Value::Variable(index) => self.variables[*index],
            Value::Byte(offset) => self.packet.get(usize::from(*offset)).copied().unwrap_or(0).into(),
            Value::Counter(index) => self.counters.get(index).copied().unwrap_or(0),
            Value::Word(offset) => {
                let from = usize::from(*offset);
                let bytes = self.packet.get(from..from + 4).and_then(|bytes| bytes.try_into().ok());
                bytes.map_or(0, u32::from_be_bytes)
            }
            Value::Signed(a, b) => {
                let (a, b) = (self.value(a).cast_signed(), self.value(b).cast_signed());
                let half = (i64::from(a) + i64::from(b)) >> 1;
                u32::try_from(half & 0xffff_ffff).unwrap()
            }
            Value::Arith(op, a, b) => {
                let (a, b) = (self.value(a), self.value(b));
                match op {
                    Arith::Add => a.wrapping_add(b),
                    Arith::Sub => a.wrapping_sub(b),
                    Arith::Mul => a.wrapping_mul(b),
                    Arith::Div => a.checked_div(b).unwrap_or(0),
                    Arith::Rem => a.checked_rem(b).unwrap_or(a),
                    Arith::And => a & b,
                    Arith::Or => a | b,
                    Arith::Xor => a ^ b,
                    Arith::Shl => a.wrapping_shl(b),
                    Arith::Shr => a.wrapping_shr(b),
                }
            }
        }
    }

    fn execute(&mut self, body: &[Statement]) -> Option<u32> {
        for statement in body {
            match statement {
                Statement::Set(index, expr) => self.variables[*index] = self.value(expr),
                Statement::Store(offset, expr) => {
                    let [low, ..] = self.value(expr).to_le_bytes();
                    if let Some(byte) = self.packet.get_mut(usize::from(*offset)) {
                        *byte = low;
                    }
                }
                Statement::Count(index, expr) => {
                    let step = self.value(expr);
                    if let Some(count) = self.counters.get_mut(index) {
                        *count = count.wrapping_add(step);
                    }
                }
                Statement::Insert(index, expr) => {
                    let start = self.value(expr);
                    *self.counters.entry(*index).or_insert(start) ^= 1;
                }
                Statement::If(compare, a, b, then, otherwise) => {
                    let (a, b) = (self.value(a), self.value(b));
                    let holds = match compare {
                        Compare::Eq => a == b,
                        Compare::Ne => a != b,
                        Compare::Lt => a < b,
                        Compare::Le => a <= b,
                        Compare::SignedLt => a.cast_signed() < b.cast_signed(),
                    };
                    if let Some(result) = self.execute(if holds { then } else { otherwise }) {
                        return Some(result);
                    }
                }
                Statement::Repeat(times, body) => {
                    for _ in 0..self.value(times) & 3 {
                        if let Some(result) = self.execute(body) {
                            return Some(result);
                        }
                    }
                }
                Statement::Return(expr) => return Some(self.value(expr)),
            }
        }
        None
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop_oneof![0..4u32, any::<u32>(), Just(u32::MAX), Just(1 << 31)].prop_map(Value::Number),
        (0..3usize).prop_map(Value::Variable),
        (14..60u8).prop_map(Value::Byte),
        (14..60u8).prop_map(Value::Word),
        (0..=COUNTERS).prop_map(Value::Counter),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let op = prop::sample::select(vec![
            Arith::Add,
            Arith::Sub,
            Arith::Mul,
            Arith::Div,
            Arith::Rem,
            Arith::And,
            Arith::Or,
            Arith::Xor,
            Arith::Shl,
            Arith::Shr,
        ]);
        let pair = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            4 => (op, pair()).prop_map(|(op, (a, b))| Value::Arith(op, a, b)),
            1 => pair().prop_map(|(a, b)| Value::Signed(a, b)),
        ]
    })
}

fn bodies() -> impl Strategy<Value = Vec<Statement>> {
    let simple = prop_oneof![
        4 => (0..3usize, values()).prop_map(|(index, expr)| Statement::Set(index, expr)),
        2 => (14..60u8, values()).prop_map(|(offset, expr)| Statement::Store(offset, expr)),
        1 => (0..=COUNTERS, values()).prop_map(|(index, expr)| Statement::Count(index, expr)),
        1 => (0..COUNTERS, values()).prop_map(|(index, expr)| Statement::Insert(index, expr)),
        1 => values().prop_map(Statement::Return),
    ];
    let statement = simple.prop_recursive(2, 10, 3, |inner| {
        let compare = prop::sample::select(vec![Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::SignedLt]);
        let body = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            3 => (compare, values(), values(), body(), body())
                .prop_map(|(compare, a, b, then, otherwise)| Statement::If(compare, a, b, then, otherwise)),
            1 => (values(), body()).prop_map(|(times, body)| Statement::Repeat(times, body)),
        ]
    });
    prop::collection::vec(statement, 1..6)
}

fn packets() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let packet = prop::collection::vec(prop_oneof![any::<u8>(), 0..4u8], 15..70).prop_map(|mut packet| {
        // A protocol that no kernel knows: of others it refuses packets without a whole header.
        packet[12..14].copy_from_slice(&[0x88, 0xb5]);
        packet
    });
    prop::collection::vec(packet, 4)
}

fn programs_do_what_they_say(cpu: CpuLevel) {
    let config =
        Config { cases: PROGRAMS / slowdown(), failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    // The same programs in every run: a failure stays until it is mended.
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, seed);
    runner
        .run(&(bodies(), packets()), |(body, packets)| {
            for optimize in [true, false] {
                let mut options = Options::default();
                (options.cpu, options.optimize) = (cpu, optimize);
                check(&body, &packets, &options)?;
            }
            Ok(())
        })
        .unwrap();
}

/// Some kernels decide the second question by one way of the first, if one register is compared both times.
fn asked_twice() {
    let word = || Value::Word(39);
    let body = [Statement::Set(1, Value::Arith(Arith::Add, word().into(), word().into())), Statement::Return(word())];
    for optimize in [true, false] {
        let mut options = Options::default();
        options.optimize = optimize;
        check(&body, &[(0..45).collect(), (0..40).collect()], &options).unwrap();
    }
}

fn check(body: &[Statement], packets: &[Vec<u8>], options: &Options) -> Result<(), TestCaseError> {
    let fail = |what: String| TestCaseError::fail(format!("{options:?}: {what}"));
    let object = compile(&[&random.with(body)], options).map_err(|error| fail(error.to_string()))?;
    let mut loaded = loader::load(&object).map_err(|error| fail(format!("{error:#}")))?;
    let program = loaded.take_program("random").map_err(|error| fail(error.to_string()))?;
    // A program that names no counter has no map.
    let counts = loaded.map_of(&COUNTS).ok();
    let mut counters = BTreeMap::new();
    for packet in packets {
        let length = u32::try_from(packet.len()).unwrap();
        let mut expected = Interpreter { packet: packet.clone(), variables: [1, 2, length], counters };
        let verdict = expected.execute(body).unwrap_or(FELL_OFF);
        let run = program.test_run(&TestRun::packet(packet)).map_err(|error| fail(error.to_string()))?;
        prop_assert_eq!(run.retval, verdict, "verdict with {:?} of {:02x?}", options, packet);
        prop_assert_eq!(&run.data_out, &expected.packet, "packet with {:?}", options);
        if let Some(counts) = &counts {
            let found: BTreeMap<u32, u32> = counts.iter().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(&found, &expected.counters, "counters with {:?}", options);
        }
        counters = expected.counters;
    }
    Ok(())
}
