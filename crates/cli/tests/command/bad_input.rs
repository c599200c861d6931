//! Input that is wrong: a clear message, the right exit code.

use bpfasm_isa::Endian;

use crate::folder::Folder;
use crate::objects::object;
use crate::{bpfasm, ended};

const PROGRAM: &str =
    "use bpfasm::prelude::*;\n#[program(tc)] fn drop_all(_: &mut Tc) -> TcAction { TcAction::SHOT }\n";

#[test]
fn no_such_file() {
    for verb in ["build", "run", "check", "disasm"] {
        ended(bpfasm().args([verb, "/nosuch.rs"])).failed(7, &["/nosuch.rs", "No such file"]);
    }
    ended(bpfasm().args(["attach", "/nosuch.o", "tc:lo:ingress"])).failed(7, &["/nosuch.o"]);
}

#[test]
fn a_file_that_is_neither_source_nor_object() {
    let folder = Folder::new("neither");
    let path = folder.write("notes.txt", "some words");
    for verb in ["run", "check", "disasm"] {
        ended(bpfasm().arg(verb).arg(&path)).failed(6, &["notes.txt", "neither Rust source (.rs) nor an ELF object"]);
    }
}

#[test]
fn a_truncated_object_is_an_error_at_every_length() {
    let folder = Folder::new("truncated");
    let whole = object(Endian::NATIVE, &[("one", "tc")]);
    for length in [4, 40, 64, 65, whole.len() / 2, whole.len() - 1] {
        let path = folder.write("cut.o", &whole[..length]);
        ended(bpfasm().arg("disasm").arg(&path)).failed(6, &["cut.o: ", "at 0x"]);
    }
}

#[test]
fn a_file_outside_any_package_shows_the_manifest_to_write() {
    let folder = Folder::new("nopackage");
    let path = folder.write("drop.rs", PROGRAM);
    let run = ended(bpfasm().arg("build").arg(&path));
    let manifest = folder.path().join("Cargo.toml");
    run.failed(
        6,
        &["belongs to no package", manifest.to_str().unwrap(), "path = \"drop.rs\"", "package = \"bpfasm-rs\""],
    );
    // The manifest shown is one that cargo takes and the build driver is content with.
    let text = run.stderr.split_once(":\n\n").unwrap().1;
    std::fs::write(&manifest, text).unwrap();
    let metadata = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(&manifest)
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{metadata:?}");
    assert!(String::from_utf8_lossy(&metadata.stdout).contains("\"name\":\"bpfasm-rs\""));
}

#[test]
fn a_workspace_without_a_package_is_no_package() {
    let folder = Folder::new("virtual");
    folder.write("Cargo.toml", "[workspace]\n");
    let path = folder.write("drop.rs", PROGRAM);
    ended(bpfasm().arg("build").arg(path)).failed(6, &["belongs to no package", "workspace's manifest"]);
}

#[test]
fn a_package_without_the_facade_shows_the_line_to_add() {
    let folder = Folder::new("nofacade");
    folder.write("Cargo.toml", "[package]\nname = \"p\"\nedition = \"2024\"\n[lib]\npath = \"drop.rs\"\n[workspace]\n");
    let path = folder.write("drop.rs", PROGRAM);
    ended(bpfasm().arg("build").arg(path)).failed(
        6,
        &["package `p` does not depend on bpfasm-rs", "[dependencies]: bpfasm = { package = \"bpfasm-rs\", path = "],
    );
}

#[test]
fn a_manifest_that_cargo_refuses_is_shown_as_cargo_shows_it() {
    let folder = Folder::new("badmanifest");
    folder.write("Cargo.toml", "[package]\nname = 1\n");
    let path = folder.write("drop.rs", PROGRAM);
    let run = ended(bpfasm().arg("build").arg(path));
    run.failed(6, &["Cargo.toml:2:8", "error: invalid type"]);
    assert_eq!(run.stderr.matches("error").count(), 1, "{run:#?}");
}

#[test]
fn hooks_and_numbers_are_checked_before_anything_is_done() {
    for hook in ["eth0", "tc:eth0", "tc:eth0:inwards", "tx:eth0:ingress", "tc:a-name-too-long-for-it:egress"] {
        ended(bpfasm().args(["detach", hook])).failed(2, &[hook]);
        ended(bpfasm().args(["attach", "/nosuch.o", hook])).failed(2, &[hook]);
    }
    let attach = |more: &[&str]| ended(bpfasm().args(["attach", "/nosuch.o", "tc:lo:ingress"]).args(more));
    attach(&["--prio", "0"]).failed(2, &["--prio"]);
    attach(&["--for", "soon"]).failed(2, &["30s"]);
    attach(&["--set", "x"]).failed(2, &["NAME=VALUE"]);
    ended(bpfasm().args(["run", "/nosuch.o", "--packet", "0x0"])).failed(2, &["1 digits make no whole bytes"]);
    ended(bpfasm().args(["run", "/nosuch.o", "--repeat", "0"])).failed(2, &["--repeat"]);
}

#[test]
fn a_device_that_does_not_exist() {
    ended(bpfasm().args(["detach", "tc:nosuchdev:ingress"])).failed(7, &["no network device `nosuchdev`"]);
}

#[test]
fn an_object_without_programs_has_nothing_to_check() {
    let folder = Folder::new("empty");
    let path = folder.write("empty.o", object(Endian::NATIVE, &[]));
    for verb in ["check", "disasm"] {
        let run = ended(bpfasm().arg(verb).arg(&path));
        match verb {
            "check" => run.failed(2, &["empty.o has no program; there is none"]),
            _ => run.succeeded(),
        }
    }
}

#[test]
fn a_folder_is_no_file() {
    let folder = Folder::new("folder");
    ended(bpfasm().arg("check").arg(folder.path())).failed(2, &["Is a directory"]);
}
