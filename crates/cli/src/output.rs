//! Data on standard output: JSON where it is asked for.

use std::ffi::OsString;
use std::io::Write;

use serde::Serialize;

use crate::error::Error;

/// Whether to print JSON, and how.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Output {
    /// Print JSON
    #[arg(short, long)]
    pub json: bool,
    /// Print JSON over many lines
    #[arg(short, long)]
    pub pretty: bool,
}

impl Output {
    /// Whether JSON is wanted.
    pub fn is_json(self) -> bool {
        self.json || self.pretty
    }

    /// Prints JSON.
    ///
    /// # Errors
    ///
    /// Standard output can't be written.
    pub fn print(self, out: &mut impl Write, data: &impl Serialize) -> Result<(), Error> {
        let written = match self.pretty {
            true => serde_json::to_writer_pretty(&mut *out, data),
            false => serde_json::to_writer(&mut *out, data),
        };
        written.map_err(|error| Error::Output(error.into()))?;
        writeln!(out).map_err(Error::Output)
    }

    /// Prints what there is to say of something that was done: `null`, as bpftool does.
    ///
    /// # Errors
    ///
    /// Standard output can't be written.
    pub fn done(self, out: &mut impl Write) -> Result<(), Error> {
        if self.is_json() { self.print(out, &()) } else { Ok(()) }
    }
}

/// Whether a command line asks for JSON: then errors are JSON too.
pub fn asks_for_json(words: &[OsString]) -> bool {
    let options = words.iter().take_while(|word| *word != "--");
    options.filter_map(|word| word.to_str()).any(|word| match word {
        "--json" | "--pretty" => true,
        _ => is_letters(word) && word.contains(['j', 'p']),
    })
}

/// Moves the options that bpftool takes in front of its nouns behind them: `-j prog show` is `prog show -j`.
pub fn options_last(mut words: Vec<OsString>) -> Vec<OsString> {
    let known = |word: &OsString| {
        word.to_str().is_some_and(|word| is_letters(word) || ["--json", "--pretty", "--bpffs"].contains(&word))
    };
    let count = words.iter().skip(1).take_while(|word| known(word)).count();
    let options: Vec<OsString> = words.drain(1..=count).collect();
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    words.splice(end..end, options);
    words
}

/// Whether a word is made of the short options of reading verbs, such as `-jp`.
fn is_letters(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| !letters.is_empty() && letters.chars().all(|c| "jpf".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn options_may_stand_in_front_of_the_noun() {
        let rows = [
            ("bpfasm -j prog show", "bpfasm prog show -j"),
            ("bpfasm -jf --pretty map show id 5", "bpfasm map show id 5 -jf --pretty"),
            ("bpfasm -p run FILE -- x", "bpfasm run FILE -p -- x"),
            ("bpfasm prog show -j", "bpfasm prog show -j"),
            ("bpfasm --version", "bpfasm --version"),
            ("bpfasm -j", "bpfasm -j"),
            ("bpfasm", "bpfasm"),
        ];
        for (given, wanted) in rows {
            assert_eq!(options_last(words(given)), words(wanted), "{given}");
        }
    }

    #[test]
    fn json_is_asked_for_before_two_dashes() {
        for line in ["bpfasm prog show -j", "bpfasm -p link list", "bpfasm prog -fj", "bpfasm prog --pretty"] {
            assert!(asks_for_json(&words(line)), "{line}");
        }
        for line in ["bpfasm prog show -f", "bpfasm run FILE -- -j", "bpfasm prog show name j"] {
            assert!(!asks_for_json(&words(line)), "{line}");
        }
    }
}
