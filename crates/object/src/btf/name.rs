//! What may be called what.

use super::Error;
use crate::limits::BUILT_NAME_BYTES;
use alloc::borrow::ToOwned;
use alloc::string::String;

const IDENTIFIER: &str = "a C identifier of at most 127 bytes";
const PRINTABLE: &str = "1 to 127 printable ASCII characters";
const SECTION: &str = "1 to 127 printable ASCII characters without blanks";

/// A C identifier made of a name that need not be one: every run of characters that an identifier cannot have becomes
/// one `_`, one at the end is dropped, a leading digit gets one in front.
///
/// Different names may become one: `a.b` and `a_b` do.
///
/// ```
/// use bpfasm_object::btf::mangle;
///
/// assert_eq!(mangle("net::Stats<u64>"), "net_Stats_u64");
/// assert_eq!(mangle("0"), "_0");
/// ```
#[must_use]
pub fn mangle(name: &str) -> String {
    let mut identifier = String::with_capacity(name.len() + 1);
    let mut gap = false;
    for character in name.chars() {
        if !(character.is_ascii_alphanumeric() || character == '_') {
            gap = true;
            continue;
        }
        if (gap && !identifier.is_empty()) || (identifier.is_empty() && character.is_ascii_digit()) {
            identifier.push('_');
        }
        gap = false;
        identifier.push(character);
    }
    if identifier.is_empty() {
        identifier.push('_');
    }
    identifier.truncate(BUILT_NAME_BYTES);
    identifier
}

/// Checks a name that the kernel wants to be an identifier.
pub(super) fn identifier(name: &str, role: &'static str) -> Result<(), Error> {
    let legal = name.len() <= BUILT_NAME_BYTES
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    check(legal, name, role, IDENTIFIER)
}

/// Checks a name that may be empty but else must be an identifier.
pub(super) fn identifier_or_empty(name: &str, role: &'static str) -> Result<(), Error> {
    if name.is_empty() { Ok(()) } else { identifier(name, role) }
}

/// Checks the name of an INT or a FLOAT, which may have blanks, or the text of a tag.
pub(super) fn printable(name: &str, role: &'static str) -> Result<(), Error> {
    let legal = (1..=BUILT_NAME_BYTES).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    check(legal, name, role, PRINTABLE)
}

/// Checks the name of a DATASEC.
pub(super) fn section(name: &str, role: &'static str) -> Result<(), Error> {
    let legal = (1..=BUILT_NAME_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    check(legal, name, role, SECTION)
}

fn check(legal: bool, name: &str, role: &'static str, rule: &'static str) -> Result<(), Error> {
    if legal { Ok(()) } else { Err(Error::BadName { name: name.to_owned(), role, rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn mangled_names_are_identifiers() {
        for name in ["", "a", "0", "9a", "a b", "::a::b::", "Vec<Option<u8>>", "é", "_", "a__b", "x->y"] {
            let mangled = mangle(name);
            assert_eq!(identifier(&mangled, "struct"), Ok(()), "{name:?} became {mangled:?}");
        }
        assert_eq!(mangle("a::b"), "a_b");
        assert_eq!(mangle("::b"), "b");
    }

    #[test]
    fn an_error_names_the_offender() {
        let error = identifier("Stats<u64>", "struct").expect_err("not an identifier");
        assert_eq!(error.to_string(), "\"Stats<u64>\" cannot name a BTF struct: a C identifier of at most 127 bytes");
        assert!(identifier(&"x".repeat(128), "struct").is_err());
        assert!(printable("long unsigned int", "INT").is_ok());
        assert!(section(".maps", "DATASEC").is_ok() && section("a b", "DATASEC").is_err());
    }
}
