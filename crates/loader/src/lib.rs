//! Load, attach and observe BPF programs: the bpf() and rtnetlink layer.

pub mod netlink;
pub mod sys;
