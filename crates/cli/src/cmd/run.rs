//! `bpfasm run`: programs on packets, by the kernel's own test run; nothing is attached.

use std::io::Write;
use std::path::PathBuf;

use bpfasm::loader::{self, Program, TestRun, TestRunOutput};
use bpfasm::object::Function;
use bpfasm::object::kernel::ProgramType;

use crate::build::Sample;
use crate::error::Error;
use crate::hex::{self, Hex};
use crate::input::{Input, Staging, describe, program_type};
use crate::table::Plain;
use crate::{invocation, report};

/// Run a program on its samples, or on a packet, in the kernel but without attaching it.
///
/// Each sample is a packet with the verdict that it must get. A wrong verdict ends with exit code 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bpfasm run programs/tc_drop.rs
  bpfasm run programs/tc_drop.rs --repeat 1000000
  bpfasm run tc_drop.o --packet '020000000002 020000000001 86dd'")]
pub struct Args {
    /// The program file, Rust source, or an ELF object
    #[arg(value_name = "FILE.rs|OBJ")]
    input: PathBuf,
    /// The program to run [default: all, or with --packet the only one]
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// Run on this packet, in hexadecimal digits from the Ethernet header on
    #[arg(long, value_name = "HEX", value_parser = packet)]
    packet: Option<Packet>,
    /// How often to run on each packet, for a steadier time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    #[command(flatten)]
    staging: Staging,
}

/// A packet from the command line.
#[derive(Clone, Debug)]
struct Packet(Vec<u8>);

fn packet(text: &str) -> Result<Packet, hex::ParseError> {
    hex::parse(text).map(Packet)
}

impl Args {
    /// Loads, runs, prints.
    ///
    /// # Errors
    ///
    /// The input can't be had, the kernel refuses it, or a sample gets a wrong verdict.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let input = Input::open(&self.input, &self.staging)?;
        match &self.packet {
            Some(packet) => self.packet(&input, packet, out),
            None => self.samples(&input, out),
        }
    }

    fn test_run(&self, program: &Program, packet: &[u8]) -> Result<TestRunOutput, Error> {
        Ok(program.test_run(&TestRun::packet(packet).repeat(self.repeat))?)
    }

    fn packet(&self, input: &Input, packet: &Packet, out: &mut impl Write) -> Result<(), Error> {
        let function = input.pick(self.program.as_deref(), "program", |_| true)?;
        let loaded = input.load(&[function])?;
        let program = loaded.program(&function.name)?;
        let output = self.test_run(program, &packet.0)?;
        let verdict = verdict(program.program_type(), output.retval);
        let changes = changes(&packet.0, &output.data_out);
        write!(out, "{}: {verdict}, {} ns\n{changes}", function.name, output.duration_ns).map_err(Error::Output)
    }

    fn samples(&self, input: &Input, out: &mut impl Write) -> Result<(), Error> {
        let functions = input.programs(self.program.as_deref())?;
        let samples = input.samples.as_ref().ok_or_else(|| Error::NoSamples { path: input.path.clone() })?;
        let loaded = input.load(&functions)?;
        let (mut wrong, mut total) = (0, 0);
        for function in &functions {
            let program = loaded.program(&function.name)?;
            let own: Vec<&Sample> = samples.iter().filter(|sample| sample.program == function.name).collect();
            if own.is_empty() {
                report::note(format_args!(
                    "program {} has no samples; #[program(…, samples = FN)] gives it some",
                    function.name
                ));
                continue;
            }
            if functions.len() > 1 {
                writeln!(out, "{}", describe(function)).map_err(Error::Output)?;
            }
            let (table, failed) = self.table(program, &own)?;
            writeln!(out, "{table}").map_err(Error::Output)?;
            wrong += failed;
            total += own.len();
        }
        if wrong > 0 {
            return Err(Error::WrongVerdicts { wrong, total });
        }
        out.flush().map_err(Error::Output)?;
        for function in functions {
            self.tell_how_to_attach(input, function);
        }
        Ok(())
    }

    /// Runs a program's samples: the table of what came out, and how many verdicts were wrong.
    fn table(&self, program: &Program, samples: &[&Sample]) -> Result<(String, usize), Error> {
        let mut table = Plain::new(["sample", "verdict", "expected", "", "ns"], 4);
        let mut wrong = 0;
        for sample in samples {
            let expected = verdict(program.program_type(), sample.expected);
            let (verdict, judgement, time) = match self.test_run(program, &sample.packet) {
                Ok(output) => {
                    let right = output.retval == sample.expected;
                    wrong += usize::from(!right);
                    let judgement = if right { "ok" } else { "WRONG" };
                    (verdict(program.program_type(), output.retval), judgement, output.duration_ns.to_string())
                }
                // Some kernels run nothing on a packet that no device would hand up.
                Err(Error::Bpfasm(bpfasm::Error::Load(loader::Error::Usage { what }))) => {
                    report::note(format_args!("sample {:?} was not run: {what}", sample.name));
                    (String::new(), "not run", String::new())
                }
                Err(error) => return Err(error),
            };
            table.row([sample.name.clone(), verdict, expected, judgement.to_owned(), time]);
        }
        Ok((table.text(), wrong))
    }

    /// The command that attaches a program, where there is one for its type.
    fn tell_how_to_attach(&self, input: &Input, function: &Function) {
        let Some(hook) = hook_of(function) else { return };
        let others = input.object.programs().filter(|other| program_type(other) == program_type(function)).count() > 1;
        let mut words = vec!["attach".to_owned(), self.input.display().to_string(), hook];
        if others {
            words.extend(["--program".to_owned(), function.name.clone()]);
        }
        for set in &self.staging.set {
            words.extend(["--set".to_owned(), set.clone()]);
        }
        report::say(format_args!("attach it:  {}", invocation::privileged(&words)));
    }
}

