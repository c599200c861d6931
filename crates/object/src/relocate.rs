//! From an object to what BPF_PROG_LOAD takes: one run of code with its subprograms behind it, and its debug info.
//!
//! Pure functions: no system call, the same input gives the same bytes. What only the kernel knows, the map descriptors,
//! stays open and is listed.
//!
//! ```
//! use bpfasm_isa::{Endian, Slot};
//! use bpfasm_object::{Function, Linkage, Object, relocate};
//!
//! let mut object = Object::new(Endian::NATIVE);
//! let exit = Slot { code: 0x95, ..Slot::default() };
//! object.functions.push(Function {
//!     name: "drop".into(), section: "tc".into(), linkage: Linkage::Global,
//!     code: vec![Slot { code: 0xb7, imm: 2, ..Slot::default() }, exit],
//!     relocations: vec![], lines: vec![], type_id: None,
//! });
//! let btf = object.kernel_btf()?;
//! let program = object.find_program("drop").ok_or("no such program")?;
//! assert_eq!(relocate::image(&object, &btf, program)?.code.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::btf::ext::{FuncInfo, LineInfo, Record};
use crate::btf::{self, Btf};
use crate::limits::PROGRAM_SLOTS;
use crate::model::{CALL, Function, FunctionIx, LDDW, Line, Malformed, MapIx, Object, PSEUDO_CALL, RelocationTarget};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bpfasm_isa::{Slot, SlotIx};

/// `func_info_rec_size` of BPF_PROG_LOAD for [`LoadImage::func_info`].
pub const FUNC_INFO_REC_SIZE: u32 = FuncInfo::BYTES;

/// `line_info_rec_size` of BPF_PROG_LOAD for [`LoadImage::line_info`].
pub const LINE_INFO_REC_SIZE: u32 = LineInfo::BYTES;

/// The `src` of an LDDW of a map, `BPF_PSEUDO_MAP_FD` of `include/uapi/linux/bpf.h`.
const PSEUDO_MAP_FD: u8 = 1;

/// The `src` of an LDDW of an address in the one value of a map, `BPF_PSEUDO_MAP_VALUE` of `include/uapi/linux/bpf.h`.
const PSEUDO_MAP_VALUE: u8 = 2;

/// The `src` of an LDDW of a function, `BPF_PSEUDO_FUNC` of `include/uapi/linux/bpf.h`.
const PSEUDO_FUNC: u8 = 4;

/// The BTF of an object as the kernel takes it, with the names and texts of the source lines in its string table.
///
/// Made once for an object by [`Object::kernel_btf`]; the line_info of every program of it refers to these bytes.
#[derive(Clone, Debug)]
pub struct KernelBtf {
    bytes: Vec<u8>,
    types: usize,
    lines: LineStrings,
}

impl KernelBtf {
    /// What BPF_BTF_LOAD takes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is no type in it, so that there is nothing to load and no program has debug info.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types == 0
    }
}

/// The string offsets of all lines of all functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineStrings {
    /// File and text of each line, function after function.
    offsets: Vec<(u32, u32)>,
    /// Where each function's lines start.
    starts: Vec<usize>,
}

impl LineStrings {
    /// Puts the strings of all lines into `btf`.
    pub(crate) fn intern(object: &Object, btf: &mut Btf) -> Result<LineStrings, btf::Error> {
        let mut strings = LineStrings::default();
        let mut last_file: Option<(&Arc<str>, u32)> = None;
        for function in &object.functions {
            strings.starts.push(strings.offsets.len());
            for line in &function.lines {
                let file = match last_file {
                    Some((file, offset)) if Arc::ptr_eq(file, &line.file) => offset,
                    _ => btf.intern(&line.file)?,
                };
                last_file = Some((&line.file, file));
                let text = match line.text.contains(['\n', '\r']) {
                    true => btf.intern(&line.text.replace(['\n', '\r'], " "))?,
                    false => btf.intern(&line.text)?,
                };
                strings.offsets.push((file, text));
            }
        }
        Ok(strings)
    }

