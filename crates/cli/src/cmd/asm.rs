//! `bpfasm asm`: a text becomes an object, or the bytes of its instructions.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use bpfasm::object::{Object, assembly, elf};
use bpfasm_isa::Endian;
use bpfasm_isa::text::{self, Dialect, Options, Unit};
use clap::ValueEnum;

use crate::build::{Cpu, Target};
use crate::cmd::build::{default_output, write};
use crate::diagnostic::Diagnostic;
use crate::error::Error;
use crate::hex::Hex;
use crate::report;

/// Assemble a text into an ELF object that tc, bpftool and libbpf load, or into bytes.
///
/// The text is what llvm-mc, clang -S, the kernel's log and `bpfasm disasm` print, or mnemonics as ubpf, rbpf and GNU as
/// have them. Sections name programs as libbpf does; `.map NAME, TYPE, KEY, VALUE, ENTRIES` makes a map.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  printf '.section tc\\n.license \"GPL\"\\ndrop: r0 = 2\\nexit\\n' | bpfasm asm - -o drop.o
  bpfasm asm drop.s --cpu v3
  printf 'mov r0, 2\\nexit\\n' | bpfasm asm - --format hex")]
pub struct Args {
    /// The text; `-` is standard input
    file: PathBuf,
    /// Where to write; `-` is standard output [default: FILE's name with .o or .bin, hexadecimal digits to standard output]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The dialect [default: the first instruction tells]
    #[arg(long, value_enum)]
    dialect: Option<Words>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Elf)]
    format: Format,
    /// Refuse instructions above this level
    #[arg(long, value_enum)]
    cpu: Option<Cpu>,
    /// The byte order [default: this machine's]
    #[arg(long, value_enum)]
    target: Option<Target>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Words {
    /// Pseudo-C, as LLVM and the kernel print it
    Llvm,
    /// Mnemonics, as ubpf, rbpf and GNU as take them
    Ubpf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An ELF object
    Elf,
    /// The instructions' bytes
    Bin,
    /// The instructions' bytes as hexadecimal digits, on one line
    Hex,
}

impl Args {
    /// Assembles and writes.
    ///
    /// # Errors
    ///
    /// The text has errors, each of which has been shown; or the result can't be written.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let text = self.read()?;
        let endian = match self.target.unwrap_or(Target::NATIVE) {
            Target::Bpfel => Endian::Little,
            Target::Bpfeb => Endian::Big,
        };
        let dialect = self.dialect.map(|words| match words {
            Words::Llvm => Dialect::PseudoC,
            Words::Ubpf => Dialect::Mnemonic,
        });
        let options = Options { dialect, level: self.cpu.map(Cpu::level), endian };
        let unit = text::assemble(&text, &options).map_err(|errors| self.show(&text, &errors))?;
        match self.format {
            Format::Elf => self.elf(&text, &unit, endian, out),
            Format::Bin => write(&self.output("bin"), &self.bytes(&unit, endian)?, out),
            Format::Hex => {
                let line = format!("{}\n", Hex(&self.bytes(&unit, endian)?)).replace(' ', "");
                write(self.output.as_deref().unwrap_or(Path::new("-")), line.as_bytes(), out)
            }
        }
    }

    fn read(&self) -> Result<String, Error> {
        let failed = |source| Error::Read { path: self.file.clone(), source };
        if self.file != Path::new("-") {
            return fs::read_to_string(&self.file).map_err(failed);
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        Ok(text)
    }

    /// Where to write: by default beside nothing, in the current folder, as `cc -c` does.
    fn output(&self, extension: &str) -> PathBuf {
        match (&self.output, self.file == Path::new("-")) {
            (Some(output), _) => output.clone(),
            (None, true) => PathBuf::from("-"),
            (None, false) => default_output(&self.file).with_extension(extension),
        }
    }

    /// Shows every error in the text.
    fn show(&self, text: &str, errors: &[text::Error]) -> Error {
        for error in errors {
            let (message, help) = (error.to_string(), error.kind.help());
            Diagnostic { message, span: Some(error.span), help, path: &self.file, text }.show();
        }
        Error::Text { errors: errors.len() }
    }

    fn elf(&self, text: &str, unit: &Unit<'_>, endian: Endian, out: &mut impl Write) -> Result<(), Error> {
        let file = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let made = assembly::Assembly { file: &file, text, unit, endian }.object();
        let object = made.map_err(|error| {
            let (message, span) = (error.to_string(), error.span(text));
            Diagnostic { message, span, help: None, path: &self.file, text }.show();
            Error::Text { errors: 1 }
        })?;
        let output = self.output("o");
        let bytes = elf::write(&object).map_err(|source| Error::NotWritable { path: output.clone(), source })?;
        write(&output, &bytes, out)?;
        tell(&output, &object);
        Ok(())
    }

    /// The bytes of the one section with code.
    fn bytes(&self, unit: &Unit<'_>, endian: Endian) -> Result<Vec<u8>, Error> {
        let with_code: Vec<_> = unit.sections.iter().filter(|section| !section.slots.is_empty()).collect();
        let [section] = with_code[..] else {
            let sections = with_code.iter().map(|section| section.name.to_owned()).collect();
            return Err(Error::OneSection { sections });
        };
        if let Some(reference) = section.references.first() {
            return Err(Error::NeedsObject { symbol: reference.name.to_owned() });
        }
        Ok(section.slots.iter().flat_map(|slot| slot.to_bytes(endian)).collect())
    }
}

/// Says what was made.
fn tell(output: &Path, object: &Object) {
    for function in object.programs() {
        report::say(format_args!(
            "{}: {}, section {}, {} instruction slots",
            output.display(),
            function.name,
            function.section,
            function.code.len(),
        ));
    }
    if object.programs().next().is_none() {
        report::note("no programs: code in a section such as `.section tc` is one");
    }
}
