//! Links of all types.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use bpfasm_object::kernel::{AttachType, LinkType};

use crate::privilege::Action;
use crate::sys::{self, Errno};
use crate::{Error, bpffs, by_id};

/// A link in the kernel, held by a descriptor: what keeps a program attached.
///
/// Unlike an [`Attachment`](crate::attach::tc::Attachment), dropping it detaches nothing that somebody else holds.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
    id: u32,
}

/// What the kernel knows of a link: `struct bpf_link_info`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkInfo {
    /// The id, which no other link has while this one lives.
    pub id: u32,
    /// The type.
    pub link_type: LinkType,
    /// The id of the program that it holds.
    pub program_id: u32,
    /// What it is attached to.
    pub target: LinkTarget,
}

/// What a link is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkTarget {
    /// A network device.
    Device {
        /// The device's index, which names no network namespace; 0 once the link is detached or the device gone.
        ifindex: u32,
        /// The hook; XDP has only one.
        attach_type: Option<AttachType>,
    },
    /// A control group.
    Cgroup {
        /// The group's id; 0 once the link is detached or the group gone.
        cgroup_id: u64,
        /// The hook.
        attach_type: AttachType,
    },
    /// A network namespace.
    Netns {
        /// The inode of the namespace's file; 0 once the link is detached or the namespace gone.
        netns_ino: u32,
        /// The hook.
        attach_type: AttachType,
    },
    /// A map of sockets.
    Sockmap {
        /// The map's id; 0 once the link is detached.
        map_id: u32,
        /// The hook.
        attach_type: AttachType,
    },
    /// A hook of netfilter.
    Netfilter {
        /// `NFPROTO_*`.
        family: u32,
        /// `NF_INET_*`.
        hook: u32,
        /// Lower runs first.
        priority: i32,
        /// `BPF_F_NETFILTER_*`.
        flags: u32,
    },
    /// A function of the kernel or of another program.
    Tracing {
        /// The hook.
        attach_type: AttachType,
    },
    /// A raw tracepoint.
    RawTracepoint {
        /// The tracepoint's name.
        name: String,
    },
    /// The objects that an iterator walks.
    Iterator {
        /// What it walks, such as `bpf_map_elem`.
        target: String,
        /// The map whose elements it walks.
        map_id: Option<u32>,
    },
    /// A set of operations of the kernel.
    StructOps {
        /// The id of the map that holds them.
        map_id: u32,
    },
    /// Something that is not looked at here.
    Other,
}

impl LinkInfo {
    /// Asks by a descriptor.
    fn of(link: BorrowedFd<'_>) -> Result<LinkInfo, Errno> {
        let info = sys::link_info(link)?;
        let name = sys::link_name(link)?.unwrap_or_default();
        let link_type = LinkType(info.link_type);
        Ok(LinkInfo { id: info.id, link_type, program_id: info.prog_id, target: target(link_type, info.detail, name) })
    }
}

/// Reads the part of `struct bpf_link_info` that depends on the type.
///
/// # References
/// `include/uapi/linux/bpf.h`, `struct bpf_link_info`.
fn target(link_type: LinkType, words: [u32; 4], name: String) -> LinkTarget {
    let [first, second, third, fourth] = words;
    match link_type {
        LinkType::TCX | LinkType::NETKIT => {
            LinkTarget::Device { ifindex: first, attach_type: Some(AttachType(second)) }
        }
        LinkType::XDP => LinkTarget::Device { ifindex: first, attach_type: None },
        LinkType::CGROUP => {
            LinkTarget::Cgroup { cgroup_id: bytemuck::cast([first, second]), attach_type: AttachType(third) }
        }
        LinkType::NETNS => LinkTarget::Netns { netns_ino: first, attach_type: AttachType(second) },
        LinkType::SOCKMAP => LinkTarget::Sockmap { map_id: first, attach_type: AttachType(second) },
        LinkType::NETFILTER => {
            LinkTarget::Netfilter { family: first, hook: second, priority: third.cast_signed(), flags: fourth }
        }
        LinkType::TRACING => LinkTarget::Tracing { attach_type: AttachType(first) },
        LinkType::RAW_TRACEPOINT => LinkTarget::RawTracepoint { name },
        LinkType::ITER => {
            let walks_a_map = matches!(name.as_str(), "bpf_map_elem" | "bpf_sk_storage_map");
            LinkTarget::Iterator { target: name, map_id: walks_a_map.then_some(fourth) }
        }
        LinkType::STRUCT_OPS => LinkTarget::StructOps { map_id: first },
        _ => LinkTarget::Other,
    }
}

