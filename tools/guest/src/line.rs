//! One line of results: words between tabs, in which tabs and ends of lines are escaped.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use crate::Totals;

/// One line of what a suite has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The running kernel's release, as `uname -r` prints it. The first line.
    Kernel(String),
    /// A case can't run here.
    Ignored {
        /// The case.
        name: String,
        /// Each need that is not met.
        reasons: Vec<String>,
    },
    /// A case has passed.
    Passed {
        /// The case.
        name: String,
        /// How long it took, in whole milliseconds.
        time: Duration,
    },
    /// A case has failed.
    Failed {
        /// The case.
        name: String,
        /// How long it took, in whole milliseconds.
        time: Duration,
        /// What it said.
        text: String,
    },
    /// The suite has come to its end. Its last line.
    Done(Totals),
    /// The suite's process has ended with this exit code. A guest's last line.
    Exited(i32),
    /// The suite could not run.
    Broken(String),
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The first word is none of those that lines begin with, or what follows is too much or too little for it.
    #[error("{line:?} is no line of results")]
    Unknown {
        /// The line.
        line: String,
    },
    /// A word should be a number.
    #[error("{word:?} is no number: {source}")]
    Number {
        /// The word.
        word: String,
        /// Why not.
        source: ParseIntError,
    },
    /// A backslash before something that is never escaped.
    #[error("{word:?}: unknown escape")]
    Escape {
        /// The word, as it came.
        word: String,
    },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(release) => words(f, "kernel", [release.as_str()]),
            Self::Ignored { name, reasons } => {
                words(f, "ignored", [name.as_str()].into_iter().chain(reasons.iter().map(String::as_str)))
            }
            Self::Passed { name, time } => words(f, "passed", [name.as_str(), &time.as_millis().to_string()]),
            Self::Failed { name, time, text } => {
                words(f, "failed", [name.as_str(), &time.as_millis().to_string(), text.as_str()])
            }
            Self::Done(Totals { passed, ignored, failed }) => {
                words(f, "done", [passed, ignored, failed].map(u64::to_string).each_ref().map(String::as_str))
            }
            Self::Exited(code) => words(f, "exited", [code.to_string().as_str()]),
            Self::Broken(reason) => words(f, "broken", [reason.as_str()]),
        }
    }
}

fn words<'a>(f: &mut fmt::Formatter<'_>, kind: &str, words: impl IntoIterator<Item = &'a str>) -> fmt::Result {
    f.write_str(kind)?;
    words.into_iter().try_for_each(|word| write!(f, "\t{}", escape(word)))
}

impl FromStr for Line {
    type Err = LineError;

    /// Reads a line, with or without its end. Serial ports end lines with a carriage return, too.
    fn from_str(line: &str) -> Result<Self, LineError> {
        let line = line.trim_end_matches(['\r', '\n']);
        let all: Vec<String> = line.split('\t').map(unescape).collect::<Result<_, _>>()?;
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        Ok(match all[..] {
            ["kernel", release] => Self::Kernel(release.to_owned()),
            ["ignored", name, ref reasons @ ..] => {
                let reasons = reasons.iter().map(|&reason| reason.to_owned()).collect();
                Self::Ignored { name: name.to_owned(), reasons }
            }
            ["passed", name, time] => Self::Passed { name: name.to_owned(), time: milliseconds(time)? },
            ["failed", name, time, text] => {
                Self::Failed { name: name.to_owned(), time: milliseconds(time)?, text: text.to_owned() }
            }
            ["done", passed, ignored, failed] => {
                let [passed, ignored, failed] = [number(passed)?, number(ignored)?, number(failed)?];
                Self::Done(Totals { passed, ignored, failed })
            }
            ["exited", code] => Self::Exited(number(code)?),
            ["broken", reason] => Self::Broken(reason.to_owned()),
            _ => return Err(LineError::Unknown { line: line.to_owned() }),
        })
    }
}

fn number<T: FromStr<Err = ParseIntError>>(word: &str) -> Result<T, LineError> {
    word.parse().map_err(|source| LineError::Number { word: word.to_owned(), source })
}

fn milliseconds(word: &str) -> Result<Duration, LineError> {
    number(word).map(Duration::from_millis)
}

/// What is escaped, and the letter after the backslash.
const ESCAPES: [(char, char); 4] = [('\\', '\\'), ('\t', 't'), ('\n', 'n'), ('\r', 'r')];

fn escape(word: &str) -> String {
    word.chars().fold(String::with_capacity(word.len()), |mut escaped, char| {
        match ESCAPES.iter().find(|(special, _)| *special == char) {
            Some((_, letter)) => escaped.extend(['\\', *letter]),
            None => escaped.push(char),
        }
        escaped
    })
}

fn unescape(word: &str) -> Result<String, LineError> {
    let mut chars = word.chars();
    let mut plain = String::with_capacity(word.len());
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        let letter = chars.next();
        match ESCAPES.iter().find(|(_, known)| Some(*known) == letter) {
            Some((special, _)) => plain.push(*special),
            None => return Err(LineError::Escape { word: word.to_owned() }),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines() -> impl Strategy<Value = Line> {
        let word = || prop_oneof!["\\PC*", "[\\\\\t\r\na]*"];
        let time = || (0..1_000_000_u64).prop_map(Duration::from_millis);
        prop_oneof![
            word().prop_map(Line::Kernel),
            (word(), prop::collection::vec(word(), 0..3)).prop_map(|(name, reasons)| Line::Ignored { name, reasons }),
            (word(), time()).prop_map(|(name, time)| Line::Passed { name, time }),
            (word(), time(), word()).prop_map(|(name, time, text)| Line::Failed { name, time, text }),
            any::<[u64; 3]>().prop_map(|[passed, ignored, failed]| Line::Done(Totals { passed, ignored, failed })),
            any::<i32>().prop_map(Line::Exited),
            word().prop_map(Line::Broken),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(line in lines()) {
            let written = line.to_string();
            prop_assert!(!written.contains(['\n', '\r']), "{:?}", written);
            prop_assert_eq!(written.parse::<Line>(), Ok(line.clone()));
            prop_assert_eq!(format!("{written}\r\n").parse::<Line>(), Ok(line));
        }
    }

    #[test]
    fn lines_look_so() {
        let failed = Line::Failed { name: "a::b".into(), time: Duration::from_millis(7), text: "x\n\ty\\".into() };
        assert_eq!(failed.to_string(), "failed\ta::b\t7\tx\\n\\ty\\\\");
        assert_eq!(Line::Done(Totals { passed: 1, ignored: 2, failed: 3 }).to_string(), "done\t1\t2\t3");
    }

    #[test]
    fn what_is_no_line_is_an_error() {
        for line in ["", "passed", "passed\ta", "passed\ta\t1\tb", "done\t1\t2", "panic: x", "Kernel\t6.1"] {
            assert_eq!(line.parse::<Line>(), Err(LineError::Unknown { line: line.into() }));
        }
        assert!(matches!("passed\ta\t-1".parse::<Line>(), Err(LineError::Number { word, .. }) if word == "-1"));
        for word in ["\\x", "a\\"] {
            assert_eq!(format!("broken\t{word}").parse::<Line>(), Err(LineError::Escape { word: word.into() }));
        }
    }
}
