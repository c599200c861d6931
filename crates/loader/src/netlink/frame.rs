//! Netlink messages in a datagram, and attributes in a message: bounded cursors over bytes.
//!
//! # References
//! `include/uapi/linux/netlink.h`

use super::Error;

/// Bytes of `struct nlmsghdr`.
pub(crate) const HEADER_LEN: usize = 16;

/// `struct nlmsghdr` without its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub message_type: u16,
    pub flags: u16,
    pub sequence: u32,
    pub port: u32,
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub header: Header,
    pub body: &'a [u8],
}

/// One attribute of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    /// The type, without the nested and byte-order bits.
    pub kind: u16,
    pub value: &'a [u8],
    /// Where its header starts, in bytes from the start of the attributes.
    pub at: usize,
}

/// Rounds up to `NLMSG_ALIGNTO` and `NLA_ALIGNTO`, both 4.
fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// The `N` bytes at an offset.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Reads a native `u16`.
pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_ne_bytes)
}

/// Reads a native `u32`.
pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_ne_bytes)
}

/// Reads a native `i32`.
pub(crate) fn read_i32(bytes: &[u8], at: usize) -> Option<i32> {
    array(bytes, at).map(i32::from_ne_bytes)
}

/// The messages of a datagram. Ends after the first one that is cut short.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Error>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= datagram.len() {
            return None;
        }
        let message = message_at(datagram, at);
        at = match &message {
            Ok(message) => at.saturating_add(align(HEADER_LEN + message.body.len())),
            Err(_) => datagram.len(),
        };
        Some(message)
    })
}

fn message_at(datagram: &[u8], at: usize) -> Result<Message<'_>, Error> {
    let rest = datagram.get(at..).unwrap_or_default();
    let fields = || {
        let length = usize::try_from(read_u32(rest, 0)?).ok()?;
        let header = Header {
            message_type: read_u16(rest, 4)?,
            flags: read_u16(rest, 6)?,
            sequence: read_u32(rest, 8)?,
            port: read_u32(rest, 12)?,
        };
        Some((length, header))
    };
    let (length, header) = fields().ok_or(Error::Malformed { at, what: "a message header that is cut short" })?;
    let body = rest
        .get(HEADER_LEN..length)
        .ok_or(Error::Malformed { at, what: "a message length that does not fit the datagram" })?;
    Ok(Message { header, body })
}

/// The attributes in some bytes. Ends before the first one that is cut short.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    /// `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    const FLAGS: u16 = 0xc000;
    let mut next = 0;
    std::iter::from_fn(move || {
        let at = next;
        let length = usize::from(read_u16(bytes, at)?);
        let kind = read_u16(bytes, at.checked_add(2)?)? & !FLAGS;
        let value = bytes.get(at.checked_add(4)?..at.checked_add(length)?)?;
        next = at.saturating_add(align(length));
        Some(Attribute { kind, value, at })
    })
}

/// A string attribute's text: up to the first NUL.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or(value)).into_owned()
}

/// A whole message: header and body.
///
/// # Errors
/// When the body is longer than a message can be.
pub(crate) fn encode(header: Header, body: &[u8]) -> Result<Vec<u8>, Error> {
    let length = u32::try_from(HEADER_LEN + body.len())
        .map_err(|_| Error::Malformed { at: 0, what: "a request longer than 4 GiB" })?;
    let mut out = Vec::with_capacity(HEADER_LEN + body.len());
    out.extend(length.to_ne_bytes());
    out.extend(header.message_type.to_ne_bytes());
    out.extend(header.flags.to_ne_bytes());
    out.extend(header.sequence.to_ne_bytes());
    out.extend(header.port.to_ne_bytes());
    out.extend(body);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> impl Strategy<Value = Header> {
        (any::<u16>(), any::<u16>(), any::<u32>(), any::<u32>())
            .prop_map(|(message_type, flags, sequence, port)| Header { message_type, flags, sequence, port })
    }

    proptest! {
        #[test]
        fn messages_come_back_as_they_were_encoded(
            sent in prop::collection::vec((header(), prop::collection::vec(any::<u8>(), 0..40)), 0..5)
        ) {
            let mut datagram = Vec::new();
            for (header, body) in &sent {
                datagram.extend(encode(*header, body).unwrap());
                datagram.resize(align(datagram.len()), 0);
            }
            let got = messages(&datagram).map(|message| message.map(|m| (m.header, m.body.to_vec())));
            let got: Vec<_> = got.collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn any_bytes_are_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let messages: usize = messages(&bytes).flatten().map(|m| HEADER_LEN + m.body.len()).sum();
            prop_assert!(messages <= bytes.len());
            let mut end = 0;
            for attribute in attributes(&bytes) {
                prop_assert!(attribute.at >= end);
                end = attribute.at + 4 + attribute.value.len();
                prop_assert!(end <= bytes.len());
            }
        }
    }

    #[test]
    fn a_cut_message_says_where() {
        let header = Header { message_type: 44, flags: 0, sequence: 1, port: 0 };
        let mut datagram = encode(header, b"abcd").unwrap();
        let whole = datagram.len();
        datagram.extend(encode(header, b"efgh").unwrap());
        datagram.truncate(datagram.len() - 1);
        let got: Vec<_> = messages(&datagram).collect();
        assert_eq!(got.len(), 2);
        assert_eq!(
            got[1],
            Err(Error::Malformed { at: whole, what: "a message length that does not fit the datagram" })
        );
    }

    #[test]
    fn a_length_shorter_than_its_header_ends_the_datagram() {
        let mut datagram = vec![0; 32];
        datagram[0] = 8;
        let got: Vec<_> = messages(&datagram).collect();
        assert!(matches!(got.as_slice(), [Err(Error::Malformed { at: 0, .. })]));
    }
}
