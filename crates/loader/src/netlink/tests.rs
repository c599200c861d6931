//! The client against a script that plays the kernel.

use std::thread;
use std::time::Duration;

use super::*;

const PORT: u32 = 77;
const SEQUENCE: u32 = 1;
/// Any type above `NLMSG_MIN_TYPE`.
const ROW: u16 = 44;

/// A message of the script: type, flags, body, with the right sequence number and port.
fn message(message_type: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    numbered(message_type, flags, body, SEQUENCE, PORT)
}

fn numbered(message_type: u16, flags: u16, body: &[u8], sequence: u32, port: u32) -> Vec<u8> {
    frame::encode(Header { message_type, flags, sequence, port }, body).unwrap()
}

fn row(text: &[u8; 4]) -> Vec<u8> {
    message(ROW, NLM_F_MULTI, text)
}

fn done() -> Vec<u8> {
    message(NLMSG_DONE, NLM_F_MULTI, &0_i32.to_ne_bytes())
}

fn ack(code: i32) -> Vec<u8> {
    let mut body = code.to_ne_bytes().to_vec();
    body.extend([0; frame::HEADER_LEN]);
    message(NLMSG_ERROR, 0x100, &body)
}

/// What is asked of the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// A dump.
    List,
    /// A request that is acknowledged.
    Change,
}
use Ask::{Change, List};

/// A way in which an answer goes wrong, and what becomes of it.
struct Fault {
    name: &'static str,
    ask: Ask,
    /// The datagrams that answer each request.
    script: Vec<Vec<Vec<u8>>>,
    /// What `recvmsg` itself gives before it gives those.
    receives: Vec<nix::Result<usize>>,
    /// How long the client waits.
    timeout: Duration,
    /// Whether the other side falls silent at the end of the script, rather than to close.
    silent: bool,
    answer: Result<Vec<Vec<u8>>, Error>,
}

impl Fault {
    fn new(name: &'static str, ask: Ask, script: Vec<Vec<Vec<u8>>>) -> Fault {
        let timeout = Duration::from_secs(10);
        Fault { name, ask, script, receives: Vec::new(), timeout, silent: false, answer: Ok(Vec::new()) }
    }

    fn receives(self, receives: Vec<nix::Result<usize>>) -> Fault {
        Fault { receives, ..self }
    }

    fn then_silent(self) -> Fault {
        Fault { silent: true, timeout: Duration::from_millis(50), ..self }
    }

    fn gives(self, rows: &[&[u8]]) -> Fault {
        Fault { answer: Ok(rows.iter().map(|row| row.to_vec()).collect()), ..self }
    }

    fn fails(self, error: Error) -> Fault {
        Fault { answer: Err(error), ..self }
    }

    fn fails_malformed(self, at: usize, what: &'static str) -> Fault {
        self.fails(Error::Malformed { at, what })
    }

    /// Plays it.
    fn play(self) -> Result<Vec<Vec<u8>>, Error> {
        let (ours, kernel) = crate::sys::socket_pair(PORT, self.timeout);
        ours.faults.borrow_mut().extend(self.receives);
        let player = thread::spawn(move || {
            for datagrams in self.script {
                kernel.receive().unwrap();
                for datagram in datagrams {
                    // The client may have hung up on the first of them.
                    let _ = kernel.send(&datagram);
                }
            }
            if self.silent {
                let _ = kernel.receive();
                let _ = kernel.receive();
            }
        });
        let mut connection = Connection::new(ours);
        let replies = match self.ask {
            List => connection.dump(&a_request()),
            Change => connection.request(&a_request()),
        };
        drop(connection);
        player.join().unwrap();
        replies.map(|replies| replies.into_iter().map(|reply| reply.body).collect())
    }
}

