//! Traffic control as it is: the qdiscs and filters of a device, whoever has made them.
//!
//! Here a filter goes where its [address](FilterAddress) says, under any name, and stays until it is deleted, as with
//! iproute2's `tc`. Nothing is guarded and nothing is anybody's own: [`attach::tc`](crate::attach::tc) is for programs
//! that look after themselves.
//!
//! ```no_run
//! use bpfasm_loader::tc::{Device, Handle};
//!
//! let device = Device::new("veth0")?;
//! for filter in device.filters(&device.at(Handle::INGRESS), None)? {
//!     println!("{} {}", filter.kind, filter.address);
//! }
//! # Ok::<(), bpfasm_loader::Error>(())
//! ```

use std::fmt;
use std::os::fd::AsFd;

use bpfasm_object::kernel::ProgramType;

use crate::netlink::tc::filter::{self, ETH_P_ALL, NewFilter};
use crate::netlink::tc::qdisc::{self, Made};
pub use crate::netlink::tc::{
    Action, BpfOptions, ClassicInsn, Filter, FilterAddress, FilterOptions, FilterQdisc, Handle, Hardware, Mirred,
    ParseHandleError, Put, Qdisc,
};
use crate::netlink::{self, Connection};
use crate::privilege;
use crate::sys::{self, Errno};
use crate::{Error, Program};

/// A network device of the network namespace of the thread that named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    name: String,
    index: u32,
}

/// The name of the network device with an index, in the calling thread's network namespace.
#[must_use]
pub fn device_name(index: u32) -> Option<String> {
    sys::if_indextoname(index).ok()
}

/// The qdiscs of all devices.
///
/// # Errors
/// When the kernel refuses.
pub fn qdiscs() -> Result<Vec<Qdisc>, Error> {
    qdisc::list(&mut connect()?, None).map_err(|source| Error::netlink(privilege::Action::LIST_FILTERS, source))
}

/// A new `bpf` filter: what it does besides running its program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BpfFilter {
    name: String,
    direct_action: bool,
    class: Option<Handle>,
    hardware: Hardware,
}

impl BpfFilter {
    /// A filter of that name, of up to 255 bytes. iproute2 calls one `FILE:[SECTION]`.
    #[must_use]
    pub fn new(name: &str) -> BpfFilter {
        BpfFilter { name: name.to_owned(), ..BpfFilter::default() }
    }

    /// Makes the program's verdict the packet's, `TC_ACT_*`, rather than the number of a class.
    #[must_use]
    pub fn direct_action(mut self, direct_action: bool) -> BpfFilter {
        self.direct_action = direct_action;
        self
    }

    /// Puts packets that match into a class.
    #[must_use]
    pub fn class(mut self, class: Handle) -> BpfFilter {
        self.class = Some(class);
        self
    }

    /// Says whether hardware is to take part; the kernel looks at what is to be skipped.
    #[must_use]
    pub fn hardware(mut self, hardware: Hardware) -> BpfFilter {
        self.hardware = hardware;
        self
    }
}

fn connect() -> Result<Connection, Error> {
    Connection::open().map_err(|source| Error::netlink(privilege::Action::LIST_FILTERS, source))
}

impl Device {
    /// The device of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`].
    pub fn new(name: &str) -> Result<Device, Error> {
        let index = sys::if_nametoindex(name).map_err(|_| Error::NoSuchDevice { name: name.to_owned() })?;
        Ok(Device { name: name.to_owned(), index })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its index.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Any filter that hangs there.
    #[must_use]
    pub fn at(&self, parent: Handle) -> FilterAddress {
        FilterAddress { ifindex: self.index, parent, ..FilterAddress::default() }
    }

    /// Its qdiscs.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn qdiscs(&self) -> Result<Vec<Qdisc>, Error> {
        qdisc::list(&mut connect()?, Some(self.index)).map_err(|source| self.explain(source, Access::List))
    }

    /// Makes a qdisc that holds filters. Says whether it is new.
    ///
    /// # Errors
    /// [`Error::QdiscTaken`] if the other one is there; [`Error::Unsupported`] if the kernel has none of that kind;
    /// [`Error::NotPermitted`] without `CAP_NET_ADMIN`.
    pub fn add_qdisc(&self, qdisc: FilterQdisc) -> Result<bool, Error> {
        match qdisc::ensure(&mut connect()?, self.index, qdisc) {
            Ok(Made::Created) => Ok(true),
            Ok(Made::Present) => Ok(false),
            Ok(Made::Taken { kind }) => Err(Error::QdiscTaken { device: self.name.clone(), kind }),
            Err(source) if matches!(source.errno(), Some(Errno::ENOENT | Errno::EOPNOTSUPP)) => {
                Err(Error::Unsupported { what: format!("{} qdiscs ({source})", qdisc.kind()), since: None })
            }
            Err(source) => Err(self.explain(source, Access::Change)),
        }
    }

