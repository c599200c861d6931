//! Devices and their addresses.

use std::{
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use futures_util::TryStreamExt as _;
use netlink_packet_route::link::{InfoData, InfoVeth, LinkFlags};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::{Result, route::talk};

/// The index of a device of this network namespace.
///
/// # Errors
///
/// `ENODEV` when there is no such device.
pub fn index(device: &str) -> Result<u32> {
    Ok(nix::net::if_::if_nametoindex(device)?)
}

/// Whether a device is turned on and connected, so that the packets it is given go out.
///
/// # Errors
///
/// The kernel's answer, or `ENODEV`.
pub fn is_running(device: &str) -> Result<bool> {
    let index = index(device)?;
    let link = talk(async |handle| Ok(handle.link().get().match_index(index).execute().try_next().await?))?;
    Ok(link.is_some_and(|link| link.header.flags.contains(LinkFlags::Running)))
}

/// The names of all devices of this network namespace, sorted.
///
/// # Errors
///
/// Those of if_nameindex(3).
pub fn names() -> Result<Vec<String>> {
    let mut names: Vec<_> = nix::net::if_::if_nameindex()?
        .iter()
        .map(|interface| interface.name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Makes a veth pair: one end here, the other here too or in `elsewhere`. Both are down.
///
/// # Errors
///
/// The kernel's answer.
pub fn add_veth(end: &str, other: &str, elsewhere: Option<BorrowedFd<'_>>) -> Result<()> {
    let peer = LinkMessageBuilder::<LinkUnspec>::new().name(other);
    let peer = match elsewhere {
        Some(namespace) => peer.setns_by_fd(namespace.as_raw_fd()),
        None => peer,
    };
    let pair = LinkVeth::new(end, other).set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build()))).build();
    talk(async |handle| Ok(handle.link().add(pair).execute().await?))
}

/// Gives a device its IPv4 addresses, all of one /24, and turns it on.
///
/// # Errors
///
/// The kernel's answer, or `ENODEV`.
pub fn set_up(device: &str, addresses: &[Ipv4Addr]) -> Result<()> {
    let index = index(device)?;
    talk(async |handle| {
        for &address in addresses {
            handle.address().add(index, address.into(), 24).execute().await?;
        }
        Ok(handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await?)
    })
}
