//! Walking over a program's slots, and listing them as `llvm-objdump -d` does.

use core::fmt::{self, Display, Formatter};

use crate::{
    HelperId,
    decode::DecodeError,
    insn::Insn,
    print::Annotate,
    slot::{Endian, Slot, SlotIx},
};

/// The instructions of `slots` with their places. A slot that is none gives an error, and the walk goes on at the next.
pub fn insns(slots: &[Slot]) -> Insns<'_> {
    Insns { rest: slots, at: SlotIx(0) }
}

/// Iterator over instructions; see [`insns`].
#[derive(Clone, Debug)]
pub struct Insns<'a> {
    rest: &'a [Slot],
    at: SlotIx,
}

impl<'a> Insns<'a> {
    /// The next instruction with its place and the slots that it came from.
    pub(crate) fn step(&mut self) -> Option<(SlotIx, &'a [Slot], Result<Insn, DecodeError>)> {
        if self.rest.is_empty() {
            return None;
        }
        let (at, decoded) = (self.at, Insn::decode(self.rest));
        let count = decoded.as_ref().map_or(1, Insn::slot_count);
        // A decoded instruction took no more slots than there are.
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        self.at = u32::try_from(count).ok().and_then(|count| at.0.checked_add(count)).map_or(SlotIx(u32::MAX), SlotIx);
        Some((at, taken, decoded))
    }
}

impl Iterator for Insns<'_> {
    type Item = (SlotIx, Result<Insn, DecodeError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.step().map(|(at, _, decoded)| (at, decoded))
    }
}

/// Names for a listing's places and helpers. Each method may write words that follow the instruction's text, a space
/// before them; the defaults write none.
pub trait Names {
    /// After a jump to `target`.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn jump(&self, target: SlotIx, f: &mut Formatter<'_>) -> fmt::Result {
        let _ = (target, f);
        Ok(())
    }

    /// After a call of the subprogram at `target`.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn call(&self, target: SlotIx, f: &mut Formatter<'_>) -> fmt::Result {
        let _ = (target, f);
        Ok(())
    }

    /// After a call of a helper.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn helper(&self, helper: HelperId, f: &mut Formatter<'_>) -> fmt::Result {
        let _ = (helper, f);
        Ok(())
    }
}

/// Names nothing.
impl Names for () {}

/// The name of the function that is listed: jumps print ` <name+0x10>`, as `llvm-objdump -d` does for jumps to places
/// without a symbol.
#[derive(Clone, Copy, Debug)]
pub struct FunctionName<'a>(pub &'a str);

impl Names for FunctionName<'_> {
    fn jump(&self, target: SlotIx, f: &mut Formatter<'_>) -> fmt::Result {
        match target.byte_offset() {
            0 => write!(f, " <{}>", self.0),
            bytes => write!(f, " <{}+{bytes:#x}>", self.0),
        }
    }
}

/// A program's text, one line for each instruction: position in slots, bytes, instruction. Made by [`listing`].
#[derive(Clone, Copy)]
pub struct Listing<'a, N: ?Sized> {
    slots: &'a [Slot],
    endian: Endian,
    names: &'a N,
}

/// The text of `slots`, laid out as `llvm-objdump -d` does. A slot that is no instruction prints as `<unknown>`.
///
/// ```
/// use bpfasm_isa::{Endian, Insn, JmpOp, Reg, Width, disasm};
///
/// let jump = Insn::jump_if(Width::W64, JmpOp::Ne, Reg::R1, 0, 1);
/// let program = [jump, Insn::mov(Width::W32, Reg::R0, 0), Insn::exit()];
/// let slots: Vec<_> = program.iter().flat_map(|insn| insn.encode().to_vec()).collect();
/// assert_eq!(
///     disasm::listing(&slots, Endian::Little, &disasm::FunctionName("drop")).to_string(),
///     "       0:\t55 01 01 00 00 00 00 00\tif r1 != 0x0 goto +0x1 <drop+0x10>\n       \
///             1:\tb4 00 00 00 00 00 00 00\tw0 = 0x0\n       \
///             2:\t95 00 00 00 00 00 00 00\texit\n",
/// );
/// ```
pub fn listing<'a, N: Names + ?Sized>(slots: &'a [Slot], endian: Endian, names: &'a N) -> Listing<'a, N> {
    Listing { slots, endian, names }
}

impl<N: Names + ?Sized> Display for Listing<'_, N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut insns = insns(self.slots);
        while let Some((at, slots, decoded)) = insns.step() {
            write!(f, "{at:>8}:\t")?;
            let bytes = slots.iter().flat_map(|slot| slot.to_bytes(self.endian));
            for (index, byte) in bytes.enumerate() {
                let space = if index == 0 { "" } else { " " };
                write!(f, "{space}{byte:02x}")?;
            }
            match decoded {
                Ok(insn) => writeln!(f, "\t{}", insn.display_with(&At { at, names: self.names }))?,
                Err(_) => writeln!(f, "\t<unknown>")?,
            }
        }
        Ok(())
    }
}

/// Names seen from one place: distances become positions.
struct At<'a, N: ?Sized> {
    at: SlotIx,
    names: &'a N,
}

impl<N: ?Sized> At<'_, N> {
    /// The place at this distance from the next slot; `None` before the program's start.
    fn target(&self, distance: i32) -> Option<SlotIx> {
        self.at.checked_add(i64::from(distance) + 1)
    }
}

impl<N: Names + ?Sized> Annotate for At<'_, N> {
    fn jump(&self, distance: i32, f: &mut Formatter<'_>) -> fmt::Result {
        self.target(distance).map_or(Ok(()), |target| self.names.jump(target, f))
    }

    fn call(&self, distance: i32, f: &mut Formatter<'_>) -> fmt::Result {
        self.target(distance).map_or(Ok(()), |target| self.names.call(target, f))
    }

    fn helper(&self, helper: HelperId, f: &mut Formatter<'_>) -> fmt::Result {
        self.names.helper(helper, f)
    }
}
