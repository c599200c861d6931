//! Clocks, and the machine that the program runs on.

use super::{call, helpers};
use crate::value::{U32, U64};

helpers! {
    [Tc, CgroupSkb] KTIME_GET_NS(): ktime_get_ns() => {
        /// Nanoseconds since boot, not counting time asleep (`bpf_ktime_get_ns`).
        pub fn ktime_get_ns() -> U64 {
            call!(KTIME_GET_NS)
        }
    }
    [Tc, CgroupSkb] KTIME_GET_BOOT_NS(): ktime_get_boot_ns() => {
        /// Nanoseconds since boot, counting time asleep (`bpf_ktime_get_boot_ns`).
        pub fn ktime_get_boot_ns() -> U64 {
            call!(KTIME_GET_BOOT_NS)
        }
    }
    [Tc, CgroupSkb] KTIME_GET_COARSE_NS(): ktime_get_coarse_ns() => {
        /// Nanoseconds since boot as of the last tick: less exact and faster (`bpf_ktime_get_coarse_ns`).
        pub fn ktime_get_coarse_ns() -> U64 {
            call!(KTIME_GET_COARSE_NS)
        }
    }
    [Tc, CgroupSkb] KTIME_GET_TAI_NS(): ktime_get_tai_ns() => {
        /// Nanoseconds of international atomic time (`bpf_ktime_get_tai_ns`).
        pub fn ktime_get_tai_ns() -> U64 {
            call!(KTIME_GET_TAI_NS)
        }
    }
    [Tc, CgroupSkb] JIFFIES64(): jiffies64() => {
        /// Ticks since boot (`bpf_jiffies64`).
        pub fn jiffies64() -> U64 {
            call!(JIFFIES64)
        }
    }
    [Tc, CgroupSkb] GET_PRANDOM_U32(): get_prandom_u32() => {
        /// A pseudo-random number (`bpf_get_prandom_u32`).
        pub fn get_prandom_u32() -> U32 {
            call!(GET_PRANDOM_U32)
        }
    }
    [Tc, CgroupSkb] GET_SMP_PROCESSOR_ID(): get_smp_processor_id() => {
        /// The number of the CPU that runs the program (`bpf_get_smp_processor_id`).
        pub fn get_smp_processor_id() -> U32 {
            call!(GET_SMP_PROCESSOR_ID)
        }
    }
    [Tc, CgroupSkb] GET_NUMA_NODE_ID(): get_numa_node_id() => {
        /// The number of the memory node of that CPU (`bpf_get_numa_node_id`).
        pub fn get_numa_node_id() -> U32 {
            call!(GET_NUMA_NODE_ID)
        }
    }
}
