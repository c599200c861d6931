//! Words for the reader, on standard error. Data goes to standard output, and never through here.
//!
//! That words can't be written (a closed terminal) is no reason to fail, so errors of writing them are dropped.

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};

use crate::error::Error;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();
const NOTE: Style = Style::new().bold();

/// Tells of something the reader may want to know.
pub fn note(text: impl Display) {
    labelled(NOTE, "note", text);
}

/// A line without a label: what was done, how it is undone.
pub fn say(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// An error and what to do about it.
pub fn error(error: &Error) {
    if !error.is_reported() {
        labelled(ERROR, "error", error);
    }
    for help in error.help() {
        labelled(HELP, "help", help);
    }
}

fn labelled(style: Style, label: &str, text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{style}{label}{style:#}: {text}");
}
