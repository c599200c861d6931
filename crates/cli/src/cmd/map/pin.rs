//! `bpfasm map pin`: a path for a map.

use std::io::Write;

use crate::error::Error;
use crate::output::Output;
use crate::words::Words;

/// Give a map a path in a bpffs, where it stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sudo bpfasm map pin name counts /sys/fs/bpf/counts")]
pub struct Args {
    /// Which, and where: id N, pinned PATH or name NAME; then the new path
    #[arg(value_name = "MAP PATH", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// Pins it.
    ///
    /// # Errors
    ///
    /// There is no such map, or no room at the path.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.words, "bpfasm map pin {id N | pinned PATH | name NAME} PATH");
        let map = super::open(&mut words)?;
        let path = words.next("a path")?;
        words.end()?;
        map.pin(path)?;
        self.output.done(out)
    }
}
