//! Any bytes as a function of the compiler's IR, through every pass, cpu level and byte order.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfasm_codegen::fuzz::check(bytes));
