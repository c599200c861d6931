//! `bpfasm map lookup`: one entry of a map.

use std::io::Write;

use bpfasm::loader;

use super::data;
use super::entry::Printer;
use crate::error::Error;
use crate::output::Output;
use crate::value::Text;
use crate::words::Words;

/// Print the value of a key, by its type where the map has some.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A key is given in bytes (key 1 0 0 0, key hex 0a 00 00 01), or by its type where the map has types: key 1, \
key 10.0.0.1, key src=10.0.0.1 port=80. A key that is not there is exit code 7, and null with --json.

Examples:
  sudo bpfasm map lookup id 5 key 1 0 0 0
  sudo bpfasm map lookup name flows key src=10.0.0.1 port=80 --json")]
pub struct Args {
    /// Which, and its key: id N, pinned PATH or name NAME; then key DATA
    #[arg(value_name = "MAP key DATA", required = true, allow_negative_numbers = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// Reads and prints.
    ///
    /// # Errors
    ///
    /// There is no such map or no such key, or this process may not read it.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        let mut words = Words::new(self.words, "bpfasm map lookup {id N | pinned PATH | name NAME} key DATA");
        let map = super::open(&mut words)?;
        let key = data::read(&mut words, &map, &["key"])?.key(&words, &map)?;
        let Some(value) = map.lookup(&key)? else {
            self.output.done(out)?;
            return Err(Error::NoSuchKey(loader::Error::NoSuchKey { map: map.name().to_owned(), key }));
        };
        let printer = Printer::new(&map)?;
        let entry = printer.entry(&key, &value);
        if self.output.is_json() {
            return self.output.print(out, &entry);
        }
        let mut text = Text::default();
        let text = if entry.write(&mut text) { text.into_text() + "\n" } else { entry.plain() };
        write!(out, "{text}").map_err(Error::Output)
    }
}
