//! Lengths of time as they are named on the command line: `30s`, `5m`, `500ms`.

use std::time::Duration;

/// Why text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No number in front, or one too large.
    #[error("a length of time is a whole number and a unit, as in 30s")]
    Number,
    /// A unit that is none of the four.
    #[error("`{0}` is no unit of time: write ms, s, m or h")]
    Unit(String),
}

/// Reads a whole number with one of the units `ms`, `s`, `m`, `h`; without a unit it means seconds.
///
/// # Errors
///
/// No number, an unknown unit, or more milliseconds than 64 bits hold.
pub fn parse(text: &str) -> Result<Duration, ParseError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| ParseError::Number)?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(ParseError::Unit(unit.to_owned())),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or(ParseError::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_has_its_length() {
        for (text, milliseconds) in [("7ms", 7), ("30", 30_000), ("30s", 30_000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_says_why() {
        assert_eq!(parse("soon"), Err(ParseError::Number));
        assert_eq!(parse(""), Err(ParseError::Number));
        assert_eq!(parse("99999999999999999h"), Err(ParseError::Number));
        assert_eq!(parse("3d"), Err(ParseError::Unit("d".into())));
    }
}
