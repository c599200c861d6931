//! The `bpfasm` command: arguments, files and printing around the `bpfasm` library.

mod build;
mod cmd;
mod diagnostic;
mod duration;
mod error;
mod guard;
mod hex;
mod hold;
mod hook;
mod input;
mod invocation;
mod opened;
mod output;
mod report;
mod show;
mod table;
mod text;
mod value;
mod words;
mod wrong_form;

use std::env;
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use error::Error;

/// Write, compile, check, run and attach BPF networking programs.
#[derive(Debug, Parser)]
#[command(name = "bpfasm", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: cmd::Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 ok, 1 unexpected, 2 usage, 3 rejected by a verifier, 4 not permitted,
            5 the kernel lacks it, 6 malformed input, 7 not found, 8 conflict

Commands that read take -j, --json and -p, --pretty, also in front: bpfasm -j prog show.

Example:
  bpfasm run programs/tc_drop.rs";

fn main() -> ExitCode {
    let words = output::options_last(env::args_os().collect());
    let json = output::asks_for_json(&words);
    let mut out = BufWriter::new(io::stdout().lock());
    let done = run(words, &mut out).and_then(|()| out.flush().map_err(Error::Output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our data has enough of it: that is no failure of ours.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            if json && !error.is_answered() {
                // As bpftool does; that it can't be written is no second failure.
                let _ = writeln!(out, "{}", serde_json::json!({ "error": error.to_string() }));
            }
            // What was found out before the failure is data all the same.
            let _ = out.flush();
            report::error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn run(words: Vec<OsString>, out: &mut impl Write) -> Result<(), Error> {
    wrong_form::check(&words)?;
    Cli::parse_from(words).command.run(out)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    /// The command lines among a verb's examples.
    fn examples(command: &Command) -> Vec<String> {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("  ")).flat_map(|line| line.split(" && "));
        // What comes out of a pipe is a verb's standard input.
        let lines = lines.filter_map(|line| line.rsplit(" | ").next());
        lines.filter(|line| line.contains("bpfasm")).map(str::to_owned).collect()
    }

    /// The words of a line, as a shell splits them; quotes hold blanks.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate();
        parts
            .flat_map(|(place, part)| match place % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            })
            .collect()
    }

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// A command's verbs, and theirs.
    fn verbs(command: &Command) -> Vec<&Command> {
        let own = command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
        own.flat_map(|verb| std::iter::once(verb).chain(verbs(verb))).collect()
    }

    #[test]
    fn every_verb_has_examples_and_each_is_a_command_line_that_is_taken() {
        let mut cli = Cli::command();
        cli.build();
        for verb in verbs(&cli) {
            let examples = examples(verb);
            assert!(!examples.is_empty(), "{}", verb.get_name());
            for example in examples {
                let line = example.trim_start_matches("sudo ").trim_start_matches("source <(").trim_end_matches(')');
                let words = words(line).into_iter().map(Into::into).collect();
                let parsed = Cli::try_parse_from(output::options_last(words));
                assert!(parsed.is_ok(), "{example}: {parsed:?}");
            }
        }
    }
}
