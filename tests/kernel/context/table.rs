//! The tables of fields and helpers against the kernel, both ways: what a table has must load, what a table lacks the kernel must
//! refuse. A new row is tested by being there.

use std::panic::Location;

use bpfasm::{
    codegen::{
        self,
        ir::{Loc, Operand, Program},
        source::{SourceMap, SourceText},
    },
    dsl::{
        context::{Context, Field, FullSock, SockCommon, Tc, TcpSock},
        helper::{Call, Helper},
        module,
        program::Staged,
        stage::{Graph, Limits, stage},
    },
    loader::{self, sys},
    object::kernel::ProgramType,
};
use bpfasm_isa::{Assembler, Endian, HelperId, Insn, JmpOp, Reg, Size, Slot, Width};
use bpfasm_tests::Need;

/// A kind of program that is given a context: its section, program type and attach type.
type Kind = (&'static str, ProgramType, u32);

/// The kinds that are given a [`Tc`](bpfasm::prelude::Tc).
pub(super) const TC: &[Kind] = &[("tc", ProgramType::SCHED_CLS, 0), ("action", ProgramType::SCHED_ACT, 0)];
/// The kinds that are given a [`CgroupSkb`](bpfasm::prelude::CgroupSkb): `BPF_CGROUP_INET_INGRESS` and `_EGRESS`.
pub(super) const CGROUP_SKB: &[Kind] =
    &[("cgroup_skb/ingress", ProgramType::CGROUP_SKB, 0), ("cgroup_skb/egress", ProgramType::CGROUP_SKB, 1)];

/// A kernel that is as new as the tables of helpers, by one of the last that came to these kinds of programs.
pub(super) static TASK_HELPERS: Need = Need::new("TASK_HELPERS", || offered(HelperId::GET_CURRENT_COMM));
/// Helpers that read numbers from text.
pub(super) static TEXT_HELPERS: Need = Need::new("TEXT_HELPERS", || offered(HelperId::STRTOL));
/// Packets that tell when a device saw them, and programs that say when they were sent.
pub(super) static TIMESTAMPS: Need = Need::new("TIMESTAMPS", || {
    offered(HelperId::SKB_SET_TSTAMP)?;
    let Some(hardware) = Tc::fields().find(|field| field.name == "hwtstamp") else {
        return Err("no such field".into());
    };
    let known = reads(TC[0], hardware.access, hardware.offset);
    if known { Ok(()) } else { Err("the kernel does not know the field hwtstamp".to_owned()) }
});

fn offered(helper: HelperId) -> Result<(), String> {
    if offers(TC[0], helper) { Ok(()) } else { Err(format!("the kernel does not offer {helper} to programs for tc")) }
}

/// The bytes of `struct __sk_buff`, as the kernel's types have it.
const SK_BUFF_BYTES: i16 = 192;

/// Whether the kernel takes instructions as they stand; `log` is for its words if it does not.
fn takes(kind: Kind, code: &[Slot], log: &mut [u8]) -> bool {
    let code: Vec<u8> = code.iter().flat_map(|slot| slot.to_bytes(Endian::NATIVE)).collect();
    let loaded = sys::prog_load(&mut sys::ProgLoad {
        prog_type: kind.1.0,
        expected_attach_type: kind.2,
        code: &code,
        license: c"GPL",
        name: "row",
        flags: 0,
        btf: None,
        func_info: &[],
        line_info: &[],
        log_level: 1,
        log,
    });
    loaded.is_ok()
}

/// Whether the kernel takes an access to the context.
fn takes_access(kind: Kind, access: Insn) -> bool {
    let zero = Insn::mov(Width::W64, Reg::R0, 0);
    let code = [zero, access, zero, Insn::exit()];
    takes(kind, &code.iter().flat_map(|insn| insn.encode().to_vec()).collect::<Vec<_>>(), &mut [])
}

fn reads(kind: Kind, size: Size, off: i16) -> bool {
    takes_access(kind, Insn::load(size, Reg::R0, Reg::R1, off))
}

/// By a register: before Linux 6.4 no immediate is stored to a context.
fn writes(kind: Kind, size: Size, off: i16) -> bool {
    takes_access(kind, Insn::store(size, Reg::R1, off, Reg::R0))
}

/// The accesses that make up a field.
fn accesses(field: &Field) -> impl Iterator<Item = i16> {
    let bytes = i16::try_from(field.bytes).unwrap();
    (field.offset..field.offset + bytes).step_by(usize::from(field.access.bytes()))
}

/// Every field of the table can be read, and written if the table says so; nothing else can.
pub(super) fn fields<C: Context>(kinds: &[Kind]) {
    let fields: Vec<Field> = C::fields().collect();
    assert!(fields.len() > 20, "{} fields", fields.len());
    let mut wrong = Vec::new();
    for &kind in kinds {
        for field in &fields {
            for off in accesses(field) {
                if !reads(kind, field.access, off) {
                    wrong.push(format!("{}: {} at {off} cannot be read", kind.0, field.name));
                }
                if writes(kind, field.access, off) != field.write.is_some() {
                    wrong.push(format!("{}: {} at {off}: writing is otherwise", kind.0, field.name));
                }
            }
        }
        for off in 0..SK_BUFF_BYTES {
            let covers =
                |field: &&Field| (field.offset..field.offset + i16::try_from(field.bytes).unwrap()).contains(&off);
            let field = fields.iter().find(covers);
            let sizes = [Size::B, Size::H, Size::W, Size::DW].into_iter();
            let sizes: Vec<_> = sizes.filter(|size| off % i16::from(size.bytes()) == 0).collect();
            // A field that has more bytes than its type is covered by its first one.
            let within_word = || fields.iter().any(|field| field.offset / 4 == off / 4);
            if field.is_none() && !within_word() && sizes.iter().any(|&size| reads(kind, size, off)) {
                wrong.push(format!("{}: no field is at {off}, which the kernel lets programs read", kind.0));
            }
            if field.is_none_or(|field| field.write.is_none()) && sizes.iter().any(|&size| writes(kind, size, off)) {
                wrong.push(format!("{}: no field to write is at {off}, where the kernel lets programs write", kind.0));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every helper that has a method can be called by it.
pub(super) fn helpers_load<C: Context>(kinds: &[Kind]) {
    let mut wrong = Vec::new();
    let mut called = 0;
    for &kind in kinds {
        for helper in C::helpers() {
            if let Err(why) = load_example::<C>(kind, &helper) {
                wrong.push(format!("{}: {}: {why}", kind.0, helper.id));
            }
            called += usize::from(matches!(helper.call, Call::Method { .. }));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(called > 80, "{called} calls");
}

/// Stages, compiles and loads the example of a helper.
#[track_caller]
fn load_example<C: Context>(kind: Kind, helper: &Helper) -> Result<(), String> {
    let Call::Method { name, example, .. } = helper.call else { return Ok(()) };
    let loc: Loc = Location::caller();
    let graph = stage(Limits::default(), loc, &mut || {
        example();
        Operand::Const(0)
    })
    .map_err(|error| error.to_string())?;
    let Graph { function, maps, globals } = graph;
    let calls = function.blocks.values().flat_map(|block| &block.insts);
    if !calls.clone().any(|inst| matches!(inst.op, codegen::ir::Op::Call { helper: id, .. } if id == helper.id)) {
        return Err("the example does not call it".to_owned());
    }
    let program = Program { name: name.to_owned(), section: kind.0.to_owned(), signature: C::SIGNATURE, loc, function };
    let source = SourceText { path: "".into(), name: "".into(), first_line: 1, text: "".into() };
    let mut sources = SourceMap::new();
    let module = module([Staged { program, maps, globals, source }], &mut sources);
    let object = codegen::compile(&module, &codegen::Options::default(), &sources);
    let object = object.map_err(|error| error.to_string())?;
    loader::load(&object).map(drop).map_err(|error| match error {
        loader::Error::Rejected { log, .. } => format!("{log}"),
        error => error.to_string(),
    })
}

/// The helpers of the table are those that the kernel offers.
pub(super) fn helpers_are_the_kernels<C: Context>(kinds: &[Kind]) {
    for &kind in kinds {
        let offered: Vec<HelperId> =
            (1..).map(HelperId).take_while(|id| id.0 <= LAST_PROBED).filter(|&id| offers(kind, id)).collect();
        let mut known: Vec<HelperId> = C::helpers().map(|helper| helper.id).collect();
        known.sort_unstable();
        let names = |these: &[HelperId], others: &[HelperId]| {
            these.iter().filter(|id| !others.contains(id)).map(ToString::to_string).collect::<Vec<_>>()
        };
        let (missing, superfluous) = (names(&offered, &known), names(&known, &offered));
        assert!(missing.is_empty(), "{}: the kernel offers, and the table lacks: {missing:?}", kind.0);
        assert!(superfluous.is_empty(), "{}: the table has, and the kernel does not offer: {superfluous:?}", kind.0);
    }
}

/// The last helper that is asked for: some beyond those with a name.
const LAST_PROBED: u32 = 230;

/// Whether the kernel knows a helper for this kind of program. Arguments are not set up, so the answer is in what it complains about.
fn offers(kind: Kind, helper: HelperId) -> bool {
    let code = [Insn::call_helper(helper), Insn::mov(Width::W64, Reg::R0, 0), Insn::exit()];
    let code: Vec<Slot> = code.iter().flat_map(|insn| insn.encode().to_vec()).collect();
    let mut log = vec![0; 1 << 12];
    if takes(kind, &code, &mut log) {
        return true;
    }
    let log = String::from_utf8_lossy(&log);
    let unknown = ["invalid func", "unknown func", "program of this type cannot use helper"];
    !unknown.iter().any(|text| log.contains(text))
}

/// Every field of the tables of sockets can be read, and what lies behind the last one cannot.
pub(super) fn sockets() {
    let rows: [(&str, Vec<Field>, Option<HelperId>); 3] = [
        ("SockCommon", SockCommon::fields().collect(), None),
        ("FullSock", FullSock::fields().chain(SockCommon::fields()).collect(), Some(HelperId::SK_FULLSOCK)),
        ("TcpSock", TcpSock::fields().collect(), Some(HelperId::TCP_SOCK)),
    ];
    let sk = Tc::fields().find(|field| field.name == "sk").unwrap();
    let mut wrong = Vec::new();
    for (name, fields, helper) in rows {
        assert!(fields.len() > 9, "{name} has {} fields", fields.len());
        for &kind in TC.iter().chain(CGROUP_SKB) {
            let reads = |size, off| takes(kind, &reads_socket(sk.offset, helper, size, off), &mut []);
            for field in &fields {
                if !accesses(field).all(|off| reads(field.access, off)) {
                    wrong.push(format!("{}: {} of {name} cannot be read", kind.0, field.name));
                }
            }
            let end = fields.iter().map(|field| field.offset + i16::try_from(field.bytes).unwrap()).max();
            if reads(Size::W, end.unwrap()) {
                wrong.push(format!("{}: {name} has more fields", kind.0));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Reads from the socket of the context, or from what a helper makes of it.
fn reads_socket(sk: i16, helper: Option<HelperId>, size: Size, off: i16) -> Vec<Slot> {
    let mut asm = Assembler::new();
    let none = asm.new_label();
    asm.push(Insn::load(Size::DW, Reg::R1, Reg::R1, sk));
    asm.jump_if(Width::W64, JmpOp::Eq, Reg::R1, 0, none);
    if let Some(helper) = helper {
        asm.push(Insn::call_helper(helper));
        asm.jump_if(Width::W64, JmpOp::Eq, Reg::R0, 0, none);
        asm.push(Insn::mov(Width::W64, Reg::R1, Reg::R0));
    }
    asm.push(Insn::load(size, Reg::R1, Reg::R1, off));
    asm.bind(none);
    asm.push(Insn::mov(Width::W64, Reg::R0, 0));
    asm.push(Insn::exit());
    asm.finish().unwrap()
}
