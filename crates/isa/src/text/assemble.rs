//! From a text to its sections.

use alloc::{borrow::Cow, vec::Vec};

use hashbrown::{HashMap, HashSet, hash_map::Entry};

use super::{
    Dialect, Error, ErrorKind, Fault, Function, Line, Map, Options, Reference, Section, Span, Unit, call,
    lexer::{Kind, Lexer, Token, pack},
    mnemonic::{self, Mnemonic},
    pseudo_c::{self, Keyword, Reading},
    statement::{Goes, Statement},
    words::{self, Register},
};
use crate::{
    HelperId,
    form::Form,
    insn::Insn,
    level::CpuLevel,
    operand::PseudoSrc,
    reg::Reg,
    slot::{Endian, Slot, SlotIx},
    table::Op,
};

/// Assembles a text.
///
/// # Errors
///
/// Everything that is wrong with it, in the order of the text.
pub fn assemble<'a>(text: &'a str, options: &Options) -> Result<Unit<'a>, Vec<Error>> {
    let mut assembly = Assembly::new(text, options);
    while assembly.lexer.find_statement() {
        if let Err(error) = assembly.line() {
            assembly.errors.push(*error);
            assembly.lexer.skip_statement();
        }
    }
    assembly.finish()
}

/// A text under way.
pub(super) struct Assembly<'a> {
    text: &'a str,
    pub(super) lexer: Lexer<'a>,
    level: Option<CpuLevel>,
    pub(super) endian: Endian,
    /// The text's dialect, and the line where it was seen first.
    dialect: Option<(Dialect, u32)>,
    pub(super) sections: Vec<Building<'a>>,
    /// The section that code goes to.
    pub(super) current: usize,
    /// What `.globl` names.
    pub(super) global: HashSet<&'a str>,
    /// What is a function: declared, or called.
    pub(super) functions: HashSet<&'a str>,
    pub(super) maps: Vec<Map<'a>>,
    /// The maps' names, and the lines where they stand.
    pub(super) map_lines: HashMap<&'a str, u32>,
    pub(super) license: Option<Cow<'a, str>>,
    /// Whether a line of the kernel's was seen.
    kernel: bool,
    errors: Vec<Error>,
}

/// A section under way.
#[derive(Debug)]
pub(super) struct Building<'a> {
    pub(super) name: &'a str,
    pub(super) slots: Vec<Slot>,
    /// The labels, and the lines where they stand.
    labels: HashMap<&'a str, (SlotIx, u32)>,
    /// The labels that are numbers: where in the text each stands, in order, and for which slot.
    numbered: HashMap<u64, Vec<(usize, SlotIx)>>,
    fixups: Vec<Fixup<'a>>,
    lines: Vec<Line>,
    first_exit: Option<SlotIx>,
    /// The number of the kernel's lines that the section's first slot has.
    origin: Option<u64>,
}

/// An instruction whose target is to be found, or to be looked at.
#[derive(Clone, Copy, Debug)]
struct Fixup<'a> {
    at: SlotIx,
    insn: Insn,
    goes: Goes<'a>,
    span: Span,
}

