//! Values as calls take them: one, or one for each CPU.

use std::marker::PhantomData;

use bpfasm_object::MapData;

/// The values of a per-CPU map, as a type parameter: `TypedMap<u32, PerCpu<u64>>`.
///
/// User space holds them as a vector with one for each of the [`possible_cpus`](super::possible_cpus), in that order.
#[derive(Debug)]
pub struct PerCpu<V>(PhantomData<V>);

mod sealed {
    pub trait Sealed {}
    impl<V: bpfasm_object::MapData> Sealed for V {}
    impl<V: bpfasm_object::MapData> Sealed for super::PerCpu<V> {}
}

/// What a map holds for a key: any [`MapData`], or [`PerCpu`] of it.
pub trait MapValue: sealed::Sealed {
    /// What user space holds.
    type Value;

    /// Bytes of it; of one CPU's, where there is one for each.
    const SIZE: usize;

    /// Whether there is one for each CPU.
    const PER_CPU: bool;

    /// Writes it into zeros; false if it is not for the number of CPUs that they are for.
    #[doc(hidden)]
    fn encode(value: &Self::Value, bytes: &mut [u8]) -> bool;

    /// Reads it.
    #[doc(hidden)]
    fn decode(bytes: &[u8]) -> Self::Value;
}

impl<V: MapData> MapValue for V {
    type Value = V::Value;
    const SIZE: usize = V::SIZE;
    const PER_CPU: bool = false;

    fn encode(value: &V::Value, bytes: &mut [u8]) -> bool {
        V::encode(value, bytes);
        true
    }

    fn decode(bytes: &[u8]) -> V::Value {
        V::decode(bytes)
    }
}

impl<V: MapData> PerCpu<V> {
    /// Bytes from one CPU's value to the next: `bpf_map_value_size` in `kernel/bpf/syscall.c`.
    const STRIDE: usize = V::SIZE.next_multiple_of(8);
}

impl<V: MapData> MapValue for PerCpu<V> {
    type Value = Vec<V::Value>;
    const SIZE: usize = V::SIZE;
    const PER_CPU: bool = true;

    fn encode(values: &Vec<V::Value>, bytes: &mut [u8]) -> bool {
        let places = bytes.chunks_exact_mut(Self::STRIDE);
        let fits = places.len() == values.len();
        for (value, place) in values.iter().zip(places) {
            V::encode(value, &mut place[..V::SIZE]);
        }
        fits
    }

    fn decode(bytes: &[u8]) -> Vec<V::Value> {
        bytes.chunks_exact(Self::STRIDE).map(|place| V::decode(&place[..V::SIZE])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cpu_has_eight_bytes_or_a_multiple() {
        let mut bytes = [0; 24];
        assert!(PerCpu::<[u8; 5]>::encode(&vec![[1; 5], [2; 5], [3; 5]], &mut bytes));
        assert_eq!(bytes, *b"\x01\x01\x01\x01\x01\0\0\0\x02\x02\x02\x02\x02\0\0\0\x03\x03\x03\x03\x03\0\0\0");
        assert_eq!(PerCpu::<[u8; 5]>::decode(&bytes), [[1; 5], [2; 5], [3; 5]]);
        assert!(!PerCpu::<[u8; 5]>::encode(&vec![[1; 5]; 2], &mut bytes));
        assert!(!PerCpu::<[u8; 9]>::encode(&vec![[1; 9]; 2], &mut bytes));
        assert_eq!(PerCpu::<[u8; 12]>::decode(&[7; 32]), [[7; 12]; 2]);
    }
}
