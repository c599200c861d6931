//! Objects that `bpfasm build` writes: other loaders take them, with their types and source lines.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bpfasm_tests::{
    Case, Sandbox, cli,
    cli::bpfasm,
    command,
    command::{Finished, succeed},
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CARGO, CLI, CLS_BPF, CLSACT, KERNEL_BTF, TC, VETH},
    net::{DEVICE, Direction, Wire, filter, qdisc},
    sandbox,
};
use object::{Object as _, ObjectSection as _};
use serde_json::Value;

use crate::hook::tc_add_object;

/// The most slots that the program under test may have.
const SLOTS: u64 = 13;
/// The size of one.
const SLOT_BYTES: u64 = 8;

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let loads = [&CAP_BPF, &CAP_NET_ADMIN, &BPFFS, &BPFTOOL, &CLI, &CARGO, &KERNEL_BTF];
    let tc = [&loads[..], &[&CLSACT, &CLS_BPF, &TC, &VETH]].concat();
    vec![
        Case::new("object::tc_loads_it_with_its_types", &tc, tc_loads_it_with_its_types),
        Case::new("object::bpftool_loads_it_with_its_types", &loads, bpftool_loads_it_with_its_types),
        Case::new("object::is_small", &[&CLI, &CARGO], is_small),
        Case::new("object::is_the_same_from_another_folder", &[&CLI, &CARGO], is_the_same_from_another_folder),
    ]
}

/// Builds the program under test, with no network: a sandbox has none.
#[track_caller]
fn build(sandbox: &Sandbox) -> PathBuf {
    build_file(&cli::program(), &sandbox.scratch().join("tc_drop.o"))
}

#[track_caller]
fn build_file(file: &Path, object: &Path) -> PathBuf {
    succeed(bpfasm().arg("build").arg(file).arg("-o").arg(object));
    object.to_owned()
}

fn tc_loads_it_with_its_types(sandbox: &Sandbox) {
    let object = build(sandbox);
    let wire = Wire::new(Direction::Ingress).unwrap();
    qdisc::add(DEVICE, qdisc::Kind::Clsact).unwrap();
    assert_types_were_taken(&succeed(&mut tc_add_object(Direction::Ingress, 1, &object)));
    wire.assert_first_dropped();

    let filters = filter::list(DEVICE, Direction::Ingress).unwrap();
    let [filter] = &filters[..] else { panic!("one filter expected: {filters:?}") };
    let program = filter.program_id.unwrap().to_string();
    let shown = succeed(&mut command!("bpftool", "-j", "prog", "show", "id", &program)).json();
    assert_has_types(&shown, "tc_drop");
    assert_shows_source(&succeed(&mut command!("bpftool", "prog", "dump", "xlated", "id", &program, "linum")));
}

fn bpftool_loads_it_with_its_types(sandbox: &Sandbox) {
    let object = build(sandbox);
    let pin = format!("{}/tc_drop", sandbox::BPFFS);
    assert_types_were_taken(&succeed(&mut command!("bpftool", "prog", "load", object, &pin)));
    let shown = succeed(&mut command!("bpftool", "-j", "prog", "show", "pinned", &pin)).json();
    assert_eq!(shown["type"], "sched_cls", "{shown}");
    assert_eq!(shown["gpl_compatible"], true, "{shown}");
    assert_has_types(&shown, "tc_drop");
    assert_shows_source(&succeed(&mut command!("bpftool", "prog", "dump", "xlated", "pinned", &pin, "linum")));
}

/// When the kernel refuses the types, libbpf says one of these and loads the program without them.
#[track_caller]
pub(crate) fn assert_types_were_taken(loaded: &Finished) {
    for words in ["Retrying without BTF", "BTF is optional"] {
        assert!(!loaded.to_string().contains(words), "the kernel refused the BTF: {loaded}");
    }
}

#[track_caller]
pub(crate) fn assert_has_types(program: &Value, name: &str) {
    assert_eq!(program["name"], name, "{program}");
    assert!(program["btf_id"].as_u64().is_some_and(|id| id > 0), "a program without types: {program}");
}

/// The dump shows whole lines of the source, each with its number.
#[track_caller]
fn assert_shows_source(dump: &Finished) {
    let source = fs::read_to_string(cli::program()).unwrap();
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let mut shown = 0;
    for place in dump.stdout.lines().filter_map(|line| line.trim().strip_prefix("; ")) {
        let (text, place) = place.rsplit_once(" [file:").unwrap_or_else(|| panic!("a line without its place: {dump}"));
        let (file, place) = place.split_once(" line_num:").unwrap_or_else(|| panic!("a line without number: {dump}"));
        let number: usize = place.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap();
        assert!(file.ends_with("tc_drop.rs"), "{dump}");
        assert_eq!(lines.get(number.wrapping_sub(1)), Some(&text.trim()), "line {number} of the source: {dump}");
        shown += 1;
    }
    assert!(shown > 1, "source lines expected: {dump}");
}

fn is_small(sandbox: &Sandbox) {
    let bytes = fs::read(build(sandbox)).unwrap();
    let object = object::File::parse(&bytes[..]).unwrap();
    let slots = object.section_by_name("tc").unwrap().size() / SLOT_BYTES;
    assert!(slots <= SLOTS, "{slots} slots");
}

/// The same file in two packages of the same shape, in two folders.
fn is_the_same_from_another_folder(sandbox: &Sandbox) {
    let objects = ["one", "another/folder"].map(|folder| {
        let folder = sandbox.scratch().join(folder);
        let file = package(&folder);
        fs::read(build_file(&file, &folder.join("tc_drop.o"))).unwrap()
    });
    assert!(objects[0].starts_with(b"\x7fELF"));
    assert!(objects[0] == objects[1], "two builds of one file differ");
}

/// A package of somebody's own, with the program under test in it. Gives the program's file.
fn package(folder: &Path) -> PathBuf {
    let programs = folder.join("programs");
    fs::create_dir_all(&programs).unwrap();
    let facade = cli::workspace().join("crates/bpfasm");
    let manifest = format!(
        "[package]\nname = \"own\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n\
         [dependencies]\nbpfasm = {{ package = \"bpfasm-rs\", path = {facade:?} }}\n\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("lib.rs"), "").unwrap();
    fs::copy(cli::workspace().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let file = programs.join("tc_drop.rs");
    fs::copy(cli::program(), &file).unwrap();
    file
}
