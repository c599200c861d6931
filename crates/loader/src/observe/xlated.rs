//! The code of a program after the verifier's rewriting, instruction by instruction.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use bpfasm_isa::{Endian, Form, HelperId, Insn, PseudoSrc, Slot, SlotIx};
use bpfasm_object::Line;
use bpfasm_object::btf::ext::LineInfo;
use bpfasm_object::btf::{Btf, Type, TypeId};

use super::symbols;
use crate::log::is_kernel_address;
use crate::privilege::{Action, NotPermitted};
use crate::sys::{self, ProgCode};
use crate::{Error, Program};

/// One instruction of a program as the kernel runs it, or gives it to the JIT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XlatedInsn {
    /// Its place.
    pub at: SlotIx,
    /// Its one or two slots. A kernel address in them is replaced by zero.
    pub slots: Vec<Slot>,
    /// The instruction in the kernel's words, as `bpftool prog dump xlated` prints it, with the names of what it calls.
    pub text: String,
    /// The function that starts here, as C declares it.
    pub function: Option<String>,
    /// The source line that starts here.
    pub line: Option<Line>,
    /// The map that it refers to.
    pub map_id: Option<u32>,
    /// Where it may jump to, or the subprogram that it calls.
    pub target: Option<SlotIx>,
}

impl Program {
    /// The code after the verifier's rewriting: context fields have become kernel fields, some helpers are inlined, dead
    /// code is gone.
    ///
    /// # Errors
    /// Not permitted without `CAP_BPF`, and where the kernel hides the constants in it.
    pub fn xlated(&self) -> Result<Vec<XlatedInsn>, Error> {
        let code = sys::prog_code(self.as_fd()).map_err(|errno| Error::sys(Action::INSPECT, errno))?;
        let Some(bytes) = &code.xlated else { return Err(NotPermitted::explain(Action::INSPECT).into()) };
        let slots: Vec<Slot> = bytes.iter().map(|&bytes| Slot::from_bytes(bytes, Endian::NATIVE)).collect();
        let helpers = symbols::functions(&slots.iter().filter_map(called_function).collect());
        Ok(Listing::new(&code, btf_of(self), helpers).insns(&slots))
    }
}

/// The types of a program, if it has some that can be read.
fn btf_of(program: &Program) -> Option<Btf> {
    let id = sys::prog_info(program.as_fd()).ok()?.btf_id;
    let btf = sys::btf_info(sys::btf_get_fd_by_id(id).ok()?.as_fd()).ok()?;
    Btf::parse(&btf.data).ok()
}

/// The opcode byte of calls.
const CALL: u8 = 0x85;
/// What the src field of a call of a subprogram holds: `BPF_PSEUDO_CALL`.
const PSEUDO_CALL: u8 = 1;
/// The opcode byte of LDDW, the load of 64 bits.
const LDDW: u8 = 0x18;

/// The distance of the kernel function that a slot calls. In verified code the numbers of helpers have become
/// distances, but for those that the JIT knows.
fn called_function(slot: &Slot) -> Option<i32> {
    let calls = slot.code == CALL && slot.src != PSEUDO_CALL;
    (calls && HelperId(slot.imm.cast_unsigned()).name().is_none()).then_some(slot.imm)
}

/// What is known of a program besides its instructions.
struct Listing<'a> {
    code: &'a ProgCode,
    btf: Option<Btf>,
    /// Names of kernel functions by their distance.
    helpers: BTreeMap<i32, String>,
}

