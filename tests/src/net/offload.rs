//! What a device computes for the kernel, over ethtool's netlink family.
//!
//! A veth pair hands packets over with their transport checksums not computed yet, and marked as right. With the offload
//! turned off, the sender computes them and the receiver looks.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::Result;

// `include/uapi/linux/netlink.h`, `include/uapi/linux/genetlink.h`.
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLA_F_NESTED: u16 = 1 << 15;
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// Bytes of `struct nlmsghdr` and `struct genlmsghdr`.
const HEADERS: usize = 16 + 4;

// `include/uapi/linux/ethtool_netlink.h`.
const ETHTOOL_MSG_FEATURES_SET: u8 = 12;
const ETHTOOL_A_FEATURES_HEADER: u16 = 1;
const ETHTOOL_A_FEATURES_WANTED: u16 = 3;
const ETHTOOL_A_HEADER_DEV_NAME: u16 = 2;
const ETHTOOL_A_BITSET_BITS: u16 = 3;
const ETHTOOL_A_BITSET_BITS_BIT: u16 = 1;
const ETHTOOL_A_BITSET_BIT_NAME: u16 = 2;

/// Has the kernel compute the checksums of what a device of the calling thread's network namespace sends:
/// `ethtool -K DEVICE tx off`.
///
/// # Errors
///
/// The kernel's answer, `ENOENT` where it has no such family.
pub fn compute_checksums(device: &str) -> Result<()> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkGeneric)?;
    let name = attribute(CTRL_ATTR_FAMILY_NAME, b"ethtool\0");
    let family = ask(&socket, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, &name)?;
    let family = find(&family, CTRL_ATTR_FAMILY_ID).ok_or_else(|| io::Error::other("a family without an id"))?;

    let device = attribute(ETHTOOL_A_HEADER_DEV_NAME, format!("{device}\0").as_bytes());
    // A bit without a value is one to be cleared.
    let bit = attribute(ETHTOOL_A_BITSET_BIT_NAME, b"tx-checksum-ip-generic\0");
    let bits = nested(ETHTOOL_A_BITSET_BITS, &nested(ETHTOOL_A_BITSET_BITS_BIT, &bit));
    let wanted = [nested(ETHTOOL_A_FEATURES_HEADER, &device), nested(ETHTOOL_A_FEATURES_WANTED, &bits)].concat();
    ask(&socket, family, ETHTOOL_MSG_FEATURES_SET, &wanted)?;
    Ok(())
}

/// Sends a request, and gives the attributes of the reply once it is acknowledged.
fn ask(socket: &OwnedFd, family: u16, command: u8, attributes: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(HEADERS + attributes.len()).map_err(io::Error::other)?;
    let mut request = length.to_ne_bytes().to_vec();
    request.extend(family.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    request.extend([0; 8]); // sequence number, port
    request.extend([command, 1, 0, 0]);
    request.extend(attributes);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;

    let mut reply = Vec::new();
    loop {
        let mut datagram = [0; 8192];
        let length = recv(socket.as_raw_fd(), &mut datagram, MsgFlags::empty())?;
        let message = &datagram[..length];
        if message[4..6] != NLMSG_ERROR.to_ne_bytes() {
            reply = message[HEADERS..].to_vec();
            continue;
        }
        let code = i32::from_ne_bytes([message[16], message[17], message[18], message[19]]);
        return if code == 0 { Ok(reply) } else { Err(io::Error::from_raw_os_error(-code).into()) };
    }
}

fn nested(kind: u16, attributes: &[u8]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, attributes)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("a short attribute");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The first 16 bits of an attribute.
fn find(mut attributes: &[u8], kind: u16) -> Option<u16> {
    while let [low, high, first, second, value @ ..] = attributes {
        let length = usize::from(u16::from_ne_bytes([*low, *high]));
        if u16::from_ne_bytes([*first, *second]) == kind {
            return Some(u16::from_ne_bytes([*value.first()?, *value.get(1)?]));
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}
