//! Loading, running, looking at programs.

use bpfasm_isa::{Endian, Insn, Reg, Size};
use bpfasm_loader::{Error, ErrorKind, LoadOptions, Program, TestRun, load, programs};
use bpfasm_object::kernel::{MapType, ProgramType};
use bpfasm_object::{MapIx, RelocationTarget};
use libtest_mimic::Trial;

use crate::harness::{Need, Outcome, test, without_bpffs};
use crate::objects::{self, SHOT, calling, returning, typed, untyped};

const NEEDS: &[Need] = &[Need::Privileges];

pub fn tests() -> Vec<Trial> {
    vec![
        test("load: a program returns what it should", NEEDS, returns),
        test("load: a program keeps its full name and its source", NEEDS, keeps_names),
        test("load: a program without types is typed and marked", NEEDS, untyped_is_named),
        test("load: a subprogram is called", NEEDS, subprogram),
        test("load: a rejected program says why and where", NEEDS, rejected),
        test("load: a log that was asked for", NEEDS, log_asked_for),
        test("load: maps are made and referred to", NEEDS, maps),
        test("load: a type that no kernel has", NEEDS, unknown_type),
        test("load: objects that are refused unseen", NEEDS, refused_unseen),
        test("load: the packet after a run", NEEDS, packet_out),
        test("load: a type that cannot be run", NEEDS, cannot_run),
        test("load: programs are listed", NEEDS, listed),
        test("load: pins", NEEDS, pins),
        test("load: nothing leaks", NEEDS, no_leak),
    ]
}

fn returns() -> Outcome {
    let loaded = load(&typed("shoot", &returning(SHOT)))?;
    let program = loaded.program("shoot")?;
    let output = program.test_run(&TestRun::packet(&[0; 64]).repeat(10))?;
    assert_eq!((output.retval, output.data_out), (2, vec![0; 64]));
    assert_eq!(program.program_type(), ProgramType::SCHED_CLS);
    assert!(matches!(program.test_run(&TestRun::packet(&[0; 3])), Err(Error::Usage { .. })));
    Ok(())
}

const LONG: &str = "a_name_that_is_longer_than_the_kernel_keeps";

fn keeps_names() -> Outcome {
    let program = objects::program(LONG, SHOT)?;
    let info = program.info()?;
    assert_eq!((info.name.as_str(), info.full_name.as_str()), (&LONG[..15], LONG));
    assert!(info.btf_id.is_some() && info.gpl_compatible && info.xlated_bytes == 16);
    let again = Program::from_id(program.id()?)?;
    assert_eq!((again.name(), again.id()?), (LONG, program.id()?));
    let gone = program.id()?;
    drop((program, again));
    // The kernel frees a program a moment after its last descriptor.
    let freed = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        matches!(Program::from_id(gone), Err(Error::NoSuchId { what: "program", .. }))
    });
    assert!(freed);
    Ok(())
}

fn untyped_is_named() -> Outcome {
    let loaded = load(&untyped(LONG, "tc", &returning(SHOT)))?;
    let again = Program::from_id(loaded.program(LONG)?.id()?)?;
    assert_eq!(again.name(), LONG);
    Ok(())
}

fn subprogram() -> Outcome {
    let loaded = load(&calling("caller", 7))?;
    let program = loaded.program("caller")?;
    assert_eq!(program.test_run(&TestRun::packet(&[0; 64]))?.retval, 7);
    assert_eq!(Program::from_id(program.id()?)?.name(), "caller");
    Ok(())
}

fn rejected() -> Outcome {
    let error = load(&typed("bad", &[Insn::exit()])).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let log = error.verifier_log().ok_or("no log")?;
    assert_eq!(log.message(), Some("R0 !read_ok"));
    assert!(log.source_line().is_some_and(|line| line.starts_with("exit()")), "{log:#}");
    assert!(log.is_complete() && format!("{log:#}").contains("processed"));
    assert!(
        error.to_string().starts_with("the verifier rejected program `bad`:\n; exit() @ by_hand.rs:7\nR0 !read_ok")
    );
    Ok(())
}

fn log_asked_for() -> Outcome {
    let object = typed("shoot", &returning(SHOT));
    let loaded = LoadOptions::new().log_level(2).load(&object)?;
    assert!(loaded.program("shoot")?.verifier_log().is_some_and(|log| log.raw().contains("(b7) r0 = 2")));
    assert!(load(&object)?.program("shoot")?.verifier_log().is_none());
    Ok(())
}

