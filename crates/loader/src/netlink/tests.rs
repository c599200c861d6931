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

/// A connection whose other side answers each request with the next list of datagrams, then closes.
fn scripted(script: Vec<Vec<Vec<u8>>>) -> (Connection, thread::JoinHandle<()>) {
    let (ours, kernel) = crate::sys::socket_pair(PORT, Duration::from_secs(10));
    let player = thread::spawn(move || {
        for datagrams in script {
            kernel.receive().unwrap();
            for datagram in datagrams {
                // The client may have hung up on the first of them.
                let _ = kernel.send(&datagram);
            }
        }
    });
    (Connection::new(ours), player)
}

fn a_request() -> Request {
    Request { message_type: ROW, flags: 0, body: vec![0; 20] }
}

fn dump(script: Vec<Vec<Vec<u8>>>) -> Result<Vec<Vec<u8>>, Error> {
    let (mut connection, player) = scripted(script);
    let result = connection.dump(&a_request());
    drop(connection);
    player.join().unwrap();
    result.map(|replies| replies.into_iter().map(|reply| reply.body).collect())
}

fn request(script: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
    let (mut connection, player) = scripted(vec![script]);
    let result = connection.request(&a_request());
    drop(connection);
    player.join().unwrap();
    result.map(|replies| replies.into_iter().map(|reply| reply.body).collect())
}

#[test]
fn a_dump_of_several_datagrams_with_several_messages() {
    let two = [row(b"aaaa"), row(b"bbbb")].concat();
    let rows = dump(vec![vec![two, row(b"cccc"), done()]]).unwrap();
    assert_eq!(rows, [b"aaaa", b"bbbb", b"cccc"]);
}

#[test]
fn a_row_and_the_end_in_one_datagram() {
    assert_eq!(dump(vec![vec![[row(b"aaaa"), done()].concat()]]).unwrap(), [b"aaaa"]);
}

#[test]
fn a_datagram_of_any_size_is_received_whole() {
    let body = vec![7; 60_000];
    let rows = dump(vec![vec![message(ROW, NLM_F_MULTI, &body), done()]]).unwrap();
    assert_eq!(rows, [body]);
}

#[test]
fn an_interrupted_dump_is_read_again() {
    let interrupted = vec![message(ROW, NLM_F_MULTI | NLM_F_DUMP_INTR, b"old1"), done()];
    let again = vec![
        numbered(ROW, NLM_F_MULTI, b"new1", 2, PORT),
        numbered(NLMSG_DONE, NLM_F_MULTI, &0_i32.to_ne_bytes(), 2, PORT),
    ];
    assert_eq!(dump(vec![interrupted, again]).unwrap(), [b"new1"]);
}

#[test]
fn an_interruption_told_by_the_end_counts() {
    let interrupted = vec![row(b"old1"), message(NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, &0_i32.to_ne_bytes())];
    let again = vec![numbered(NLMSG_DONE, NLM_F_MULTI, &0_i32.to_ne_bytes(), 2, PORT)];
    assert_eq!(dump(vec![interrupted, again]).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_list_that_keeps_changing_ends() {
    let flags = NLM_F_MULTI | NLM_F_DUMP_INTR;
    let script =
        (1..=DUMP_ATTEMPTS).map(|sequence| vec![numbered(NLMSG_DONE, flags, &0_i32.to_ne_bytes(), sequence, PORT)]);
    assert_eq!(dump(script.collect()), Err(Error::Interrupted { attempts: DUMP_ATTEMPTS }));
}

#[test]
fn lost_parts_of_a_dump_are_asked_for_again() {
    let lost = vec![row(b"old1"), message(NLMSG_OVERRUN, 0, b""), done()];
    let again = vec![
        numbered(ROW, NLM_F_MULTI, b"new1", 2, PORT),
        numbered(NLMSG_DONE, NLM_F_MULTI, &0_i32.to_ne_bytes(), 2, PORT),
    ];
    assert_eq!(dump(vec![lost, again]).unwrap(), [b"new1"]);
}

#[test]
fn a_request_with_lost_replies_is_not_repeated() {
    assert_eq!(request(vec![message(NLMSG_OVERRUN, 0, b""), ack(0)]), Err(Error::Overrun));
}

#[test]
fn a_dump_without_an_end_is_no_dump() {
    assert_eq!(dump(vec![vec![row(b"aaaa")]]), Err(Error::Closed));
}

#[test]
fn a_silent_kernel_is_not_waited_for_forever() {
    let (ours, kernel) = crate::sys::socket_pair(PORT, Duration::from_millis(20));
    assert_eq!(Connection::new(ours).request(&a_request()), Err(Error::TimedOut));
    drop(kernel);
}

#[test]
fn a_refused_dump() {
    let refused = dump(vec![vec![ack(-libc::EPERM)]]).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::EPERM));
}

