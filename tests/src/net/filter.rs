//! The tc filters of a device, as the kernel lists them.

use futures_util::TryStreamExt as _;
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};

use super::{
    Direction, Error, Result,
    route::{create, talk, tc_index},
};

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The classifier: `bpf`, `u32`.
    pub kind: String,
    /// Lower runs first.
    pub priority: u16,
    /// Which one of the filters of this priority.
    pub handle: u32,
    /// A BPF filter's name.
    pub name: Option<String>,
    /// A BPF filter's program.
    pub program_id: Option<u32>,
    /// Whether a BPF filter's verdict is the packet's.
    pub direct_action: bool,
}

/// All filters of one direction, in the kernel's order.
///
/// # Errors
///
/// The kernel's answer, or `ENODEV`. A device without clsact has no filters: that is no error.
pub fn list(device: &str, direction: Direction) -> Result<Vec<Filter>> {
    let index = tc_index(device)?;
    let messages: Vec<TcMessage> = talk(async |handle| {
        let request = handle.traffic_filter(index).get();
        let request = match direction {
            Direction::Ingress => request.ingress(),
            Direction::Egress => request.egress(),
        };
        Ok(request.execute().try_collect().await?)
    })?;
    // Each priority begins with an entry for itself, with handle 0.
    Ok(messages.into_iter().filter(|message| u32::from(message.header.handle) != 0).map(Filter::from).collect())
}

/// Whether the kernel has a classifier: it is asked for a filter of it with no options, on a device with clsact.
///
/// # Errors
///
/// Any other answer of the kernel, or `ENODEV`.
pub fn has_classifier(device: &str, kind: &str) -> Result<bool> {
    let mut message = TcMessage::with_index(tc_index(device)?);
    message.header.parent = TcHandle { major: TcHandle::CLSACT.major, minor: TcHandle::MIN_INGRESS };
    // Priority 1, ETH_P_ALL in network order.
    message.header.info = 1 << 16 | u32::from(3_u16.to_be());
    message.attributes.push(TcAttribute::Kind(kind.into()));
    match talk(async |handle| create(handle, RouteNetlinkMessage::NewTrafficFilter(message)).await) {
        Ok(()) => Ok(true),
        Err(Error::Io(error)) if error.raw_os_error() == Some(nix::libc::EINVAL) => Ok(true),
        Err(Error::Io(error)) if error.raw_os_error() == Some(nix::libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

impl From<TcMessage> for Filter {
    fn from(message: TcMessage) -> Self {
        let [high, low, ..] = message.header.info.to_be_bytes();
        let mut filter = Filter {
            priority: u16::from_be_bytes([high, low]),
            handle: message.header.handle.into(),
            ..Filter::default()
        };
        for attribute in message.attributes {
            match attribute {
                TcAttribute::Kind(kind) => filter.kind = kind,
                TcAttribute::Options(options) => options.into_iter().for_each(|option| filter.take(option)),
                _ => (),
            }
        }
        filter
    }
}

impl Filter {
    fn take(&mut self, option: TcOption) {
        let TcOption::Bpf(option) = option else { return };
        match option {
            TcFilterBpfOption::ProgName(name) => self.name = Some(name),
            TcFilterBpfOption::ProgId(id) => self.program_id = Some(id),
            TcFilterBpfOption::Flags(flags) => self.direct_action = flags.contains(TcBpfFlags::DirectAction),
            _ => (),
        }
    }
}
