//! Kernel structs that helpers read or write on the stack.

use crate::header::Bytes;
use crate::value::{U8, U16, U32, U64};

/// Declares structs of kernel values with the offsets of the kernel's struct: `OFFSET NAME: TYPE`, in the order of their offsets. What
/// lies between fields is written as zeros; the verifier takes no memory that was never written.
macro_rules! layout {
    ($(
        $(#[$doc:meta])*
        $name:ident, $bytes:literal bytes {
            $($(#[$field_doc:meta])* $off:literal $field:ident: $ty:ty;)*
        }
    )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl Default for $name {
            /// All of it zero.
            fn default() -> Self {
                $name { $($field: $crate::join::Dead::dead(),)* }
            }
        }

        impl $crate::join::Dead for $name {
            fn dead() -> Self {
                $name::default()
            }
        }

        impl $crate::join::Staged for $name {
            fn each_part(&mut self, f: &mut dyn FnMut(&mut bpfasm_codegen::ir::Operand)) {
                $(self.$field.each_part(f);)*
            }
        }

        impl $crate::header::Field for $name {
            const BYTES: u32 = $bytes;

            #[track_caller]
            fn load(bytes: &$crate::header::Bytes, offset: u32) -> Self {
                $name { $($field: bytes.load(offset + $off),)* }
            }

            #[track_caller]
            fn store(self, bytes: &mut $crate::header::Bytes, offset: u32) {
                let mut end = 0;
                $(
                    $crate::helper::layout::zero(bytes, offset + end, offset + $off);
                    bytes.store(offset + $off, self.$field);
                    end = $off + <$ty as $crate::header::Field>::BYTES;
                )*
                $crate::helper::layout::zero(bytes, offset + end, offset + $bytes);
            }
        }
    )* };
}
pub(super) use layout;

/// Writes zeros from one offset to another.
#[track_caller]
pub(super) fn zero(bytes: &mut Bytes, mut from: u32, to: u32) {
    while from < to {
        let left = to - from;
        from += if from % 8 == 0 && left >= 8 {
            bytes.store(from, U64::from(0));
            8
        } else if from % 4 == 0 && left >= 4 {
            bytes.store(from, U32::from(0));
            4
        } else if from % 2 == 0 && left >= 2 {
            bytes.store(from, U16::from(0));
            2
        } else {
            bytes.store(from, U8::from(0));
            1
        };
    }
}
