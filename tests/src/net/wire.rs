//! A veth pair with real UDP sockets at its ends.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsFd as _,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};

use super::{Direction, Namespace, Result, link};
use crate::{PATIENCE, eventually, slowed};

/// The end in the case's own network namespace: the device under test.
pub const DEVICE: &str = "v0";
/// A sender.
pub const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// Another sender.
pub const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
/// The receiver.
pub const TARGET: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);

/// Two network namespaces, a veth pair between them, and UDP from [`FIRST`] and [`SECOND`] to [`TARGET`].
///
/// The packets pass [`DEVICE`] in the given direction: on ingress the senders are at the far end, on egress here.
pub struct Wire {
    senders: [(Ipv4Addr, UdpSocket); 2],
    receiver: UdpSocket,
    to: SocketAddr,
    far: Namespace,
}

impl Wire {
    /// Builds it. One of each direction per case: the device is always [`DEVICE`].
    ///
    /// # Errors
    ///
    /// Whatever the kernel refuses.
    pub fn new(direction: Direction) -> Result<Self> {
        let (near, far) = (Namespace::current()?, Namespace::new()?);
        let far_device = "v1";
        link::add_veth(DEVICE, far_device, Some(far.as_fd()))?;
        let (sending, receiving) = match direction {
            Direction::Ingress => ((&far, far_device), (&near, DEVICE)),
            Direction::Egress => ((&near, DEVICE), (&far, far_device)),
        };
        sending.0.run(|| link::set_up(sending.1, &[FIRST, SECOND]))?;
        receiving.0.run(|| link::set_up(receiving.1, &[TARGET]))?;
        for (namespace, device) in [sending, receiving] {
            eventually("both ends of the wire run", || {
                namespace.run(|| link::is_running(device).is_ok_and(|running| running)).then_some(())
            });
        }

        let receiver = receiving.0.run(|| UdpSocket::bind((TARGET, 0)))?;
        let to = receiver.local_addr()?;
        let sender = |from| sending.0.run(|| UdpSocket::bind((from, 0))).map(|socket| (from, socket));
        Ok(Wire { senders: [sender(FIRST)?, sender(SECOND)?], receiver, to, far })
    }

    /// The network namespace at the other end.
    pub fn far(&self) -> &Namespace {
        &self.far
    }

    /// Both senders' packets must arrive.
    ///
    /// # Panics
    ///
    /// When one does not.
    #[track_caller]
    pub fn assert_all_received(&self) {
        let arrived = self.send(&[FIRST, SECOND], &[FIRST, SECOND]);
        assert_eq!(arrived, [FIRST, SECOND], "the packets of both senders should arrive");
    }

    /// The packet of [`FIRST`] must be dropped, that of [`SECOND`] must arrive.
    ///
    /// The wire keeps the packets in order, so once the second has come, the first is not on its way any more.
    ///
    /// # Panics
    ///
    /// When it is otherwise.
    #[track_caller]
    pub fn assert_first_dropped(&self) {
        let arrived = self.send(&[FIRST, SECOND], &[SECOND]);
        assert_eq!(arrived, [SECOND], "{FIRST} should be dropped and {SECOND} received");
    }

    /// Whether packets of [`FIRST`] pass just now, for polling. Those of [`SECOND`] have to.
    ///
    /// # Panics
    ///
    /// When those of [`SECOND`] do not.
    #[track_caller]
    pub fn first_passes(&self) -> bool {
        let arrived = self.send(&[FIRST, SECOND], &[SECOND]);
        assert!(arrived.contains(&SECOND), "{SECOND} should be received");
        arrived.contains(&FIRST)
    }

    /// The packets of [`FIRST`], sent without a pause while `work` is done, must all be dropped.
    ///
    /// # Panics
    ///
    /// When one arrives, or when `work` does.
    #[track_caller]
    pub fn assert_first_dropped_while<T>(&self, work: impl FnOnce() -> T) -> T {
        self.assert_first_dropped();
        let (done, end) = (AtomicBool::new(false), round());
        let (sent, outcome) = thread::scope(|scope| {
            let sender = scope.spawn(|| {
                stay_on_this_cpu().expect("stay on one CPU");
                let mut sent = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    self.send_one(FIRST, end);
                    sent += 1;
                }
                self.send_one(SECOND, end);
                sent
            });
            let outcome = panic::catch_unwind(AssertUnwindSafe(work));
            done.store(true, Ordering::Relaxed);
            (sender.join().expect("the sending thread"), outcome)
        });
        let outcome = outcome.unwrap_or_else(|panic| panic::resume_unwind(panic));
        let arrived = self.arrivals(end, &[SECOND]);
        let passed = arrived.iter().filter(|&&sender| sender == FIRST).count();
        assert_eq!(passed, 0, "of {sent} packets from {FIRST}, these arrived");
        assert_eq!(arrived, [SECOND], "the packet from {SECOND} should arrive");
        outcome
    }

    /// Sends one packet from each, in this order; gives those that arrived by the time all of `awaited` had.
    fn send(&self, from: &[Ipv4Addr], awaited: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
        let round = round();
        // One CPU sends all of them: its backlog is a queue, those of two CPUs are not.
        thread::scope(|scope| {
            scope.spawn(|| {
                stay_on_this_cpu().expect("stay on one CPU");
                from.iter().for_each(|&sender| self.send_one(sender, round));
            });
        });
        self.arrivals(round, awaited)
    }

    fn send_one(&self, from: Ipv4Addr, payload: [u8; 8]) {
        for (_, socket) in self.senders.iter().filter(|(sender, _)| *sender == from) {
            socket.send_to(&payload, self.to).expect("send a packet");
        }
    }

    /// Whose packets of a round arrive, until all of `awaited` have, or for as long as can be waited.
    fn arrivals(&self, round: [u8; 8], awaited: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
        let deadline = Instant::now() + slowed(PATIENCE);
        let mut arrived = Vec::new();
        while !awaited.iter().all(|sender| arrived.contains(sender)) {
            match self.receive(deadline).expect("receive a packet") {
                Some((sender, payload)) if payload == round => arrived.push(sender),
                Some(_) => (), // of an earlier round
                None => break,
            }
        }
        arrived
    }

    /// The next packet, if it comes in time.
    fn receive(&self, deadline: Instant) -> io::Result<Option<(Ipv4Addr, [u8; 8])>> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.receiver.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut payload = [0; 8];
        match self.receiver.recv_from(&mut payload) {
            Ok((_, SocketAddr::V4(sender))) => Ok(Some((*sender.ip(), payload))),
            Ok((_, SocketAddr::V6(sender))) => Err(io::Error::other(format!("a packet from {sender}"))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A payload that no other round has.
fn round() -> [u8; 8] {
    static ROUND: AtomicU64 = AtomicU64::new(0);
    ROUND.fetch_add(1, Ordering::Relaxed).to_be_bytes()
}

fn stay_on_this_cpu() -> nix::Result<()> {
    let mut here = CpuSet::new();
    here.set(sched_getcpu()?)?;
    sched_setaffinity(Pid::from_raw(0), &here)
}
