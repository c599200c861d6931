//! Every program of `programs/`: its samples hold in the kernel, and other loaders take its object with its types.

use std::{fs, path::PathBuf};

use bpfasm_tests::{
    Case, Sandbox, cli,
    cli::bpfasm,
    command,
    command::succeed,
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CARGO, CLI, KERNEL_BTF},
    sandbox,
};

use crate::object::{assert_has_types, assert_types_were_taken};
use crate::observe::assert_same_dumps;

/// The cases: two a program.
pub(crate) fn cases() -> Vec<Case> {
    let runs = [&CAP_BPF, &CAP_NET_ADMIN, &CLI, &CARGO];
    let loads = [&runs[..], &[&BPFFS, &BPFTOOL, &KERNEL_BTF]].concat();
    let mut cases = Vec::new();
    for file in programs() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let samples = file.clone();
        cases.push(Case::new(format!("corpus::{name}::samples_hold"), &runs, move |_| samples_hold(&samples)));
        cases.push(Case::new(format!("corpus::{name}::bpftool_loads_it_with_its_types"), &loads, move |sandbox| {
            bpftool_loads_it(sandbox, &file, &name);
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

fn samples_hold(file: &PathBuf) {
    // A wrong verdict is an exit code other than 0.
    let run = succeed(bpfasm().arg("run").arg(file));
    let rows = run.stdout.lines().skip(1).filter(|row| !row.trim().is_empty()).count();
    assert!(rows >= 2, "a program should come with samples: {run}");
    assert!(!run.to_string().contains("not run"), "the kernel should run every sample: {run}");
}

fn bpftool_loads_it(sandbox: &Sandbox, file: &PathBuf, name: &str) {
    let object = sandbox.scratch().join("object.o");
    succeed(bpfasm().arg("build").arg(file).arg("-o").arg(&object));
    let pin = format!("{}/{name}", sandbox::BPFFS);
    assert_types_were_taken(&succeed(&mut command!("bpftool", "prog", "load", object, &pin)));
    assert_has_types(&succeed(&mut command!("bpftool", "-j", "prog", "show", "pinned", &pin)).json(), name);
    assert_same_dumps(&["pinned", &pin]);
}
