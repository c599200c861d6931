//! The program corpus: one eDSL program per file, each with samples that tests run on every backend.

use bpfasm::dsl::build::Entry;

pub mod cgroup_ingress;
pub mod tc_drop;
pub mod tc_firewall;
pub mod tc_nat;

/// Every program, as a build driver gets it.
pub const ENTRIES: &[&Entry] = &[
    &cgroup_ingress::__BPFASM_cgroup_ingress,
    &tc_drop::__BPFASM_tc_drop,
    &tc_firewall::__BPFASM_tc_firewall,
    &tc_nat::__BPFASM_tc_nat,
];

#[cfg(test)]
mod tests {
    use super::ENTRIES;
    use std::{fs, path::Path};

    #[test]
    fn every_file_has_its_entry() {
        let files = fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap().map(|file| file.unwrap().path());
        let programs = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
        let stem = |file: &Path| file.file_stem().unwrap().to_string_lossy().into_owned();
        let mut names: Vec<_> = programs.map(|file| stem(&file)).filter(|name| name != "lib").collect();
        names.sort();
        assert!(ENTRIES.iter().map(|entry| entry.name).eq(&names), "{names:?}");
    }
}
