//! `-j` and `-p`: data as JSON.

use std::io::Write;

use serde::Serialize;

use crate::error::Error;

/// How data is printed. The words stand before or after the verb, as bpftool takes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Output {
    /// Print JSON
    #[arg(short, long, global = true)]
    pub json: bool,
    /// Print JSON, indented
    #[arg(short, long, global = true)]
    pub pretty: bool,
}

impl Output {
    /// Whether data is to be JSON.
    pub fn is_json(self) -> bool {
        self.json || self.pretty
    }

    /// Prints data as JSON, on one line or indented.
    ///
    /// # Errors
    ///
    /// Standard output can't be written.
    pub fn print(self, data: &impl Serialize, out: &mut impl Write) -> Result<(), Error> {
        let printed = match self.pretty {
            true => serde_json::to_writer_pretty(&mut *out, data),
            false => serde_json::to_writer(&mut *out, data),
        };
        printed.map_err(|error| Error::Output(error.into()))?;
        writeln!(out).map_err(Error::Output)
    }
}
