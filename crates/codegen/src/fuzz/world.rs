//! What a program runs in: memory, and a kernel that answers calls.

use crate::ir::{GlobalRef, HelperId, MapRef, Size};
use bpfasm_isa::Endian;

/// Addresses of the regions; far apart, so that a stray access hits nothing.
pub(super) const CONTEXT: u64 = 0x1000_0000;
const PACKET: u64 = 0x2000_0000;
const VALUES: u64 = 0x3000_0000;
const GLOBALS: u64 = 0x6000_0000;
/// R10 points behind the stack.
pub(super) const FRAME: u64 = 0x4000_0000 + STACK_BYTES;
const STACK_BYTES: u64 = 512;

/// Where the context holds the packet's start and end (`struct __sk_buff` in `include/uapi/linux/bpf.h`).
pub(super) const DATA: i16 = 76;
pub(super) const DATA_END: i16 = 80;
/// Bytes of the context that are plain numbers.
pub(super) const CONTEXT_NUMBERS: u64 = 64;
/// Bytes of a map value.
pub(super) const VALUE_BYTES: u64 = 32;
/// Bytes of a global variable, and how many of them there are.
pub(super) const GLOBAL_BYTES: u64 = 16;
const GLOBAL_COUNT: u64 = 2;

/// How many steps a run may take: more than any generated function does.
pub(super) const FUEL: u32 = 100_000;

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Returned {
        value: u64,
        context: Vec<u8>,
        packet: Vec<u8>,
        values: Vec<u8>,
        globals: Vec<u8>,
        calls: Vec<(HelperId, Vec<u64>)>,
    },
    /// It touched memory that is not there, or did not end.
    Failed(String),
}

/// Memory and calls.
#[derive(Clone, Debug)]
pub(super) struct World {
    endian: Endian,
    context: Vec<u8>,
    packet: Vec<u8>,
    values: Vec<u8>,
    globals: Vec<u8>,
    stack: Vec<u8>,
    calls: Vec<(HelperId, Vec<u64>)>,
}

/// Scrambles two numbers into one (the finaliser of splitmix64).
fn mix(a: u64, b: u64) -> u64 {
    let x = (a ^ b.rotate_left(29)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn bytes(seed: u64, count: u64) -> Vec<u8> {
    // Small numbers are more likely to be equal to something.
    (0..count).map(|i| mix(seed, i).to_le_bytes()[0] & if mix(i, seed) & 1 == 0 { 0xff } else { 3 }).collect()
}

impl World {
    pub(super) fn new(endian: Endian, seed: u64) -> World {
        let packet = bytes(seed, seed * 17);
        let mut world = World {
            endian,
            context: bytes(seed + 100, 96),
            packet,
            values: bytes(seed + 200, VALUE_BYTES),
            globals: bytes(seed + 300, GLOBAL_COUNT * GLOBAL_BYTES),
            stack: vec![0; usize::try_from(STACK_BYTES).unwrap_or(0)],
            calls: Vec::new(),
        };
        let end = PACKET + world.packet.len() as u64;
        let field = |off: i16| CONTEXT.wrapping_add_signed(off.into());
        world.store(Size::W, field(DATA), PACKET);
        world.store(Size::W, field(DATA_END), end);
        world
    }

    pub(super) fn endian(&self) -> Endian {
        self.endian
    }

    fn region(&mut self, address: u64, size: Size) -> Option<&mut [u8]> {
        let regions = [
            (CONTEXT, &mut self.context),
            (PACKET, &mut self.packet),
            (VALUES, &mut self.values),
            (GLOBALS, &mut self.globals),
            (FRAME - STACK_BYTES, &mut self.stack),
        ];
        regions.into_iter().find_map(|(base, bytes)| {
            let start = usize::try_from(address.checked_sub(base)?).ok()?;
            bytes.get_mut(start..start.checked_add(size.bytes().into())?)
        })
    }

    pub(super) fn load(&mut self, size: Size, address: u64) -> Option<u64> {
        let endian = self.endian;
        let bytes = self.region(address, size)?;
        let join = |number, &byte| number << 8 | u64::from(byte);
        Some(match endian {
            Endian::Big => bytes.iter().fold(0, join),
            Endian::Little => bytes.iter().rev().fold(0, join),
        })
    }

    pub(super) fn store(&mut self, size: Size, address: u64, value: u64) -> Option<()> {
        let endian = self.endian;
        let bytes = self.region(address, size)?;
        let parts = value.to_le_bytes();
        let parts = parts[..bytes.len()].iter();
        match endian {
            Endian::Little => bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from),
            Endian::Big => bytes.iter_mut().zip(parts.rev()).for_each(|(to, from)| *to = *from),
        }
        Some(())
    }

    pub(super) fn atomic_add(&mut self, size: Size, address: u64, value: u64) -> Option<()> {
        let sum = self.load(size, address)?.wrapping_add(value);
        self.store(size, address, sum)
    }

    pub(super) fn map_address(map: MapRef) -> u64 {
        0x5000_0000 + u64::from(map.0)
    }

    pub(super) fn global_address(global: GlobalRef) -> u64 {
        GLOBALS + u64::from(global.0) * GLOBAL_BYTES
    }

    /// Calls a helper. What it gives depends on its arguments and, for those that point to the stack, on the 8 bytes there, which it
    /// changes if it may; it changes a map value as well. A lookup finds a map value.
    pub(super) fn call(&mut self, helper: HelperId, args: &[u64]) -> u64 {
        let mut seen = Vec::new();
        let mut result = u64::from(helper.0);
        for &arg in args {
            let is_stack = (FRAME - STACK_BYTES..FRAME).contains(&arg);
            // Where in the stack is the compiler's business.
            let content = if is_stack { self.load(Size::DW, arg).unwrap_or(0) } else { arg };
            result = mix(result, content);
            seen.push(content);
            if is_stack && !helper.changes_maps_only() {
                self.store(Size::DW, arg, result);
            }
        }
        self.calls.push((helper, seen));
        self.store(Size::DW, VALUES, result);
        if helper == HelperId::MAP_LOOKUP_ELEM { VALUES } else { result }
    }

    pub(super) fn finish(self, value: u64) -> Outcome {
        let World { context, packet, values, globals, calls, .. } = self;
        Outcome::Returned { value, context, packet, values, globals, calls }
    }
}
