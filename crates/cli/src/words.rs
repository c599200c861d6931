//! Command lines in the words of bpftool and tc: a word names what the next one is.

/// The words of a command line, taken one after the other.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    words: &'a [String],
    taken: usize,
}

/// Why words make no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A word that means nothing in its place.
    #[error("`{word}` is not expected here, but {expected}")]
    Unexpected {
        /// The word.
        word: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// The line ends too early.
    #[error("{}", missing(after, expected))]
    Missing {
        /// The last word; empty if there is none.
        after: String,
        /// What should follow it.
        expected: &'static str,
    },
    /// A word that cannot be what its place says.
    #[error("`{word}` is no {expected}")]
    Invalid {
        /// The word.
        word: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Something is named a second time.
    #[error("`{word}` is one too many: there can be one only")]
    Twice {
        /// The word that does.
        word: String,
    },
}

fn missing(after: &str, expected: &str) -> String {
    match after {
        "" => format!("{expected} is missing"),
        after => format!("{expected} is missing after `{after}`"),
    }
}

impl<'a> Words<'a> {
    /// All of these.
    pub fn new(words: &'a [String]) -> Self {
        Self { words, taken: 0 }
    }

    /// The next word.
    pub fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.taken)?;
        self.taken += 1;
        Some(word)
    }

    /// The next word, which has to be there.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn expect(&mut self, expected: &'static str) -> Result<&'a str, WordError> {
        let after = self.taken.checked_sub(1).and_then(|last| self.words.get(last));
        let missing = || WordError::Missing { after: after.map_or_else(String::new, String::clone), expected };
        self.next().ok_or_else(missing)
    }

    /// The next word, which has to be there and be read.
    ///
    /// # Errors
    ///
    /// There is none, or `read` does not know it.
    pub fn read<T>(&mut self, expected: &'static str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T, WordError> {
        let word = self.expect(expected)?;
        read(word).ok_or_else(|| WordError::Invalid { word: word.to_owned(), expected })
    }

    /// There must be no more words.
    ///
    /// # Errors
    ///
    /// There is one.
    pub fn end(&mut self) -> Result<(), WordError> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(unexpected(word, "the end")),
        }
    }
}

/// The error for a word that means nothing in its place.
pub fn unexpected(word: &str, expected: &'static str) -> WordError {
    WordError::Unexpected { word: word.to_owned(), expected }
}

/// Gives a place its value.
///
/// # Errors
///
/// It has one; `word` is the one that names it.
pub fn set<T>(place: &mut Option<T>, value: T, word: &str) -> Result<(), WordError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(WordError::Twice { word: word.to_owned() }),
    }
}

/// Whether a word is the beginning of another, or all of it: so bpftool and tc abbreviate.
pub fn begins(word: &str, whole: &str) -> bool {
    !word.is_empty() && whole.starts_with(word)
}

/// A number in decimal digits, in hexadecimal ones after `0x`, in octal ones after `0`.
pub fn number(word: &str) -> Option<u32> {
    let hexadecimal = word.strip_prefix("0x").or(word.strip_prefix("0X")).map(|digits| (digits, 16));
    let octal = || word.strip_prefix('0').filter(|digits| !digits.is_empty()).map(|digits| (digits, 8));
    let (digits, radix) = hexadecimal.or_else(octal).unwrap_or((word, 10));
    // A sign is no digit.
    u32::from_str_radix(digits, radix).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_ends_too_early_says_after_what() {
        let line = ["dev".to_owned(), "v0".to_owned()];
        let mut words = Words::new(&line);
        assert_eq!((words.next(), words.expect("a device")), (Some("dev"), Ok("v0")));
        let error = words.expect("ingress or egress").unwrap_err();
        assert_eq!(error.to_string(), "ingress or egress is missing after `v0`");
        assert_eq!(words.end(), Ok(()));
    }

    #[test]
    fn numbers_as_c_reads_them() {
        let rows = [("10", Some(10)), ("0x1f", Some(31)), ("017", Some(15)), ("0", Some(0)), ("0XA", Some(10))];
        for (text, value) in rows {
            assert_eq!(number(text), value, "{text}");
        }
        for wrong in ["", "0x", "-1", "+1", "x", "08", "4294967296", "1 "] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
