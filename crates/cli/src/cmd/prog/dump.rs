//! `bpfasm prog dump`: a program's code as the kernel has it.

use std::collections::BTreeMap;
use std::io::Write;

use bpfasm::loader::observe::XlatedInsn;
use bpfasm::loader::{Map, Program, ProgramInfo};
use bpfasm::object::Line;
use bpfasm_isa::Endian;
use serde::Serialize;

use super::show::{Header, headline};
use crate::error::Error;
use crate::hex::Hex;
use crate::output::Output;
use crate::words::Words;

/// Print a program's code after the verifier's rewriting, with the source lines that belong to it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Behind a jump stands where it goes, behind a map its name: goto pc+3 <27>, map[id:5] <counts>.

Examples:
  sudo bpfasm prog dump xlated id 42
  sudo bpfasm prog dump xlated name tc_drop opcodes linum
  sudo bpfasm prog dump xlated pinned /sys/fs/bpf/tc_drop --pretty")]
pub struct Args {
    /// What of which: xlated; id N, pinned PATH, tag TAG or name NAME; then opcodes, linum or both
    #[arg(value_name = "xlated PROG", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// What to print besides instructions and source text.
#[derive(Clone, Copy, Default)]
struct Extras {
    /// Each instruction's bytes.
    opcodes: bool,
    /// The file, line and column of source lines.
    linum: bool,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    ///
    /// There is no such program, or the kernel does not show its code.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        const USAGE: &str = "bpfasm prog dump xlated {id N | pinned PATH | tag TAG | name NAME} [opcodes] [linum]";
        let mut words = Words::new(self.words, USAGE);
        words.keyword(&["xlated"])?;
        let infos = super::infos(&mut words)?;
        let mut extras = Extras::default();
        while words.peek().is_some() {
            match words.keyword(&["opcodes", "linum"])? {
                "opcodes" => extras.opcodes = true,
                _ => extras.linum = true,
            }
        }
        let code = |info: ProgramInfo| -> Result<_, Error> {
            let insns = Program::from_id(info.id)?.xlated()?;
            Ok((info, insns))
        };
        let dumps = infos.into_iter().map(code).collect::<Result<Vec<_>, _>>()?;
        if self.output.is_json() { print_json(self.output, out, &dumps, extras) } else { print(out, &dumps, extras) }
    }
}

/// Prints code, under a headline each where there are several programs.
fn print(out: &mut impl Write, dumps: &[(ProgramInfo, Vec<XlatedInsn>)], extras: Extras) -> Result<(), Error> {
    let names = MapNames::of(dumps.iter().flat_map(|(_, insns)| insns));
    for (info, insns) in dumps {
        let headline = if dumps.len() > 1 { headline(info) + "\n" } else { String::new() };
        write!(out, "{headline}{}", text(insns, extras, &names)).map_err(Error::Output)?;
    }
    Ok(())
}

/// Prints code: that of one program alone, or that of several with what they are.
fn print_json(
    output: Output,
    out: &mut impl Write,
    dumps: &[(ProgramInfo, Vec<XlatedInsn>)],
    extras: Extras,
) -> Result<(), Error> {
    let code = |insns: &[XlatedInsn]| insns.iter().map(|insn| json(insn, extras)).collect::<Vec<_>>();
    match dumps {
        [(_, insns)] => output.print(out, &code(insns)),
        several => {
            let several = several.iter().map(|(info, insns)| Dump { header: Header::new(info), insns: code(insns) });
            output.print(out, &several.collect::<Vec<_>>())
        }
    }
}

/// One of several programs, in bpftool's keys.
#[derive(Serialize)]
struct Dump {
    #[serde(flatten)]
    header: Header,
    insns: Vec<Json>,
}

/// An instruction, in bpftool's keys.
#[derive(Serialize)]
struct Json {
    #[serde(skip_serializing_if = "Option::is_none")]
    proto: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<String>,
    #[serde(flatten)]
    place: Option<Place>,
    disasm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    opcodes: Option<Opcodes>,
}

#[derive(Serialize)]
struct Place {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_num: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_col: Option<u32>,
}

/// The fields of an instruction, each byte a string.
#[derive(Serialize)]
struct Opcodes {
    code: String,
    src_reg: String,
    dst_reg: String,
    off: Vec<String>,
    imm: Vec<String>,
}

fn json(insn: &XlatedInsn, extras: Extras) -> Json {
    let line = insn.line.as_ref();
    // 0 stands for what is not known.
    let known = |number: u32| Some(number).filter(|&number| number != 0);
    let place =
        |line: &Line| Place { file: line.file.to_string(), line_num: known(line.line), line_col: known(line.column) };
    Json {
        proto: insn.function.clone(),
        src: line.map(|line| line.text.to_string()),
        place: line.filter(|_| extras.linum).map(place),
        disasm: insn.text.clone(),
        opcodes: extras.opcodes.then(|| opcodes(insn)).flatten(),
    }
}

fn opcodes(insn: &XlatedInsn) -> Option<Opcodes> {
    let slot = insn.slots.first()?;
    let bytes = bytes(insn);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
    Some(Opcodes {
        code: format!("{:#04x}", slot.code),
        src_reg: format!("{:#x}", slot.src),
        dst_reg: format!("{:#x}", slot.dst),
        off: hex(bytes.get(2..4)?),
        imm: hex(bytes.get(4..)?),
    })
}

fn bytes(insn: &XlatedInsn) -> Vec<u8> {
    insn.slots.iter().flat_map(|slot| slot.to_bytes(Endian::NATIVE)).collect()
}

/// The names of the maps that programs refer to. One that may not be opened, or is gone, has none.
struct MapNames(BTreeMap<u32, String>);

impl MapNames {
    fn of<'a>(insns: impl Iterator<Item = &'a XlatedInsn>) -> Self {
        let mut names = BTreeMap::new();
        for id in insns.filter_map(|insn| insn.map_id) {
            names.entry(id).or_insert_with(|| Map::from_id(id).map(|map| map.name().to_owned()).unwrap_or_default());
        }
        Self(names)
    }

    fn find(&self, id: u32) -> Option<&str> {
        self.0.get(&id).map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// The code laid out as bpftool does.
fn text(insns: &[XlatedInsn], extras: Extras, names: &MapNames) -> String {
    let mut text = String::new();
    for insn in insns {
        if let Some(function) = &insn.function {
            text += &format!("{function}:\n");
        }
        if let Some(line) = &insn.line {
            text += &format!("; {}", line.text);
            if extras.linum {
                text += &format!(" [file:{} line_num:{} line_col:{}]", line.file, line.line, line.column);
            }
            text.push('\n');
        }
        text += &format!("{:>4}: {}", insn.at.0, insn.text);
        if let Some(target) = insn.target {
            text += &format!(" <{target}>");
        }
        if let Some(name) = insn.map_id.and_then(|id| names.find(id)) {
            text += &format!(" <{name}>");
        }
        text.push('\n');
        if extras.opcodes {
            text += &format!("       {}\n", Hex(&bytes(insn)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_names_that_are_not_known_are_not_printed() {
        let names = MapNames(BTreeMap::from([(5, "counts".to_owned()), (6, String::new())]));
        assert_eq!([5, 6, 7].map(|id| names.find(id)), [Some("counts"), None, None]);
    }
}
