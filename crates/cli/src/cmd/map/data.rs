//! Keys and values as words: bytes as bpftool has them, or by their types.

use std::os::fd::{AsFd, AsRawFd};

use bpfasm::loader::Program;
use bpfasm::loader::map::{Map, UpdateFlags};
use bpfasm::loader::observe::MapTypes;
use bpfasm::object::btf::AssignError;
use bpfasm::object::kernel::MapType;

use crate::cmd::prog;
use crate::error::Error;
use crate::hex;
use crate::words::Words;

/// The words that end a key or a value.
const KEYWORDS: &[&str] = &["key", "value", "any", "noexist", "exist"];

/// What was given of an entry.
#[derive(Debug, Default)]
pub struct Given {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value, as [`Map::update`] takes it.
    pub value: Option<Vec<u8>>,
    /// When to update.
    pub flags: UpdateFlags,
    /// What the value is a descriptor of, which has to stay open until it is used.
    _held: Option<Held>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held so that their descriptors stay open")]
enum Held {
    Map(Map),
    Program(Program),
}

/// Reads `key DATA`, `value DATA` and flags, in any order, as far as `known` allows them.
///
/// # Errors
///
/// A word that does not belong there, or data that the map does not take.
pub fn read(words: &mut Words, map: &Map, known: &[&'static str]) -> Result<Given, Error> {
    let mut given = Given::default();
    let types = MapTypes::of(map)?;
    while words.peek().is_some() {
        match words.keyword(known)? {
            "key" => {
                let data = Data { words, what: "key", size: map.key_size(), map };
                let key = data.read(|path, text, bytes| {
                    let typed = types.as_ref().and_then(|types| types.assign_key(path, text, bytes));
                    typed.or_else(|| index(map, path, text, bytes).then_some(Ok(())))
                })?;
                given.key = Some(key);
            }
            "value" => match map.map_type() {
                MapType::PROG_ARRAY => {
                    let program = prog::open(words)?;
                    given.value = Some(descriptor(&program));
                    given._held = Some(Held::Program(program));
                }
                MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => {
                    let inner = super::open(words)?;
                    given.value = Some(descriptor(&inner));
                    given._held = Some(Held::Map(inner));
                }
                _ => {
                    let data = Data { words, what: "value", size: map.value_size(), map };
                    let value = data
                        .read(|path, text, bytes| types.as_ref().map(|types| types.assign_value(path, text, bytes)))?;
                    given.value = Some(for_all_cpus(map, value));
                }
            },
            "noexist" => given.flags = UpdateFlags::NOEXIST,
            "exist" => given.flags = UpdateFlags::EXIST,
            _ => given.flags = UpdateFlags::ANY,
        }
    }
    Ok(given)
}

impl Given {
    /// The key; none for maps whose keys have no bytes.
    ///
    /// # Errors
    ///
    /// It was not given.
    pub fn key(&self, words: &Words, map: &Map) -> Result<Vec<u8>, Error> {
        match &self.key {
            Some(key) => Ok(key.clone()),
            None if map.key_size() == 0 => Ok(Vec::new()),
            None => Err(words.wrong(format!("the key is missing, of {} bytes", map.key_size()))),
        }
    }
}

/// Puts a key in that the kernel knows to be an index, of a map without types.
fn index(map: &Map, path: &str, text: &str, bytes: &mut [u8]) -> bool {
    let index = text.parse::<u32>().ok().filter(|_| map.map_type().has_indexes() && path.is_empty());
    match (index, <&mut [u8; 4]>::try_from(bytes)) {
        (Some(index), Ok(bytes)) => {
            *bytes = index.to_ne_bytes();
            true
        }
        _ => false,
    }
}

fn descriptor(object: &impl AsFd) -> Vec<u8> {
    object.as_fd().as_raw_fd().to_ne_bytes().to_vec()
}

/// The same value for each CPU, where there is one for each.
fn for_all_cpus(map: &Map, mut value: Vec<u8>) -> Vec<u8> {
    if map.as_map_fd().is_per_cpu() {
        value.resize(value.len().next_multiple_of(8), 0);
        let count = map.value_bytes() / value.len().max(1);
        value = value.repeat(count);
    }
    value
}

/// A key or a value that is about to be read.
struct Data<'a> {
    words: &'a mut Words,
    what: &'static str,
    /// Bytes.
    size: u32,
    map: &'a Map,
}

impl Data<'_> {
    /// As many bytes as there should be; or one value, or `FIELD=VALUE` words, where `assign` knows the type.
    fn read(self, assign: impl Fn(&str, &str, &mut [u8]) -> Option<Result<(), AssignError>>) -> Result<Vec<u8>, Error> {
        let given = self.words.until(KEYWORDS);
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if let Some(bytes) = bytes(&given, size) {
            return bytes.map_err(|problem| self.words.wrong(format!("{}: {problem}", self.what)));
        }
        let mut bytes = vec![0; size];
        let mut put = |path: &str, text: &str| match assign(path, text, &mut bytes) {
            Some(done) => done.map_err(|error| self.words.wrong(format!("{}: {error}", self.what))),
            None => Err(self.wrong_size(&given)),
        };
        match &given[..] {
            [] => return Err(self.wrong_size(&given)),
            [only] if !only.contains('=') => put("", only)?,
            several => {
                for word in several {
                    let Some((path, text)) = word.split_once('=') else { return Err(self.wrong_size(&given)) };
                    put(path, text)?;
                }
            }
        }
        Ok(bytes)
    }

