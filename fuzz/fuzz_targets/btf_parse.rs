//! Any bytes as BTF.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfasm_object::fuzz::btf_parse(bytes));
