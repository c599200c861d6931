//! What the reader refuses, and the place that it names.

#[path = "../examples/count_packets.rs"]
#[expect(dead_code, reason = "an example has a `main`")]
mod count_packets;

use bpfasm_isa::Endian;
use bpfasm_object::elf::{ReadError, read, write};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

fn sample() -> Vec<u8> {
    write(&count_packets::count_packets(Endian::Little).expect("a legal object")).expect("a legal object")
}

/// Where a section's content and header are.
fn section(bytes: &[u8], name: &str) -> (usize, usize) {
    let file = ElfFile64::<object::Endianness>::parse(bytes).expect("an object");
    let section = file.section_by_name(name).expect("a section");
    let headers = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().expect("8 bytes"))).expect("small");
    let (offset, _) = section.file_range().expect("in the file");
    (usize::try_from(offset).expect("small"), headers + section.index().0 * 64)
}

/// Where a symbol is.
fn symbol(bytes: &[u8], name: &str) -> usize {
    let file = ElfFile64::<object::Endianness>::parse(bytes).expect("an object");
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name)).expect("a symbol");
    section(bytes, ".symtab").0 + symbol.index().0 * 24
}

/// Overwrites bytes of the sample.
fn with(at: usize, bytes: &[u8]) -> ReadError {
    let mut changed = sample();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    read(&changed).expect_err("one thing is wrong")
}

#[test]
fn symbols() {
    let bytes = sample();
    let at = symbol(&bytes, "count");
    let bad = |error: ReadError, place: usize, symbol: &str| match error {
        ReadError::BadSymbol { at, name, rule } if at == place && name == symbol => rule,
        other => panic!("{other}"),
    };
    assert_eq!(
        bad(with(at + 16, &[0]), at, "count"),
        "its place and size must be whole slots of 8 bytes, at least one"
    );
    assert_eq!(bad(with(at + 8, &[4]), at, "count"), "it reaches out of its section");
    assert_eq!(bad(with(at + 23, &[0xff]), at, "count"), "it reaches out of its section");
    let verdict = symbol(&bytes, "verdict");
    assert_eq!(bad(with(verdict + 8, &[32]), verdict, "verdict"), "its code overlaps that of another function");
    let map = symbol(&bytes, "EVENTS");
    assert_eq!(bad(with(map + 8, &[8]), map, "EVENTS"), "BTF has no map of that name there");
    assert_eq!(with(at, &[0xff; 4]), ReadError::BadName { at, offset: u32::MAX });
    let (_, header) = section(&bytes, "classifier");
    let rule = "it has code but no symbol of a function";
    let name = "classifier".to_owned();
    assert_eq!(with(at + 4, &[0x10]), ReadError::BadSection { at: header, name, rule });
}

#[test]
fn relocations() {
    let bytes = sample();
    let (at, header) = section(&bytes, ".relclassifier");
    let bad = |error: ReadError, place: usize| match error {
        ReadError::BadRelocation { at, rule } if at == place => rule,
        other => panic!("{other}"),
    };
    assert_eq!(bad(with(at, &[0x1c]), at), "it does not start at an instruction");
    assert_eq!(bad(with(at, &[0, 1]), at), "it lies outside all functions");
    assert_eq!(bad(with(at, &[0x20]), at), "its type does not fit the instruction");
    assert_eq!(bad(with(at + 12, &[0xff]), at), "it names a symbol that is not there");
    assert_eq!(with(at + 8, &[2]), ReadError::UnsupportedRelocation { at, kind: 2 });
    let undefined = ReadError::UndefinedSymbol { at, name: "COUNTS".to_owned() };
    assert_eq!(with(symbol(&bytes, "COUNTS") + 6, &[0, 0]), undefined);
    let bad_section = |error: ReadError| match error {
        ReadError::BadSection { at, name, rule } if at == header && name == ".relclassifier" => rule,
        other => panic!("{other}"),
    };
    assert_eq!(bad_section(with(header + 4, &[4])), "relocations of code must be SHT_REL");
    assert_eq!(bad_section(with(header + 56, &[0])), "sh_entsize must be that of its entries, and divide its size");
    assert_eq!(bad_section(with(header + 40, &[0])), "sh_link must name the symbol table");
}

