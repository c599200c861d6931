//! `bpfasm prog pin`: a path for a program.

use std::io::Write;

use crate::error::Error;
use crate::output::Output;
use crate::words::Words;

/// Give a program a path in a bpffs, where it stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sudo bpfasm prog pin id 42 /sys/fs/bpf/tc_drop")]
pub struct Args {
    /// Which, and where: id N, pinned PATH, tag TAG or name NAME; then the new path
    #[arg(value_name = "PROG PATH", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// Pins it.
    ///
    /// # Errors
    ///
    /// There is no such program, or no room at the path.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.words, "bpfasm prog pin {id N | pinned PATH | tag TAG | name NAME} PATH");
        let program = super::open(&mut words)?;
        let path = words.next("a path")?;
        words.end()?;
        program.pin(path)?;
        self.output.done(out)
    }
}
