//! The two qdiscs that hold ingress filters.

use futures_util::TryStreamExt as _;
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcHandle, TcMessage},
};

use super::{
    Result,
    route::{create, talk, tc_index},
};

/// Which of the two. A device holds one of them, since both own the handle `ffff:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Filters in both directions.
    Clsact,
    /// The older one, for ingress only.
    Ingress,
}

impl Kind {
    /// The kernel's word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Clsact => "clsact",
            Kind::Ingress => "ingress",
        }
    }
}

/// Adds one to a device.
///
/// # Errors
///
/// `EEXIST` if there is one, `ENODEV`, or the kernel's answer where it has none.
pub fn add(device: &str, kind: Kind) -> Result<()> {
    let mut message = TcMessage::with_index(tc_index(device)?);
    message.header.parent = TcHandle::CLSACT;
    message.header.handle = TcHandle { major: 0xffff, minor: 0 };
    message.attributes.push(TcAttribute::Kind(kind.name().into()));
    talk(async |handle| create(handle, RouteNetlinkMessage::NewQueueDiscipline(message)).await)
}

/// The kinds of all qdiscs of a device.
///
/// # Errors
///
/// The kernel's answer, or `ENODEV`.
pub fn kinds(device: &str) -> Result<Vec<String>> {
    let index = tc_index(device)?;
    let messages: Vec<TcMessage> =
        talk(async |handle| Ok(handle.qdisc().get().index(index).execute().try_collect().await?))?;
    Ok(messages
        .into_iter()
        .filter(|message| message.header.index == index)
        .flat_map(|message| message.attributes)
        .filter_map(|attribute| match attribute {
            TcAttribute::Kind(kind) => Some(kind),
            _ => None,
        })
        .collect())
}
