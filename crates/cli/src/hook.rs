//! Hooks as they are named on the command line: `tc:DEV:ingress`, `cgroup:PATH:TYPE`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use bpfasm::loader::attach::cgroup;
use bpfasm::loader::attach::tc::{self, Direction};
use bpfasm::object::kernel::{AttachType, ProgramType};

use crate::guard::Place;

/// The longest device name, in bytes.
///
/// # References
///
/// `IFNAMSIZ` of include/uapi/linux/if.h, less the final NUL.
const DEVICE_NAME_MAX: usize = 15;

/// How hooks are written.
const FORMS: &str = "tc:DEV:ingress, tc:DEV:egress or cgroup:PATH:TYPE";

/// A place to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A side of a network device.
    Tc {
        /// The network device, in this network namespace.
        device: String,
        /// Which way the packets go.
        direction: Direction,
    },
    /// A control group.
    Cgroup {
        /// Its folder.
        path: PathBuf,
        /// What of it.
        attach_type: AttachType,
    },
}

/// Why text names no hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a hook's form at all.
    #[error("a hook is written {FORMS}")]
    Form,
    /// A hook's form with a word in front that is none of the kinds.
    #[error("there is no hook kind `{0}`; a hook is written {FORMS}")]
    Kind(String),
    /// Neither way.
    #[error("`{0}` is neither ingress nor egress")]
    Direction(String),
    /// No device is named so.
    #[error("`{0}` is no device name: 1 to 15 bytes, no blank, no slash")]
    Device(String),
    /// No attach type of control groups, or none whose programs are known.
    #[error("`{0}` is no hook of control groups, such as ingress, egress, connect4 or cgroup_sock_ops")]
    AttachType(String),
}

impl Hook {
    /// The type of the programs that it takes.
    pub fn program_type(&self) -> Option<ProgramType> {
        match self {
            Self::Tc { .. } => Some(ProgramType::SCHED_CLS),
            Self::Cgroup { attach_type, .. } => attach_type.program_type(),
        }
    }

    /// The hook of the device that has this name now, in this network namespace, or of the group at this path.
    ///
    /// # Errors
    ///
    /// There is no such device or group.
    pub fn resolve(&self) -> Result<Place, bpfasm::loader::Error> {
        Ok(match self {
            Self::Tc { device, direction } => Place::Tc(tc::Hook::new(device, *direction)?),
            Self::Cgroup { path, attach_type } => Place::Cgroup(cgroup::Hook::new(path, *attach_type)?),
        })
    }
}

impl FromStr for Hook {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (kind, rest) = text.split_once(':').ok_or(ParseError::Form)?;
        // A path may hold colons, a word at the end none.
        let (target, word) = rest.rsplit_once(':').ok_or(ParseError::Form)?;
        match kind {
            "tc" => tc_hook(target, word),
            "cgroup" if target.is_empty() => Err(ParseError::Form),
            "cgroup" => {
                let attach_type = AttachType::from_cgroup_word(word);
                let attach_type = attach_type.ok_or_else(|| ParseError::AttachType(word.to_owned()))?;
                Ok(Self::Cgroup { path: target.into(), attach_type })
            }
            _ => Err(ParseError::Kind(kind.to_owned())),
        }
    }
}

fn tc_hook(device: &str, direction: &str) -> Result<Hook, ParseError> {
    if device.contains(':') {
        return Err(ParseError::Form);
    }
    let direction = match direction {
        "ingress" => Direction::Ingress,
        "egress" => Direction::Egress,
        _ => return Err(ParseError::Direction(direction.to_owned())),
    };
    if !is_device_name(device) {
        return Err(ParseError::Device(device.to_owned()));
    }
    Ok(Hook::Tc { device: device.to_owned(), direction })
}

/// Whether the kernel would let a device be named so (`dev_valid_name` in net/core/dev.c).
fn is_device_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= DEVICE_NAME_MAX
        && !name.contains(|c: char| c == '/' || c == '\0' || c.is_ascii_whitespace())
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tc { device, direction } => write!(f, "tc:{device}:{direction}"),
            Self::Cgroup { path, attach_type } => write!(f, "cgroup:{}:{attach_type}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_prints_as_it_is_written() {
        let rows = [
            "tc:eth0:ingress",
            "tc:br-lan.7@x:egress",
            "tc:abcdefghijklmno:ingress",
            "cgroup:/sys/fs/cgroup/a:b:cgroup_inet_ingress",
            "cgroup:web:cgroup_sock_ops",
        ];
        for text in rows {
            assert_eq!(text.parse::<Hook>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn older_words_of_bpftool_name_the_same_hooks() {
        for (old, new) in [("ingress", "cgroup_inet_ingress"), ("connect4", "cgroup_inet4_connect")] {
            let [old, new] = [old, new].map(|word| format!("cgroup:/g:{word}").parse::<Hook>().unwrap());
            assert_eq!(old, new);
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
            ("cgroup:/g", ParseError::Form),
            ("cgroup::ingress", ParseError::Form),
            ("cgroup:/g:xdp", ParseError::AttachType("xdp".into())),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<Hook>(), Err(error), "{text}");
        }
    }
}
