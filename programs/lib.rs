//! The program corpus: one eDSL program per file, each with samples that tests run on every backend.

pub mod cgroup_ingress;
pub mod tc_drop;
pub mod tc_firewall;
pub mod tc_nat;