impl<'a> Listing<'a> {
    fn new(code: &'a ProgCode, btf: Option<Btf>, helpers: BTreeMap<i32, String>) -> Listing<'a> {
        Listing { code, btf, helpers }
    }

    fn insns(&self, slots: &[Slot]) -> Vec<XlatedInsn> {
        let mut lines = self.lines();
        let mut functions = self.functions();
        let mut rest = slots;
        let mut insns = Vec::new();
        let mut at = SlotIx(0);
        while let Some(first) = rest.first() {
            let count = if first.code == LDDW { rest.len().min(2) } else { 1 };
            let (own, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let mut insn = self.insn(at, own);
            insn.line = lines.remove(&at);
            insn.function = functions.remove(&at);
            insns.push(insn);
            rest = behind;
            // At most 2: a program has far fewer than 2^32 slots.
            at = at.checked_add(i64::try_from(count).unwrap_or(2)).unwrap_or(at);
        }
        insns
    }

    fn insn(&self, at: SlotIx, slots: &[Slot]) -> XlatedInsn {
        let mut slots = slots.to_vec();
        let hidden = hide_address(&mut slots);
        let (insn, text) = match decode(&slots) {
            Some(insn) => {
                let symbol = if hidden { Some("<kernel address>".to_owned()) } else { self.symbol(&insn, &slots) };
                (Some(insn), insn.kernel_text(symbol.as_deref()).to_string())
            }
            None => (None, internal(&slots)),
        };
        let distance = insn.and_then(|insn| insn.jump_target().or(insn.call_target()));
        XlatedInsn {
            at,
            text,
            function: None,
            line: None,
            map_id: insn.and_then(|insn| map_id(&insn)),
            target: distance.and_then(|distance| at.checked_add(i64::from(distance) + 1)),
            slots,
        }
    }

    /// What an instruction calls or loads, by name.
    fn symbol(&self, insn: &Insn, slots: &[Slot]) -> Option<String> {
        let high = insn.imm64() >> 32;
        match insn.form() {
            Form::CallHelper | Form::CallKfunc => self.helpers.get(&insn.imm()).cloned(),
            Form::CallLocal => self.subprogram(slots.first()?.imm),
            Form::LddwPseudo(PseudoSrc::MapFd) => Some(format!("map[id:{}]", insn.imm())),
            Form::LddwPseudo(PseudoSrc::MapValue) => Some(format!("map[id:{}][0]+{high}", insn.imm())),
            Form::LddwPseudo(PseudoSrc::Func) => Some(format!("subprog[{:+}]", insn.imm())),
            _ => None,
        }
    }

    /// The name that the kernel gives a subprogram's machine code: its tag and its name (`bpf_get_prog_name` in
    /// `kernel/bpf/core.c`).
    fn subprogram(&self, index: i32) -> Option<String> {
        let index = usize::try_from(index).ok()?;
        let tag: String = self.code.tags.get(index)?.iter().map(|byte| format!("{byte:02x}")).collect();
        let function = self.code.func_info.get(index).zip(self.btf.as_ref());
        let name = function.and_then(|(&[_, type_id], btf)| match btf.get(TypeId(type_id)) {
            Some(Type::Func { name, .. }) => Some(name),
            _ => None,
        });
        Some(format!("bpf_prog_{tag}_{}", name.unwrap_or("F")))
    }

    fn lines(&self) -> BTreeMap<SlotIx, Line> {
        let Some(btf) = &self.btf else { return BTreeMap::new() };
        let string = |offset| btf.string(offset).unwrap_or_default();
        let records = self.code.line_info.iter().map(|&[insn_off, file, text, line_col]| {
            let record = LineInfo { insn_off, file, text, line_col };
            let line = Line {
                at: SlotIx(insn_off),
                file: string(file).into(),
                text: string(text).trim_start().into(),
                line: record.line(),
                column: record.column(),
            };
            (line.at, line)
        });
        records.collect()
    }

    fn functions(&self) -> BTreeMap<SlotIx, String> {
        let Some(btf) = &self.btf else { return BTreeMap::new() };
        let signature = |&[slot, type_id]: &[u32; 2]| Some((SlotIx(slot), btf.signature(TypeId(type_id))?));
        self.code.func_info.iter().filter_map(signature).collect()
    }
}

/// Replaces a kernel address in a load of 64 bits by zero. Says whether there was one.
fn hide_address(slots: &mut [Slot]) -> bool {
    let [first, second] = slots else { return false };
    let value = u64::from(second.imm.cast_unsigned()) << 32 | u64::from(first.imm.cast_unsigned());
    let hide = first.src == 0 && is_kernel_address(value);
    if hide {
        (first.imm, second.imm) = (0, 0);
    }
    hide
}

/// Decodes an instruction of verified code. The kernel uses some fields there that programs may not use.
fn decode(slots: &[Slot]) -> Option<Insn> {
    match *slots {
        // The distance has moved to the offset; the immediate is the number of the subprogram.
        [Slot { code: CALL, src: PSEUDO_CALL, off, .. }] => Some(Insn::call_local(off.into())),
        // The second immediate is the number of the subprogram.
        [first, second] if first.src == 4 => Insn::decode(&[first, Slot { imm: 0, ..second }]).ok(),
        _ => Insn::decode(slots).ok(),
    }
}

fn map_id(insn: &Insn) -> Option<u32> {
    let of_map = matches!(insn.form(), Form::LddwPseudo(PseudoSrc::MapFd | PseudoSrc::MapValue));
    of_map.then(|| insn.imm().cast_unsigned())
}

/// The text of what is no instruction of a program: the verifier puts some in that only the JIT knows.
///
/// # References
/// `BPF_ADDR_PERCPU` and `BPF_NOSPEC` of `include/linux/filter.h`.
fn internal(slots: &[Slot]) -> String {
    match *slots {
        [Slot { code: code @ 0xbf, dst, src, off: -1, .. }] => {
            format!("({code:02x}) r{dst} = &(void __percpu *)(r{src})")
        }
        [Slot { code: code @ 0xc2, .. }] => format!("({code:02x}) nospec"),
        [Slot { code, .. }, ..] => format!("BUG_{code:02x}"),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpfasm_isa::Reg;
    use bpfasm_object::btf::{IntEncoding, Param, SymbolLinkage};

    fn slot(code: u8, src: u8, off: i16, imm: i32) -> Slot {
        Slot { code, dst: u8::from([LDDW, 0xbf].contains(&code)), src, off, imm }
    }

    fn listed(slots: &[Slot]) -> Vec<XlatedInsn> {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, IntEncoding::SIGNED).unwrap();
        let proto = btf.func_proto(int, &[Param { name: "x", type_id: int }]).unwrap();
        let function = |name, btf: &mut Btf| btf.func(name, proto, SymbolLinkage::STATIC).unwrap();
        let (first, second) = (function("first", &mut btf), function("second", &mut btf));
        let (file, text) = (btf.intern("a.rs").unwrap(), btf.intern("  let x = 1;").unwrap());
        let code = ProgCode {
            xlated: None,
            func_info: vec![[0, first.0], [3, second.0]],
            line_info: vec![[1, file, text, 7 << 10 | 5]],
            tags: vec![[0x11; 8], [0x22; 8]],
        };
        Listing::new(&code, Some(btf), BTreeMap::from([(-64, "helper".to_owned())])).insns(slots)
    }

    #[test]
    fn what_the_verifier_wrote_is_named() {
        let slots = [
            slot(CALL, PSEUDO_CALL, 2, 1),
            slot(CALL, 0, 0, -64),
            slot(CALL, 0, 0, -72),
            slot(LDDW, 4, 0, 5),
            slot(0, 0, 0, 1),
            slot(LDDW, 2, 0, 9),
            slot(0, 0, 0, 8),
            slot(0xbf, 2, -1, 0),
            slot(0xc2, 0, 0, 0),
            slot(0xfe, 0, 0, 0),
        ];
        let insns = listed(&slots);
        let texts: Vec<&str> = insns.iter().map(|insn| insn.text.as_str()).collect();
        let expected = [
            "(85) call pc+2#bpf_prog_2222222222222222_second",
            "(85) call helper#-64",
            "(85) call unknown#-72",
            "(18) r1 = subprog[+5]",
            "(18) r1 = map[id:9][0]+8",
            "(bf) r1 = &(void __percpu *)(r2)",
            "(c2) nospec",
            "BUG_fe",
        ];
        assert_eq!(texts, expected);
        assert_eq!(insns[0].target, Some(SlotIx(3)));
        assert_eq!(insns[4].map_id, Some(9));
        assert_eq!(
            (insns[0].function.as_deref(), insns[3].function.as_deref()),
            (Some("int first(int x)"), Some("int second(int x)"))
        );
        let line = insns[1].line.as_ref().unwrap();
        assert_eq!((&*line.file, &*line.text, line.line, line.column), ("a.rs", "let x = 1;", 7, 5));
    }

    #[test]
    fn no_kernel_address_is_shown() {
        for (value, shown) in
            [(0xffff_8881_2345_6780, "<kernel address>"), (u64::MAX, "0xffffffffffffffff"), (7, "0x7")]
        {
            let insns = listed(&Insn::lddw(Reg::R1, value).encode());
            assert_eq!(insns[0].text, format!("(18) r1 = {shown}"));
            let low = insns[0].slots[0].imm.cast_unsigned();
            assert_eq!(low == 0, shown.starts_with('<'));
        }
    }
}
