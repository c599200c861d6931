//! Messages about queueing disciplines and filters.
//!
//! Request bodies are built with `netlink-packet-route`. Replies are walked here, attribute by attribute, and only the
//! options of a `bpf` filter are handed to that crate: a foreign filter that it cannot decode is listed by what can be
//! read of it.
//!
//! # References
//! - `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/pkt_cls.h`, `include/uapi/linux/pkt_sched.h`
//! - `net/sched/cls_api.c`, `net/sched/cls_bpf.c`, `net/sched/sch_ingress.c`

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{Emitable, NlaBuffer, Parseable};
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption,
};

use super::frame::{self, HEADER_LEN};
use super::{Connection, Error, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REPLACE, Reply, Request};
use crate::sys::Errno;

// `include/uapi/linux/rtnetlink.h`.
const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_CHAIN: u16 = 11;

/// Bytes of `struct tcmsg`.
const TCMSG_LEN: usize = 20;
/// `ETH_P_ALL` of `include/uapi/linux/if_ether.h`.
pub(crate) const ETH_P_ALL: u16 = 3;
/// The handle that `clsact` and `ingress` share: `TC_H_MAKE(TC_H_CLSACT, 0)`.
const CLSACT_HANDLE: u32 = 0xffff_0000;
/// `TC_H_CLSACT`, which is also `TC_H_INGRESS`.
const TC_H_CLSACT: u32 = 0xffff_fff1;

/// Where a filter of clsact hangs: `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)` or its egress twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    Ingress,
    Egress,
}

impl Parent {
    const fn handle(self) -> u32 {
        match self {
            Parent::Ingress => 0xffff_fff2,
            Parent::Egress => 0xffff_fff3,
        }
    }
}

/// What the kernel needs to name one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilterAddress {
    pub ifindex: u32,
    pub parent: Parent,
    /// Lower runs first.
    pub priority: u16,
    /// `ETH_P_*`.
    pub protocol: u16,
    /// 0 lets the kernel choose.
    pub handle: u32,
}

/// A filter, as a dump shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub address: FilterAddress,
    pub chain: u32,
    /// The classifier: `bpf`, `flower`, `u32` and so on.
    pub kind: String,
    /// What a `bpf` filter says of its program.
    pub bpf: Option<BpfOptions>,
}

/// The options of a `bpf` filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BpfOptions {
    pub name: Option<String>,
    pub program_id: Option<u32>,
    pub direct_action: bool,
}

/// What happened to a request to make the clsact qdisc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clsact {
    /// It is made now.
    Created,
    /// It was there.
    Present,
    /// Another qdisc, an `ingress` one, has its place.
    Taken { kind: String },
}

fn header(ifindex: u32, parent: u32) -> Result<TcHeader, Error> {
    // The kernel's own field is an int: no device has an index above its range.
    let index = i32::try_from(ifindex).map_err(|_| Error::Socket(Errno::ENODEV))?;
    Ok(TcHeader { index, parent: TcHandle::from(parent), ..TcHeader::default() })
}

fn body(header: TcHeader, attributes: Vec<TcAttribute>) -> Vec<u8> {
    let message = TcMessage::from_parts(header, attributes);
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    bytes
}

fn filter_header(address: &FilterAddress) -> Result<TcHeader, Error> {
    Ok(TcHeader {
        handle: TcHandle::from(address.handle),
        info: u32::from(address.priority) << 16 | u32::from(address.protocol.to_be()),
        ..header(address.ifindex, address.parent.handle())?
    })
}

