//! Any bytes as an ELF object.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bpfasm_object::fuzz::elf_read(bytes));
