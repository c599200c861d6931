//! What can go wrong between a request and its reply.

use super::Refusal;
use crate::sys::Errno;

/// A failed netlink exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel understood the request and refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// The reply is not netlink, `at` bytes into its datagram.
    #[error("malformed netlink reply, byte {at}: {what}")]
    Malformed {
        /// Bytes from the start of the datagram.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The reply belongs to another request.
    #[error("netlink reply with sequence number {got} to request {expected}")]
    WrongSequence {
        /// The request's number.
        expected: u32,
        /// The reply's number.
        got: u32,
    },
    /// The reply belongs to another socket.
    #[error("netlink reply for port {got} at port {expected}")]
    WrongPort {
        /// The socket's port.
        expected: u32,
        /// The reply's port.
        got: u32,
    },
    /// The kernel had to drop replies: whether the request took effect is unknown.
    #[error("netlink replies were lost: the socket's buffer was full")]
    Overrun,
    /// What was being listed kept changing.
    #[error("the list changed each of the {attempts} times it was read")]
    Interrupted {
        /// How often it was read.
        attempts: u32,
    },
    /// No reply came in time.
    #[error("no reply from the kernel over netlink")]
    TimedOut,
    /// The other side closed the connection before the reply was complete.
    #[error("the netlink connection closed before the reply was complete")]
    Closed,
    /// The socket itself failed.
    #[error("netlink socket: {0}")]
    Socket(Errno),
}

impl Error {
    /// The kernel's error number, if it was the kernel that refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Refused(refusal) => Some(refusal.errno),
            Error::Socket(errno) => Some(*errno),
            _ => None,
        }
    }
}