/// A `struct tcmsg`, then TCA_KIND at byte 36.
fn a_request() -> Request {
    let mut body = vec![0; 20];
    body.extend(attribute(1, b"bpf\0"));
    Request { message_type: ROW, flags: 0, body }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The answer to a dump that was asked for a second time.
fn again() -> Vec<Vec<u8>> {
    let end = numbered(NLMSG_DONE, NLM_F_MULTI, &0_i32.to_ne_bytes(), SEQUENCE + 1, PORT);
    vec![numbered(ROW, NLM_F_MULTI, b"new1", SEQUENCE + 1, PORT), end]
}

fn refusal(errno: i32) -> Error {
    Error::Refused(Refusal { errno: Errno(errno), message: None, attribute: None })
}

const SHORT_HEADER: &str = "a message header that is cut short";
const BAD_LENGTH: &str = "a message length that does not fit the datagram";

/// Datagrams and what is in them.
fn framing() -> Vec<Fault> {
    let big = vec![7; 60_000];
    let with_length = |length: u32| {
        let mut bytes = row(b"aaaa");
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    };
    let mut cut = [row(b"aaaa"), row(b"bbbb")].concat();
    cut.truncate(30);
    let two = [row(b"aaaa"), row(b"bbbb")].concat();
    let noop = message(NLMSG_NOOP, 0, b"");
    let echo = [noop.clone(), message(ROW, 0, b"echo")].concat();
    vec![
        Fault::new("two messages in a datagram", List, vec![vec![two, row(b"cccc"), done()]])
            .gives(&[b"aaaa", b"bbbb", b"cccc"]),
        Fault::new("the end beside a row", List, vec![vec![[row(b"aaaa"), done()].concat()]]).gives(&[b"aaaa"]),
        Fault::new("a datagram of any size", List, vec![vec![message(ROW, NLM_F_MULTI, &big), done()]]).gives(&[&big]),
        Fault::new("nothing to do, in a dump", List, vec![vec![noop, row(b"aaaa"), done()]]).gives(&[b"aaaa"]),
        Fault::new("nothing to do, before an echo", Change, vec![vec![echo, ack(0)]]).gives(&[b"echo"]),
        Fault::new("a header that is cut", List, vec![vec![row(b"aaaa")[..15].to_vec()]])
            .fails_malformed(0, SHORT_HEADER),
        Fault::new("a second header that is cut", List, vec![vec![cut]]).fails_malformed(20, SHORT_HEADER),
        Fault::new("a length above the datagram's", List, vec![vec![with_length(21)]]).fails_malformed(0, BAD_LENGTH),
        Fault::new("a huge length", List, vec![vec![with_length(u32::MAX)]]).fails_malformed(0, BAD_LENGTH),
        Fault::new("a length below the header's", List, vec![vec![with_length(15)]]).fails_malformed(0, BAD_LENGTH),
        Fault::new("a length of nothing", List, vec![vec![with_length(0)]]).fails_malformed(0, BAD_LENGTH),
        Fault::new("another request's reply", List, vec![vec![numbered(ROW, NLM_F_MULTI, b"aaaa", 9, PORT), done()]])
            .fails(Error::WrongSequence { expected: SEQUENCE, got: 9 }),
        Fault::new(
            "another request's acknowledgement",
            Change,
            vec![vec![numbered(NLMSG_ERROR, 0, &[0; 20], 0, PORT)]],
        )
        .fails(Error::WrongSequence { expected: SEQUENCE, got: 0 }),
        Fault::new("another port's reply", List, vec![vec![numbered(ROW, NLM_F_MULTI, b"aaaa", SEQUENCE, 9), done()]])
            .fails(Error::WrongPort { expected: PORT, got: 9 }),
        Fault::new("a single message in a dump", List, vec![vec![message(ROW, 0, b"aaaa"), done()]])
            .fails_malformed(0, "a single message in a dump"),
    ]
}

/// Lists that change while they are read, and parts that are lost.
fn losses() -> Vec<Fault> {
    let lost = || message(NLMSG_OVERRUN, 0, b"");
    let interrupted = NLM_F_MULTI | NLM_F_DUMP_INTR;
    let always = (SEQUENCE..SEQUENCE + DUMP_ATTEMPTS)
        .map(|sequence| vec![numbered(NLMSG_DONE, interrupted, &0_i32.to_ne_bytes(), sequence, PORT)]);
    let end = message(NLMSG_DONE, interrupted, &0_i32.to_ne_bytes());
    let old = || vec![row(b"old1"), done()];
    let no_buffers = || vec![Err(nix::Error::ENOBUFS)];
    vec![
        Fault::new("a row says interrupted", List, vec![vec![message(ROW, interrupted, b"old1"), done()], again()])
            .gives(&[b"new1"]),
        Fault::new("the end says interrupted", List, vec![vec![row(b"old1"), end], again()]).gives(&[b"new1"]),
        Fault::new("a list that keeps changing", List, always.collect())
            .fails(Error::Interrupted { attempts: DUMP_ATTEMPTS }),
        Fault::new("an overrun in a dump", List, vec![vec![row(b"old1"), lost(), done()], again()]).gives(&[b"new1"]),
        Fault::new("an overrun in a change", Change, vec![vec![lost(), ack(0)]]).fails(Error::Overrun),
        Fault::new("no buffers in a dump", List, vec![old(), again()]).receives(no_buffers()).gives(&[b"new1"]),
        Fault::new("no buffers in a change", Change, vec![vec![ack(0)]]).receives(no_buffers()).fails(Error::Overrun),
        Fault::new("no buffers, and then silence", Change, vec![vec![]])
            .receives(no_buffers())
            .then_silent()
            .fails(Error::Overrun),
        // The first look tells a length of 4, and then the datagram is longer.
        Fault::new("a datagram that is truncated", List, vec![old(), again()]).receives(vec![Ok(4)]).gives(&[b"new1"]),
        Fault::new("an acknowledgement that is truncated", Change, vec![vec![ack(0)]])
            .receives(vec![Ok(4)])
            .then_silent()
            .fails(Error::Overrun),
    ]
}

/// The end of an exchange, too early, too late or never.
fn ends() -> Vec<Fault> {
    let end = |code: i32| message(NLMSG_DONE, NLM_F_MULTI, &code.to_ne_bytes());
    vec![
        Fault::new("no end", List, vec![vec![row(b"aaaa")]]).fails(Error::Closed),
        Fault::new("no end, and silence", List, vec![vec![row(b"aaaa")]]).then_silent().fails(Error::TimedOut),
        Fault::new("no reply at all", Change, vec![vec![]]).then_silent().fails(Error::TimedOut),
        Fault::new("a signal", List, vec![vec![row(b"aaaa"), done()]])
            .receives(vec![Err(nix::Error::EINTR), Err(nix::Error::EINTR)])
            .gives(&[b"aaaa"]),
        // They last longer than the wait, and then there would be an answer.
        Fault { timeout: Duration::from_millis(1), ..Fault::new("signals without end", Change, vec![vec![ack(0)]]) }
            .receives(vec![Err(nix::Error::EINTR); 1_000_000])
            .fails(Error::TimedOut),
        Fault::new("a socket that breaks", List, vec![vec![row(b"aaaa")]])
            .receives(vec![Err(nix::Error::ENETDOWN)])
            .fails(Error::Socket(Errno(libc::ENETDOWN))),
        Fault::new("a refusal", List, vec![vec![ack(-libc::EPERM)]]).fails(refusal(libc::EPERM)),
        Fault::new("a refusal in the middle of a dump", List, vec![vec![row(b"aaaa"), ack(-libc::ENOMEM), done()]])
            .fails(refusal(libc::ENOMEM)),
        Fault::new("an end with an error", List, vec![vec![row(b"aaaa"), end(-libc::ENODEV)]])
            .fails(refusal(libc::ENODEV)),
        Fault::new("an end with no result", List, vec![vec![row(b"aaaa"), message(NLMSG_DONE, NLM_F_MULTI, b"")]])
            .gives(&[b"aaaa"]),
        Fault::new("the end of a dump that was not asked for", Change, vec![vec![done()]])
            .fails_malformed(0, "the end of a dump that was not asked for"),
        Fault::new("an acknowledgement in a dump", List, vec![vec![ack(0)]])
            .fails_malformed(0, "an acknowledgement in a dump"),
        Fault::new("an acknowledgement that is cut", Change, vec![vec![message(NLMSG_ERROR, 0, &[0, 0])]])
            .fails_malformed(0, "an acknowledgement that is cut short"),
        Fault::new("the smallest error there is", Change, vec![vec![ack(i32::MIN)]]).fails(refusal(i32::MAX)),
    ]
}

/// Extended acknowledgements.
fn words() -> Vec<Fault> {
    const TLVS: u16 = 0x200; // NLM_F_ACK_TLVS
    const CAPPED: u16 = 0x100; // NLM_F_CAPPED
    let request = a_request();
    let header = Header { message_type: ROW, flags: 5, sequence: SEQUENCE, port: 0 };
    let repeated = frame::encode(header, &request.body).unwrap();
    let code = (-libc::EINVAL).to_ne_bytes();
    let refused = |flags: u16, attributes: &[Vec<u8>]| {
        let repeated = if flags & CAPPED == 0 { &repeated[..] } else { &repeated[..frame::HEADER_LEN] };
        vec![vec![message(NLMSG_ERROR, flags, &[&code, repeated, &attributes.concat()].concat())]]
    };
    let text = attribute(1, b"Invalid handle\0"); // NLMSGERR_ATTR_MSG
    let offset = |bytes: u32| attribute(2, &bytes.to_ne_bytes()); // NLMSGERR_ATTR_OFFS
    let missing = |kind: u32| attribute(5, &kind.to_ne_bytes()); // NLMSGERR_ATTR_MISS_TYPE
    let both = [offset(36), text.clone()];
    let said = |message: Option<&str>, attribute: Option<&str>| {
        let [message, attribute] = [message, attribute].map(|text| text.map(str::to_owned));
        Error::Refused(Refusal { errno: Errno::EINVAL, message, attribute })
    };
    let handle = Some("Invalid handle");
    let end = message(NLMSG_DONE, NLM_F_MULTI | TLVS, &[&code[..], &text].concat());
    let cut = text[..text.len() - 4].to_vec();
    vec![
        Fault::new("words and place", Change, refused(TLVS | CAPPED, &both)).fails(said(handle, Some("TCA_KIND"))),
        Fault::new("the same behind the whole request", Change, refused(TLVS, &both))
            .fails(said(handle, Some("TCA_KIND"))),
        Fault::new("attributes that are not announced", Change, refused(CAPPED, &both)).fails(said(None, None)),
        Fault::new("an attribute that is missing", Change, refused(TLVS | CAPPED, &[missing(2)]))
            .fails(said(None, Some("TCA_OPTIONS (missing)"))),
        Fault::new("a place outside of the request", Change, refused(TLVS | CAPPED, &[offset(u32::MAX), text]))
            .fails(said(handle, None)),
        Fault::new("words that are cut", Change, refused(TLVS | CAPPED, &[offset(36), cut]))
            .fails(said(None, Some("TCA_KIND"))),
        Fault::new("words at the end of a dump", List, vec![vec![row(b"aaaa"), end]]).fails(said(handle, None)),
    ]
}

#[test]
fn every_fault_has_its_answer() {
    for fault in [framing(), losses(), ends(), words()].into_iter().flatten() {
        let (name, answer) = (fault.name, fault.answer.clone());
        assert_eq!(fault.play(), answer, "{name}");
    }
}

#[test]
fn the_word_of_another_process_does_not_count() {
    let (ours, other) = crate::sys::user_sockets(Duration::from_millis(50));
    let forged = numbered(NLMSG_ERROR, 0x100, &[0; 20], SEQUENCE, ours.port());
    let player = thread::spawn(move || {
        other.receive().unwrap();
        other.send(&forged).unwrap();
        other
    });
    assert_eq!(Connection::new(ours).request(&a_request()), Err(Error::TimedOut));
    player.join().unwrap();
}
