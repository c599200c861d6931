//! The numbers by which traffic control names qdiscs, classes and places.

use std::fmt;
use std::str::FromStr;

/// A qdisc, a class or one of the fixed places: 16 bits of major number, 16 of minor number.
///
/// It is written and read as iproute2 does, in hexadecimal digits: `1:10`, `ffff:`, `root`, `none`.
///
/// ```
/// use bpfasm_loader::tc::Handle;
///
/// assert_eq!("ffff:fff2".parse(), Ok(Handle::INGRESS));
/// assert_eq!(Handle(0x0001_0010).to_string(), "1:10");
/// ```
///
/// # References
/// `TC_H_*` of `include/uapi/linux/pkt_sched.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "TC_H_MAKE")]
pub struct Handle(pub u32);

impl Handle {
    /// No handle: the kernel chooses, or the root qdisc is meant.
    pub const NONE: Handle = Handle(0);
    /// The place of a device's root qdisc.
    pub const ROOT: Handle = Handle(0xffff_ffff);
    /// The place that the `clsact` and `ingress` qdiscs share.
    pub const CLSACT: Handle = Handle(0xffff_fff1);
    /// Where filters of incoming packets hang in `clsact`.
    pub const INGRESS: Handle = Handle(0xffff_fff2);
    /// Where filters of outgoing packets hang in `clsact`.
    pub const EGRESS: Handle = Handle(0xffff_fff3);
    /// The handle of a `clsact` or `ingress` qdisc.
    pub const CLSACT_QDISC: Handle = Handle(0xffff_0000);

    const fn major(self) -> u32 {
        self.0 >> 16
    }

    const fn minor(self) -> u32 {
        self.0 & 0xffff
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.major(), self.minor()) {
            (Handle::ROOT, ..) => f.write_str("root"),
            (Handle::NONE, ..) => f.write_str("none"),
            (_, 0, minor) => write!(f, ":{minor:x}"),
            (_, major, 0) => write!(f, "{major:x}:"),
            (_, major, minor) => write!(f, "{major:x}:{minor:x}"),
        }
    }
}

/// Text that is no handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a handle is written MAJOR:MINOR in hexadecimal digits, such as 1:10 or ffff:")]
#[non_exhaustive]
pub struct ParseHandleError;

impl FromStr for Handle {
    type Err = ParseHandleError;

    fn from_str(text: &str) -> Result<Handle, ParseHandleError> {
        let (major, minor) = match text {
            "root" => return Ok(Handle::ROOT),
            "none" => return Ok(Handle::NONE),
            text => text.split_once(':').ok_or(ParseHandleError)?,
        };
        Ok(Handle(u32::from(half(major)?) << 16 | u32::from(half(minor)?)))
    }
}

/// A major or a minor number; one that is left out is 0.
fn half(digits: &str) -> Result<u16, ParseHandleError> {
    match digits {
        "" => Ok(0),
        _ if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err(ParseHandleError),
        _ => u16::from_str_radix(digits, 16).map_err(|_| ParseHandleError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_handle_is_read_as_it_is_written(handle: u32) {
            prop_assert_eq!(Handle(handle).to_string().parse(), Ok(Handle(handle)));
        }
    }

    #[test]
    fn handles_as_iproute2_writes_them() {
        let rows = [
            (Handle::CLSACT, "ffff:fff1"),
            (Handle::CLSACT_QDISC, "ffff:"),
            (Handle(0x0001_ffff), "1:ffff"),
            (Handle(7), ":7"),
            (Handle::ROOT, "root"),
            (Handle::NONE, "none"),
        ];
        for (handle, text) in rows {
            assert_eq!(handle.to_string(), text);
            assert_eq!(text.parse(), Ok(handle));
        }
        for wrong in ["", "x", "1", "1:10000", "10000:1", "1:2:3", "-1:", "ffff:+1"] {
            assert_eq!(wrong.parse::<Handle>(), Err(ParseHandleError), "{wrong}");
        }
    }
}
