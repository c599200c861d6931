//! `bpfasm link detach`: takes a link's program off its hook.

use std::io::Write;

use crate::error::Error;
use crate::output::Output;
use crate::words::Words;

/// Take a link's program off its hook, whoever holds the link.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo bpfasm link detach id 7
  sudo bpfasm link detach pinned /sys/fs/bpf/ingress_link")]
pub struct Args {
    /// Which: id N or pinned PATH
    #[arg(value_name = "LINK", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// Detaches it.
    ///
    /// # Errors
    ///
    /// There is no such link, or it is of a type that is not detached.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.words, "bpfasm link detach {id N | pinned PATH}");
        let link = super::open(&mut words)?;
        words.end()?;
        link.detach()?;
        self.output.done(out)
    }
}
