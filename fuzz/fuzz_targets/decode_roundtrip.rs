//! Any bytes as instructions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfasm_isa::fuzz::decode_roundtrip(bytes));
