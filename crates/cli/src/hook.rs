//! Hooks as they are named on the command line: `tc:DEV:ingress`.

use std::fmt;
use std::str::FromStr;

use bpfasm::loader::attach::tc::{self, Direction};

/// The longest device name, in bytes.
///
/// # References
///
/// `IFNAMSIZ` of include/uapi/linux/if.h, less the final NUL.
const DEVICE_NAME_MAX: usize = 15;

/// A place to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The network device, in this network namespace.
    pub device: String,
    /// Which way the packets go.
    pub direction: Direction,
}

/// Why text names no hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a hook's form at all.
    #[error("a hook is written tc:DEV:ingress or tc:DEV:egress")]
    Form,
    /// A hook's form with a word in front that is none of the kinds.
    #[error("there is no hook kind `{0}`; a hook is written tc:DEV:ingress or tc:DEV:egress")]
    Kind(String),
    /// Neither way.
    #[error("`{0}` is neither ingress nor egress")]
    Direction(String),
    /// No device is named so.
    #[error("`{0}` is no device name: 1 to 15 bytes, no blank, no slash")]
    Device(String),
}

impl Hook {
    /// The hook of the device that has this name now, in this network namespace.
    ///
    /// # Errors
    ///
    /// There is no such device.
    pub fn resolve(&self) -> Result<tc::Hook, bpfasm::loader::Error> {
        tc::Hook::new(&self.device, self.direction)
    }
}

impl FromStr for Hook {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (device, direction) = match parts[..] {
            ["tc", device, direction] => (device, direction),
            [kind, _, _] => return Err(ParseError::Kind(kind.to_owned())),
            _ => return Err(ParseError::Form),
        };
        let direction = match direction {
            "ingress" => Direction::Ingress,
            "egress" => Direction::Egress,
            _ => return Err(ParseError::Direction(direction.to_owned())),
        };
        if !is_device_name(device) {
            return Err(ParseError::Device(device.to_owned()));
        }
        Ok(Self { device: device.to_owned(), direction })
    }
}

/// Whether the kernel would let a device be named so (`dev_valid_name` in net/core/dev.c).
fn is_device_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= DEVICE_NAME_MAX
        && !name.contains(|c: char| c == '/' || c == '\0' || c.is_ascii_whitespace())
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tc:{}:{}", self.device, self.direction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_prints_as_it_is_written() {
        for text in ["tc:eth0:ingress", "tc:br-lan.7@x:egress", "tc:abcdefghijklmno:ingress"] {
            assert_eq!(text.parse::<Hook>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_hook_says_why() {
        let rows = [
            ("eth0", ParseError::Form),
            ("tc:eth0", ParseError::Form),
            ("tc:eth0:1:ingress", ParseError::Form),
            ("tx:eth0:ingress", ParseError::Kind("tx".into())),
            ("tc:eth0:inwards", ParseError::Direction("inwards".into())),
            ("tc::ingress", ParseError::Device(String::new())),
            ("tc:abcdefghijklmnop:ingress", ParseError::Device("abcdefghijklmnop".into())),
            ("tc:a/b:ingress", ParseError::Device("a/b".into())),
            ("tc:..:ingress", ParseError::Device("..".into())),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<Hook>(), Err(error), "{text}");
        }
    }
}