#[test]
fn calls_must_lead_to_functions() {
    let bytes = sample();
    let (code, _) = section(&bytes, "classifier");
    let (relocations, _) = section(&bytes, ".relclassifier");
    let imm = code + 8 * 8 + 4;
    assert_eq!(with(imm, &[0, 0, 0, 0]), ReadError::NoFunction { at: relocations + 16, slot: 1 });
    assert_eq!(with(imm, &[0xfe]), ReadError::NoFunction { at: relocations + 16, slot: -1 });
    assert_eq!(read(&bytes).map(|object| object.functions[0].relocations.len()), Ok(3));
}

#[test]
fn sections() {
    let bytes = sample();
    let (text, header) = section(&bytes, ".text");
    let outside = ReadError::OutOfBounds { at: header, part: "section", offset: u64::MAX, size: 56 };
    assert_eq!(with(header + 24, &[0xff; 8]), outside);
    let (_, classifier) = section(&bytes, "classifier");
    let place = |at: usize| u64::try_from(at).expect("small").to_le_bytes();
    let rule = "its bytes are also those of another section of code";
    assert_eq!(
        with(classifier + 24, &place(text)),
        ReadError::BadSection { at: header, name: ".text".to_owned(), rule }
    );
    let rule = "its bytes must be in the file, and not compressed";
    let error = ReadError::BadSection { at: header, name: ".text".to_owned(), rule };
    assert_eq!(with(header + 8, &[6, 8]), error);
    let (license, _) = section(&bytes, "license");
    assert_eq!(with(license, b"GPL!"), ReadError::BadLicense { at: license });
    let (btf, _) = section(&bytes, ".BTF");
    let error = with(btf, &[0]);
    assert!(matches!(error, ReadError::Btf { at, .. } if at == btf), "{error}");
}

#[test]
fn debug_info() {
    let bytes = sample();
    let (at, _) = section(&bytes, ".BTF.ext");
    // Header 32, record size 4, section name and count 8, then the first func_info.
    let (record, count) = (at + 32 + 4 + 8, at + 32 + 4 + 4);
    let rule = |error: ReadError| match error {
        ReadError::BadDebugInfo { at: place, rule } if place == at => rule,
        other => panic!("{other}"),
    };
    assert_eq!(rule(with(record, &[8])), "a function record is not at the start of a function");
    assert_eq!(rule(with(record, &[4])), "a record does not start at an instruction");
    assert_eq!(rule(with(record + 4, &[1])), "a function record does not name a FUNC");
    assert_eq!(rule(with(record - 8, &[0, 0, 0, 0])), "records for a section that has no code");
    let error = with(count, &[0xff]);
    assert!(matches!(error, ReadError::Btf { at: place, .. } if place == at), "{error}");
    assert!(std::error::Error::source(&error).is_some(), "the BTF error is the source");
}

/// A DATASEC that is larger than its section must not make anybody allocate its size.
#[test]
fn sections_have_the_size_that_their_btf_says() {
    let bytes = sample();
    let (btf, _) = section(&bytes, ".BTF");
    let (_, header) = section(&bytes, ".maps");
    let datasec = [15, 80, 0, 0, 0].as_slice();
    let size = (btf..bytes.len()).find(|&at| bytes[at..].starts_with(datasec)).expect("the DATASEC of 80 bytes") + 1;
    let rule = "its BTF DATASEC has another size";
    assert_eq!(with(size + 3, &[0x80]), ReadError::BadSection { at: header, name: ".maps".to_owned(), rule });
}

/// A call of a helper does not become a call of a function.
#[test]
fn helpers_are_not_relocated() {
    let bytes = sample();
    let (code, _) = section(&bytes, "classifier");
    let (at, _) = section(&bytes, ".relclassifier");
    let rule = "its type does not fit the instruction";
    assert_eq!(with(code + 8 * 8 + 1, &[0x00]), ReadError::BadRelocation { at: at + 16, rule });
}
