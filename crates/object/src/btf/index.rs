//! The hash table behind the deduplication of strings and types.

use alloc::vec::Vec;

/// Cells looked at before a search gives up. A search that gives up costs a duplicate in the output, never time: chosen
/// keys cannot make a table quadratic.
const PROBES: usize = 32;

/// Maps hashes to numbers; who owns the numbers says which are equal. Open addressing, at most half full.
#[derive(Clone, Debug, Default)]
pub(super) struct HashIndex {
    /// Hash and number + 1; 0 is an empty cell. The length is a power of two.
    cells: Vec<(u32, u32)>,
    filled: usize,
}

impl HashIndex {
    /// The number under `hash` for which `is_equal` holds.
    pub(super) fn find(&self, hash: u32, is_equal: impl Fn(u32) -> bool) -> Option<u32> {
        for cell in self.probe(hash) {
            let &(found, number) = self.cells.get(cell)?;
            let number = number.checked_sub(1)?;
            if found == hash && is_equal(number) {
                return Some(number);
            }
        }
        None
    }

    /// Puts `number` under `hash`.
    pub(super) fn insert(&mut self, hash: u32, number: u32) {
        let Some(stored) = number.checked_add(1) else { return };
        if self.filled * 2 >= self.cells.len() {
            self.grow();
        }
        self.put(hash, stored);
    }

    fn put(&mut self, hash: u32, stored: u32) {
        for cell in self.probe(hash) {
            if let Some(cell) = self.cells.get_mut(cell)
                && cell.1 == 0
            {
                *cell = (hash, stored);
                self.filled += 1;
                return;
            }
        }
    }

    fn grow(&mut self) {
        let cells = (self.cells.len() * 2).max(64);
        let old = core::mem::replace(&mut self.cells, alloc::vec![(0, 0); cells]);
        self.filled = 0;
        for (hash, stored) in old {
            if stored != 0 {
                self.put(hash, stored);
            }
        }
    }

    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let mask = self.cells.len().wrapping_sub(1);
        let start = usize::try_from(hash).unwrap_or_default();
        (0..PROBES.min(self.cells.len())).map(move |step| start.wrapping_add(step) & mask)
    }
}

/// FNV-1a, whose upper bits are folded into the lower ones that choose the cell.
pub(super) fn hash_bytes(bytes: &[u8]) -> u32 {
    fold(bytes.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
}

/// The same over 32-bit words.
pub(super) fn hash_words(words: &[u32]) -> u32 {
    fold(words.iter().fold(OFFSET_BASIS, |hash, &word| (hash ^ u64::from(word)).wrapping_mul(PRIME)))
}

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

fn fold(hash: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_through_growth() {
        let mut index = HashIndex::default();
        assert_eq!(index.find(7, |_| true), None);
        for number in 0..1000u32 {
            index.insert(hash_words(&[number]), number);
        }
        let missing = (0..1000u32).filter(|&n| index.find(hash_words(&[n]), |found| found == n) != Some(n)).count();
        assert_eq!(missing, 0);
    }

    #[test]
    fn equal_hashes_cost_duplicates_not_time() {
        let mut index = HashIndex::default();
        for number in 0..100_000u32 {
            index.insert(5, number);
        }
        assert_eq!(index.find(5, |n| n == 3), Some(3));
        assert_eq!(index.find(5, |n| n == 99_999), None);
    }
}
