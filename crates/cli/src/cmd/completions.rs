//! `bpfasm completions`: completion scripts for shells.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Cli;
use crate::error::Error;

/// Print a shell's completion script.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  source <(bpfasm completions bash)")]
pub struct Args {
    /// The shell to complete in.
    shell: Shell,
}

impl Args {
    /// Prints the script.
    ///
    /// # Errors
    ///
    /// Standard output can't be written.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        // The generator panics where it can't write, so it writes to memory.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "bpfasm", &mut script);
        out.write_all(&script).map_err(Error::Output)
    }
}
