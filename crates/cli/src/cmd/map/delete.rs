//! `bpfasm map delete`: a key without its value.

use std::io::Write;

use bpfasm::loader;

use super::data;
use crate::error::Error;
use crate::output::Output;
use crate::words::Words;

/// Remove a key and its value.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sudo bpfasm map delete id 5 key 1 0 0 0")]
pub struct Args {
    /// Which, and its key: id N, pinned PATH or name NAME; then key DATA
    #[arg(value_name = "MAP key DATA", required = true, allow_negative_numbers = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// Removes it.
    ///
    /// # Errors
    ///
    /// There is no such map or no such key, or this process may not change it.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.words, "bpfasm map delete {id N | pinned PATH | name NAME} key DATA");
        let map = super::open(&mut words)?;
        let key = data::read(&mut words, &map, &["key"])?.key(&words, &map)?;
        if !map.delete(&key)? {
            return Err(loader::Error::NoSuchKey { map: map.name().to_owned(), key }.into());
        }
        self.output.done(out)
    }
}
