//! The build driver, with a facade that only records what it is given: what the generated crate holds, how cargo's and
//! the staged program's answers come back.

use std::path::PathBuf;

use bpfasm_isa::Endian;

use crate::folder::Folder;
use crate::objects::object;
use crate::{Ended, bpfasm, ended};

/// A facade that hands over a ready-made object, and prints its arguments.
const FACADE: &str = r##"
pub use stand_in::program;
pub mod build {
    pub struct Entry(pub &'static str);
    pub struct File { pub path: &'static str, pub name: &'static str, pub text: &'static str }
    pub fn main(file: File, entries: &[&Entry]) -> std::process::ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let names: Vec<&str> = entries.iter().map(|entry| entry.0).collect();
        println!("{} of {} by {}", names.join(" "), file.name, arguments[2..].join(" "));
        if file.text.contains("FAIL") {
            eprintln!("error: no good\n  --> {}:1:1", file.name);
            return 6.into();
        }
        let out = std::path::Path::new(&arguments[1]);
        std::fs::write(out.join("object.o"), include_bytes!("../one.o")).unwrap();
        std::fs::write(out.join("samples.tsv"), "").unwrap();
        std::fs::write(out.join("ir.txt"), "the ir\n").unwrap();
        0.into()
    }
}
"##;

const MACROS: &str = "
#[proc_macro_attribute]
pub fn program(_: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream { item }
";

const PROGRAM: &str = r#"
use bpfasm::program;
#[program(tc)]
pub fn one(length: u32) -> u32 { length }
pub(crate) const __BPFASM_one: bpfasm::build::Entry = bpfasm::build::Entry("one");
pub(crate) mod more {
    #[cfg(feature = "extra")]
    #[bpfasm::program(tc)]
    pub fn two() {}
    #[cfg(feature = "extra")]
    pub(crate) const __BPFASM_two: bpfasm::build::Entry = bpfasm::build::Entry("two");
}
"#;

/// A package of program files, which knows the facade under another name.
fn package(name: &str) -> (Folder, PathBuf) {
    let folder = Folder::new(name);
    folder.write("facade/one.o", object(Endian::NATIVE, &[("one", "tc")]));
    folder.write("facade/src/lib.rs", FACADE);
    folder.write(
        "facade/Cargo.toml",
        "[package]\nname = \"bpfasm-rs\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nname = \"bpfasm\"\n\
         [features]\ndefault = [\"loader\"]\ndsl = []\nloader = []\n\
         [dependencies]\nstand_in = { path = \"../macros\" }\n[workspace]\n",
    );
    folder.write("macros/src/lib.rs", MACROS);
    folder.write(
        "macros/Cargo.toml",
        "[package]\nname = \"stand_in\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
    );
    folder.write(
        "pack/Cargo.toml",
        "[package]\nname = \"pack\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\npath = \"src/one.rs\"\n\
         [features]\ndefault = [\"extra\", \"bpf/loader\"]\nextra = []\n\
         [dependencies]\nbpf = { package = \"bpfasm-rs\", path = \"../facade\" }\n[workspace]\n",
    );
    let file = folder.write("pack/src/one.rs", PROGRAM);
    (folder, file)
}

fn build(folder: &Folder, more: &[&str]) -> Ended {
    ended(bpfasm().args(["build", "pack/src/one.rs"]).args(more).current_dir(folder.path()))
}

#[test]
fn every_program_is_reached_with_the_packages_features_and_the_object_comes_back() {
    let (folder, _) = package("driver");
    let run = build(&folder, &["--target", "bpfeb", "--cpu", "v2", "--set", "a=1", "--set", "b=x y"]);
    run.succeeded();
    assert_eq!(run.stdout, "");
    let words = "one two of src/one.rs by --target bpfeb --cpu v2 --set a=1 --set b=x y";
    assert!(run.stderr.contains(words), "{run:#?}");
    assert!(run.stderr.contains("one.o: one, section tc, 6 instruction slots, licence GPL"), "{run:#?}");
    let expected = object(Endian::NATIVE, &[("one", "tc")]);
    assert_eq!(std::fs::read(folder.path().join("one.o")).unwrap(), expected);
    // Nothing of the run stays but what cargo keeps.
    let crates: Vec<_> = std::fs::read_dir(folder.path().join("pack/target/bpfasm/build")).unwrap().flatten().collect();
    assert_eq!(crates.len(), 1);
    let left: Vec<_> = std::fs::read_dir(crates[0].path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("out-")), "{left:?}");
}

#[test]
fn texts_go_to_standard_output() {
    let (folder, _) = package("texts");
    let run = build(&folder, &["--emit", "ir"]);
    run.succeeded();
    assert_eq!(run.stdout, "the ir\n");
    assert!(run.stderr.contains("--emit-ir"), "{run:#?}");
    let run = build(&folder, &["--emit", "asm"]);
    run.succeeded();
    assert!(run.stdout.contains("; SHOT\n       4:\t07 00 00 00 02 00 00 00\tr0 += 0x2\n"), "{run:#?}");
    let run = build(&folder, &["--emit", "hex"]);
    run.succeeded();
    assert!(run.stdout.starts_with("# one (tc), 6 slots\nb7 00 00 00 00 00 00 00\n"), "{run:#?}");
    let run = build(&folder, &["--emit", "hex", "-o", "one.hex"]);
    assert_eq!(run.stdout, "");
    assert!(folder.path().join("one.hex").exists());
}

#[test]
fn rustc_speaks_for_itself() {
    let (folder, file) = package("rustc");
    std::fs::write(&file, PROGRAM.replace("{ length }", "{ \"long\" }")).unwrap();
    let run = build(&folder, &[]);
    run.failed(6, &["error[E0308]: mismatched types", "src/one.rs:4:34", "expected `u32`, found `&str`"]);
    assert!(!run.stderr.contains("error: the program file"), "{run:#?}");
    std::fs::write(&file, PROGRAM.replace("pub fn one(", "pub fn one((")).unwrap();
    build(&folder, &[]).failed(6, &["unclosed delimiter", "src/one.rs"]);
    assert!(!folder.path().join("one.o").exists());
}

#[test]
fn the_staged_programs_error_and_exit_code_are_handed_on() {
    let (folder, file) = package("staged");
    std::fs::write(&file, format!("//! FAIL\n{PROGRAM}")).unwrap();
    let run = build(&folder, &[]);
    run.failed(6, &["error: no good\n  --> src/one.rs:1:1"]);
    assert_eq!(run.stderr.matches("error").count(), 1, "{run:#?}");
}

#[test]
fn a_file_without_programs_and_one_that_hides_them() {
    let (folder, file) = package("none");
    std::fs::write(&file, "pub fn one() {}\n").unwrap();
    build(&folder, &[]).failed(6, &["no #[program] function in pack/src/one.rs", "#[program(tc)]"]);
    std::fs::write(&file, "mod inner { #[program(tc)] fn hidden() {} }\n").unwrap();
    build(&folder, &[]).failed(6, &["inner::hidden", "pub(crate) mod"]);
}

#[test]
fn an_unchanged_file_is_not_compiled_again() {
    let (folder, _) = package("fresh");
    build(&folder, &[]).succeeded();
    let executable = std::fs::read_dir(folder.path().join("pack/target/bpfasm/debug")).unwrap().flatten();
    let executable = executable.map(|entry| entry.path()).find(|path| path.is_file() && path.extension().is_none());
    let executable = executable.unwrap();
    let made = |path: &PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
    let before = made(&executable);
    build(&folder, &["--cpu", "v4"]).succeeded();
    assert_eq!(made(&executable), before);
}