    /// The records of a function's lines; `place` says where in the section or program a slot of it is.
    pub(crate) fn records<'a>(
        &'a self,
        function: usize,
        lines: &'a [Line],
        place: impl Fn(SlotIx) -> u32 + 'a,
    ) -> impl Iterator<Item = LineInfo> + 'a {
        let start = self.starts.get(function).copied().unwrap_or(self.offsets.len());
        let offsets = self.offsets.get(start..).unwrap_or_default();
        lines.iter().zip(offsets).map(move |(line, &(file, text))| {
            let line_col = LineInfo::line_col(line.line, line.column);
            LineInfo { insn_off: place(line.at), file, text, line_col }
        })
    }
}

impl Object {
    /// The object's BTF for BPF_BTF_LOAD, in the object's byte order.
    ///
    /// # Errors
    /// [`btf::Error::TooManyStrings`] when names and source lines are more than the kernel takes.
    pub fn kernel_btf(&self) -> Result<KernelBtf, btf::Error> {
        let mut btf = self.btf.clone();
        let lines = LineStrings::intern(self, &mut btf)?;
        Ok(KernelBtf { bytes: btf.encode(self.endian), types: btf.len(), lines })
    }
}

/// A program as BPF_PROG_LOAD takes it, but for the map descriptors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadImage {
    /// The program's code, then that of each subprogram that it calls, in the order of the first call.
    pub code: Vec<Slot>,
    /// `struct bpf_func_info` records of [`FUNC_INFO_REC_SIZE`] bytes, in the object's byte order. Empty, like
    /// `line_info`, unless every function has its FUNC and a line at its first instruction: the kernel wants all or none.
    pub func_info: Vec<u8>,
    /// `struct bpf_line_info` records of [`LINE_INFO_REC_SIZE`] bytes, in the object's byte order.
    pub line_info: Vec<u8>,
    /// The LDDWs whose first `imm` is to become the descriptor of a map; their `src` says so already.
    pub map_relocations: Vec<(SlotIx, MapIx)>,
    /// Where each function starts, the program first.
    pub functions: Vec<(SlotIx, FunctionIx)>,
}

/// Why there is no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no function of that index.
    #[error("the object has no function of index {}", index.0)]
    NoSuchFunction {
        /// The index.
        index: FunctionIx,
    },
    /// A relocation refers to a map that is not there.
    #[error("function {function:?}, slot {at}: the object has no map of index {}", index.0)]
    NoSuchMap {
        /// The function's name.
        function: String,
        /// The slot.
        at: SlotIx,
        /// The index.
        index: MapIx,
    },
    /// The code is longer than any kernel takes.
    #[error("program {program:?} has more than {limit} instruction slots with its subprograms")]
    TooLong {
        /// The program's name.
        program: String,
        /// The most that there may be.
        limit: usize,
    },
    /// A function is malformed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Puts a program and the subprograms that it calls, also through others, into one run of code.
///
/// `btf` is what [`Object::kernel_btf`] gave for this object.
///
/// # Errors
/// An [`Error`] for a function that is malformed or refers to what is not there, and for code that is too long.
pub fn image(object: &Object, btf: &KernelBtf, program: FunctionIx) -> Result<LoadImage, Error> {
    let placement = Placement::of(object, program)?;
    let mut image = LoadImage { code: Vec::with_capacity(placement.slots), ..LoadImage::default() };
    for &(start, index, function) in &placement.order {
        image.functions.push((start, index));
        image.code.extend_from_slice(&function.code);
        for relocation in &function.relocations {
            let at = SlotIx(start.0.saturating_add(relocation.at.0));
            match relocation.target {
                RelocationTarget::Map(index) if object.map(index).is_some() => {
                    set_lddw(&mut image.code, at, PSEUDO_MAP_FD, 0, 0);
                    image.map_relocations.push((at, index));
                }
                RelocationTarget::Data { map: index, offset } if object.map(index).is_some() => {
                    set_lddw(&mut image.code, at, PSEUDO_MAP_VALUE, 0, offset.cast_signed());
                    image.map_relocations.push((at, index));
                }
                RelocationTarget::Map(index) | RelocationTarget::Data { map: index, .. } => {
                    return Err(Error::NoSuchMap { function: function.name.clone(), at: relocation.at, index });
                }
                RelocationTarget::Function(index) => {
                    let target = placement.start_of(index).ok_or(Error::NoSuchFunction { index })?;
                    set_function(&mut image.code, at, target);
                }
            }
        }
    }
    if placement.order.iter().all(|(.., function)| function.has_debug_info()) {
        add_debug_info(&mut image, object, btf, &placement);
    }
    Ok(image)
}

