//! Any bytes as a `.BTF.ext` section.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfasm_object::fuzz::btf_ext(bytes));
