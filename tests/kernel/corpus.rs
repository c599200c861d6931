//! Every program of `programs/`: its samples hold in the kernel, and other loaders take its object with its types.
//!
//! bpftool stands for libbpf, which it loads with. A new file in the folder has its cases by being there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bpfasm::object::{Object, elf, kernel::ProgramType};
use bpfasm_tests::{
    Case, Sandbox, cli,
    cli::bpfasm,
    command,
    command::succeed,
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CARGO, CLI, CLS_BPF, CLSACT, KERNEL_BTF, TC},
    net::{Direction, filter, qdisc},
    sandbox,
};
use serde_json::Value;

use crate::object::{assert_has_types, assert_types_were_taken};
use crate::observe::assert_same_dumps;

/// The cases: two a file, and another for one with programs for tc.
pub(crate) fn cases() -> Vec<Case> {
    let runs = [&CAP_BPF, &CAP_NET_ADMIN, &CLI, &CARGO];
    let loads = [&runs[..], &[&BPFFS, &BPFTOOL, &KERNEL_BTF]].concat();
    let tc = [&loads[..], &[&CLSACT, &CLS_BPF, &TC]].concat();
    let mut cases = Vec::new();
    for file in programs() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let name = |what: &str| format!("corpus::{name}::{what}");
        let samples = file.clone();
        cases.push(Case::new(name("samples_hold"), &runs, move |_| samples_hold(&samples)));
        if fs::read_to_string(&file).unwrap().contains("#[program(tc") {
            let file = file.clone();
            cases.push(Case::new(name("tc_loads_it_with_its_types"), &tc, move |sandbox| tc_loads_it(sandbox, &file)));
        }
        cases.push(Case::new(name("bpftool_loads_it_with_its_types"), &loads, move |sandbox| {
            bpftool_loads_it(sandbox, &file);
        }));
    }
    cases
}

/// The program files. None on a machine without the sources.
fn programs() -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(cli::workspace().join("programs")) else { return Vec::new() };
    let is_program = |file: &PathBuf| {
        file.extension().is_some_and(|extension| extension == "rs")
            && file.file_stem().is_some_and(|stem| stem != "lib")
    };
    let mut files: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).filter(is_program).collect();
    files.sort();
    files
}

fn samples_hold(file: &Path) {
    // A wrong verdict is an exit code other than 0.
    let run = succeed(bpfasm().arg("run").arg(file));
    let rows = run.stdout.lines().skip(1).filter(|row| !row.trim().is_empty()).count();
    assert!(rows >= 2, "a program should come with samples: {run}");
    assert!(!run.to_string().contains("not run"), "the kernel should run every sample: {run}");
}

/// Builds a file, and gives its object: where it is, and what is in it.
#[track_caller]
fn build(sandbox: &Sandbox, file: &Path) -> (PathBuf, Object) {
    let path = sandbox.scratch().join("object.o");
    succeed(bpfasm().arg("build").arg(file).arg("-o").arg(&path));
    let object = elf::read(&fs::read(&path).unwrap()).unwrap();
    assert!(object.programs().next().is_some(), "a file without programs");
    (path, object)
}

fn bpftool_loads_it(sandbox: &Sandbox, file: &Path) {
    let (path, object) = build(sandbox, file);
    let pins = Path::new(sandbox::BPFFS).join("loaded");
    assert_types_were_taken(&succeed(command!("bpftool", "prog", "loadall", path).arg(&pins)));
    for program in object.programs() {
        let pin = pins.join(&program.name);
        let shown = succeed(command!("bpftool", "-j", "prog", "show", "pinned").arg(&pin));
        assert_is(&shown.json(), &program.name);
        assert_same_dumps(&["pinned", pin.to_str().unwrap()]);
    }
}

fn tc_loads_it(sandbox: &Sandbox, file: &Path) {
    let (path, object) = build(sandbox, file);
    qdisc::add("lo", qdisc::Kind::Clsact).unwrap();
    let is_tc = |kind| kind == ProgramType::SCHED_CLS;
    let programs =
        object.programs().filter(|program| program.section_kind().is_some_and(|kind| is_tc(kind.program_type)));
    let names: Vec<&String> = programs.map(|program| &program.name).collect();
    assert_ne!(names.len(), 0);
    for (name, priority) in names.into_iter().zip(1_u16..) {
        let mut add = command!("tc", "filter", "add", "dev", "lo", "ingress", "prio", priority.to_string());
        add.args(["bpf", "da", "obj"]).arg(&path).args(["program", name]);
        assert_types_were_taken(&succeed(&mut add));
        let filters = filter::list("lo", Direction::Ingress).unwrap();
        let made = filters.iter().find(|filter| filter.priority == priority).unwrap();
        let id = made.program_id.unwrap().to_string();
        assert_is(&succeed(&mut command!("bpftool", "-j", "prog", "show", "id", id)).json(), name);
    }
}

/// The kernel keeps 15 bytes of a name.
#[track_caller]
fn assert_is(program: &Value, name: &str) {
    assert_has_types(program, name.get(..15).unwrap_or(name));
}
