//! Helpers that the kernel offers and that have no method yet, each with what is missing.

/// `[WHO (MAJOR, MINOR), …] WHAT: ID, …`: what is missing for these helpers.
macro_rules! absent {
    ($($contexts:tt $what:literal: $($id:ident),+;)*) => {
        pub(super) static ROWS: &[super::Row] = &[$($(absent!(@row $contexts $what $id)),+),*];
    };
    (@row [$($to:ident $(($major:literal, $minor:literal))?),+] $what:literal $id:ident) => {
        super::Row {
            id: bpfasm_codegen::ir::HelperId::$id,
            offers: &[$(super::Offer {
                to: stringify!($to),
                since: $crate::context::since!(? $(($major, $minor))?),
                call: super::Call::Needs($what),
            }),+],
        }
    };
}

absent! {
    [Tc, CgroupSkb] "a map of type queue or stack": MAP_PUSH_ELEM, MAP_POP_ELEM, MAP_PEEK_ELEM;
    [Tc, CgroupSkb] "a map with a value for each CPU": MAP_LOOKUP_PERCPU_ELEM;
    [Tc, CgroupSkb] "a map and a callback": FOR_EACH_MAP_ELEM;
    [Tc, CgroupSkb] "a map of type prog_array": TAIL_CALL;
    [Tc (4, 7), CgroupSkb (5, 4)] "a map of type perf_event_array": PERF_EVENT_OUTPUT;
    [Tc (6, 16), CgroupSkb (6, 16)] "a map of type perf_event_array": PERF_EVENT_READ, PERF_EVENT_READ_VALUE;
    [Tc, CgroupSkb] "a map of type ringbuf":
        RINGBUF_OUTPUT, RINGBUF_RESERVE, RINGBUF_SUBMIT, RINGBUF_DISCARD, RINGBUF_QUERY,
        RINGBUF_RESERVE_DYNPTR, RINGBUF_SUBMIT_DYNPTR, RINGBUF_DISCARD_DYNPTR;
    [Tc, CgroupSkb] "a map of type user_ringbuf and a callback": USER_RINGBUF_DRAIN;
    [Tc] "a map of type cgroup_array": SKB_UNDER_CGROUP;
    [Tc (6, 16), CgroupSkb (6, 16)] "a map of type cgroup_array": CURRENT_TASK_UNDER_CGROUP;
    [CgroupSkb] "a map of type cgroup_storage": GET_LOCAL_STORAGE;
    [Tc, CgroupSkb] "a map of type sk_storage": SK_STORAGE_GET, SK_STORAGE_DELETE;
    [Tc, CgroupSkb] "a map of type cgrp_storage": CGRP_STORAGE_GET, CGRP_STORAGE_DELETE;
    [Tc (6, 16), CgroupSkb (6, 16)] "a map of type task_storage": TASK_STORAGE_GET, TASK_STORAGE_DELETE;
    [Tc, CgroupSkb] "a map value with a lock": SPIN_LOCK, SPIN_UNLOCK;
    [Tc, CgroupSkb] "a map value with a timer": TIMER_INIT, TIMER_SET_CALLBACK, TIMER_START, TIMER_CANCEL;
    [Tc, CgroupSkb] "a map value with a kernel pointer": KPTR_XCHG;
    [Tc, CgroupSkb] "a map value behind a dynamic pointer": DYNPTR_FROM_MEM, DYNPTR_READ, DYNPTR_WRITE, DYNPTR_DATA;
    [Tc, CgroupSkb] "text in a read-only map": SNPRINTF, STRNCMP;
    [Tc, CgroupSkb] "a callback": LOOP;
    [Tc (6, 16), CgroupSkb (6, 16)] "a callback": FIND_VMA;
    [Tc, CgroupSkb] "the kernel's types":
        PER_CPU_PTR, THIS_CPU_PTR, SNPRINTF_BTF, SKC_TO_TCP6_SOCK, SKC_TO_TCP_SOCK, SKC_TO_TCP_TIMEWAIT_SOCK,
        SKC_TO_TCP_REQUEST_SOCK, SKC_TO_UDP6_SOCK, SKC_TO_UNIX_SOCK, SKC_TO_MPTCP_SOCK;
    [Tc, CgroupSkb] "the kernel's types": GET_CURRENT_TASK_BTF, TASK_PT_REGS;
    [Tc (6, 16), CgroupSkb (6, 16)] "the kernel's types": GET_TASK_STACK;
    [Tc (6, 16), CgroupSkb (6, 16)] "a program that may sleep": COPY_FROM_USER, COPY_FROM_USER_TASK;
}
