//! Commands as they are often written and never worked: each is answered with the one that does.

use std::ffi::OsString;

use crate::error::Error;
use crate::invocation;

/// Refuses words that ask `ip link` for a qdisc, or leave out `tc`.
///
/// # Errors
///
/// What to write instead.
pub fn check(words: &[OsString]) -> Result<(), Error> {
    let words = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = words.filter(|word| !word.starts_with('-')).collect();
    match right(&words) {
        None => Ok(()),
        Some((reason, right)) => {
            Err(Error::WrongForm { line: words.join(" "), reason, right: invocation::privileged(&right) })
        }
    }
}

/// Why the words are wrong, and the right ones.
fn right(words: &[String]) -> Option<(&'static str, Vec<String>)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (reason, right) = match words.strip_prefix(&["ip"]).unwrap_or(&words) {
        ["link", "add", "dev", device, kind @ ("clsact" | "ingress")] => {
            ("a qdisc is no link, and tc makes it", ["tc", "qdisc", "add", "dev", device, kind].to_vec())
        }
        rest @ ["qdisc" | "filter", ..] => ("that is a command of tc", [&["tc"], rest].concat()),
        _ => return None,
    };
    Some((reason, right.into_iter().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_forms_are_answered_with_right_ones() {
        let rows = [
            ("ip link add dev eth0 clsact", Some("tc qdisc add dev eth0 clsact")),
            ("link add dev eth0 clsact", Some("tc qdisc add dev eth0 clsact")),
            ("ip link add dev eth0 ingress", Some("tc qdisc add dev eth0 ingress")),
            ("qdisc show", Some("tc qdisc show")),
            ("filter show dev eth0 ingress", Some("tc filter show dev eth0 ingress")),
            ("tc qdisc add dev eth0 clsact", None),
            ("link show", None),
            ("link add dev clsact", None),
            ("", None),
        ];
        for (line, expected) in rows {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let answer = right(&words).map(|(_, right)| right.join(" "));
            assert_eq!(answer.as_deref(), expected, "{line}");
        }
    }
}
