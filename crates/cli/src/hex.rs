//! Bytes as hexadecimal digits.

use std::fmt;

/// Why text is not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A character that is no digit.
    #[error("{found:?} at character {at} is no hexadecimal digit")]
    NotADigit {
        /// The character.
        found: char,
        /// Its place, from 1.
        at: usize,
    },
    /// Half a byte at the end.
    #[error("{digits} digits make no whole bytes")]
    Odd {
        /// How many digits there are.
        digits: usize,
    },
}

/// Reads bytes; blanks, colons and a leading `0x` are passed over.
///
/// # Errors
///
/// A character that is neither a digit nor passed over, or an odd number of digits.
pub fn parse(text: &str) -> Result<Vec<u8>, ParseError> {
    let skipped = if text.starts_with("0x") { 2 } else { 0 };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut half = None;
    for (place, found) in text.chars().enumerate().skip(skipped) {
        if found == ':' || found.is_whitespace() {
            continue;
        }
        let digit = found
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(ParseError::NotADigit { found, at: place + 1 })?;
        match half.take() {
            None => half = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match half {
        None => Ok(bytes),
        Some(_) => Err(ParseError::Odd { digits: bytes.len() * 2 + 1 }),
    }
}

/// Bytes printed two digits each, a blank between.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let blank = if place == 0 { "" } else { " " };
            write!(f, "{blank}{byte:02x}")?;
        }
        Ok(())
    }
}

/// Bytes printed two digits each, nothing between.
pub struct Digits<'a>(pub &'a [u8]);

impl fmt::Display for Digits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&Hex(&bytes).to_string()), Ok(bytes.clone()));
        assert_eq!(parse(&Digits(&bytes).to_string()), Ok(bytes));
    }

    #[test]
    fn usual_spellings_are_read() {
        for text in ["0a0b0c", "0x0A0B0C", "0a:0b:0c", " 0a 0b\n0c "] {
            assert_eq!(parse(text), Ok(vec![10, 11, 12]), "{text:?}");
        }
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_placed() {
        assert_eq!(parse("0a0g"), Err(ParseError::NotADigit { found: 'g', at: 4 }));
        assert_eq!(parse("0a0"), Err(ParseError::Odd { digits: 3 }));
        assert_eq!(parse("00 0x"), Err(ParseError::NotADigit { found: 'x', at: 5 }));
    }
}