    fn wrong_size(&self, given: &[String]) -> Error {
        let plural = if given.len() == 1 { "" } else { "s" };
        let (what, size, name) = (self.what, self.size, self.map.name());
        let zeros = vec!["0"; usize::try_from(size.min(16)).unwrap_or(0)].join(" ");
        let more = if size > 16 { " ..." } else { "" };
        self.words.wrong(format!(
            "{what}: {} word{plural} given, and a {what} of map `{name}` has {size} bytes: {what} {zeros}{more}",
            given.len()
        ))
    }
}

/// Bytes, decimal or with `0x` in front, or all hexadecimal behind the word `hex`. `None` if their number is not right,
/// and the words may mean something else.
fn bytes(words: &[String], size: usize) -> Option<Result<Vec<u8>, String>> {
    if let Some((first, digits)) = words.split_first()
        && first == "hex"
    {
        let read = digits.iter().map(|word| hex_bytes(word)).collect::<Result<Vec<_>, _>>();
        let bytes = read.map(|bytes| bytes.concat());
        return Some(match bytes {
            Ok(bytes) if bytes.len() != size => Err(format!("{} bytes given, and it has {size}", bytes.len())),
            bytes => bytes,
        });
    }
    if words.len() != size || words.is_empty() {
        return None;
    }
    // A word that is no byte may still be a value: `-1` for one byte, `a=1` for a field.
    words.iter().map(|word| byte(word)).collect::<Option<_>>().map(Ok)
}

fn hex_bytes(word: &str) -> Result<Vec<u8>, String> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let whole = if digits.len() == 1 { format!("0{digits}") } else { digits.to_owned() };
    hex::parse(&whole).map_err(|error| format!("`{word}`: {error}"))
}

/// A byte. One with a zero in front would be octal for bpftool and decimal for everybody else, so it is none.
fn byte(word: &str) -> Option<u8> {
    match word.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None if word.len() > 1 && word.starts_with('0') => None,
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, size: usize) -> Option<Result<Vec<u8>, String>> {
        bytes(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), size)
    }

    #[test]
    fn bytes_are_read_as_bpftool_reads_them() {
        assert_eq!(read("1 0x10 0 255", 4), Some(Ok(vec![1, 16, 0, 255])));
        assert_eq!(read("hex a 0b ff 0x1", 4), Some(Ok(vec![10, 11, 255, 1])));
        assert_eq!(read("hex 0a0bff01", 4), Some(Ok(vec![10, 11, 255, 1])));
    }

    #[test]
    fn what_is_not_bytes_is_left_for_the_types() {
        for (line, size) in [("1", 4), ("a=1 b=2", 2), ("256", 1), ("-1", 1), ("010", 1), ("", 0)] {
            assert_eq!(read(line, size), None, "{line}");
        }
    }

    #[test]
    fn wrong_hexadecimal_says_so() {
        assert_eq!(read("hex 1 2", 4), Some(Err("2 bytes given, and it has 4".to_owned())));
        let no_digit = Some(Err("`0g`: 'g' at character 2 is no hexadecimal digit".to_owned()));
        assert_eq!(read("hex 0g", 1), no_digit);
    }
}
