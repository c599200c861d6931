//! Error numbers of system calls.

use std::fmt;

/// A Linux error number, as a system call or a netlink acknowledgement gives it.
///
/// A newtype and not an enum: the kernel hands out numbers that no user header lists, and they must print too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

/// Declares the constants that this crate names. One row: name, value.
///
/// Expands `EPERM = libc::EPERM` to `pub const EPERM: Errno = Errno(libc::EPERM);` and to a row of [`Errno::name`].
macro_rules! errnos {
    ($($name:ident = $value:expr, $text:literal;)*) => {
        impl Errno {
            $(#[doc = concat!("`", stringify!($name), "`: ", $text, ".")] pub const $name: Errno = Errno($value);)*

            /// The kernel's spelling, for the numbers listed here.
            const fn listed(self) -> Option<(&'static str, &'static str)> {
                $(if self.0 == $value { return Some((stringify!($name), $text)); })*
                None
            }
        }
    };
}

errnos! {
    EPERM = libc::EPERM, "Operation not permitted";
    ENOENT = libc::ENOENT, "No such file or directory";
    EINTR = libc::EINTR, "Interrupted system call";
    E2BIG = libc::E2BIG, "Argument list too long";
    EBADF = libc::EBADF, "Bad file descriptor";
    EAGAIN = libc::EAGAIN, "Resource temporarily unavailable";
    ENOMEM = libc::ENOMEM, "Cannot allocate memory";
    EACCES = libc::EACCES, "Permission denied";
    EFAULT = libc::EFAULT, "Bad address";
    EBUSY = libc::EBUSY, "Device or resource busy";
    EEXIST = libc::EEXIST, "File exists";
    ENODEV = libc::ENODEV, "No such device";
    ENOTDIR = libc::ENOTDIR, "Not a directory";
    EINVAL = libc::EINVAL, "Invalid argument";
    ENOSPC = libc::ENOSPC, "No space left on device";
    EOPNOTSUPP = libc::EOPNOTSUPP, "Operation not supported";
    ENOBUFS = libc::ENOBUFS, "No buffer space available";
    ESTALE = libc::ESTALE, "Stale file handle";
    ENOLINK = libc::ENOLINK, "Link has been severed";
    ENXIO = libc::ENXIO, "No such device or address";
    // include/linux/errno.h: kernel-internal, yet bpf() returns it.
    ENOTSUPP = 524, "Operation is not supported";
}

impl Errno {
    /// The name, such as `"EPERM"`; `"E?"` for a number that no list here knows.
    #[must_use]
    pub fn name(self) -> String {
        match self.listed() {
            Some((name, _)) => name.to_owned(),
            None => match nix::errno::Errno::from_raw(self.0) {
                nix::errno::Errno::UnknownErrno => format!("E?{}", self.0),
                known => format!("{known:?}"),
            },
        }
    }

    /// Whether the kernel says that it lacks what was asked for.
    #[must_use]
    pub const fn is_not_supported(self) -> bool {
        matches!(self, Errno::EOPNOTSUPP | Errno::ENOTSUPP)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.listed() {
            Some((_, text)) => text,
            None => nix::errno::Errno::from_raw(self.0).desc(),
        };
        write!(f, "{text} ({})", self.name())
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl std::error::Error for Errno {}

impl From<nix::errno::Errno> for Errno {
    fn from(errno: nix::errno::Errno) -> Errno {
        // nix's enum is declared `#[repr(i32)]` with the platform's numbers.
        Errno(errno as i32)
    }
}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> std::io::Error {
        std::io::Error::from_raw_os_error(errno.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_text_and_name() {
        assert_eq!(Errno::EPERM.to_string(), "Operation not permitted (EPERM)");
        assert_eq!(Errno::ENOTSUPP.to_string(), "Operation is not supported (ENOTSUPP)");
        assert_eq!(Errno(libc::ECONNRESET).to_string(), "Connection reset by peer (ECONNRESET)");
        assert_eq!(format!("{:?}", Errno(4000)), "E?4000");
    }
}