impl Link {
    /// Opens a link by its id.
    ///
    /// # Errors
    /// [`Error::NoSuchId`]; not permitted without `CAP_SYS_ADMIN`.
    pub fn from_id(id: u32) -> Result<Link, Error> {
        let fd = sys::link_get_fd_by_id(id).map_err(|errno| match errno {
            Errno::ENOENT => Error::NoSuchId { what: "link", id },
            errno => Error::sys(Action::OPEN_BY_ID, errno),
        })?;
        Ok(Link { fd, id })
    }

    /// Opens a pinned link.
    ///
    /// # Errors
    /// [`Error::NoSuchPin`] if there is no such path or it is not in a bpffs, [`Error::Usage`] if something else is
    /// pinned there.
    pub fn from_pin(path: impl AsRef<Path>) -> Result<Link, Error> {
        let fd = bpffs::open(path.as_ref(), bpffs::Kind::Link)?;
        let info = sys::link_info(fd.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
        Ok(Link { fd, id: info.id })
    }

    /// The id, which no other link has while this one lives.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Asks the kernel what it knows of the link now.
    ///
    /// # Errors
    /// When the kernel refuses, as it does under some security modules.
    pub fn info(&self) -> Result<LinkInfo, Error> {
        LinkInfo::of(self.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))
    }

    /// Takes the program off its hook, whoever holds the link, and removes the link's pins in this crate's folder. When
    /// it returns, no further packet sees the program.
    ///
    /// # Errors
    /// [`Error::Usage`] for a type of link that cannot be detached: it goes with its last holder.
    pub fn detach(&self) -> Result<(), Error> {
        match sys::link_detach(self.as_fd()) {
            Ok(()) => bpffs::unpin(bpffs::pins_of_link(self.id)),
            Err(Errno::EOPNOTSUPP) => {
                let what = format!(
                    "links of type {} are not detached: they go with the last that holds them",
                    self.info()?.link_type
                );
                Err(Error::Usage { what })
            }
            Err(errno) => Err(Error::sys(Action::ATTACH_LINK, errno)),
        }
    }

    /// Gives the link a path in a bpffs, where it stays after the last descriptor is closed.
    ///
    /// # Errors
    /// [`Error::PinExists`] if the path exists, [`Error::NotBpffs`] if it is in no bpffs.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        bpffs::pin(self.as_fd(), path.as_ref())
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The links in the kernel, by ascending id. One that goes away while it is looked at is passed over.
///
/// The iterator ends after an error; without `CAP_SYS_ADMIN` the first item is one.
///
/// ```no_run
/// for info in bpfasm_loader::observe::links() {
///     let info = info?;
///     println!("{}: {} holds program {}", info.id, info.link_type, info.program_id);
/// }
/// # Ok::<(), bpfasm_loader::Error>(())
/// ```
pub fn links() -> impl Iterator<Item = Result<LinkInfo, Error>> {
    by_id::walk(sys::link_get_next_id, |id| {
        let fd = sys::link_get_fd_by_id(id)?;
        LinkInfo::of(fd.as_fd())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_by_the_links_type() {
        let of = |link_type, words| target(link_type, words, "bpf_map_elem".to_owned());
        let ingress = AttachType::TCX_INGRESS;
        assert_eq!(
            of(LinkType::TCX, [3, ingress.0, 0, 0]),
            LinkTarget::Device { ifindex: 3, attach_type: Some(ingress) }
        );
        let cgroup_id: u64 = bytemuck::cast([7_u32, 1]);
        let attach_type = AttachType::CGROUP_INET_EGRESS;
        assert_eq!(of(LinkType::CGROUP, [7, 1, attach_type.0, 0]), LinkTarget::Cgroup { cgroup_id, attach_type });
        let netfilter = LinkTarget::Netfilter { family: 2, hook: 4, priority: -100, flags: 1 };
        assert_eq!(of(LinkType::NETFILTER, [2, 4, (-100_i32).cast_unsigned(), 1]), netfilter);
        let iterator = LinkTarget::Iterator { target: "bpf_map_elem".to_owned(), map_id: Some(9) };
        assert_eq!(of(LinkType::ITER, [0, 0, 0, 9]), iterator);
        assert_eq!(of(LinkType(99), [1; 4]), LinkTarget::Other);
    }
}
