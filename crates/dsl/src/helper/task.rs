//! The task that runs when the program does, which need not have to do with the packet.

use super::layout::layout;
use super::{call, helpers, stack};
use crate::context::HelperResult;
use crate::header::Field as _;
use crate::value::{I32, U8, U32, U64};

/// The bytes of a task's name (`TASK_COMM_LEN`, `include/linux/sched.h`).
const COMM_BYTES: usize = 16;

layout! {
    /// A task by the numbers of its namespace: `struct bpf_pidns_info` (`include/uapi/linux/bpf.h`).
    NsPidTgid, 8 bytes {
        /// The thread.
        0 pid: U32;
        /// The process.
        4 tgid: U32;
    }
}

helpers! {
    [Tc (6, 10), CgroupSkb (6, 10)] GET_CURRENT_PID_TGID(): get_current_pid_tgid() => {
        /// The current process in the upper 32 bits, the thread in the lower ones (`bpf_get_current_pid_tgid`).
        pub fn get_current_pid_tgid() -> U64 {
            call!(GET_CURRENT_PID_TGID)
        }
    }
    [Tc (6, 10), CgroupSkb (6, 10)] GET_NS_CURRENT_PID_TGID(): get_ns_current_pid_tgid(4, 1) => {
        /// The current task by the numbers of the namespace that has this device and inode (`bpf_get_ns_current_pid_tgid`). It is `None`
        /// for a task of another namespace: splits the path.
        pub fn get_ns_current_pid_tgid(dev: impl Into<U64>, ino: impl Into<U64>) -> Option<NsPidTgid> {
            let room = stack::uninit::<NsPidTgid>(0);
            let result: HelperResult =
                call!(GET_NS_CURRENT_PID_TGID, dev.into(), ino.into(), room.address(), NsPidTgid::BYTES);
            if result < 0 { None } else { Some(room.load(0)) }
        }
    }
    [Tc (6, 16), CgroupSkb (6, 16)] GET_CURRENT_UID_GID(): get_current_uid_gid() => {
        /// The current group in the upper 32 bits, the user in the lower ones (`bpf_get_current_uid_gid`).
        pub fn get_current_uid_gid() -> U64 {
            call!(GET_CURRENT_UID_GID)
        }
    }
    [Tc (6, 16), CgroupSkb (6, 16)] GET_CURRENT_COMM(): get_current_comm() => {
        /// The name of the current task, filled up with zeros (`bpf_get_current_comm`).
        pub fn get_current_comm() -> [U8; 16] {
            let room = stack::uninit::<[U8; COMM_BYTES]>(0);
            let _: HelperResult = call!(GET_CURRENT_COMM, room.address(), <[U8; COMM_BYTES]>::BYTES);
            room.load(0)
        }
    }
    [Tc (5, 8), CgroupSkb (5, 8)] GET_CURRENT_TASK(): get_current_task() => {
        /// The address of the current task's struct in the kernel (`bpf_get_current_task`).
        pub fn get_current_task() -> U64 {
            call!(GET_CURRENT_TASK)
        }
    }
    [Tc (6, 4), CgroupSkb (6, 4)] GET_CURRENT_CGROUP_ID(): get_current_cgroup_id() => {
        /// The id of the current task's control group (`bpf_get_current_cgroup_id`).
        pub fn get_current_cgroup_id() -> U64 {
            call!(GET_CURRENT_CGROUP_ID)
        }
    }
    [Tc (6, 4), CgroupSkb (6, 4)] GET_CURRENT_ANCESTOR_CGROUP_ID(): get_current_ancestor_cgroup_id(1) => {
        /// The id of the group `level` steps below the root on the way to the current task's (`bpf_get_current_ancestor_cgroup_id`).
        pub fn get_current_ancestor_cgroup_id(level: impl Into<I32>) -> U64 {
            call!(GET_CURRENT_ANCESTOR_CGROUP_ID, level.into())
        }
    }
    [Tc (6, 16), CgroupSkb (6, 16)] SEND_SIGNAL(): send_signal(0) => {
        /// Sends a signal to the current process (`bpf_send_signal`).
        pub fn send_signal(signal: impl Into<U32>) -> HelperResult {
            call!(SEND_SIGNAL, signal.into())
        }
    }
    [Tc (6, 16), CgroupSkb (6, 16)] SEND_SIGNAL_THREAD(): send_signal_thread(0) => {
        /// Sends a signal to the current thread (`bpf_send_signal_thread`).
        pub fn send_signal_thread(signal: impl Into<U32>) -> HelperResult {
            call!(SEND_SIGNAL_THREAD, signal.into())
        }
    }
}
