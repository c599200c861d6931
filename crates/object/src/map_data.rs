//! Keys and values of maps, as user space holds them.

/// A type of keys or values: what user space holds of it, and how it lies in memory.
///
/// Plain data ([`bytemuck::Pod`], which refuses padding at compile time) lies there as it is. The kernel values of the
/// eDSL (`U32`, `Be16`, a `#[derive(BpfStruct)]`) name the host type that stands for them: `u32`, `u16`, a struct of
/// such.
pub trait MapData {
    /// What user space holds.
    type Value;

    /// How many bytes it has in memory.
    const SIZE: usize;

    /// Writes a value. Bytes that no part of it covers are left as they are: hand in zeros.
    ///
    /// # Panics
    ///
    /// Panics where `bytes` has not [`SIZE`](MapData::SIZE) bytes.
    fn encode(value: &Self::Value, bytes: &mut [u8]);

    /// Reads a value.
    ///
    /// # Panics
    ///
    /// Panics where `bytes` has not [`SIZE`](MapData::SIZE) bytes.
    fn decode(bytes: &[u8]) -> Self::Value;
}

impl<T: bytemuck::Pod> MapData for T {
    type Value = T;

    const SIZE: usize = size_of::<T>();

    fn encode(value: &T, bytes: &mut [u8]) {
        bytes.copy_from_slice(bytemuck::bytes_of(value));
    }

    fn decode(bytes: &[u8]) -> T {
        bytemuck::pod_read_unaligned(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_data_lies_in_memory_as_it_is() {
        let mut bytes = [0; 4];
        <u32 as MapData>::encode(&0x0102_0304, &mut bytes);
        assert_eq!(bytes, 0x0102_0304_u32.to_ne_bytes());
        assert_eq!(<u32 as MapData>::decode(&bytes), 0x0102_0304);
    }
}
