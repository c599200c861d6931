//! Where a case runs: new namespaces, private mounts, a folder of its own.
//!
//! The supervisor makes the namespaces and starts the case as the first process of the new pid namespace. When that
//! process is gone, for whatever reason, the kernel kills all others there; with the last of them go the network
//! namespace, its devices and everything attached to them, and the mounts, with everything pinned there.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{self, Command, ExitStatus},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::{prctl, signal::Signal},
};

use crate::{Case, cgroup, need, net};

/// Where the BPF file system belongs.
pub const BPFFS: &str = "/sys/fs/bpf";

/// What a case may rely on.
pub struct Sandbox {
    scratch: PathBuf,
    cgroup: Option<PathBuf>,
}

impl Sandbox {
    /// Finishes the sandbox from inside. Mounts are private; `/proc` and `/sys` show the new namespaces; a BPF file
    /// system is at [`BPFFS`] if the case needs one, and no file system at all if not.
    pub(crate) fn enter(case: &Case, scratch: &Path) -> io::Result<Self> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        fresh("proc", "/proc")?;
        fresh("sysfs", "/sys")?;
        if case.needs(&need::BPFFS) {
            fresh("bpf", BPFFS)?;
        }
        let mut own_group = None;
        if case.needs(&need::CGROUP2) {
            fresh("cgroup2", cgroup::MOUNT)?;
            own_group = Some(cgroup::below(cgroup::MOUNT, &cgroup::own()?, &group_name(scratch)));
        }
        net::namespace::silence()?;
        Ok(Sandbox { scratch: scratch.to_owned(), cgroup: own_group })
    }

    /// The control group of the case, which nothing is in.
    ///
    /// # Panics
    ///
    /// When the case does not need [`need::CGROUP2`].
    #[track_caller]
    pub fn cgroup(&self) -> &Path {
        self.cgroup.as_deref().expect("the case should need CGROUP2")
    }

    /// An empty folder that is removed after the case. Everybody may read it.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }
}

/// The name of the control group of a case with this folder.
pub(crate) fn group_name(scratch: &Path) -> String {
    scratch.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Mounts a file system in place of what is there now, with everything mounted below that.
fn fresh(kind: &str, at: &str) -> io::Result<()> {
    match umount2(at, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL) => (), // nothing was mounted
        Err(error) => return Err(io::Error::other(format!("unmount {at}: {error}"))),
    }
    mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>)
        .map_err(|error| io::Error::other(format!("mount {kind} at {at}: {error}")))
}

/// The process that has made new namespaces for its children.
pub(crate) struct Supervisor(());

impl Supervisor {
    /// Gives this process's children new namespaces.
    pub(crate) fn unshare() -> io::Result<Self> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
        Ok(Supervisor(()))
    }

    /// Runs the first process of them, after whose end there can be no second.
    pub(crate) fn run(self, command: &mut Command) -> io::Result<ExitStatus> {
        command.status()
    }
}

/// A new folder under the usual place for temporary files, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bpfasm-tests-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Scratch(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}