    /// Deletes a qdisc, with everybody's filters in it.
    ///
    /// # Errors
    /// [`Error::NoSuchQdisc`]; [`Error::NotPermitted`] without `CAP_NET_ADMIN`.
    pub fn delete_qdisc(&self, qdisc: FilterQdisc) -> Result<(), Error> {
        let mut connection = connect()?;
        let Err(source) = qdisc::delete(&mut connection, self.index, qdisc) else { return Ok(()) };
        match qdisc::filter_qdisc(&mut connection, self.index) {
            Ok(found) if found.as_deref() != Some(qdisc.kind()) => Err(self.no_qdisc(qdisc.kind(), found)),
            _ => Err(self.explain(source, Access::Change)),
        }
    }

    /// The filters that hang at an address's parent, in the order they run; of its priority and protocol, where these
    /// are not 0, and of one chain, or of all.
    ///
    /// Each priority begins with a row that has no [options](Filter::options). An `ingress` qdisc shows its filters
    /// under [`Handle::EGRESS`] too.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn filters(&self, address: &FilterAddress, chain: Option<u32>) -> Result<Vec<Filter>, Error> {
        let address = FilterAddress { ifindex: self.index, ..*address };
        filter::list(&mut connect()?, &address, chain).map_err(|source| self.explain(source, Access::List))
    }

    /// Puts a filter that runs a program at an address, and gives the address with what the kernel has chosen. Protocol
    /// 0 is all.
    ///
    /// # Errors
    /// - [`Error::FilterExists`], or with [`Put::Change`] [`Error::NoSuchFilter`].
    /// - [`Error::NoSuchQdisc`] if there is nothing where the filter is to hang.
    /// - [`Error::QdiscTaken`] for outgoing packets, if there is an `ingress` qdisc: it would see incoming ones.
    /// - [`Error::PriorityTaken`] if filters of another kind or protocol have the priority.
    /// - [`Error::NotPermitted`] without `CAP_NET_ADMIN`.
    /// - [`Error::Usage`] for a program of another type.
    pub fn put_filter(
        &self,
        address: &FilterAddress,
        new: &BpfFilter,
        program: &Program,
        put: Put,
    ) -> Result<FilterAddress, Error> {
        if program.program_type() != ProgramType::SCHED_CLS {
            let (name, is, takes) = (program.name(), program.program_type(), ProgramType::SCHED_CLS);
            return Err(Error::Usage { what: format!("`{name}` is a {is} program, and a filter takes {takes} only") });
        }
        let protocol = if address.protocol == 0 { ETH_P_ALL } else { address.protocol };
        let address = FilterAddress { ifindex: self.index, protocol, ..*address };
        let mut connection = connect()?;
        self.check_direction(&mut connection, &address)?;
        let BpfFilter { name, direct_action, class, hardware } = new;
        let (direct_action, class, hardware) = (*direct_action, *class, *hardware);
        let new = NewFilter { name, program: program.as_fd(), direct_action, class, hardware };
        match filter::put(&mut connection, &address, &new, put) {
            Ok(made) => Ok(made.map_or(address, |made| made.address)),
            Err(source) => Err(self.explain_put(&mut connection, &address, source)),
        }
    }

    /// Deletes the filter at an address; without a handle all of its priority, without a priority all of its chain.
    ///
    /// # Errors
    /// [`Error::NoSuchFilter`], also if it is not of that kind; [`Error::NoSuchQdisc`]; [`Error::Usage`] for a handle or
    /// a protocol without a priority; [`Error::NotPermitted`] without `CAP_NET_ADMIN`.
    pub fn delete_filters(&self, address: &FilterAddress, kind: Option<&str>) -> Result<(), Error> {
        let address = FilterAddress { ifindex: self.index, ..*address };
        if address.priority == 0 && (address.handle != 0 || address.protocol != 0 || kind.is_some()) {
            let what = "a handle, a protocol or a kind names no filter without its priority".to_owned();
            return Err(Error::Usage { what });
        }
        let mut connection = connect()?;
        let Err(source) = filter::delete(&mut connection, &address, kind) else { return Ok(()) };
        Err(match source.errno() {
            Some(Errno::ENOENT | Errno::EINVAL) => match self.missing_qdisc(&mut connection, &address) {
                Some(error) => error,
                None => Error::NoSuchFilter { filter: self.words(&address), source },
            },
            _ => self.explain(source, Access::Change),
        })
    }

    /// Refuses to let a filter of outgoing packets see incoming ones.
    fn check_direction(&self, connection: &mut Connection, address: &FilterAddress) -> Result<(), Error> {
        if address.parent != Handle::EGRESS {
            return Ok(());
        }
        let found = qdisc::filter_qdisc(connection, self.index);
        match found.map_err(|source| self.explain(source, Access::List))? {
            Some(kind) if kind != FilterQdisc::Clsact.kind() => {
                Err(Error::QdiscTaken { device: self.name.clone(), kind })
            }
            _ => Ok(()),
        }
    }

    fn explain_put(&self, connection: &mut Connection, address: &FilterAddress, source: netlink::Error) -> Error {
        match source.errno() {
            Some(Errno::EEXIST) => Error::FilterExists { filter: self.words(address) },
            Some(Errno::ENOENT | Errno::EINVAL | Errno::EOPNOTSUPP) => {
                if let Some(error) = self.missing_qdisc(connection, address) {
                    return error;
                }
                let hook = self.words(address);
                if let Some((kind, protocol)) = filter::other_holder(connection, address) {
                    return Error::PriorityTaken { hook, priority: address.priority, kind, protocol, source };
                }
                match source.errno() {
                    Some(Errno::ENOENT) => Error::NoSuchFilter { filter: hook, source },
                    _ => self.explain(source, Access::Change),
                }
            }
            _ => self.explain(source, Access::Change),
        }
    }

    /// What to say if a filter has nothing to hang in.
    fn missing_qdisc(&self, connection: &mut Connection, address: &FilterAddress) -> Option<Error> {
        let qdiscs = qdisc::list(connection, Some(self.index)).ok()?;
        match address.parent {
            Handle::INGRESS | Handle::EGRESS => {
                let found = qdiscs.iter().any(|qdisc| qdisc.parent == Handle::CLSACT);
                (!found).then(|| self.no_qdisc(FilterQdisc::Clsact.kind(), None))
            }
            Handle::NONE | Handle::ROOT => None,
            Handle(number) => {
                let found = qdiscs.iter().any(|qdisc| qdisc.handle.0 >> 16 == number >> 16);
                (!found).then(|| self.no_qdisc(&address.parent.to_string(), None))
            }
        }
    }

    fn no_qdisc(&self, qdisc: &str, found: Option<String>) -> Error {
        Error::NoSuchQdisc { device: self.name.clone(), qdisc: qdisc.to_owned(), found }
    }

    /// A filter in iproute2's words.
    fn words(&self, address: &FilterAddress) -> String {
        format!("dev {} {address}", self.name)
    }

    fn explain(&self, source: netlink::Error, access: Access) -> Error {
        match (source.errno(), access) {
            (Some(Errno::ENODEV), _) => Error::DeviceGone { name: self.name.clone() },
            (_, Access::List) => Error::netlink(privilege::Action::LIST_FILTERS, source),
            (_, Access::Change) => Error::netlink(privilege::Action::CHANGE_FILTERS, source),
        }
    }
}