/// Which functions a program consists of, and where each starts.
struct Placement<'a> {
    order: Vec<(SlotIx, FunctionIx, &'a Function)>,
    /// By function, where it starts.
    starts: Vec<Option<SlotIx>>,
    slots: usize,
}

impl<'a> Placement<'a> {
    fn of(object: &'a Object, program: FunctionIx) -> Result<Placement<'a>, Error> {
        let mut placement = Placement { order: vec![], starts: vec![None; object.functions.len()], slots: 0 };
        placement.add(object, program)?;
        let mut next = 0;
        while let Some(&(.., function)) = placement.order.get(next) {
            for relocation in &function.relocations {
                if let RelocationTarget::Function(index) = relocation.target {
                    placement.add(object, index)?;
                }
            }
            next += 1;
        }
        Ok(placement)
    }

    fn add(&mut self, object: &'a Object, index: FunctionIx) -> Result<(), Error> {
        let none = Error::NoSuchFunction { index };
        let number = usize::try_from(index.0).map_err(|_| none.clone())?;
        let function = object.functions.get(number).ok_or(none.clone())?;
        let place = self.starts.get_mut(number).ok_or(none)?;
        if place.is_some() {
            return Ok(());
        }
        function.check()?;
        let program = || self.order.first().map_or(&function.name, |(.., program)| &program.name);
        let too_long = || Error::TooLong { program: program().clone(), limit: PROGRAM_SLOTS };
        let start = u32::try_from(self.slots).map(SlotIx).map_err(|_| too_long())?;
        let slots = self.slots.saturating_add(function.code.len());
        if slots > PROGRAM_SLOTS {
            return Err(too_long());
        }
        self.slots = slots;
        *place = Some(start);
        self.order.push((start, index, function));
        Ok(())
    }

    fn start_of(&self, index: FunctionIx) -> Option<SlotIx> {
        self.starts.get(usize::try_from(index.0).ok()?).copied().flatten()
    }
}

/// Sets `src` and both `imm` of an LDDW.
fn set_lddw(code: &mut [Slot], at: SlotIx, src: u8, first_imm: i32, second_imm: i32) {
    let rest = usize::try_from(at.0).ok().and_then(|at| code.get_mut(at..));
    if let Some([first, second, ..]) = rest {
        (first.src, first.imm, second.imm) = (src, first_imm, second_imm);
    }
}

/// Makes the instruction at `at` refer to the function that starts at `target`.
fn set_function(code: &mut [Slot], at: SlotIx, target: SlotIx) {
    let distance = i64::from(target.0) - i64::from(at.0) - 1;
    let distance = i32::try_from(distance).unwrap_or(i32::MAX);
    let slot = usize::try_from(at.0).ok().and_then(|at| code.get_mut(at));
    match slot {
        Some(slot) if slot.code == CALL => (slot.src, slot.imm) = (PSEUDO_CALL, distance),
        Some(slot) if slot.code == LDDW => set_lddw(code, at, PSEUDO_FUNC, distance, 0),
        _ => {}
    }
}

fn add_debug_info(image: &mut LoadImage, object: &Object, btf: &KernelBtf, placement: &Placement<'_>) {
    let lines: usize = placement.order.iter().map(|(.., function)| function.lines.len()).sum();
    image.line_info.reserve_exact(lines * 16);
    for &(start, index, function) in &placement.order {
        let (Some(type_id), Ok(number)) = (function.type_id, usize::try_from(index.0)) else { continue };
        FuncInfo { insn_off: start.0, type_id }.write(object.endian, &mut image.func_info);
        for record in btf.lines.records(number, &function.lines, |at| start.0.saturating_add(at.0)) {
            record.write(object.endian, &mut image.line_info);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{IntEncoding, Param, SymbolLinkage};
    use crate::cursor::Cursor;
    use crate::kernel::MapType;
    use crate::model::{Datum, Linkage, MapDef, Relocation, Rule};
    use alloc::borrow::ToOwned;
    use bpfasm_isa::Endian;

    fn slot(code: u8) -> Slot {
        Slot { code, ..Slot::default() }
    }

    fn function(name: &str, section: &str, code: Vec<Slot>, relocations: &[(u32, RelocationTarget)]) -> Function {
        let relocations = relocations.iter().map(|&(at, target)| Relocation { at: SlotIx(at), target }).collect();
        let line = Line { at: SlotIx(0), file: "a.rs".into(), text: name.into(), line: 7, column: 3 };
        Function {
            name: name.to_owned(),
            section: section.to_owned(),
            linkage: Linkage::Global,
            code,
            relocations,
            lines: vec![line],
            type_id: None,
        }
    }

    /// `main` calls `b` and `a`; `a` loads a map and calls `b`; `unused` is called by nobody.
    fn object(endian: Endian) -> Object {
        use RelocationTarget::{Function as Call, Map};
        let call = |index| Call(FunctionIx(index));
        let mut object = Object::new(endian);
        object.functions = vec![
            function("unused", ".text", vec![slot(0x95)], &[]),
            function(
                "a",
                ".text",
                vec![slot(LDDW), slot(0), slot(CALL), slot(0x95)],
                &[(0, Map(MapIx(0))), (2, call(2))],
            ),
            function("b", ".text", vec![slot(0x95)], &[]),
            function("main", "tc", vec![slot(CALL), slot(CALL), slot(0x95)], &[(0, call(2)), (1, call(1))]),
        ];
        let (name, absent) = ("M".to_owned(), Datum::Absent);
        let map_type = MapType::RINGBUF;
        object.maps = vec![MapDef {
            name,
            map_type,
            key: absent,
            value: absent,
            max_entries: 4096,
            flags: 0,
            type_id: None,
            data: None,
        }];
        let int = object.btf.int("int", 4, IntEncoding::SIGNED).expect("legal");
        let proto = object.btf.func_proto(int, &[Param { name: "x", type_id: int }]).expect("legal");
        for function in &mut object.functions {
            let id = object.btf.func(&function.name, proto, SymbolLinkage::GLOBAL).expect("legal");
            function.type_id = Some(id);
        }
        object
    }

    #[test]
    fn subprograms_follow_in_the_order_of_their_first_call() {
        let object = object(Endian::NATIVE);
        let image = image(&object, &object.kernel_btf().expect("small"), FunctionIx(3)).expect("legal");
        let places: Vec<_> = image.functions.iter().map(|(at, index)| (at.0, index.0)).collect();
        assert_eq!(places, [(0, 3), (3, 2), (4, 1)]);
        assert_eq!(image.code.len(), 8);
        let calls: Vec<_> =
            image.code.iter().filter(|slot| slot.code == CALL).map(|slot| (slot.src, slot.imm)).collect();
        assert_eq!(calls, [(1, 2), (1, 2), (1, -4)], "0 to 3, 1 to 4, 6 to 3");
        assert_eq!(image.map_relocations, [(SlotIx(4), MapIx(0))]);
        assert_eq!(image.code.get(4).map(|slot| slot.src), Some(PSEUDO_MAP_FD));
    }

    #[test]
    fn debug_info_counts_slots_and_names_strings_of_the_loaded_btf() {
        for endian in [Endian::Little, Endian::Big] {
            let object = object(endian);
            let btf = object.kernel_btf().expect("small");
            let image = image(&object, &btf, FunctionIx(3)).expect("legal");
            let words = |bytes: &[u8]| {
                let mut cursor = Cursor::new(bytes, endian);
                core::iter::from_fn(move || cursor.u32().ok()).collect::<Vec<_>>()
            };
            let ids: Vec<u32> = object.functions.iter().filter_map(|f| f.type_id).map(|id| id.0).collect();
            assert_eq!(words(&image.func_info), [0, ids[3], 3, ids[2], 4, ids[1]]);
            let lines = words(&image.line_info);
            let loaded = Btf::parse(btf.bytes()).expect("what we encode");
            let lines: Vec<_> =
                lines.chunks(4).map(|l| (l[0], loaded.string(l[1]), loaded.string(l[2]), l[3])).collect();
            let expected = [(0, "main"), (3, "b"), (4, "a")];
            assert_eq!(lines, expected.map(|(at, text)| (at, Some("a.rs"), Some(text), 7 << 10 | 3)));
        }
    }

    #[test]
    fn debug_info_is_for_all_functions_or_for_none() {
        let mut object = object(Endian::NATIVE);
        object.functions[2].lines.clear();
        let btf = object.kernel_btf().expect("small");
        let with_b = image(&object, &btf, FunctionIx(3)).expect("legal");
        assert!(with_b.func_info.is_empty() && with_b.line_info.is_empty());
        let alone = image(&object, &btf, FunctionIx(0)).expect("legal");
        assert_eq!((alone.func_info.len(), alone.line_info.len()), (8, 16));
    }

    #[test]
    fn callbacks_are_loaded_by_distance() {
        let mut object = object(Endian::NATIVE);
        object.functions[3].code = vec![slot(LDDW), slot(0), slot(0x95)];
        object.functions[3].relocations.truncate(1);
        let image = image(&object, &object.kernel_btf().expect("small"), FunctionIx(3)).expect("legal");
        assert_eq!(image.code.first().map(|slot| (slot.src, slot.imm)), Some((PSEUDO_FUNC, 2)));
    }

    #[test]
    fn data_is_loaded_by_its_place() {
        let mut object = object(Endian::NATIVE);
        object.maps.push(MapDef::section(&object.btf, ".data", 16, vec![7; 16]).expect("a data section"));
        object.functions[1].relocations[0].target = RelocationTarget::Data { map: MapIx(1), offset: 12 };
        let image = image(&object, &object.kernel_btf().expect("small"), FunctionIx(1)).expect("legal");
        assert_eq!(image.map_relocations, [(SlotIx(0), MapIx(1))]);
        assert_eq!((image.code[0].src, image.code[0].imm, image.code[1].imm), (PSEUDO_MAP_VALUE, 0, 12));
    }

    #[test]
    fn what_is_missing_is_named() {
        let object = object(Endian::NATIVE);
        let btf = object.kernel_btf().expect("small");
        let image_of =
            |object: &Object, index| image(object, &btf, FunctionIx(index)).expect_err("something is missing");
        assert_eq!(image_of(&object, 9), Error::NoSuchFunction { index: FunctionIx(9) });
        let mut changed = object.clone();
        changed.maps.clear();
        let function = "a".to_owned();
        assert_eq!(image_of(&changed, 3), Error::NoSuchMap { function, at: SlotIx(0), index: MapIx(0) });
        changed = object.clone();
        changed.functions[3].relocations[1].target = RelocationTarget::Function(FunctionIx(4));
        assert_eq!(image_of(&changed, 3), Error::NoSuchFunction { index: FunctionIx(4) });
        changed = object.clone();
        changed.functions[2].code.clear();
        assert!(matches!(image_of(&changed, 3), Error::Malformed(Malformed { rule: Rule::NoCode, .. })));
        changed.functions[2].code = vec![slot(0x95); PROGRAM_SLOTS];
        assert!(matches!(image_of(&changed, 3), Error::TooLong { program, .. } if program == "main"));
    }

    #[test]
    fn line_breaks_do_not_reach_the_kernel() {
        let mut object = object(Endian::NATIVE);
        object.functions[0].lines[0].text = "one\ntwo".into();
        let btf = object.kernel_btf().expect("small");
        assert!(btf.bytes().windows(9).any(|bytes| bytes == b"\0one two\0"));
    }
}
