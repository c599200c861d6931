//! Bytes that nobody wrote: errors, never a panic, never much memory or time.

#[path = "../examples/count_packets.rs"]
#[expect(dead_code, reason = "an example has a `main`")]
mod count_packets;

use bpfasm_isa::Endian;
use bpfasm_object::btf::{self, Btf, IntEncoding, SymbolLinkage, TypeId};
use bpfasm_object::elf::{self, ReadError};
use bpfasm_object::fuzz;
use std::time::{Duration, Instant};

/// The two seeds, one for each byte order.
fn seeds() -> [Vec<u8>; 2] {
    [Endian::Little, Endian::Big].map(|endian| {
        elf::write(&count_packets::count_packets(endian).expect("a legal object")).expect("a legal object")
    })
}

/// xorshift64*: the same mutations on every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % below.max(1)
    }

    /// Flips, overwrites or cuts one to four times.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const NUMBERS: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
        for _ in 0..=self.next(4) {
            let at = self.next(bytes.len());
            let Some(byte) = bytes.get_mut(at) else { return };
            match self.next(8) {
                0..4 => *byte ^= 1 << self.next(8),
                4..6 => *byte = NUMBERS[self.next(NUMBERS.len())],
                6 => *byte = u8::try_from(self.next(256)).expect("a byte"),
                _ if self.next(8) == 0 => bytes.truncate(at),
                _ => {}
            }
        }
    }
}

/// Mutates the seeds for a second.
fn smoke(seeds: &[Vec<u8>], body: fn(&[u8])) -> u64 {
    let (mut random, start, mut count) = (Random(0x9e37_79b9_7f4a_7c15), Instant::now(), 0);
    let mut bytes = Vec::new();
    while start.elapsed() < Duration::from_secs(1) {
        bytes.clone_from(&seeds[random.next(seeds.len())]);
        random.mutate(&mut bytes);
        body(&bytes);
        count += 1;
    }
    count
}

#[test]
fn mutated_objects() {
    let seeds = seeds();
    for seed in &seeds {
        elf::read(seed).expect("the seed itself is fine");
    }
    let count = smoke(&seeds, fuzz::elf_read);
    println!("{count} objects");
    assert!(count > 50, "{count} objects in a second");
}

/// Reading alone, more often.
#[test]
fn twenty_thousand_mutated_objects_are_read() {
    let seeds = seeds();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut bytes, mut accepted) = (Vec::new(), 0);
    for _ in 0..20_000 {
        bytes.clone_from(&seeds[random.next(seeds.len())]);
        random.mutate(&mut bytes);
        accepted += u32::from(elf::read(&bytes).is_ok());
    }
    assert!(
        (1_000..19_000).contains(&accepted),
        "{accepted} of 20000 were accepted: mutations hit nothing or everything"
    );
}

fn section(bytes: &[u8], name: &str) -> Vec<u8> {
    use object::{Object as _, ObjectSection as _};
    let file = object::read::elf::ElfFile64::<object::Endianness>::parse(bytes).expect("an object");
    file.section_by_name(name).and_then(|section| section.data().ok()).expect("a section").to_vec()
}

#[test]
fn mutated_btf() {
    let seeds = seeds().map(|bytes| section(&bytes, ".BTF"));
    let count = smoke(&seeds, fuzz::btf_parse);
    println!("{count} BTFs");
    assert!(count > 50, "{count} BTFs in a second");
}

#[test]
fn mutated_btf_ext() {
    let seeds = seeds().map(|bytes| section(&bytes, ".BTF.ext"));
    let count = smoke(&seeds, fuzz::btf_ext);
    println!("{count} BTF.exts");
    assert!(count > 50, "{count} BTF.exts in a second");
}

#[test]
fn every_truncation_is_an_error() {
    let [little, big] = seeds();
    for bytes in [&little, &big] {
        for length in 0..bytes.len() {
            assert!(elf::read(&bytes[..length]).is_err(), "{length} bytes of {}", bytes.len());
        }
        let btf = section(bytes, ".BTF");
        for length in 0..btf.len() {
            assert!(Btf::parse(&btf[..length]).is_err(), "{length} bytes of {}", btf.len());
        }
    }
}