fn maps() -> Outcome {
    let mut object = objects::mapped("mapped", objects::map("counts", MapType::ARRAY, 4, 8, 4), SHOT);
    object.maps.insert(0, objects::map("unused", MapType::HASH, 8, 16, 4));
    object.functions[0].relocations[0].target = RelocationTarget::Map(MapIx(1));
    let loaded = load(&object)?;
    let program = loaded.program("mapped")?;
    assert_eq!(program.info()?.map_ids.len(), 1);
    let used = bpfasm_loader::sys::prog_map_ids(std::os::fd::AsFd::as_fd(program))?;
    assert_eq!(used, [loaded.map("counts")?.id()]);
    assert_eq!(loaded.map("x").expect_err("no such map").to_string(), "no map `x`; there is `unused`, `counts`");
    assert_eq!(loaded.maps().map(|map| map.name()).collect::<Vec<_>>(), ["unused", "counts"]);

    object.maps[0].max_entries = 0;
    let error = load(&object).expect_err("it is refused");
    assert_eq!(error.to_string(), "malformed object: the kernel refuses the hash map `unused`");
    object.maps[0].map_type = MapType(9999);
    assert!(matches!(load(&object), Err(Error::Unsupported { .. })));
    Ok(())
}

fn unknown_type() -> Outcome {
    // Every kernel knows it, none loads it without the id of what it attaches to.
    let error = load(&untyped("f", "freplace/x", &returning(0))).expect_err("it is refused");
    assert!(!matches!(error, Error::Unsupported { .. }), "{error}");
    Ok(())
}

fn refused_unseen() -> Outcome {
    let other = match Endian::NATIVE {
        Endian::Little => Endian::Big,
        Endian::Big => Endian::Little,
    };
    let mut object = untyped("f", "tc", &returning(0));
    object.endian = other;
    assert!(matches!(load(&object), Err(Error::WrongEndian { .. })));
    let error = load(&untyped("f", "tc_ingress", &returning(0))).expect_err("it is refused");
    assert_eq!(error.to_string(), "program `f`: no program type is known for section `tc_ingress`");
    let error = LoadOptions::new().program("g").load(&untyped("f", "tc", &returning(0))).expect_err("it is refused");
    assert_eq!(error.to_string(), "no program `g`; there is `f`");
    Ok(())
}

fn packet_out() -> Outcome {
    // Writes r0 = data[0] of an XDP packet: r2 = data, r3 = data_end, bounds check, store.
    let code = [
        Insn::load(Size::W, Reg::R2, Reg::R1, 0),
        Insn::load(Size::W, Reg::R3, Reg::R1, 4),
        Insn::mov(bpfasm_isa::Width::W64, Reg::R4, Reg::R2),
        Insn::alu(bpfasm_isa::Width::W64, bpfasm_isa::AluOp::Add, Reg::R4, 1),
        Insn::jump_if(bpfasm_isa::Width::W64, bpfasm_isa::JmpOp::Gt, Reg::R4, Reg::R3, 1),
        Insn::store(Size::B, Reg::R2, 0, 0x5a),
        Insn::mov(bpfasm_isa::Width::W64, Reg::R0, 2),
        Insn::exit(),
    ];
    let loaded = load(&untyped("mark", "xdp", &code))?;
    let output = loaded.program("mark")?.test_run(&TestRun::packet(&[1; 20]))?;
    assert_eq!((output.data_out[0], &output.data_out[1..]), (0x5a, &[1; 19][..]));
    Ok(())
}

fn cannot_run() -> Outcome {
    let loaded = load(&untyped("ops", "sockops", &returning(1)))?;
    let error = loaded.program("ops")?.test_run(&TestRun::default()).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    Ok(())
}

fn listed() -> Outcome {
    let program = objects::program("listed", SHOT)?;
    let id = program.id()?;
    let infos: Vec<_> = programs().collect::<Result<_, _>>()?;
    assert!(infos.is_sorted_by_key(|info| info.id));
    assert_eq!(infos.iter().find(|info| info.id == id), Some(&program.info()?));
    Ok(())
}

fn pins() -> Outcome {
    without_bpffs()?;
    let folder = bpfasm_loader::bpffs::ensure()?;
    assert_eq!(bpfasm_loader::bpffs::find()?, Some(folder.clone()));
    let path = folder.join(format!("bpfasm_test_{}", std::process::id()));
    let program = objects::program(LONG, SHOT)?;
    program.pin(&path)?;
    assert!(matches!(program.pin(&path), Err(Error::PinExists { .. })));
    let again = Program::from_pin(&path)?;
    std::fs::remove_file(&path)?;
    assert_eq!((again.id()?, again.name()), (program.id()?, LONG));
    assert!(matches!(Program::from_pin(&path), Err(Error::NoSuchPin { .. })));
    assert!(matches!(Program::from_pin("/proc/version"), Err(Error::NoSuchPin { .. })));
    Ok(())
}

fn no_leak() -> Outcome {
    // Other tests open descriptors meanwhile: only those of BPF programs by this name would be ours.
    let object = typed("leaky_name", &returning(SHOT));
    for _ in 0..200 {
        load(&object)?;
        load(&typed("bad", &[Insn::exit()])).expect_err("it is refused");
    }
    let alive = || programs().flatten().filter(|info| info.name == "leaky_name").count();
    let gone = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        alive() == 0
    });
    assert!(gone, "{} programs are left", alive());
    Ok(())
}