#[test]
fn a_dump_that_fails_at_its_end() {
    let end = message(NLMSG_DONE, NLM_F_MULTI, &(-libc::ENODEV).to_ne_bytes());
    assert_eq!(dump(vec![vec![row(b"aaaa"), end]]).unwrap_err().errno(), Some(Errno::ENODEV));
}

#[test]
fn another_requests_reply_is_refused() {
    let stale = numbered(ROW, NLM_F_MULTI, b"aaaa", 9, PORT);
    assert_eq!(dump(vec![vec![stale, done()]]), Err(Error::WrongSequence { expected: SEQUENCE, got: 9 }));
}

#[test]
fn another_ports_reply_is_refused() {
    let foreign = numbered(ROW, NLM_F_MULTI, b"aaaa", SEQUENCE, 9);
    assert_eq!(dump(vec![vec![foreign, done()]]), Err(Error::WrongPort { expected: PORT, got: 9 }));
}

#[test]
fn a_single_message_in_a_dump_is_refused() {
    let single = message(ROW, 0, b"aaaa");
    assert_eq!(dump(vec![vec![single, done()]]), Err(Error::Malformed { at: 0, what: "a single message in a dump" }));
}

#[test]
fn a_short_datagram_says_where() {
    let mut short = [row(b"aaaa"), row(b"bbbb")].concat();
    short.truncate(30);
    assert!(matches!(dump(vec![vec![short, done()]]), Err(Error::Malformed { at: 20, .. })));
}

#[test]
fn an_echo_and_its_acknowledgement() {
    let noop = message(NLMSG_NOOP, 0, b"");
    assert_eq!(request(vec![[noop, message(ROW, 0, b"echo")].concat(), ack(0)]).unwrap(), [b"echo"]);
}

#[test]
fn a_short_acknowledgement_is_refused() {
    let what = "an acknowledgement that is cut short";
    assert_eq!(request(vec![message(NLMSG_ERROR, 0, &[0, 0])]), Err(Error::Malformed { at: 0, what }));
}

/// `NLMSGERR_ATTR_MSG` and `NLMSGERR_ATTR_OFFS`, as the kernel appends them.
fn extended() -> Vec<u8> {
    let mut attributes = Vec::new();
    attributes.extend(8_u16.to_ne_bytes());
    attributes.extend(2_u16.to_ne_bytes());
    attributes.extend(36_u32.to_ne_bytes());
    let text = b"Invalid handle\0";
    attributes.extend(u16::try_from(4 + text.len()).unwrap().to_ne_bytes());
    attributes.extend(1_u16.to_ne_bytes());
    attributes.extend(text);
    attributes
}

/// A refusal with the kernel's words, of a request with TCA_KIND as its first attribute.
fn refused(capped: bool) -> Refusal {
    let mut request = a_request();
    request.body.extend([8, 0, 1, 0]);
    request.body.extend(b"bpf\0");
    let mut body = (-libc::EINVAL).to_ne_bytes().to_vec();
    let header = Header { message_type: ROW, flags: 5, sequence: SEQUENCE, port: 0 };
    let repeated = frame::encode(header, &request.body).unwrap();
    body.extend(if capped { &repeated[..frame::HEADER_LEN] } else { &repeated[..] });
    body.extend(extended());
    let flags = 0x200 | if capped { 0x100 } else { 0 };
    let (mut connection, player) = scripted(vec![vec![message(NLMSG_ERROR, flags, &body)]]);
    let error = connection.request(&request).unwrap_err();
    player.join().unwrap();
    match error {
        Error::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[test]
fn a_refusal_keeps_the_kernels_words_and_names_the_attribute() {
    for capped in [true, false] {
        let refusal = refused(capped);
        assert_eq!(refusal.to_string(), "Invalid handle: Invalid argument (EINVAL), at TCA_KIND", "capped: {capped}");
    }
}
