//! Writes what the targets start from: one object, in both byte orders, and its parts.
//!
//! `seeds FOLDER` writes into `FOLDER/TARGET/` for each target that takes bytes of an object.

#[path = "../../crates/object/examples/count_packets.rs"]
#[expect(dead_code, reason = "an example has a `main`")]
mod count_packets;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use bpfasm_isa::Endian;
use bpfasm_object::elf;
use object::{Object as _, ObjectSection as _};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or("usage: seeds FOLDER")?);
    for (name, endian) in [("little", Endian::Little), ("big", Endian::Big)] {
        let bytes = elf::write(&count_packets::count_packets(endian)?)?;
        let file = object::File::parse(&*bytes)?;
        write(&folder, "elf_read", name, &bytes)?;
        for (target, section) in [("btf_parse", ".BTF"), ("btf_ext", ".BTF.ext"), ("decode_roundtrip", "classifier")] {
            let section = file.section_by_name(section).ok_or_else(|| format!("no section {section}"))?;
            write(&folder, target, name, section.data()?)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}
