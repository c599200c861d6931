//! Network namespaces, and running code in them.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, BorrowedFd},
    panic, thread,
};

use nix::sched::{CloneFlags, setns, unshare};

use super::Result;

/// A network namespace, which lives at least as long as this.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// A new one, empty but for the loopback device, which is down. The caller stays where it is.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_SYS_ADMIN`.
    pub fn new() -> Result<Self> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            silence()?;
            Namespace::current()
        })
    }

    /// That of the calling thread.
    ///
    /// # Errors
    ///
    /// Those of opening `/proc/thread-self/ns/net`.
    pub fn current() -> Result<Self> {
        Ok(Namespace(File::open("/proc/thread-self/ns/net")?))
    }

    /// Runs `work` in this namespace. Sockets it opens stay there, processes it starts run there.
    ///
    /// # Panics
    ///
    /// When `work` does, or when the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        on_a_thread(|| {
            setns(self, CloneFlags::CLONE_NEWNET).expect("enter a network namespace");
            work()
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Keeps devices to come from sending packets of their own: a fresh one with IPv6 announces itself.
pub(crate) fn silence() -> io::Result<()> {
    for devices in ["all", "default"] {
        match fs::write(format!("/proc/sys/net/ipv6/conf/{devices}/disable_ipv6"), "1") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (), // a kernel without IPv6
            other => other?,
        }
    }
    Ok(())
}

/// A network namespace is a thread's: what is entered here ends with the thread.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| panic::resume_unwind(panic))
}
