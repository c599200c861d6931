//! Memory at an address: of the kernel, or of the current task. And where the CPU went lately.

use super::layout::layout;
use super::{call, helpers, stack};
use crate::context::HelperResult;
use crate::header::Field;
use crate::value::{I64, U8, U64};

layout! {
    /// A branch that a CPU took: `struct perf_branch_entry` (`include/uapi/linux/perf_event.h`).
    BranchEntry, 24 bytes {
        /// The address of the branch.
        0 from: U64;
        /// Where it led.
        8 to: U64;
        /// What kind of branch it was, as bits.
        16 flags: U64;
    }
}

/// Reads a value of memory.
macro_rules! read {
    ($id:ident, $address:expr) => {{
        let room = stack::uninit::<T>(0);
        let result: HelperResult = call!($id, room.address(), T::BYTES, $address.into());
        if result < 0 { None } else { Some(room.load(0)) }
    }};
}

/// Reads text: its bytes with the final zero, negative where the address is no good.
macro_rules! read_str {
    ($id:ident, $address:expr) => {{
        let room = stack::uninit::<[U8; N]>(0);
        let result = call!($id, room.address(), <[U8; N]>::BYTES, $address.into());
        (result, room.load(0))
    }};
}

helpers! {
    [Tc (5, 8), CgroupSkb (5, 8)] PROBE_READ_KERNEL(): probe_read_kernel::<U64>(0) => {
        /// Reads a value of the kernel's memory (`bpf_probe_read_kernel`). It is `None` where the address is no good: splits the path.
        pub fn probe_read_kernel<T: Field>(address: impl Into<U64>) -> Option<T> {
            read!(PROBE_READ_KERNEL, address)
        }
    }
    [Tc (5, 8), CgroupSkb (5, 8)] PROBE_READ_USER(): probe_read_user::<U64>(0) => {
        /// Reads a value of the current task's memory (`bpf_probe_read_user`). It is `None` where the address is no good: splits the
        /// path.
        pub fn probe_read_user<T: Field>(address: impl Into<U64>) -> Option<T> {
            read!(PROBE_READ_USER, address)
        }
    }
    [Tc (5, 8), CgroupSkb (5, 8)] PROBE_READ_KERNEL_STR(): probe_read_kernel_str::<8>(0) => {
        /// Reads text of the kernel's memory (`bpf_probe_read_kernel_str`): how many bytes it has with its final zero, and the bytes.
        pub fn probe_read_kernel_str<const N: usize>(address: impl Into<U64>) -> (I64, [U8; N]) {
            read_str!(PROBE_READ_KERNEL_STR, address)
        }
    }
    [Tc (5, 8), CgroupSkb (5, 8)] PROBE_READ_USER_STR(): probe_read_user_str::<8>(0) => {
        /// Reads text of the current task's memory (`bpf_probe_read_user_str`): how many bytes it has with its final zero, and the
        /// bytes.
        pub fn probe_read_user_str<const N: usize>(address: impl Into<U64>) -> (I64, [U8; N]) {
            read_str!(PROBE_READ_USER_STR, address)
        }
    }
    [Tc (6, 16), CgroupSkb (6, 16)] GET_BRANCH_SNAPSHOT(): get_branch_snapshot::<2>(0) => {
        /// The branches that the CPU took last (`bpf_get_branch_snapshot`): how many bytes of them there are, negative where the CPU
        /// keeps no record, and the entries. `flags` are 0.
        pub fn get_branch_snapshot<const N: usize>(flags: u64) -> (I64, [BranchEntry; N]) {
            let room = stack::uninit::<[BranchEntry; N]>(0);
            let result = call!(GET_BRANCH_SNAPSHOT, room.address(), <[BranchEntry; N]>::BYTES, flags);
            (result, room.load(0))
        }
    }
}
