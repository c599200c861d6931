//! The nouns `prog`, `map` and `link`: what they print is what bpftool prints of the same objects, and what they do shows.

mod link;
mod map;
mod object;
mod prog;

use std::process::Command;

pub(crate) use prog::assert_same_dumps;

use bpfasm_tests::{Case, Need, cli::bpfasm, command::succeed, need};
use serde_json::Value;

/// What the cases that compare with bpftool need.
const NEEDS: &[&Need] = &[&need::CAP_BPF, &need::CAP_NET_ADMIN, &need::BPFFS, &need::BPFTOOL, &need::CLI];

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    [prog::cases(), map::cases(), link::cases()].into_iter().flatten().collect()
}

/// A command line of words, for `bpfasm` or `bpftool`.
fn with_words(mut command: Command, words: &[&str]) -> Command {
    command.args(words);
    command
}

/// What both print for the same words.
#[track_caller]
fn both(words: &[&str]) -> [String; 2] {
    let ours = succeed(&mut with_words(bpfasm(), words));
    let theirs = succeed(&mut with_words(Command::new("bpftool"), words));
    [ours.stdout, theirs.stdout]
}

/// What both print as JSON for the same words.
#[track_caller]
pub(crate) fn both_json(words: &[&str]) -> [Value; 2] {
    let words = [&["-j"], words].concat();
    let ours = succeed(&mut with_words(bpfasm(), &words)).json();
    let theirs = succeed(&mut with_words(Command::new("bpftool"), &words)).json();
    [ours, theirs]
}

/// Both must print the same JSON: keys, types and values.
#[track_caller]
fn assert_same_json(words: &[&str]) -> Value {
    let [ours, theirs] = both_json(words);
    assert_eq!(ours, theirs, "{words:?}");
    ours
}

/// Both must print the same text.
#[track_caller]
fn assert_same_text(words: &[&str]) {
    let [ours, theirs] = both(words);
    assert_eq!(ours, theirs, "{words:?}");
}

/// `bpfasm` with these words, which must succeed.
#[track_caller]
fn run(words: &[&str]) -> String {
    succeed(&mut with_words(bpfasm(), words)).stdout
}
