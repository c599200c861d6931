//! The tc filters of a device, as the kernel lists them.

use futures_util::TryStreamExt as _;
use netlink_packet_route::tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcMessage, TcOption};

use super::{
    Direction, Result,
    route::{talk, tc_index},
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
