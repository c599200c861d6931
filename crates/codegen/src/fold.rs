//! Constant evaluation with the machine's meaning (RFC 9669, sections 4.1 and 4.3), for the front end and the passes alike.

use crate::ir::{BinOp, Cond, NetConst, Operand, Size, Width};
use bpfasm_isa::Endian;

/// The low `size` bytes of `value`.
pub fn truncate(size: Size, value: u64) -> u64 {
    value & mask(u32::from(size.bytes()) * 8)
}

/// A mask of the low `bits` bits; all of them from 64 up.
pub(crate) fn mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// How many bits a register has at `width`.
pub(crate) fn width_bits(width: Width) -> u32 {
    match width {
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

/// The low 32 bits as a signed number, sign-extended.
fn low_signed(value: u64) -> i64 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i64::from(i32::from_le_bytes([a, b, c, d]))
}

/// `value` read as a signed number of `width`.
fn signed(width: Width, value: u64) -> i64 {
    match width {
        Width::W32 => low_signed(value),
        Width::W64 => value.cast_signed(),
    }
}

/// `value` read as an unsigned number of `width`.
fn unsigned(width: Width, value: u64) -> u64 {
    value & mask(width_bits(width))
}

/// The result of `a op b`; 32-bit results are zero-extended.
///
/// `None` where the machine has no instruction for these operands, so that the program must be refused or the operation kept:
/// today every operation is total (division by zero gives 0, modulo by zero the dividend).
pub fn fold_bin(op: BinOp, width: Width, a: u64, b: u64) -> Option<u64> {
    let (x, y) = (unsigned(width, a), unsigned(width, b));
    let (sx, sy) = (signed(width, a), signed(width, b));
    let count = y & u64::from(width_bits(width) - 1);
    let result = match op {
        BinOp::Add => x.wrapping_add(y),
        BinOp::Sub => x.wrapping_sub(y),
        BinOp::Mul => x.wrapping_mul(y),
        BinOp::Div => x.checked_div(y).unwrap_or(0),
        BinOp::Mod => x.checked_rem(y).unwrap_or(x),
        BinOp::SDiv if sy == 0 => 0,
        BinOp::SDiv => sx.wrapping_div(sy).cast_unsigned(),
        BinOp::SMod if sy == 0 => x,
        BinOp::SMod => sx.wrapping_rem(sy).cast_unsigned(),
        BinOp::Or => x | y,
        BinOp::And => x & y,
        BinOp::Xor => x ^ y,
        BinOp::Lsh => x << count,
        BinOp::Rsh => x >> count,
        BinOp::Arsh => (sx >> count).cast_unsigned(),
    };
    Some(unsigned(width, result))
}

/// Whether `a cond b` holds.
pub fn fold_cond(cond: Cond, width: Width, a: u64, b: u64) -> bool {
    let (x, y) = (unsigned(width, a), unsigned(width, b));
    let (sx, sy) = (signed(width, a), signed(width, b));
    match cond {
        Cond::Eq => x == y,
        Cond::Ne => x != y,
        Cond::Gt => x > y,
        Cond::Ge => x >= y,
        Cond::Lt => x < y,
        Cond::Le => x <= y,
        Cond::SGt => sx > sy,
        Cond::SGe => sx >= sy,
        Cond::SLt => sx < sy,
        Cond::SLe => sx <= sy,
    }
}

/// The exchange of network and host order of a constant, whatever the target's byte order: a number becomes a network-order
/// constant and the reverse. `None` where only the target can tell: a value, or a network-order constant of another size.
pub fn fold_net_swap(size: Size, a: Operand) -> Option<Operand> {
    match a {
        Operand::Const(value) => Some(Operand::Net(NetConst { size, value: truncate(size, value) })),
        Operand::Net(net) if net.size == size => Some(Operand::Const(net.value)),
        Operand::Net(_) | Operand::Value(_) => None,
    }
}

/// The sign of the low `from` bytes of `a` in all 64 bits.
pub fn fold_sign_extend(from: Size, a: u64) -> u64 {
    let unused = 64 - u32::from(from.bytes()) * 8;
    ((a << unused).cast_signed() >> unused).cast_unsigned()
}

/// The exchange of network and host order of the low `size` bytes on a target.
pub fn swap_for(endian: Endian, size: Size, a: u64) -> u64 {
    match endian {
        Endian::Big => truncate(size, a),
        Endian::Little => a.swap_bytes() >> (64 - u32::from(size.bytes()) * 8),
    }
}

/// What a register holds after a target loaded the constant from memory.
pub fn net_bits(endian: Endian, net: NetConst) -> u64 {
    swap_for(endian, net.size, net.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bin(op: BinOp, width: Width, a: u64, b: u64) -> u64 {
        fold_bin(op, width, a, b).unwrap()
    }

    #[test]
    fn division_has_no_traps() {
        for width in [Width::W32, Width::W64] {
            assert_eq!(bin(BinOp::Div, width, 7, 0), 0);
            assert_eq!(bin(BinOp::SDiv, width, 7, 0), 0);
            assert_eq!(bin(BinOp::Mod, width, 7, 0), 7);
            assert_eq!(bin(BinOp::SMod, width, 7, 0), 7);
        }
        assert_eq!(bin(BinOp::SDiv, Width::W64, i64::MIN.cast_unsigned(), u64::MAX), i64::MIN.cast_unsigned());
        assert_eq!(bin(BinOp::SMod, Width::W64, i64::MIN.cast_unsigned(), u64::MAX), 0);
        assert_eq!(bin(BinOp::SDiv, Width::W32, 0x8000_0000, 0xffff_ffff), 0x8000_0000);
        assert_eq!(bin(BinOp::Mod, Width::W32, 0x1_0000_0007, 0x1_0000_0000), 7);
        assert_eq!(bin(BinOp::SMod, Width::W64, (-13_i64).cast_unsigned(), 4), (-1_i64).cast_unsigned());
    }

    #[test]
    fn shifts_take_their_count_modulo_the_width() {
        assert_eq!(bin(BinOp::Lsh, Width::W64, 1, 65), 2);
        assert_eq!(bin(BinOp::Lsh, Width::W32, 1, 33), 2);
        assert_eq!(bin(BinOp::Rsh, Width::W32, 0xffff_ffff_8000_0000, 31), 1);
        assert_eq!(bin(BinOp::Arsh, Width::W32, 0x8000_0000, 4), 0xf800_0000);
        assert_eq!(bin(BinOp::Arsh, Width::W64, 0x8000_0000, 4), 0x0800_0000);
    }

    #[test]
    fn network_constants_are_the_bytes_in_memory() {
        let port = NetConst { size: Size::H, value: 0x0800 };
        assert_eq!(net_bits(Endian::Little, port), 0x0008);
        assert_eq!(net_bits(Endian::Big, port), 0x0800);
        let bytes = 0xc0a8_0101_u32.to_be_bytes();
        let address = NetConst { size: Size::W, value: 0xc0a8_0101 };
        assert_eq!(net_bits(Endian::Little, address), u64::from(u32::from_le_bytes(bytes)));
        assert_eq!(net_bits(Endian::Big, address), u64::from(u32::from_be_bytes(bytes)));
    }

    proptest! {
        #[test]
        fn swapping_twice_truncates(value: u64, big: bool) {
            let endian = if big { Endian::Big } else { Endian::Little };
            for size in [Size::H, Size::W, Size::DW] {
                let once = swap_for(endian, size, value);
                prop_assert_eq!(swap_for(endian, size, once), truncate(size, value));
                let folded = fold_net_swap(size, Operand::Const(value)).unwrap();
                let Operand::Net(net) = folded else { panic!("{folded:?}") };
                prop_assert_eq!(net_bits(endian, net), once);
                prop_assert_eq!(fold_net_swap(size, folded), Some(Operand::Const(truncate(size, value))));
            }
        }

        #[test]
        fn a_condition_and_its_inverse_disagree(a: u64, b in prop_oneof![any::<u64>(), 0..3_u64]) {
            for &cond in Cond::ALL {
                for width in [Width::W32, Width::W64] {
                    let holds = fold_cond(cond, width, a, b);
                    prop_assert_ne!(holds, fold_cond(cond.inverse(), width, a, b));
                    prop_assert_eq!(holds, fold_cond(cond.swapped(), width, b, a));
                }
            }
        }

        #[test]
        fn sign_extension_keeps_the_low_bytes(value: u64) {
            prop_assert_eq!(fold_sign_extend(Size::B, value), i64::from(value.to_le_bytes()[0].cast_signed()).cast_unsigned());
            prop_assert_eq!(fold_sign_extend(Size::W, value), low_signed(value).cast_unsigned());
            prop_assert_eq!(truncate(Size::H, fold_sign_extend(Size::H, value)), truncate(Size::H, value));
        }
    }
}
