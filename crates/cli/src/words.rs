//! Words of a command line that stand one after the other, as bpftool has them: `id 5`, `pinned PATH`.

use std::path::PathBuf;
use std::vec::IntoIter;

use crate::error::Error;

/// The words of a command line that have not been read yet.
#[derive(Debug)]
pub struct Words {
    rest: IntoIter<String>,
    /// How the whole is written, for errors.
    usage: &'static str,
}

impl Words {
    /// Words that should be written as `usage` says.
    pub fn new(words: Vec<String>, usage: &'static str) -> Self {
        Self { rest: words.into_iter(), usage }
    }

    /// The next word, which stays.
    pub fn peek(&self) -> Option<&str> {
        self.rest.as_slice().first().map(String::as_str)
    }

    /// The next word.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn next(&mut self, what: &str) -> Result<String, Error> {
        self.rest.next().ok_or_else(|| self.wrong(format!("{what} is missing")))
    }

    /// The next word, which must be one of these, or the beginning of one.
    ///
    /// # Errors
    ///
    /// There is none, or it is another one.
    pub fn keyword(&mut self, known: &[&'static str]) -> Result<&'static str, Error> {
        let word = self.next(&alternatives(known))?;
        find(&word, known).ok_or_else(|| self.wrong(format!("`{word}` is not {}", alternatives(known))))
    }

    /// The next word, if there is one.
    pub fn try_next(&mut self) -> Option<String> {
        self.rest.next()
    }

    /// The next word, as what `read` makes of it.
    ///
    /// # Errors
    ///
    /// There is none, or it is no such thing.
    pub fn read<T>(&mut self, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        let word = self.next(what)?;
        read(&word).ok_or_else(|| self.wrong(format!("`{word}` is no {what}")))
    }

    /// Gives a place its value, which `word` names.
    ///
    /// # Errors
    ///
    /// It has one.
    pub fn set<T>(&self, place: &mut Option<T>, value: T, word: &str) -> Result<(), Error> {
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.wrong(format!("`{word}` is one too many: there can be one only"))),
        }
    }

    /// The words up to the next of these, or the end.
    pub fn until(&mut self, known: &[&'static str]) -> Vec<String> {
        let count = self.rest.as_slice().iter().take_while(|word| find(word, known).is_none()).count();
        self.rest.by_ref().take(count).collect()
    }

    /// That there are no more words.
    ///
    /// # Errors
    ///
    /// There is one.
    pub fn end(&mut self) -> Result<(), Error> {
        match self.rest.next() {
            Some(word) => Err(self.wrong(format!("`{word}` is too much"))),
            None => Ok(()),
        }
    }

    /// An error for a word that means nothing in its place.
    pub fn unexpected(&self, word: &str, expected: &str) -> Error {
        self.wrong(format!("`{word}` is not expected here, but {expected}"))
    }

    /// From here on, the words should be written as `usage` says.
    pub fn should_be(&mut self, usage: &'static str) {
        self.usage = usage;
    }

    /// An error that says what is wrong and how it is written.
    pub fn wrong(&self, problem: String) -> Error {
        Error::Words { problem, usage: self.usage }
    }
}

/// The word that this is, or begins. bpftool takes beginnings too.
fn find(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let exact = known.iter().find(|known| **known == word);
    exact.or_else(|| known.iter().find(|known| begins(word, known))).copied()
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

fn alternatives(known: &[&str]) -> String {
    match known {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// How an object of the kernel is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handle {
    /// By its id.
    Id(u32),
    /// By where it is pinned.
    Pinned(PathBuf),
    /// By the hash of its instructions.
    Tag([u8; 8]),
    /// By its name.
    Name(String),
}

impl Handle {
    /// The words by which programs are named.
    pub const OF_PROGRAM: &'static [&'static str] = &["id", "pinned", "tag", "name"];
    /// The words by which maps are named.
    pub const OF_MAP: &'static [&'static str] = &["id", "pinned", "name"];
    /// The words by which links are named.
    pub const OF_LINK: &'static [&'static str] = &["id", "pinned"];

    /// Reads two words.
    ///
    /// # Errors
    ///
    /// They name nothing.
    pub fn read(words: &mut Words, known: &[&'static str]) -> Result<Self, Error> {
        let keyword = words.keyword(known)?;
        let value = words.next(keyword)?;
        Ok(match keyword {
            "id" => Self::Id(value.parse().map_err(|_| words.wrong(format!("`{value}` is no id")))?),
            "pinned" => Self::Pinned(value.into()),
            "tag" => Self::Tag(tag(&value).ok_or_else(|| words.wrong(format!("`{value}` is no tag of 16 digits")))?),
            _ => Self::Name(value),
        })
    }
}

fn tag(text: &str) -> Option<[u8; 8]> {
    let bytes = crate::hex::parse(text).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Handle, String> {
        let mut words = Words::new(line.split_whitespace().map(str::to_owned).collect(), "prog show PROG");
        let handle = Handle::read(&mut words, Handle::OF_PROGRAM).and_then(|handle| words.end().map(|()| handle));
        handle.map_err(|error| error.to_string())
    }

    #[test]
    fn objects_are_named_as_bpftool_names_them() {
        assert_eq!(read("id 5"), Ok(Handle::Id(5)));
        assert_eq!(read("pinned /sys/fs/bpf/x"), Ok(Handle::Pinned("/sys/fs/bpf/x".into())));
        assert_eq!(read("pin /sys/fs/bpf/x"), Ok(Handle::Pinned("/sys/fs/bpf/x".into())));
        assert_eq!(read("tag a464446f5a0ba7f9"), Ok(Handle::Tag([0xa4, 0x64, 0x44, 0x6f, 0x5a, 0x0b, 0xa7, 0xf9])));
        assert_eq!(read("name id"), Ok(Handle::Name("id".to_owned())));
    }

    #[test]
    fn wrong_words_say_what_is_right() {
        let rows = [
            ("", "id, pinned, tag or name is missing"),
            ("5", "`5` is not id, pinned, tag or name"),
            ("id", "id is missing"),
            ("id x", "`x` is no id"),
            ("tag 12", "`12` is no tag of 16 digits"),
            ("id 5 6", "`6` is too much"),
        ];
        for (line, problem) in rows {
            assert_eq!(read(line), Err(problem.to_owned()), "{line}");
        }
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

    #[test]
    fn words_up_to_a_keyword_are_taken_together() {
        let line = "1 0 0 0 value 2";
        let mut words = Words::new(line.split_whitespace().map(str::to_owned).collect(), "");
        assert_eq!(words.until(&["value", "any"]), ["1", "0", "0", "0"]);
        assert_eq!(words.keyword(&["value"]).unwrap(), "value");
        assert_eq!(words.until(&["value", "any"]), ["2"]);
        assert!(words.peek().is_none() && words.end().is_ok());
    }
}
