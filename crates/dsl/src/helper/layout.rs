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
        let fits = |bytes: &u32| from.is_multiple_of(*bytes) && from + bytes <= to;
        let bytes_of_zero = [8, 4, 2].into_iter().find(fits).unwrap_or(1);
        match bytes_of_zero {
            8 => bytes.store(from, U64::from(0)),
            4 => bytes.store(from, U32::from(0)),
            2 => bytes.store(from, U16::from(0)),
            _ => bytes.store(from, U8::from(0)),
        }
        from += bytes_of_zero;
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use bpfasm_codegen::ir::{Function, Op, Operand};

    use super::super::stack;
    use super::super::{BranchEntry, FibLookup, FibRoute, NextHop, NsPidTgid, TunnelKey, TupleV4, TupleV6, XfrmState};
    use crate::header::{Bytes, Field};
    use crate::stage::{self, Limits};
    use crate::value::{Be16, Mac, U8};

    fn staged(body: impl Fn() -> Bytes) -> Function {
        let run = &mut || body().address();
        stage::stage(Limits::default(), Location::caller(), run).unwrap().function
    }

    /// The bytes that are stored, each with how often.
    fn stored(function: &Function) -> Vec<u32> {
        let mut times = Vec::new();
        for inst in function.blocks.values().flat_map(|block| &block.insts) {
            if let Op::Store { size, off, .. } = inst.op {
                let (from, bytes) = (usize::try_from(off).unwrap(), usize::from(size.bytes()));
                assert_eq!(from % bytes, 0, "the stack takes no {bytes} bytes at {from}");
                times.resize(times.len().max(from + bytes), 0);
                times[from..from + bytes].iter_mut().for_each(|times| *times += 1);
            }
        }
        times
    }

    /// The verifier takes no memory of which a byte was never written.
    #[test]
    fn every_byte_is_written_once() {
        fn check<T: Field + Default>(bytes: usize) {
            let function = staged(|| stack::put(0, T::default()));
            assert_eq!(stored(&function), vec![1; bytes], "{}", std::any::type_name::<T>());
        }
        check::<FibLookup>(64);
        check::<FibRoute>(64);
        check::<NextHop>(20);
        check::<TupleV4>(12);
        check::<TupleV6>(36);
        check::<TunnelKey>(28);
        check::<XfrmState>(28);
        check::<NsPidTgid>(8);
        check::<BranchEntry>(24);
    }

    #[test]
    fn arrays_and_text_are_whole() {
        let address = Mac::from([1, 2, 3, 4, 5, 6]);
        assert_eq!(stored(&staged(|| stack::put(0, [address; 3]))), [1; 18]);
        assert_eq!(stored(&staged(|| stack::put(0, Be16::from(1)))), [1; 2]);
        assert_eq!(stored(&staged(|| stack::put(0, [U8::from(1); 5]))), [1; 5]);
        for bytes in [0, 1, 7, 8, 9, 21] {
            let text = "x".repeat(bytes);
            assert_eq!(stored(&staged(|| stack::put_bytes(0, text.as_bytes()))), vec![1; bytes]);
        }
    }

    /// The parts of an address come back together, wherever it lies: constants are folded while staging.
    #[test]
    fn an_address_between_words_is_the_same() {
        let function = staged(|| stack::put(0, [Mac::from([1, 2, 3, 4, 5, 6]), Mac::from([7, 8, 9, 10, 11, 12])]));
        let insts = function.blocks.values().flat_map(|block| &block.insts);
        let parts = insts.filter_map(|inst| match inst.op {
            Op::Store { value: Operand::Net(net), .. } => Some(net.value),
            _ => None,
        });
        assert_eq!(parts.collect::<Vec<_>>(), [0x0102_0304, 0x0506, 0x0708, 0x090a_0b0c]);
    }
}
