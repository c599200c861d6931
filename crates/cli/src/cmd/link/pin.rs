//! `bpfasm link pin`: a path for a link.

use std::io::Write;

use crate::error::Error;
use crate::output::Output;
use crate::words::Words;

/// Give a link a path in a bpffs, which keeps its program attached.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sudo bpfasm link pin id 7 /sys/fs/bpf/ingress_link")]
pub struct Args {
    /// Which, and where: id N or pinned PATH; then the new path
    #[arg(value_name = "LINK PATH", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// Pins it.
    ///
    /// # Errors
    ///
    /// There is no such link, or no room at the path.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.words, "bpfasm link pin {id N | pinned PATH} PATH");
        let link = super::open(&mut words)?;
        let path = words.next("a path")?;
        words.end()?;
        link.pin(path)?;
        self.output.done(out)
    }
}
