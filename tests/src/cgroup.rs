//! Control groups of version 2: one child group a case, never the root.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::slowed;

/// Where a case that needs [`CGROUP2`](crate::need::CGROUP2) has the hierarchy mounted.
pub const MOUNT: &str = "/sys/fs/cgroup";
/// The file of a group to which a process writes its id to join it.
const PROCESSES: &str = "cgroup.procs";
/// How long the processes of a case that has ended may take to leave its group.
const GRACE: Duration = Duration::from_secs(10);

/// A group, below that of the process that made it. Dropped, it is removed with all groups below.
#[derive(Debug)]
pub(crate) struct Group(PathBuf);

impl Group {
    /// Makes one where the hierarchy is mounted, found by the file system's type: a hybrid layout has it in a folder.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mount = mount_point(&mounts).ok_or_else(|| io::Error::other("no cgroup2 is mounted"))?;
        let path = below(mount, &own()?, name);
        fs::create_dir(&path)?;
        Ok(Group(path))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + slowed(GRACE);
        while let Err(error) = remove(&self.0) {
            if Instant::now() > deadline {
                eprintln!("{}: {error}", self.0.display());
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Removes a group and those below it. The files in their folders go by themselves.
fn remove(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// The group of the calling process, as a path in the hierarchy.
pub(crate) fn own() -> io::Result<String> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    own_in(&groups).map(str::to_owned).ok_or_else(|| io::Error::other("no group of version 2 in /proc/self/cgroup"))
}

/// The path of the group `name` below the group `own`.
pub(crate) fn below(mount: &str, own: &str, name: &str) -> PathBuf {
    Path::new(mount).join(own.trim_start_matches('/')).join(name)
}

/// Runs `work` with this process in a group, and then moves it to the group above. Sockets stay with the group in which
/// they were made.
///
/// # Panics
///
/// When the process can't be moved.
#[track_caller]
pub fn inside<T>(group: &Path, work: impl FnOnce() -> T) -> T {
    let join = |group: &Path| fs::write(group.join(PROCESSES), "0").expect("join a control group");
    join(group);
    let result = work();
    join(group.parent().expect("a group below another"));
    result
}

/// The first mount point of cgroup2 in the text of `/proc/self/mounts`.
fn mount_point(mounts: &str) -> Option<&str> {
    let mut lines = mounts.lines().map(|line| line.split(' ').skip(1));
    lines.find_map(|mut fields| fields.next().filter(|_| fields.next() == Some("cgroup2")))
}

/// The path of version 2 in the text of `/proc/PID/cgroup`.
fn own_in(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_by_type() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(mount_point(mounts), Some("/sys/fs/cgroup/unified"));
        assert_eq!(mount_point("cgroup2 /not/it tmpfs rw 0 0\n"), None);
    }

    #[test]
    fn the_own_group_is_that_of_version_2() {
        assert_eq!(own_in("4:memory:/m\n0::/user/x\n"), Some("/user/x"));
        assert_eq!(own_in("4:memory:/m\n"), None);
        assert_eq!(below("/c", "/user/x", "n"), Path::new("/c/user/x/n"));
        assert_eq!(below("/c", "/", "n"), Path::new("/c/n"));
    }
}
