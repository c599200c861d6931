//! Messages about queueing disciplines and filters.
//!
//! Request bodies are built with `netlink-packet-route`. Replies are walked here, attribute by attribute, and only the
//! options of a `bpf` filter and its actions are handed to that crate: a foreign filter that it cannot decode is listed
//! by what can be read of it.
//!
//! # References
//! - `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/pkt_cls.h`, `include/uapi/linux/pkt_sched.h`
//! - `net/sched/cls_api.c`, `net/sched/cls_bpf.c`, `net/sched/sch_ingress.c`

mod action;
pub(crate) mod filter;
mod handle;
pub(crate) mod qdisc;

use netlink_packet_core::Emitable;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcHeader, TcMessage};

pub use action::{Action, Mirred};
pub use filter::{BpfOptions, ClassicInsn, Filter, FilterAddress, FilterOptions, Hardware, Put};
pub use handle::{Handle, ParseHandleError};
pub use qdisc::{FilterQdisc, Qdisc};

use super::frame::{self, HEADER_LEN};
use super::{Connection, Error};
use crate::sys::Errno;

// `include/uapi/linux/rtnetlink.h`.
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

/// Bytes of `struct tcmsg`.
const TCMSG_LEN: usize = 20;

/// The beginning of a request about a device.
fn header(ifindex: u32, parent: Handle) -> Result<TcHeader, Error> {
    // The kernel's own field is an int: no device has an index above its range.
    let index = i32::try_from(ifindex).map_err(|_| Error::Socket(Errno::ENODEV))?;
    Ok(TcHeader { index, parent: TcHandle::from(parent.0), ..TcHeader::default() })
}

fn body(header: TcHeader, attributes: Vec<TcAttribute>) -> Vec<u8> {
    let message = TcMessage::from_parts(header, attributes);
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    bytes
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
    use netlink_packet_route::tc::{TcFilterBpfOption, TcOption};

    use super::*;

    #[test]
    fn the_attribute_that_is_objected_to_has_a_name() {
        let options = vec![
            TcOption::Bpf(TcFilterBpfOption::ProgFd(7)),
            TcOption::Bpf(TcFilterBpfOption::ProgName("bpfasm:x".to_owned())),
        ];
        let attributes = vec![TcAttribute::Kind("bpf".to_owned()), TcAttribute::Options(options)];
        let mut request = vec![0; HEADER_LEN];
        request.extend(body(header(1, Handle::INGRESS).unwrap(), attributes));
        // nlmsghdr 16, tcmsg 20, TCA_KIND 4 + 4, TCA_OPTIONS header 4, TCA_BPF_FD 4 + 4.
        assert_eq!(attribute_at(&request, 36).as_deref(), Some("TCA_KIND"));
        assert_eq!(attribute_at(&request, 44).as_deref(), Some("TCA_OPTIONS"));
        assert_eq!(attribute_at(&request, 48).as_deref(), Some("TCA_OPTIONS.TCA_BPF_FD"));
        assert_eq!(attribute_at(&request, 56).as_deref(), Some("TCA_OPTIONS.TCA_BPF_NAME"));
        assert_eq!(attribute_at(&request, 50), None);
        assert_eq!(attribute_at(&request, 4), None);
    }
}