impl<'a> Building<'a> {
    pub(super) fn new(name: &'a str) -> Building<'a> {
        Building {
            name,
            slots: Vec::new(),
            labels: HashMap::new(),
            numbered: HashMap::new(),
            fixups: Vec::new(),
            lines: Vec::new(),
            first_exit: None,
            origin: None,
        }
    }

    fn here(&self) -> SlotIx {
        SlotIx(u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    /// Appends a slot that stands in this line.
    pub(super) fn push_word(&mut self, slot: Slot, line: u32) {
        self.lines.push(Line { at: self.here(), line });
        self.slots.push(slot);
    }

    fn slot(&self, at: SlotIx) -> Option<&Slot> {
        self.slots.get(usize::try_from(at.0).ok()?)
    }

    /// The label that `1f` or `1b` names.
    fn numbered_label(&self, name: &str, span: Span) -> Option<SlotIx> {
        let (digits, direction) = name.split_at_checked(name.len().checked_sub(1)?)?;
        let labels = self.numbered.get(&digits.parse::<u64>().ok()?)?;
        let before = labels.partition_point(|&(at, _)| at < span.start);
        let index = if direction == "f" { before } else { before.checked_sub(1)? };
        labels.get(index).map(|&(_, slot)| slot)
    }

    /// Whether an instruction begins at the slot, or the section ends there.
    fn is_start(&self, at: SlotIx) -> bool {
        at == self.here() || self.lines.binary_search_by_key(&at, |line| line.at).is_ok()
    }
}

/// The words that begin lines of the verifier's log which are no instructions.
const LOG: [&str; 14] = [
    "from",
    "func",
    "Live",
    "processed",
    "verification",
    "stack",
    "mark_precise",
    "regs",
    "last_idx",
    "parent",
    "propagating",
    "Validating",
    "Func",
    "arg",
];

impl<'a> Assembly<'a> {
    fn new(text: &'a str, options: &Options) -> Assembly<'a> {
        Assembly {
            text,
            lexer: Lexer::new(text),
            level: options.level,
            endian: options.endian,
            dialect: options.dialect.map(|dialect| (dialect, 0)),
            sections: Vec::new(),
            current: 0,
            global: HashSet::new(),
            functions: HashSet::new(),
            maps: Vec::new(),
            map_lines: HashMap::new(),
            license: None,
            kernel: false,
            errors: Vec::new(),
        }
    }

    /// The section that code goes to.
    #[inline]
    pub(super) fn section(&mut self) -> &mut Building<'a> {
        if self.sections.is_empty() {
            self.enter_text();
        }
        let current = self.current.min(self.sections.len() - 1);
        &mut self.sections[current]
    }

    /// Begins the section of code before any `.section`.
    #[cold]
    fn enter_text(&mut self) {
        let mut section = Building::new(".text");
        // Most lines are instructions, and few are shorter.
        const LINE: usize = 16;
        section.slots.reserve(self.text.len() / LINE);
        section.lines.reserve(self.text.len() / LINE);
        self.sections.push(section);
    }

    /// One statement, with the label before it.
    fn line(&mut self) -> Result<(), Fault> {
        // Most lines begin so.
        if let Some((width, dst)) = self.lexer.take_register() {
            let span = self.lexer.last();
            if self.lexer.take(b':') {
                return self.label(self.lexer.str(span), span);
            }
            self.settle(Dialect::PseudoC, span)?;
            let statement = pseudo_c::assignment(&mut self.lexer, (width, dst), Reading::default())?;
            return self.push(statement, span);
        }
        let (statement, span) = if let Some(word) = self.lexer.take_word() {
            let span = self.lexer.last();
            if self.is_log(word) {
                self.lexer.skip_line();
                return Ok(());
            }
            if self.lexer.take(b':') {
                return self.label(word, span);
            }
            if word.starts_with('.') {
                return self.directive(word, span);
            }
            (self.worded(word, span, Reading::default())?, span)
        } else {
            let first = self.lexer.next()?;
            match first.kind {
                Kind::Number(number) if self.lexer.take(b':') => return self.numbered(number, first.span),
                _ => (self.statement(first, Reading::default())?, first.span),
            }
        };
        self.push(statement, span)
    }

    /// Whether the word begins a line of the verifier's log that is no instruction.
    fn is_log(&mut self, word: &str) -> bool {
        self.kernel |= word == "func" && self.text.as_bytes().get(self.lexer.at()) == Some(&b'#');
        self.kernel && LOG.contains(&word)
    }

    /// What follows a number and a colon: a line of the kernel's, or a statement behind a numbered label.
    fn numbered(&mut self, number: u64, span: Span) -> Result<(), Fault> {
        if self.lexer.is_liveness() {
            self.kernel = true;
            self.lexer.skip_line();
            return Ok(());
        }
        let next = self.lexer.peek()?;
        if next.kind == Kind::Sign(pack("(")) {
            self.kernel = true;
            self.lexer.take_semicolon_as_comment();
            return self.kernel_line(number);
        }
        let state = next.kind == Kind::Word && matches!(self.lexer.str(next.span).as_bytes(), [b'R', b'0'..=b'9', ..]);
        if state {
            self.kernel = true;
            self.lexer.skip_line();
            return Ok(());
        }
        let section = self.section();
        let here = section.here();
        section.numbered.entry(number).or_default().push((span.start, here));
        Ok(())
    }

    /// `(bf) r1 = r6`, behind the line's number.
    fn kernel_line(&mut self, number: u64) -> Result<(), Fault> {
        let (code, span) = self.opcode_byte()?;
        let first = self.lexer.next()?;
        let reading = Reading { kernel: true, lddw: code == 0x18 };
        let (statement, span) = (self.statement(first, reading)?, span);
        let said = u8::try_from(code).ok();
        let real = statement.insn.op().row().code;
        if said != Some(real) {
            return Err(ErrorKind::OpcodeDiffers { said: code, code: real }.at(span));
        }
        let section = self.section();
        let here = u64::from(section.here().0);
        let origin = *section.origin.get_or_insert(number.saturating_sub(here));
        match number.checked_sub(origin) {
            Some(index) if index == here => self.push(statement, first.span),
            Some(index) if index < here => {
                self.seen_before(SlotIx(u32::try_from(index).unwrap_or(u32::MAX)), &statement, span)
            }
            _ => Err(ErrorKind::LineMissing { number, slot: section.here().0 }.at(span)),
        }
    }

    /// `(bf)`: two hexadecimal digits, which need not look like a number or a word.
    fn opcode_byte(&mut self) -> Result<(u64, Span), Fault> {
        const WANTED: &str = "an opcode byte of two hexadecimal digits, such as `(bf)`";
        self.lexer.sign_of(b'(', "`(`")?;
        let start = self.lexer.at();
        let digits = Span { start, end: start + 2 };
        let code = u64::from_str_radix(self.lexer.str(digits), 16);
        let code = code.map_err(|_| ErrorKind::Expected { wanted: WANTED }.at(digits))?;
        self.lexer.skip_bytes(2);
        self.lexer.sign_of(b')', WANTED)?;
        Ok((code, digits))
    }

    /// A line that the log shows again, on another path: it must be the same instruction.
    fn seen_before(&mut self, at: SlotIx, statement: &Statement<'a>, span: Span) -> Result<(), Fault> {
        self.lexer.end()?;
        // What refers to a symbol has been put there without what the line says of it.
        let same = match statement.goes {
            Goes::Nowhere => statement
                .insn
                .encode()
                .iter()
                .zip(0_u32..)
                .all(|(slot, offset)| self.section().slot(SlotIx(at.0.saturating_add(offset))) == Some(slot)),
            _ => true,
        };
        if same { Ok(()) } else { Err(ErrorKind::LineDiffers { slot: at.0 }.at(span)) }
    }

    /// Defines a label here.
    fn label(&mut self, name: &'a str, span: Span) -> Result<(), Fault> {
        let line = self.lexer.line();
        let section = self.section();
        let here = section.here();
        match section.labels.entry(name) {
            Entry::Vacant(vacant) => {
                vacant.insert((here, line));
            }
            Entry::Occupied(first) => {
                let first = first.get().1;
                // The statement behind the label is as good as any.
                self.errors.push(*ErrorKind::DuplicateLabel { first }.at(span));
            }
        }
        Ok(())
    }

    /// The statement that a token begins.
    fn statement(&mut self, first: Token, reading: Reading) -> Result<Statement<'a>, Fault> {
        match first.kind {
            Kind::Sign(sign) if sign == pack("*") => {
                self.settle(Dialect::PseudoC, first.span)?;
                pseudo_c::store(&mut self.lexer, reading)
            }
            Kind::Word => self.worded(self.lexer.str(first.span), first.span, reading),
            _ => Lexer::expected(first, "an instruction, a label or a directive"),
        }
    }

    /// The statement that a word begins, which tells the dialect.
    fn worded(&mut self, word: &'a str, span: Span, reading: Reading) -> Result<Statement<'a>, Fault> {
        if let Some(keyword) = Keyword::of(word) {
            self.settle(Dialect::PseudoC, span)?;
            return keyword.statement(&mut self.lexer, reading);
        }
        if let Some(statement) = call::statement(&mut self.lexer, word) {
            return statement;
        }
        match words::register(word) {
            Register::Is(width, dst) => {
                self.settle(Dialect::PseudoC, span)?;
                return pseudo_c::assignment(&mut self.lexer, (width, dst), reading);
            }
            Register::Missing => return Err(ErrorKind::Register.at(span)),
            Register::Not => {}
        }
        if word == "lock" {
            let star = self.lexer.next_byte() == b'*';
            self.settle(if star { Dialect::PseudoC } else { Dialect::Mnemonic }, span)?;
            return if star { pseudo_c::atomic(&mut self.lexer) } else { mnemonic::locked(&mut self.lexer) };
        }
        let Some(mnemonic) = Mnemonic::of(word) else { return Err(self.unknown(word).at(span)) };
        self.settle(Dialect::Mnemonic, span)?;
        mnemonic.statement(&mut self.lexer, span)
    }

    /// The error that a word begins no statement, with one of the text's dialect that is close to it.
    #[cold]
    fn unknown(&self, word: &str) -> ErrorKind {
        let pseudo_c = || words::nearest(word, pseudo_c::words());
        let nearest = match self.dialect {
            Some((Dialect::PseudoC, _)) => pseudo_c(),
            Some((Dialect::Mnemonic, _)) => mnemonic::nearest(word),
            None => pseudo_c().or_else(|| mnemonic::nearest(word)),
        };
        ErrorKind::UnknownInstruction { nearest }
    }

    /// Says that a statement is of a dialect, which must be that of the text.
    #[inline]
    fn settle(&mut self, found: Dialect, span: Span) -> Result<(), Fault> {
        match self.dialect {
            Some((began, _)) if began == found => Ok(()),
            Some((began, line)) => Err(ErrorKind::Dialects { found, began, line }.at(span)),
            None => {
                self.dialect = Some((found, self.lexer.line()));
                Ok(())
            }
        }
    }

    /// Appends an instruction.
    fn push(&mut self, statement: Statement<'a>, span: Span) -> Result<(), Fault> {
        self.lexer.end()?;
        let Statement { insn, goes } = statement;
        if writes_frame_pointer(&insn) {
            return Err(ErrorKind::WritesFramePointer.at(span));
        }
        if let Some(level) = self.level.filter(|&level| insn.level() > level) {
            let (needs, since) = (insn.level(), insn.op().since());
            return Err(ErrorKind::TooNew { needs, level, since }.at(span));
        }
        let line = self.lexer.line();
        let section = self.section();
        let at = section.here();
        section.lines.push(Line { at, line });
        let (first, second) = insn.slots();
        section.slots.push(first);
        section.slots.extend(second);
        if insn.op() == Op::Exit {
            section.first_exit.get_or_insert(at);
        }
        if goes != Goes::Nowhere || insn.jump_target().is_some() {
            section.fixups.push(Fixup { at, insn, goes, span });
        }
        match goes {
            Goes::Label(name) if insn.op() == Op::CallLocal => drop(self.functions.insert(name)),
            Goes::Symbol(name) => drop(self.functions.insert(name)),
            _ => {}
        }
        Ok(())
    }

    /// Finds every target.
    fn finish(mut self) -> Result<Unit<'a>, Vec<Error>> {
        if self.sections.iter().any(|section| u32::try_from(section.slots.len()).is_err()) {
            self.errors.push(*ErrorKind::TooLong.at(Span::default()));
        }
        let mut sections = core::mem::take(&mut self.sections);
        let mnemonics = matches!(self.dialect, Some((Dialect::Mnemonic, _)));
        let mut references = Vec::new();
        for section in &mut sections {
            references.push(self.resolve(section, mnemonics));
        }
        self.check_references(&sections, &references);
        let relaxed = |section: (Building<'a>, Vec<Reference<'a>>)| self.built(section);
        let built = sections.into_iter().zip(references).map(relaxed).collect();
        self.errors.sort_by_key(|error| (error.span.start, error.span.end));
        if self.errors.is_empty() {
            Ok(Unit { sections: built, maps: self.maps, license: self.license })
        } else {
            Err(self.errors)
        }
    }

    fn built(&self, (section, references): (Building<'a>, Vec<Reference<'a>>)) -> Section<'a> {
        let Building { name, slots, labels, lines, .. } = section;
        let is_function = |name: &str| self.global.contains(name) || self.functions.contains(name);
        let function = |(&name, &(at, _)): (&&'a str, &(SlotIx, u32))| Function {
            name,
            at,
            global: self.global.contains(name),
            span: self.lexer.span_of(name),
        };
        let place = |function: &Function<'_>| (function.at, function.span.start);
        let mut functions: Vec<Function<'a>> =
            labels.iter().filter(|(name, _)| is_function(name)).map(function).collect();
        functions.sort_by_key(place);
        // Of code that nothing declares a function, the label at its start names it.
        if functions.first().is_none_or(|first| first.at != SlotIx(0)) {
            let first = labels.iter().filter(|(_, (at, _))| *at == SlotIx(0)).map(function).min_by_key(place);
            functions.splice(..0, first);
        }
        Section { name, slots, functions, references, lines }
    }

    /// Puts distances in for labels; what is not in the section is left to be referred to.
    fn resolve(&mut self, section: &mut Building<'a>, mnemonics: bool) -> Vec<Reference<'a>> {
        let mut references = Vec::new();
        for fixup in core::mem::take(&mut section.fixups) {
            match self.place(section, &fixup, mnemonics) {
                Ok(Place::Slot(insn)) => {
                    let from = usize::try_from(fixup.at.0).unwrap_or(usize::MAX);
                    for (place, slot) in section.slots.iter_mut().skip(from).zip(insn.encode().iter()) {
                        *place = *slot;
                    }
                }
                Ok(Place::Elsewhere(name)) => {
                    let span = self.lexer.span_of(name);
                    let call = fixup.insn.form() == Form::CallLocal;
                    if let Some(slot) = section.slots.get_mut(usize::try_from(fixup.at.0).unwrap_or(usize::MAX))
                        && call
                    {
                        slot.imm = -1;
                    }
                    references.push(Reference { at: fixup.at, name, call, span });
                }
                Err(error) => self.errors.push(*error),
            }
        }
        references
    }

    /// What the fixup's instruction becomes.
    fn place(&self, section: &Building<'a>, fixup: &Fixup<'a>, mnemonics: bool) -> Result<Place<'a>, Fault> {
        let Fixup { at, insn, goes, span } = *fixup;
        let (to, name) = match goes {
            Goes::Nowhere => return check_distance(section, at, insn, span),
            Goes::Numbered(name) => (section.numbered_label(name, self.lexer.span_of(name)), name),
            Goes::Label(name) | Goes::Symbol(name) => {
                let implied = section.first_exit.filter(|_| mnemonics && name == "exit");
                let found = section.labels.get(name).map(|&(at, _)| at).or(implied);
                match (found, goes, insn.form()) {
                    (None, Goes::Symbol(_), _) | (None, _, Form::CallLocal) => return Ok(Place::Elsewhere(name)),
                    _ => (found, name),
                }
            }
        };
        let span = || self.lexer.span_of(name);
        let to = to.ok_or_else(|| ErrorKind::UndefinedLabel.at(span()))?;
        let distance = i64::from(to.0) - i64::from(at.0) - 1;
        let insn = if matches!(goes, Goes::Symbol(_)) {
            let dst = insn.dst().unwrap_or(Reg::R0);
            Insn::lddw_pseudo(dst, PseudoSrc::Func, 0, 0).unwrap_or(insn)
        } else {
            insn
        };
        let fitted = i32::try_from(distance).ok().and_then(|distance| {
            let far = insn.form() == Form::Ja && self.level.is_some_and(|level| level >= CpuLevel::V4);
            insn.with_distance(distance).or_else(|| far.then(|| Insn::gotol(distance)))
        });
        fitted.map(Place::Slot).ok_or_else(|| {
            let far = insn.with_distance(i32::MAX).is_some();
            let reach = if far { i64::from(i32::MAX) } else { i64::from(i16::MAX) };
            ErrorKind::JumpTooFar { distance, reach }.at(span())
        })
    }

    /// Checks that what is referred to is there.
    fn check_references(&mut self, sections: &[Building<'a>], references: &[Vec<Reference<'a>>]) {
        for reference in references.iter().flatten() {
            let Reference { name, call, span, .. } = *reference;
            let map = !call && self.map_lines.contains_key(name);
            if map || sections.iter().any(|section| section.labels.contains_key(name)) {
                self.functions.extend((!map).then_some(name));
                continue;
            }
            let kind = match name.strip_prefix("bpf_").filter(|_| call) {
                Some(helper) => ErrorKind::UnknownHelper {
                    nearest: words::nearest(helper, HelperId::ALL.iter().filter_map(|helper| helper.name())),
                },
                None if call => ErrorKind::UndefinedFunction,
                None => ErrorKind::UndefinedSymbol,
            };
            self.errors.push(*kind.at(span));
        }
    }
}

/// What a reference turned out to be.
enum Place<'a> {
    /// A place in the section: the instruction with its distance.
    Slot(Insn),
    /// A symbol that is not in the section.
    Elsewhere(&'a str),
}

/// A jump by number: it may go anywhere but into an instruction.
fn check_distance<'a>(section: &Building<'a>, at: SlotIx, insn: Insn, span: Span) -> Result<Place<'a>, Fault> {
    let to = insn.jump_target().and_then(|distance| at.checked_add(i64::from(distance) + 1));
    match to {
        Some(to) if to < section.here() && !section.is_start(to) => Err(ErrorKind::IntoLddw.at(span)),
        _ => Ok(Place::Slot(insn)),
    }
}

/// Whether the instruction writes to R10.
pub(super) fn writes_frame_pointer(insn: &Insn) -> bool {
    if insn.dst != Reg::FP && insn.src != Reg::FP {
        return false;
    }
    let dst = insn.dst() == Some(Reg::FP);
    match insn.form() {
        Form::Alu(..)
        | Form::Mov(..)
        | Form::MovSx(_)
        | Form::Neg(_)
        | Form::Swap(..)
        | Form::AddrSpaceCast
        | Form::Load(_)
        | Form::LoadSx(_)
        | Form::LoadAcquire(_)
        | Form::Lddw
        | Form::LddwPseudo(_) => dst,
        Form::Atomic(_, rmw) => rmw.fetches() && rmw.op() != crate::AtomicOp::CmpXchg && insn.src() == Some(Reg::FP),
        _ => false,
    }
}
