//! Devices, namespaces, mounts and limits.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::Errno;

/// The index of a network device in the calling thread's network namespace.
///
/// # Errors
/// `ENODEV` if there is none of this name.
pub fn if_nametoindex(name: &str) -> Result<u32, Errno> {
    // A NUL in the name makes nix answer EINVAL; no device is called so.
    if name.is_empty() || name.contains('\0') {
        return Err(Errno::ENODEV);
    }
    nix::net::if_::if_nametoindex(name).map_err(Errno::from)
}

/// The network devices of the calling thread's network namespace: index and name of each.
///
/// # Errors
/// The kernel's error number.
pub fn if_nameindex() -> Result<Vec<(u32, String)>, Errno> {
    let devices = nix::net::if_::if_nameindex()?;
    Ok(devices.iter().map(|device| (device.index(), device.name().to_string_lossy().into_owned())).collect())
}

/// The name of the network device of that index in the calling thread's network namespace.
///
/// # Errors
/// `ENXIO` if there is none.
pub fn if_indextoname(ifindex: u32) -> Result<String, Errno> {
    let name = nix::net::if_::if_indextoname(ifindex)?;
    Ok(name.to_string_lossy().into_owned())
}

/// `unshare(CLONE_NEWNET)`: moves the calling thread to a fresh network namespace.
///
/// # Errors
/// The kernel's error number; `EPERM` without `CAP_SYS_ADMIN`.
pub fn unshare_net() -> Result<(), Errno> {
    Ok(unshare(CloneFlags::CLONE_NEWNET)?)
}

/// `unshare(CLONE_NEWNS)` with private propagation: mounts made from now on by the calling thread are seen by no other.
///
/// # Errors
/// The kernel's error number; `EPERM` without `CAP_SYS_ADMIN`.
pub fn unshare_mount() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    Ok(mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?)
}

/// Mounts a bpffs, for root alone.
///
/// # Errors
/// The kernel's error number.
pub fn mount_bpffs(target: &Path) -> Result<(), Errno> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(Some("bpf"), target, Some("bpf"), flags, Some("mode=0700"))?)
}

/// Raises `RLIMIT_MEMLOCK` to infinity, and says whether it was lower. Kernels before 5.11 charge BPF objects to it.
///
/// # Errors
/// The kernel's error number; `EPERM` without `CAP_SYS_RESOURCE`.
pub fn raise_memlock() -> Result<bool, Errno> {
    let (soft, _) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
    if soft == libc::RLIM_INFINITY {
        return Ok(false);
    }
    setrlimit(Resource::RLIMIT_MEMLOCK, libc::RLIM_INFINITY, libc::RLIM_INFINITY)?;
    Ok(true)
}