/// Makes the clsact qdisc of a device if it is missing.
pub(crate) fn ensure_clsact(connection: &mut Connection, ifindex: u32) -> Result<Clsact, Error> {
    let header = TcHeader { handle: TcHandle::from(CLSACT_HANDLE), ..header(ifindex, TC_H_CLSACT)? };
    let request = Request {
        message_type: RTM_NEWQDISC,
        flags: NLM_F_CREATE | NLM_F_EXCL,
        body: body(header, vec![TcAttribute::Kind("clsact".to_owned())]),
    };
    match connection.request(&request) {
        Ok(_) => Ok(Clsact::Created),
        Err(error) if error.errno() == Some(Errno::EEXIST) => match ingress_kind(connection, ifindex)? {
            Some(kind) if kind == "clsact" => Ok(Clsact::Present),
            Some(kind) => Ok(Clsact::Taken { kind }),
            // Gone between the two: somebody else is at work.
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// The kind of the qdisc at the place that `clsact` and `ingress` share, if there is one.
pub(crate) fn ingress_kind(connection: &mut Connection, ifindex: u32) -> Result<Option<String>, Error> {
    let request = Request { message_type: RTM_GETQDISC, flags: 0, body: body(header(ifindex, 0)?, Vec::new()) };
    let index = header(ifindex, 0)?.index;
    for reply in connection.dump(&request)? {
        let Ok(header) = TcHeader::parse(&reply.body) else { continue };
        // The kernel lists the qdiscs of every device.
        if header.index == index && u32::from(header.parent) == TC_H_CLSACT {
            let attributes = frame::attributes(reply.body.get(TCMSG_LEN..).unwrap_or_default());
            return Ok(attributes.into_iter().find(|a| a.kind == TCA_KIND).map(|a| frame::text(a.value)));
        }
    }
    Ok(None)
}

/// Adds a direct-action `bpf` filter, or with `replace` swaps the program of the one at `address`, with no moment in
/// between.
///
/// Gives the filter as the kernel made it; `None` if it made one and did not show it.
pub(crate) fn filter_put(
    connection: &mut Connection,
    address: &FilterAddress,
    name: &str,
    program: BorrowedFd<'_>,
    replace: bool,
) -> Result<Option<Filter>, Error> {
    let options = vec![
        // Not negative, by the invariant of `BorrowedFd`.
        TcOption::Bpf(TcFilterBpfOption::ProgFd(program.as_raw_fd().unsigned_abs())),
        TcOption::Bpf(TcFilterBpfOption::ProgName(name.to_owned())),
        TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
    ];
    let attributes = vec![TcAttribute::Kind(TcFilterBpf::KIND.to_owned()), TcAttribute::Options(options)];
    let request = Request {
        message_type: RTM_NEWTFILTER,
        // Without NLM_F_CREATE the kernel refuses to replace what is not there.
        flags: NLM_F_ECHO | if replace { NLM_F_REPLACE } else { NLM_F_CREATE | NLM_F_EXCL },
        body: body(filter_header(address)?, attributes),
    };
    let replies = connection.request(&request)?;
    Ok(replies.iter().filter_map(filter).find(|filter| filter.address.parent == address.parent))
}

/// Deletes the filter at `address`.
pub(crate) fn filter_delete(connection: &mut Connection, address: &FilterAddress) -> Result<(), Error> {
    let kind = TcAttribute::Kind(TcFilterBpf::KIND.to_owned());
    let request = Request { message_type: RTM_DELTFILTER, flags: 0, body: body(filter_header(address)?, vec![kind]) };
    connection.request(&request).map(drop)
}

/// Lists the filters at one side of a device's clsact, in the order they run. Without clsact there are none.
pub(crate) fn filters(connection: &mut Connection, ifindex: u32, parent: Parent) -> Result<Vec<Filter>, Error> {
    let header = header(ifindex, parent.handle())?;
    let request = Request { message_type: RTM_GETTFILTER, flags: 0, body: body(header, Vec::new()) };
    let filters: Vec<Filter> = connection.dump(&request)?.iter().filter_map(filter).collect();
    // An `ingress` qdisc shows its filters under either parent.
    if parent == Parent::Egress && !filters.is_empty() {
        let kind = ingress_kind(connection, ifindex)?;
        if kind.as_deref() != Some("clsact") {
            return Ok(Vec::new());
        }
    }
    Ok(filters)
}

/// Reads a filter of a dump or an echo. `None` for other messages and for the row that stands for a whole priority.
fn filter(reply: &Reply) -> Option<Filter> {
    if reply.message_type != RTM_NEWTFILTER {
        return None;
    }
    let header = TcHeader::parse(&reply.body).ok()?;
    let parent = match u32::from(header.parent) {
        handle if handle == Parent::Egress.handle() => Parent::Egress,
        // An `ingress` qdisc names itself as the parent.
        _ => Parent::Ingress,
    };
    let handle = u32::from(header.handle);
    let (mut kind, mut chain, mut options) = (String::new(), 0, None);
    for attribute in frame::attributes(reply.body.get(TCMSG_LEN..)?) {
        match attribute.kind {
            TCA_KIND => kind = frame::text(attribute.value),
            TCA_CHAIN => chain = frame::read_u32(attribute.value, 0)?,
            TCA_OPTIONS => options = Some(attribute.value),
            _ => {}
        }
    }
    if handle == 0 && options.is_none() {
        return None;
    }
    let bpf = options.filter(|_| kind == TcFilterBpf::KIND).map(bpf_options);
    let [high, low] = [header.info >> 16, header.info & 0xffff];
    let address = FilterAddress {
        ifindex: u32::try_from(header.index).unwrap_or(0),
        parent,
        priority: u16::try_from(high).ok()?,
        protocol: u16::from_be(u16::try_from(low).ok()?),
        handle,
    };
    Some(Filter { address, chain, kind, bpf })
}

/// Reads the options of a `bpf` filter that can be read.
fn bpf_options(options: &[u8]) -> BpfOptions {
    let mut out = BpfOptions::default();
    for attribute in frame::attributes(options) {
        // The attribute is whole, as the walk has checked.
        let bytes = options.get(attribute.at..).unwrap_or_default();
        let Ok(option) = NlaBuffer::new_checked(bytes).and_then(|nla| TcFilterBpfOption::parse(&nla)) else { continue };
        match option {
            TcFilterBpfOption::ProgName(name) => out.name = Some(name),
            TcFilterBpfOption::ProgId(id) => out.program_id = Some(id),
            TcFilterBpfOption::Flags(flags) => out.direct_action = flags.contains(TcBpfFlags::DirectAction),
            _ => {}
        }
    }
    out
}

/// Declares the names of attributes: number and the kernel's spelling.
macro_rules! attribute_names {
    ($(#[$doc:meta])* $name:ident: $($value:literal $text:literal),*) => {
        $(#[$doc])*
        const $name: &[(u16, &str)] = &[$(($value, $text)),*];
    };
}

attribute_names! {
    /// `TCA_*` of `include/uapi/linux/rtnetlink.h`.
    TCA: 1 "TCA_KIND", 2 "TCA_OPTIONS", 3 "TCA_STATS", 5 "TCA_RATE", 11 "TCA_CHAIN", 13 "TCA_INGRESS_BLOCK",
        14 "TCA_EGRESS_BLOCK"
}
attribute_names! {
    /// `TCA_BPF_*` of `include/uapi/linux/pkt_cls.h`.
    TCA_BPF: 1 "TCA_BPF_ACT", 3 "TCA_BPF_CLASSID", 6 "TCA_BPF_FD", 7 "TCA_BPF_NAME", 8 "TCA_BPF_FLAGS",
        9 "TCA_BPF_FLAGS_GEN"
}

fn name_in(table: &[(u16, &str)], kind: u16) -> String {
    table
        .iter()
        .find(|(value, _)| *value == kind)
        .map_or_else(|| format!("attribute {kind}"), |(_, name)| (*name).to_owned())
}

/// The name of an attribute of a tc message.
pub(super) fn attribute_name(kind: u16) -> String {
    name_in(TCA, kind)
}

/// The name of the attribute that starts `offset` bytes into a request, with the one that holds it.
pub(super) fn attribute_at(request: &[u8], offset: usize) -> Option<String> {
    let start = HEADER_LEN + TCMSG_LEN;
    let inside = offset.checked_sub(start)?;
    let outer = frame::attributes(request.get(start..)?)
        .find(|attribute| (attribute.at..attribute.at + 4 + attribute.value.len()).contains(&inside))?;
    if inside == outer.at {
        return Some(attribute_name(outer.kind));
    }
    let inner = frame::attributes(outer.value).find(|attribute| attribute.at + outer.at + 4 == inside)?;
    Some(format!("{}.{}", attribute_name(outer.kind), name_in(TCA_BPF, inner.kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: FilterAddress =
        FilterAddress { ifindex: 1, parent: Parent::Ingress, priority: 1000, protocol: ETH_P_ALL, handle: 0 };

    #[test]
    fn a_filter_header_is_laid_out_as_struct_tcmsg() {
        let bytes = body(filter_header(&ADDRESS).unwrap(), Vec::new());
        let mut expected = vec![0, 0, 0, 0]; // tcm_family AF_UNSPEC, padding
        expected.extend(1_i32.to_ne_bytes()); // tcm_ifindex
        expected.extend(0_u32.to_ne_bytes()); // tcm_handle: the kernel chooses
        expected.extend(0xffff_fff2_u32.to_ne_bytes()); // tcm_parent
        // tcm_info: priority, htons(ETH_P_ALL)
        expected.extend((1000_u32 << 16 | u32::from(3_u16.to_be())).to_ne_bytes());
        assert_eq!(bytes, expected);
    }

    #[test]
    fn the_attribute_that_is_objected_to_has_a_name() {
        let options = vec![
            TcOption::Bpf(TcFilterBpfOption::ProgFd(7)),
            TcOption::Bpf(TcFilterBpfOption::ProgName("bpfasm:x".to_owned())),
        ];
        let attributes = vec![TcAttribute::Kind("bpf".to_owned()), TcAttribute::Options(options)];
        let mut request = vec![0; HEADER_LEN];
        request.extend(body(filter_header(&ADDRESS).unwrap(), attributes));
        // nlmsghdr 16, tcmsg 20, TCA_KIND 4 + 4, TCA_OPTIONS header 4, TCA_BPF_FD 4 + 4.
        assert_eq!(attribute_at(&request, 36).as_deref(), Some("TCA_KIND"));
        assert_eq!(attribute_at(&request, 44).as_deref(), Some("TCA_OPTIONS"));
        assert_eq!(attribute_at(&request, 48).as_deref(), Some("TCA_OPTIONS.TCA_BPF_FD"));
        assert_eq!(attribute_at(&request, 56).as_deref(), Some("TCA_OPTIONS.TCA_BPF_NAME"));
        assert_eq!(attribute_at(&request, 50), None);
        assert_eq!(attribute_at(&request, 4), None);
    }

    /// A row of a dump, with the attributes given as (type, value).
    fn row(handle: u32, attributes: &[(u16, Vec<u8>)]) -> Reply {
        let mut body = body(filter_header(&FilterAddress { handle, ..ADDRESS }).unwrap(), Vec::new());
        for (kind, value) in attributes {
            body.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        Reply { message_type: RTM_NEWTFILTER, body }
    }

    #[test]
    fn a_foreign_filter_is_listed_by_what_can_be_read() {
        // A flower filter whose options are no attributes at all.
        let reply = row(1, &[(TCA_KIND, b"flower\0".to_vec()), (TCA_OPTIONS, vec![0xff; 7])]);
        let filter = filter(&reply).unwrap();
        assert_eq!((filter.kind.as_str(), filter.address.priority, filter.bpf), ("flower", 1000, None));
    }

    #[test]
    fn a_bpf_filter_with_a_broken_option_keeps_the_others() {
        let mut options = row(1, &[(11, 42_u32.to_ne_bytes().to_vec()), (8, vec![1])]).body.split_off(TCMSG_LEN);
        options.extend([1, 0, 0, 0]); // an attribute shorter than its own header
        let reply = row(1, &[(TCA_KIND, b"bpf\0".to_vec()), (TCA_OPTIONS, options)]);
        let bpf = filter(&reply).unwrap().bpf.unwrap();
        assert_eq!(bpf, BpfOptions { name: None, program_id: Some(42), direct_action: false });
    }

    #[test]
    fn the_row_of_a_whole_priority_is_no_filter() {
        assert_eq!(filter(&row(0, &[(TCA_KIND, b"bpf\0".to_vec())])), None);
    }
}
