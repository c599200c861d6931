//! Queueing disciplines.

use netlink_packet_route::tc::{TcAttribute, TcHandle, TcHeader};

use super::{Connection, Error, Handle, TCA_KIND, TCA_OPTIONS, TCMSG_LEN, body, header};
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Reply, Request, frame};
use crate::sys::Errno;

// `include/uapi/linux/rtnetlink.h`.
const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;
const TCA_HW_OFFLOAD: u16 = 12;
const TCA_INGRESS_BLOCK: u16 = 13;
const TCA_EGRESS_BLOCK: u16 = 14;

/// The two qdiscs at the place that holds filters of incoming packets. A device has one of them at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilterQdisc {
    /// Filters of incoming and of outgoing packets (Linux 4.5).
    Clsact,
    /// The older one, for incoming packets alone.
    Ingress,
}

impl FilterQdisc {
    /// The kernel's word.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            FilterQdisc::Clsact => "clsact",
            FilterQdisc::Ingress => "ingress",
        }
    }
}

/// A queueing discipline, as a dump shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Qdisc {
    /// The device's index.
    pub ifindex: u32,
    /// What it is: `clsact`, `fq_codel`, `noqueue` and so on.
    pub kind: String,
    /// Its handle.
    pub handle: Handle,
    /// Where it hangs.
    pub parent: Handle,
    /// How often it is referred to.
    pub references: u32,
    /// Whether hardware does its work.
    pub offloaded: bool,
    /// The block whose filters it shares for incoming packets.
    pub ingress_block: Option<u32>,
    /// The block whose filters it shares for outgoing packets.
    pub egress_block: Option<u32>,
    /// Whether it has options, which are not read here.
    pub has_options: bool,
}

/// What happened to a request to make a qdisc for filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It is made now.
    Created,
    /// It was there.
    Present,
    /// Another qdisc has its place.
    Taken { kind: String },
}

/// Makes the qdisc of a device if it is missing.
pub(crate) fn ensure(connection: &mut Connection, ifindex: u32, qdisc: FilterQdisc) -> Result<Made, Error> {
    let request = Request {
        message_type: RTM_NEWQDISC,
        flags: NLM_F_CREATE | NLM_F_EXCL,
        body: body(place(ifindex)?, vec![TcAttribute::Kind(qdisc.kind().to_owned())]),
    };
    match connection.request(&request) {
        Ok(_) => Ok(Made::Created),
        Err(error) if error.errno() == Some(Errno::EEXIST) => match filter_qdisc(connection, ifindex)? {
            Some(kind) if kind == qdisc.kind() => Ok(Made::Present),
            Some(kind) => Ok(Made::Taken { kind }),
            // Gone between the two: somebody else is at work.
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Deletes the qdisc of a device, with all filters in it.
pub(crate) fn delete(connection: &mut Connection, ifindex: u32, qdisc: FilterQdisc) -> Result<(), Error> {
    let kind = TcAttribute::Kind(qdisc.kind().to_owned());
    let request = Request { message_type: RTM_DELQDISC, flags: 0, body: body(place(ifindex)?, vec![kind]) };
    connection.request(&request).map(drop)
}

/// The place of qdiscs for filters.
fn place(ifindex: u32) -> Result<TcHeader, Error> {
    Ok(TcHeader { handle: TcHandle::from(Handle::CLSACT_QDISC.0), ..header(ifindex, Handle::CLSACT)? })
}

/// The kind of the qdisc at the place that `clsact` and `ingress` share, if there is one.
pub(crate) fn filter_qdisc(connection: &mut Connection, ifindex: u32) -> Result<Option<String>, Error> {
    let mut qdiscs = list(connection, Some(ifindex))?.into_iter();
    Ok(qdiscs.find(|qdisc| qdisc.parent == Handle::CLSACT).map(|qdisc| qdisc.kind))
}

/// Lists the qdiscs of a device, or of all.
pub(crate) fn list(connection: &mut Connection, ifindex: Option<u32>) -> Result<Vec<Qdisc>, Error> {
    let header = header(ifindex.unwrap_or(0), Handle::NONE)?;
    let request = Request { message_type: RTM_GETQDISC, flags: 0, body: body(header, Vec::new()) };
    let qdiscs = connection.dump(&request)?;
    let qdiscs = qdiscs.iter().filter_map(qdisc);
    // The kernel lists those of every device.
    Ok(qdiscs.filter(|qdisc| ifindex.is_none_or(|wanted| wanted == qdisc.ifindex)).collect())
}

/// Reads a qdisc of a dump. `None` for other messages.
fn qdisc(reply: &Reply) -> Option<Qdisc> {
    if reply.message_type != RTM_NEWQDISC {
        return None;
    }
    let header = TcHeader::parse(&reply.body).ok()?;
    let mut out = Qdisc {
        ifindex: u32::try_from(header.index).unwrap_or(0),
        kind: String::new(),
        handle: Handle(header.handle.into()),
        parent: Handle(header.parent.into()),
        references: header.info,
        offloaded: false,
        ingress_block: None,
        egress_block: None,
        has_options: false,
    };
    for attribute in frame::attributes(reply.body.get(TCMSG_LEN..)?) {
        match attribute.kind {
            TCA_KIND => out.kind = frame::text(attribute.value),
            TCA_OPTIONS => out.has_options = true,
            TCA_HW_OFFLOAD => out.offloaded = attribute.value.first().is_some_and(|&offloaded| offloaded != 0),
            TCA_INGRESS_BLOCK => out.ingress_block = frame::read_u32(attribute.value, 0),
            TCA_EGRESS_BLOCK => out.egress_block = frame::read_u32(attribute.value, 0),
            _ => {}
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qdisc_is_read_by_what_can_be_read() {
        let header = TcHeader { info: 2, ..place(7).unwrap() };
        let mut body = body(header, vec![TcAttribute::Kind("clsact".to_owned())]);
        body.extend([8, 0, 13, 0, 5, 0, 0, 0]); // TCA_INGRESS_BLOCK 5, little-endian machines write it so
        body.extend([4, 0, 2, 0]); // TCA_OPTIONS, empty
        body.extend([200, 0, 1, 0]); // longer than the message
        let read = qdisc(&Reply { message_type: RTM_NEWQDISC, body: body.clone() }).unwrap();
        assert_eq!((read.ifindex, read.kind.as_str(), read.references), (7, "clsact", 2));
        assert_eq!((read.handle, read.parent), (Handle::CLSACT_QDISC, Handle::CLSACT));
        if cfg!(target_endian = "little") {
            assert_eq!((read.ingress_block, read.egress_block, read.has_options), (Some(5), None, true));
        }
        assert_eq!(qdisc(&Reply { message_type: RTM_DELQDISC, body }), None);
    }
}