#[test]
fn alignment_does_not_matter() {
    let [bytes, _] = seeds();
    let expected = elf::read(&bytes).expect("the seed itself is fine");
    let mut shifted = bytes.clone();
    for offset in 1..16 {
        shifted.insert(0, 0);
        assert_eq!(elf::read(&shifted[offset..]).as_ref(), Ok(&expected), "at offset {offset}");
    }
}

/// Many symbols that all have one long name: the copies would weigh thousands of times the file.
#[test]
fn text_is_not_multiplied() {
    let name = "x".repeat(4000);
    let mut bytes = Vec::new();
    let count: u64 = 3000;
    let (code, symbols) = (64 + 6 * 64, 64 + 6 * 64 + count * 8);
    let strings = symbols + (count + 1) * 24;
    let table = [b"\0tc\0".as_slice(), name.as_bytes(), b"\0"].concat();
    bytes.extend_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    bytes.resize(64, 0);
    bytes[16] = 1;
    bytes[18] = 247;
    bytes[40] = 64;
    bytes[58] = 64;
    bytes[60] = 4;
    bytes[62] = 3;
    let mut header = |name: u32, kind: u32, flags: u64, offset: u64, size: u64, link: u32, entry: u64| {
        for word in [name, kind] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for word in [flags, 0, offset, size, u64::from(link), 0, entry] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    };
    header(0, 0, 0, 0, 0, 0, 0);
    header(1, 1, 6, code, count * 8, 0, 0);
    header(0, 2, 0, symbols, (count + 1) * 24, 3, 24);
    header(0, 3, 0, strings, u64::try_from(table.len()).expect("small"), 0, 0);
    bytes.resize(usize::try_from(symbols).expect("small") + 24, 0);
    for number in 0..count {
        bytes.extend_from_slice(&4u32.to_le_bytes());
        bytes.extend_from_slice(&[0x12, 0, 1, 0]);
        bytes.extend_from_slice(&(number * 8).to_le_bytes());
        bytes.extend_from_slice(&8u64.to_le_bytes());
    }
    bytes.extend_from_slice(&table);
    assert!(matches!(elf::read(&bytes), Err(ReadError::TooMuchText { .. })), "{:?}", elf::read(&bytes).map(|_| ()));
}

/// A chain of 100,000 types, and cycles of every kind that can make one, walked with a small stack.
#[test]
fn deep_and_endless_types_end() {
    fn chain(length: u32) -> Btf {
        let mut btf = Btf::new();
        for id in 2..=length {
            btf.const_(TypeId(id));
        }
        btf.int("int", 4, IntEncoding::SIGNED).expect("legal");
        Btf::parse(&btf.encode(Endian::Little)).expect("legal")
    }
    fn walk() {
        assert_eq!(chain(31).size_of(TypeId(1)), Ok(4));
        assert_eq!(chain(100_000).size_of(TypeId(1)), Err(btf::Error::TooDeep { id: TypeId(1) }));
        type Link = fn(&mut Btf, TypeId) -> TypeId;
        let links: [Link; 7] = [
            |btf, to| btf.const_(to),
            |btf, to| btf.volatile(to),
            |btf, to| btf.restrict(to),
            |btf, to| btf.typedef("t", to).expect("legal"),
            |btf, to| btf.type_tag("t", to).expect("legal"),
            |btf, to| btf.array(to, to, 1),
            |btf, to| btf.var("v", to, SymbolLinkage::GLOBAL).expect("legal"),
        ];
        for link in links {
            for length in [1, 2, 5] {
                let mut btf = Btf::new();
                for id in 1..=length {
                    link(&mut btf, TypeId(id % length + 1));
                }
                let btf = Btf::parse(&btf.encode(Endian::Big)).expect("legal");
                let start = Instant::now();
                assert_eq!(btf.size_of(TypeId(1)), Err(btf::Error::TooDeep { id: TypeId(1) }));
                assert!(start.elapsed() < Duration::from_millis(100));
            }
        }
    }
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(walk).expect("a thread");
    thread.join().expect("no panic");
}