/// What was being done.
#[derive(Clone, Copy)]
enum Access {
    List,
    Change,
}

/// Where the filter is on its device, in iproute2's words: `ingress prio 10 handle 0x1`.
impl fmt::Display for FilterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            Handle::INGRESS => f.write_str("ingress")?,
            Handle::EGRESS => f.write_str("egress")?,
            Handle::NONE | Handle::ROOT => f.write_str("root")?,
            parent => write!(f, "parent {parent}")?,
        }
        if self.chain != 0 {
            write!(f, " chain {}", self.chain)?;
        }
        if self.priority != 0 {
            write!(f, " prio {}", self.priority)?;
        }
        if self.handle != 0 {
            write!(f, " handle {:#x}", self.handle)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_in_words_of_iproute2() {
        let address = FilterAddress { parent: Handle::INGRESS, priority: 10, handle: 26, ..FilterAddress::default() };
        assert_eq!(address.to_string(), "ingress prio 10 handle 0x1a");
        assert_eq!(
            FilterAddress { parent: Handle(0x10000), chain: 3, ..address }.to_string(),
            "parent 1: chain 3 prio 10 handle 0x1a"
        );
        assert_eq!(FilterAddress::default().to_string(), "root");
    }

    #[test]
    fn a_handle_without_its_priority_names_nothing() {
        let device = Device { name: "none".to_owned(), index: 1 };
        let address = FilterAddress { handle: 1, ..device.at(Handle::INGRESS) };
        for (address, kind) in [(address, None), (device.at(Handle::EGRESS), Some("bpf"))] {
            let refused = device.delete_filters(&address, kind).unwrap_err();
            assert!(matches!(refused, Error::Usage { .. }), "{refused}");
        }
    }
}
