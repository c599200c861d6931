//! Map types.

use super::kernel_numbers;

kernel_numbers! {
    /// `enum bpf_map_type`.
    ///
    /// # References
    /// `include/uapi/linux/bpf.h`, `enum bpf_map_type`.
    #[doc(alias = "bpf_map_type")]
    pub struct MapType, "map type" {
        UNSPEC = 0, "unspec", 3 18;
        HASH = 1, "hash", 3 19;
        ARRAY = 2, "array", 3 19;
        PROG_ARRAY = 3, "prog_array", 4 2;
        PERF_EVENT_ARRAY = 4, "perf_event_array", 4 3;
        PERCPU_HASH = 5, "percpu_hash", 4 6;
        PERCPU_ARRAY = 6, "percpu_array", 4 6;
        STACK_TRACE = 7, "stack_trace", 4 6;
        CGROUP_ARRAY = 8, "cgroup_array", 4 8;
        LRU_HASH = 9, "lru_hash", 4 10;
        LRU_PERCPU_HASH = 10, "lru_percpu_hash", 4 10;
        LPM_TRIE = 11, "lpm_trie", 4 11;
        ARRAY_OF_MAPS = 12, "array_of_maps", 4 12;
        HASH_OF_MAPS = 13, "hash_of_maps", 4 12;
        DEVMAP = 14, "devmap", 4 14;
        SOCKMAP = 15, "sockmap", 4 14;
        CPUMAP = 16, "cpumap", 4 15;
        XSKMAP = 17, "xskmap", 4 18;
        SOCKHASH = 18, "sockhash", 4 18;
        CGROUP_STORAGE = 19, "cgroup_storage", 4 19;
        REUSEPORT_SOCKARRAY = 20, "reuseport_sockarray", 4 19;
        PERCPU_CGROUP_STORAGE = 21, "percpu_cgroup_storage", 4 20;
        QUEUE = 22, "queue", 4 20;
        STACK = 23, "stack", 4 20;
        SK_STORAGE = 24, "sk_storage", 5 2;
        DEVMAP_HASH = 25, "devmap_hash", 5 4;
        STRUCT_OPS = 26, "struct_ops", 5 6;
        RINGBUF = 27, "ringbuf", 5 8;
        INODE_STORAGE = 28, "inode_storage", 5 10;
        TASK_STORAGE = 29, "task_storage", 5 11;
        BLOOM_FILTER = 30, "bloom_filter", 5 16;
        USER_RINGBUF = 31, "user_ringbuf", 6 1;
        CGRP_STORAGE = 32, "cgrp_storage", 6 2;
        ARENA = 33, "arena", 6 9;
        INSN_ARRAY = 34, "insn_array", 6 19;
    }
}

impl MapType {
    /// Whether each key has a value for each possible CPU.
    ///
    /// # References
    /// `bpf_map_value_size` in `kernel/bpf/syscall.c`.
    #[must_use]
    pub const fn is_per_cpu(self) -> bool {
        matches!(
            self,
            MapType::PERCPU_HASH | MapType::PERCPU_ARRAY | MapType::LRU_PERCPU_HASH | MapType::PERCPU_CGROUP_STORAGE
        )
    }

    /// Whether BPF_MAP_CREATE takes BTF type ids for key and value of this type. The kernel answers ENOTSUPP for the
    /// others, so a loader passes 0 there.
    ///
    /// # References
    /// The types without `map_check_btf` in `kernel/bpf/` and `net/`; libbpf leaves the ids of the same types out.
    #[must_use]
    pub const fn takes_btf_types(self) -> bool {
        !matches!(
            self,
            MapType::PERF_EVENT_ARRAY
                | MapType::CGROUP_ARRAY
                | MapType::STACK_TRACE
                | MapType::ARRAY_OF_MAPS
                | MapType::HASH_OF_MAPS
                | MapType::DEVMAP
                | MapType::DEVMAP_HASH
                | MapType::CPUMAP
                | MapType::XSKMAP
                | MapType::SOCKMAP
                | MapType::SOCKHASH
                | MapType::QUEUE
                | MapType::STACK
                | MapType::ARENA
        )
    }

    /// Whether its keys are indexes: numbers of 32 bits in the machine's byte order, below the number of entries.
    ///
    /// # References
    /// `array_map_alloc_check` in `kernel/bpf/arraymap.c`, and its like in `devmap.c`, `cpumap.c`, `net/xdp/xskmap.c`,
    /// `net/core/sock_map.c` and `reuseport_array.c`.
    #[must_use]
    pub const fn has_indexes(self) -> bool {
        matches!(
            self,
            MapType::ARRAY
                | MapType::PERCPU_ARRAY
                | MapType::PROG_ARRAY
                | MapType::PERF_EVENT_ARRAY
                | MapType::CGROUP_ARRAY
                | MapType::ARRAY_OF_MAPS
                | MapType::DEVMAP
                | MapType::CPUMAP
                | MapType::XSKMAP
                | MapType::SOCKMAP
                | MapType::REUSEPORT_SOCKARRAY
        )
    }
}
