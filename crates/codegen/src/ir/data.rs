//! Types of data that the kernel shows by name: map keys and values.

/// The type of a map's key or value, for BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// An integer, or bytes in network order under the name that says so (`__be32`).
    Int {
        /// The C name: `__u32`, `__be16`, ….
        name: &'static str,
        /// 1, 2, 4 or 8.
        bytes: u8,
        /// Whether it is shown with a sign.
        signed: bool,
    },
    /// A struct with fields at fixed offsets.
    Struct {
        /// Its name.
        name: &'static str,
        /// Its size in bytes.
        bytes: u32,
        /// Its fields, by ascending offset.
        fields: &'static [Field],
    },
    /// An array.
    Array {
        /// What it holds.
        element: &'static DataType,
        /// How many.
        len: u32,
    },
}

/// A field of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Bytes from the struct's start.
    pub offset: u32,
    /// Its type.
    pub ty: DataType,
}

impl DataType {
    /// Its size in bytes.
    pub const fn bytes(&self) -> u32 {
        match *self {
            // `u32::from` is no const function.
            DataType::Int { bytes, .. } => bytes as u32,
            DataType::Struct { bytes, .. } => bytes,
            DataType::Array { element, len } => element.bytes() * len,
        }
    }

    /// Brings a value from one byte order into the other. Bytes in network order stay as they are.
    pub fn swap_bytes(&self, value: &mut [u8]) {
        match *self {
            DataType::Int { name, bytes, .. } => {
                if !name.starts_with("__be")
                    && let Some(number) = value.get_mut(..usize::from(bytes))
                {
                    number.reverse();
                }
            }
            DataType::Struct { fields, .. } => {
                for field in fields {
                    if let Some(value) = value.get_mut(field.offset as usize..) {
                        field.ty.swap_bytes(value);
                    }
                }
            }
            DataType::Array { element, len } => {
                for item in value.chunks_mut(element.bytes().max(1) as usize).take(len as usize) {
                    element.swap_bytes(item);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_order_is_the_same_everywhere() {
        const HALF: DataType = DataType::Int { name: "__u16", bytes: 2, signed: false };
        const PORT: DataType = DataType::Int { name: "__be16", bytes: 2, signed: false };
        const FIELDS: &[Field] = &[
            Field { name: "a", offset: 0, ty: HALF },
            Field { name: "port", offset: 2, ty: PORT },
            Field { name: "c", offset: 4, ty: DataType::Array { element: &HALF, len: 2 } },
        ];
        let mut value = [1, 2, 3, 4, 5, 6, 7, 8];
        DataType::Struct { name: "s", bytes: 8, fields: FIELDS }.swap_bytes(&mut value);
        assert_eq!(value, [2, 1, 3, 4, 6, 5, 8, 7]);
    }
}
