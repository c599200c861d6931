//! A blocking rtnetlink client: framing, sequence numbers, dumps and extended acknowledgements.
//!
//! Invariants of an exchange:
//!
//! - Every message of a reply carries the request's sequence number and this socket's port id; anything else is an
//!   error, never taken for the reply.
//! - A request ends at its acknowledgement, a dump at `NLMSG_DONE`. A datagram may hold many messages, and is received
//!   whole.
//! - A dump that the kernel marks as interrupted (`NLM_F_DUMP_INTR`), or of which parts were lost, is read to its end
//!   and asked for again. A request whose acknowledgement was lost is not repeated: it may have taken effect.

mod ack;
mod error;
mod frame;
pub(crate) mod tc;
#[cfg(test)]
mod tests;

pub use ack::Refusal;
pub use error::Error;

use self::frame::{Header, Message};
use crate::sys::{Errno, NetlinkSocket};

// `include/uapi/linux/netlink.h`: message types below `NLMSG_MIN_TYPE`, and flags.
const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_MULTI: u16 = 0x2;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_ECHO: u16 = 0x8;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

/// How often a dump is read before giving up on a list that keeps changing.
const DUMP_ATTEMPTS: u32 = 6;

/// A request before it has a sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub message_type: u16,
    /// Flags besides `NLM_F_REQUEST`, `NLM_F_ACK` and `NLM_F_DUMP`.
    pub flags: u16,
    pub body: Vec<u8>,
}

/// One message of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub message_type: u16,
    pub body: Vec<u8>,
}

/// What ends an exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Ack,
    Done,
}

/// What has been received of an exchange.
#[derive(Default)]
struct Exchange {
    replies: Vec<Reply>,
    /// Parts are missing, or do not fit together.
    incomplete: bool,
}

/// A netlink socket and the number of its last request.
///
/// It belongs to the network namespace of the thread that opened it, and stays there.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: NetlinkSocket,
    sequence: u32,
}

impl Connection {
    /// Connects to the routing tables of the calling thread's network namespace.
    pub(crate) fn open() -> Result<Connection, Error> {
        NetlinkSocket::route().map(Connection::new).map_err(Error::Socket)
    }

    fn new(socket: NetlinkSocket) -> Connection {
        Connection { socket, sequence: 0 }
    }

    /// Sends a request and waits for its acknowledgement. Gives what the kernel echoed of it.
    pub(crate) fn request(&mut self, request: &Request) -> Result<Vec<Reply>, Error> {
        let exchange = self.exchange(request, NLM_F_REQUEST | NLM_F_ACK | request.flags, End::Ack)?;
        if exchange.incomplete { Err(Error::Overrun) } else { Ok(exchange.replies) }
    }

    /// Asks for a list, again if it changed while it was read.
    pub(crate) fn dump(&mut self, request: &Request) -> Result<Vec<Reply>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            let exchange = self.exchange(request, NLM_F_REQUEST | NLM_F_DUMP | request.flags, End::Done)?;
            if !exchange.incomplete {
                return Ok(exchange.replies);
            }
        }
        Err(Error::Interrupted { attempts: DUMP_ATTEMPTS })
    }

    fn exchange(&mut self, request: &Request, flags: u16, end: End) -> Result<Exchange, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let header = Header { message_type: request.message_type, flags, sequence: self.sequence, port: 0 };
        let sent = frame::encode(header, &request.body)?;
        self.socket.send(&sent).map_err(Error::Socket)?;
        let mut exchange = Exchange::default();
        loop {
            let datagram = match self.socket.receive() {
                Ok(datagram) => datagram,
                // The kernel dropped replies of ours; it goes on with those that follow.
                Err(Errno::ENOBUFS) => {
                    exchange.incomplete = true;
                    continue;
                }
                Err(Errno::EAGAIN) => return Err(if exchange.incomplete { Error::Overrun } else { Error::TimedOut }),
                Err(errno) => return Err(Error::Socket(errno)),
            };
            if datagram.bytes.is_empty() {
                return Err(Error::Closed);
            }
            // Any process may send to a netlink port: only the kernel's word counts.
            if !datagram.from_kernel {
                continue;
            }
            for message in frame::messages(&datagram.bytes) {
                if self.take(&mut exchange, message?, &sent, end)? {
                    return Ok(exchange);
                }
            }
        }
    }

    /// Takes one message of a reply, and says whether it was the last.
    fn take(&self, exchange: &mut Exchange, message: Message<'_>, sent: &[u8], end: End) -> Result<bool, Error> {
        let header = message.header;
        if header.sequence != self.sequence {
            return Err(Error::WrongSequence { expected: self.sequence, got: header.sequence });
        }
        if header.port != self.socket.port() {
            return Err(Error::WrongPort { expected: self.socket.port(), got: header.port });
        }
        exchange.incomplete |= header.flags & NLM_F_DUMP_INTR != 0;
        match header.message_type {
            NLMSG_NOOP => Ok(false),
            NLMSG_OVERRUN => {
                exchange.incomplete = true;
                Ok(false)
            }
            NLMSG_ERROR => match ack::error(&message, sent) {
                None => Err(Error::Malformed { at: 0, what: "an acknowledgement that is cut short" }),
                Some(Some(refusal)) => Err(Error::Refused(refusal)),
                Some(None) if end == End::Ack => Ok(true),
                Some(None) => Err(Error::Malformed { at: 0, what: "an acknowledgement in a dump" }),
            },
            NLMSG_DONE if end == End::Done => match ack::done(&message, sent) {
                Some(refusal) => Err(Error::Refused(refusal)),
                None => Ok(true),
            },
            NLMSG_DONE => Err(Error::Malformed { at: 0, what: "the end of a dump that was not asked for" }),
            _ if end == End::Done && header.flags & NLM_F_MULTI == 0 => {
                Err(Error::Malformed { at: 0, what: "a single message in a dump" })
            }
            message_type => {
                exchange.replies.push(Reply { message_type, body: message.body.to_vec() });
                Ok(false)
            }
        }
    }
}
