//! The `bpfasm` command: arguments, files and printing around the `bpfasm` library.

mod build;
mod cmd;
mod duration;
mod error;
mod hex;
mod hold;
mod hook;
mod input;
mod invocation;
mod report;
mod table;
mod text;

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

Example:
  bpfasm run programs/tc_drop.rs";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let done = cli.command.run(&mut out).and_then(|()| out.flush().map_err(Error::Output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our data has enough of it: that is no failure of ours.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // What was found out before the failure is data all the same.
            let _ = out.flush();
            report::error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}
