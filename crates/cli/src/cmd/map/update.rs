//! `bpfasm map update`: a new value for a key.

use std::io::Write;

use bpfasm::loader::observe::{Pinned, Pins};
use bpfasm::object::kernel::MapType;

use super::data;
use crate::error::Error;
use crate::output::Output;
use crate::report;
use crate::words::Words;

/// Set the value of a key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys and values are given in bytes (1 0 0 0, hex 0a 00 00 01), or by their types where the map has types: one value (1, \
-1, true, 10.0.0.1), or fields (src=10.0.0.1 ports[0]=80); fields that are not given are zero. A key that is an index \
may be one number without types too. A value for each CPU is the same for all of them. A value of a map of maps is a \
MAP, and one of a prog_array a PROG.

Examples:
  sudo bpfasm map update id 5 key 1 0 0 0 value 2 0 0 0 exist
  sudo bpfasm map update name flows key src=10.0.0.1 port=80 value packets=3 noexist
  sudo bpfasm map update pinned /sys/fs/bpf/jumps key 0 value pinned /sys/fs/bpf/next")]
pub struct Args {
    /// Which, and what: id N, pinned PATH or name NAME; key DATA; value DATA; any, exist or noexist
    #[arg(value_name = "MAP key DATA value DATA", required = true, allow_negative_numbers = true)]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// Changes it.
    ///
    /// # Errors
    ///
    /// There is no such map, it does not take the entry, or this process may not change it.
    pub fn run(self, out: &mut impl Write) -> Result<(), Error> {
        const USAGE: &str =
            "bpfasm map update {id N | pinned PATH | name NAME} key DATA value DATA [any | exist | noexist]";
        let mut words = Words::new(self.words, USAGE);
        let map = super::open(&mut words)?;
        let given = data::read(&mut words, &map, &["key", "value", "any", "noexist", "exist"])?;
        let key = given.key(&words, &map)?;
        let Some(value) = &given.value else {
            return Err(words.wrong(format!("the value is missing, of {} bytes", map.value_size())));
        };
        map.update(&key, value, given.flags)?;
        if map.map_type() == MapType::PROG_ARRAY && Pins::find()?.of(Pinned::Map(map.id())).is_empty() {
            report::note("the kernel empties a prog_array that no process and no pin holds; map pin keeps its entries");
        }
        self.output.done(out)
    }
}
