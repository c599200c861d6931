//! A datagram socket to the kernel's routing tables, or, in tests, to a script that plays the kernel.
//!
//! # Safety
//!
//! The one `unsafe` call sets an integer socket option that nix does not list.
#![expect(unsafe_code, reason = "setsockopt with SOL_NETLINK")]

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, getsockname,
    recvmsg, send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::Errno;
use super::call::above_stdio;

/// How long to wait for a reply. The kernel queues the acknowledgement, or the first part of a dump, before `send`
/// returns, so that this runs out only if a reply was lost.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// A datagram socket with room for a reply of any size.
#[derive(Debug)]
pub(crate) struct NetlinkSocket {
    fd: OwnedFd,
    /// The port id that replies carry.
    port: u32,
    timeout: Duration,
    /// What the next calls of `recvmsg` give instead of what the kernel would say.
    #[cfg(test)]
    pub faults: std::cell::RefCell<std::collections::VecDeque<nix::Result<usize>>>,
}

/// One datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// The bytes, complete.
    pub bytes: Vec<u8>,
    /// Whether the kernel sent it, and not another process.
    pub from_kernel: bool,
}

impl NetlinkSocket {
    /// Opens a `NETLINK_ROUTE` socket in the calling thread's network namespace, where it stays if the thread moves.
    pub(crate) fn route() -> Result<NetlinkSocket, Errno> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        let fd = above_stdio(fd)?;
        // Port 0 lets the kernel choose one.
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd())?.pid();
        // From Linux 4.12 and 4.3; on a kernel without them, refusals come without the kernel's words.
        let _ = set_netlink_option(&fd, libc::NETLINK_EXT_ACK);
        let _ = set_netlink_option(&fd, libc::NETLINK_CAP_ACK);
        NetlinkSocket::new(fd, port, REPLY_TIMEOUT)
    }

    /// Takes a connected datagram socket.
    pub(crate) fn new(fd: OwnedFd, port: u32, timeout: Duration) -> Result<NetlinkSocket, Errno> {
        let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        setsockopt(&fd, ReceiveTimeout, &TimeVal::milliseconds(milliseconds))?;
        Ok(NetlinkSocket {
            fd,
            port,
            timeout,
            #[cfg(test)]
            faults: Default::default(),
        })
    }

    /// The port id that replies carry.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Sends one datagram.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        loop {
            match send(self.fd.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Receives one datagram of any length. `EAGAIN` when none came in time, an empty one when the other side is gone.
    pub(crate) fn receive(&self) -> Result<Datagram, Errno> {
        let (length, _) = self.receive_into(&mut [], MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC)?;
        let mut bytes = vec![0; length];
        let (length, from_kernel) = self.receive_into(&mut bytes, MsgFlags::MSG_TRUNC)?;
        if length > bytes.len() {
            // Only if somebody else reads from the same socket.
            return Err(Errno::ENOBUFS);
        }
        bytes.truncate(length);
        Ok(Datagram { bytes, from_kernel })
    }

    fn receive_into(&self, buffer: &mut [u8], flags: MsgFlags) -> Result<(usize, bool), Errno> {
        let start = Instant::now();
        loop {
            match self.recvmsg(buffer, flags) {
                // The kernel starts to wait anew; a profiling timer could make that go on forever.
                Err(nix::errno::Errno::EINTR) if start.elapsed() < self.timeout => {}
                Err(nix::errno::Errno::EINTR) => return Err(Errno::EAGAIN),
                received => return Ok(received?),
            }
        }
    }

    fn recvmsg(&self, buffer: &mut [u8], flags: MsgFlags) -> nix::Result<(usize, bool)> {
        #[cfg(test)]
        if let Some(fault) = self.faults.borrow_mut().pop_front() {
            return fault.map(|bytes| (bytes, true));
        }
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(self.fd.as_raw_fd(), &mut slices, None, flags)?;
        let sender = message.address.as_ref().and_then(SockaddrStorage::as_netlink_addr);
        Ok((message.bytes, sender.is_none_or(|address| address.pid() == 0)))
    }
}

/// Two connected sockets that keep datagrams apart and tell when the other side is gone: ours, with its port and the time
/// that it waits, and the other side, which waits for as long as any test takes.
#[cfg(test)]
pub(crate) fn socket_pair(port: u32, timeout: Duration) -> (NetlinkSocket, NetlinkSocket) {
    let (ours, theirs) =
        nix::sys::socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let other_timeout = Duration::from_secs(60);
    (NetlinkSocket::new(ours, port, timeout).unwrap(), NetlinkSocket::new(theirs, 0, other_timeout).unwrap())
}

/// Two netlink sockets that send to each other's ports, as any process can send to ours.
#[cfg(test)]
pub(crate) fn user_sockets(timeout: Duration) -> (NetlinkSocket, NetlinkSocket) {
    let sockets = [(), ()].map(|()| {
        let protocol = SockProtocol::NetlinkUserSock;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).unwrap();
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd()).unwrap().pid();
        NetlinkSocket::new(fd, port, timeout).unwrap()
    });
    let [ours, theirs] = sockets;
    for (from, to) in [(&ours, &theirs), (&theirs, &ours)] {
        nix::sys::socket::connect(from.fd.as_raw_fd(), &NetlinkAddr::new(to.port, 0)).unwrap();
    }
    (ours, theirs)
}

/// Sets a switch of `SOL_NETLINK` to 1.
fn set_netlink_option(fd: &OwnedFd, option: libc::c_int) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on)).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `fd` is open, and the option is an int whose address and size are given.
    let ret =
        unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, std::ptr::from_ref(&on).cast(), size) };
    if ret == 0 { Ok(()) } else { Err(Errno(nix::errno::Errno::last_raw())) }
}
