//! Bodies of the fuzz targets.

use alloc::{string::ToString, vec::Vec};

use crate::{
    disasm,
    insn::Insn,
    slot::{Endian, Slot},
};

/// Takes `bytes` as a program in both byte orders and checks the laws of decoding.
///
/// # Panics
///
/// When a law is broken: an instruction that does not encode to the slots it was decoded from, or prints as nothing; a
/// walk that leaves slots out; a word that changes on its way through a slot.
pub fn decode_roundtrip(bytes: &[u8]) {
    for endian in [Endian::Little, Endian::Big] {
        let words = bytes.chunks_exact(8).filter_map(|word| <[u8; 8]>::try_from(word).ok());
        let slots: Vec<Slot> = words
            .map(|word| {
                let slot = Slot::from_bytes(word, endian);
                assert_eq!(slot.to_bytes(endian), word);
                slot
            })
            .collect();
        let mut rest = slots.as_slice();
        for (at, decoded) in disasm::insns(&slots) {
            assert_eq!(usize::try_from(at.0).ok(), slots.len().checked_sub(rest.len()));
            let count = decoded.as_ref().map_or(1, Insn::slot_count);
            let Some((taken, left)) = rest.split_at_checked(count) else {
                panic!("instruction at slot {at} is longer than the program")
            };
            match decoded {
                Ok(insn) => {
                    assert_eq!(&*insn.encode(), taken);
                    assert!(!insn.to_string().is_empty());
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            rest = left;
        }
        assert!(rest.is_empty());
        let lines = disasm::listing(&slots, endian, &disasm::FunctionName("f")).to_string().lines().count();
        assert_eq!(lines, disasm::insns(&slots).count());
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::time::{Duration, Instant};

    use super::*;
    use crate::table::{Op, Select};

    /// George Marsaglia's xorshift64, from a fixed seed.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, bound: usize) -> usize {
            usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
        }

        /// A word near an instruction: the byte and selector of a row, other fields zero or random.
        fn word(&mut self) -> [u8; 8] {
            let row = Op::ALL[self.below(Op::ALL.len())].row();
            let noise = Slot::from_bytes(self.next().to_le_bytes(), Endian::Little);
            let keep = self.next();
            let mut slot = Slot { code: row.code, ..Slot::default() };
            if keep & 1 != 0 {
                slot.dst = noise.dst;
            }
            if keep & 2 != 0 {
                slot.src = noise.src;
            }
            if keep & 4 != 0 {
                slot.off = noise.off;
            }
            if keep & 8 != 0 {
                slot.imm = noise.imm;
            }
            match row.select {
                Some(Select::Src(value)) => slot.src = value,
                Some(Select::Off(value)) => slot.off = value,
                Some(Select::Imm(value)) => slot.imm = value,
                None => {}
            }
            if keep & 0x70 == 0 {
                return noise.to_bytes(Endian::Little);
            }
            slot.to_bytes(Endian::Little)
        }
    }

    #[test]
    fn smoke() {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let (start, mut decoded) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(1) {
            let count = random.below(24);
            let mut bytes: Vec<u8> = (0..count).flat_map(|_| random.word()).collect();
            // Second slots of LDDW are all zero but for their immediate: make some.
            if count > 1 && random.below(2) == 0 {
                let at = random.below(count - 1) * 8;
                bytes[at] = 0x18;
                bytes[at + 8..at + 12].fill(0);
            }
            decode_roundtrip(&bytes);
            let slots: Vec<_> =
                bytes.chunks_exact(8).map(|word| Slot::from_bytes(word.try_into().unwrap(), Endian::Little)).collect();
            decoded += disasm::insns(&slots).filter(|(_, insn)| insn.is_ok()).count();
        }
        assert!(decoded > 1000, "the generator makes too few instructions: {decoded}");
    }
}