/// A hook that takes a program, with a word in capitals to fill in.
fn hook_of(function: &Function) -> Option<String> {
    let kind = function.section_kind()?;
    match kind.program_type {
        ProgramType::SCHED_CLS => Some("tc:DEV:ingress".to_owned()),
        _ => {
            let attach_type = kind.expected_attach_type.filter(|known| known.is_cgroup())?;
            Some(format!("cgroup:PATH:{attach_type}"))
        }
    }
}

/// A verdict by its name, where it has one, and its number.
fn verdict(program_type: ProgramType, value: u32) -> String {
    match program_type.verdict_name(value) {
        Some(name) => name.to_owned(),
        None => value.to_string(),
    }
}

/// What a program made of its packet, in lines of 16 bytes; only lines that differ.
fn changes(before: &[u8], after: &[u8]) -> String {
    const LINE: usize = 16;
    if before == after {
        return format!("packet unchanged, {} bytes\n", after.len());
    }
    let mut text = match before.len() == after.len() {
        true => format!("packet changed, {} bytes\n", after.len()),
        false => format!("packet changed, {} bytes, was {}\n", after.len(), before.len()),
    };
    for start in (0..before.len().max(after.len())).step_by(LINE) {
        let [old, new] = [before, after].map(|bytes| bytes.get(start..).unwrap_or_default());
        let [old, new] = [old, new].map(|bytes| bytes.get(..LINE).unwrap_or(bytes));
        if old != new {
            text += &format!("- {start:04x}  {}\n+ {start:04x}  {}\n", Hex(old), Hex(new));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_shown() {
        let before: Vec<u8> = (0..40).collect();
        let mut after = before.clone();
        after[17] = 0xff;
        assert_eq!(
            changes(&before, &after),
            "packet changed, 40 bytes\n\
             - 0010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f\n\
             + 0010  10 ff 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f\n"
        );
    }

    #[test]
    fn a_packet_of_another_length_is_shown_to_its_end() {
        assert_eq!(changes(&[1, 2], &[1, 2, 3]), "packet changed, 3 bytes, was 2\n- 0000  01 02\n+ 0000  01 02 03\n");
        assert_eq!(changes(&[0; 16], &[0; 17]), "packet changed, 17 bytes, was 16\n- 0010  \n+ 0010  00\n");
        assert_eq!(changes(&[7], &[7]), "packet unchanged, 1 bytes\n");
    }
}
