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
}
