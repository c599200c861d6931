//! What both dialects' statements are made of: registers, numbers, targets.

use super::{
    ErrorKind, Fault, Span,
    error::WIDE_IMMEDIATE,
    lexer::{Kind, Lexer, Token, pack},
    words::{self, Register},
};
use crate::{insn::Insn, operand::Width, reg::Reg};

/// An instruction as a statement describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    pub(super) insn: Insn,
    pub(super) goes: Goes<'a>,
}

/// What an instruction refers to by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes<'a> {
    /// Nothing.
    Nowhere,
    /// A label: the target of a jump or a call.
    Label(&'a str),
    /// The next label of this number, or the last one: `1f`, `1b`.
    Numbered(&'a str),
    /// A symbol whose address is loaded.
    Symbol(&'a str),
}

impl From<Insn> for Statement<'_> {
    fn from(insn: Insn) -> Self {
        Statement { insn, goes: Goes::Nowhere }
    }
}

/// Where a jump goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    /// So many slots from the next instruction.
    Distance(i64),
    /// A label.
    Label(Goes<'a>),
}

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    field: &'static str,
    min: i64,
    max: i64,
}

impl Range {
    /// An offset: bytes in memory, slots in jumps.
    pub(super) const OFFSET: Range = Range { field: "the offset", min: i16::MIN as i64, max: i16::MAX as i64 };
    /// The distance of a far jump or a call.
    pub(super) const FAR: Range = Range { field: "the distance", min: i32::MIN as i64, max: i32::MAX as i64 };
    /// 32 bits, however they are meant.
    pub(super) const WORD: Range = Range { field: "the immediate", min: i32::MIN as i64, max: u32::MAX as i64 };
    /// 32 bits whose sign is extended.
    const EXTENDED: Range = Range { field: WIDE_IMMEDIATE, min: i32::MIN as i64, max: i32::MAX as i64 };

    /// The immediate of an operation.
    pub(super) const fn immediate(width: Width) -> Range {
        match width {
            Width::W32 => Range::WORD,
            Width::W64 => Range::EXTENDED,
        }
    }

    /// Another range.
    pub(super) const fn new(field: &'static str, min: i64, max: i64) -> Range {
        Range { field, min, max }
    }

    #[inline]
    fn holds(self, value: i64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    pub(super) fn check(self, value: i128, span: Span) -> Result<i64, Fault> {
        let Range { field, min, max } = self;
        let fitting = i64::try_from(value).ok().filter(|&value| self.holds(value));
        fitting.ok_or_else(|| ErrorKind::OutOfRange { value, field, min, max }.at(span))
    }
}

/// The low 32 bits of a number that a [`Range`] has let pass.
pub(super) fn low(value: i64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// The low 16 bits of a number that a [`Range`] has let pass.
pub(super) fn low16(value: i64) -> i16 {
    let [a, b, ..] = value.to_le_bytes();
    i16::from_le_bytes([a, b])
}

/// Reading the parts of a statement.
impl<'a> Lexer<'a> {
    /// The error that something else was wanted where `token` stands.
    pub(super) fn expected<T>(token: Token, wanted: &'static str) -> Result<T, Fault> {
        Err(ErrorKind::Expected { wanted }.at(token.span))
    }

    /// Passes over this sign, which must be next.
    #[inline]
    pub(super) fn sign_of(&mut self, sign: u8, wanted: &'static str) -> Result<(), Fault> {
        if self.take(sign) { Ok(()) } else { self.sign_behind_comments(sign, wanted) }
    }

    #[cold]
    fn sign_behind_comments(&mut self, sign: u8, wanted: &'static str) -> Result<(), Fault> {
        let token = self.next()?;
        if token.kind == Kind::Sign(sign.into()) { Ok(()) } else { Self::expected(token, wanted) }
    }

    /// The operator that must be next, packed; 0 if there is none.
    #[inline]
    pub(super) fn operator(&mut self) -> Result<u32, Fault> {
        match self.take_operator() {
            Some(operator) => Ok(operator),
            None => self.operator_behind_comments(),
        }
    }

    #[cold]
    fn operator_behind_comments(&mut self) -> Result<u32, Fault> {
        match self.next()?.kind {
            Kind::Sign(sign) => Ok(sign),
            _ => Ok(0),
        }
    }

    /// The word that must be next.
    #[inline]
    pub(super) fn word_of(&mut self, wanted: &'static str) -> Result<(&'a str, Span), Fault> {
        if let Some(word) = self.take_word() {
            return Ok((word, self.last()));
        }
        let token = self.next()?;
        match token.kind {
            Kind::Word => Ok((self.str(token.span), token.span)),
            _ => Self::expected(token, wanted),
        }
    }

    /// The register that must be next, and the width that its name says.
    #[inline]
    pub(super) fn register(&mut self) -> Result<(Width, Reg), Fault> {
        match self.take_register() {
            Some(found) => Ok(found),
            None => self.register_behind_comments(),
        }
    }

    #[cold]
    fn register_behind_comments(&mut self) -> Result<(Width, Reg), Fault> {
        let token = self.next()?;
        let word = if token.kind == Kind::Word { self.str(token.span) } else { "" };
        match words::register(word) {
            Register::Is(width, reg) => Ok((width, reg)),
            Register::Missing => Err(ErrorKind::Register.at(token.span)),
            Register::Not => Self::expected(token, "a register"),
        }
    }

    /// The register that must be next, seen at this width.
    #[inline]
    pub(super) fn register_at(&mut self, wanted: Width) -> Result<Reg, Fault> {
        let (width, reg) = self.register()?;
        if width == wanted { Ok(reg) } else { Err(ErrorKind::RegisterWidth { wanted }.at(self.last())) }
    }

    /// The number that begins with this token, which may be its sign.
    pub(super) fn number_from(&mut self, token: Token, wanted: &'static str) -> Result<i128, Fault> {
        const MINUS: u32 = pack("-");
        const PLUS: u32 = pack("+");
        let (negative, digits) = match token.kind {
            Kind::Sign(MINUS) => (true, self.next()?),
            Kind::Sign(PLUS) => (false, self.next()?),
            _ => (false, token),
        };
        match digits.kind {
            Kind::Number(number) => {
                let number = i128::from(number);
                self.begin_last(token.span.start);
                Ok(if negative { -number } else { number })
            }
            _ => Self::expected(digits, wanted),
        }
    }

    /// The number that must be next.
    pub(super) fn number_of(&mut self, wanted: &'static str) -> Result<i128, Fault> {
        let token = self.next()?;
        self.number_from(token, wanted)
    }

    /// The number that must be next, within a range.
    #[inline]
    pub(super) fn number_in(&mut self, range: Range) -> Result<i64, Fault> {
        self.number_in_or(range, "a number")
    }

    /// The same, where more than a number could stand.
    #[inline]
    pub(super) fn number_in_or(&mut self, range: Range, wanted: &'static str) -> Result<i64, Fault> {
        match self.take_number() {
            Some(number) if range.holds(number) => Ok(number),
            Some(number) => range.check(number.into(), self.last()),
            None => {
                let number = self.number_of(wanted)?;
                range.check(number, self.last())
            }
        }
    }

    /// A distance from a register, with its sign in front; 0 where there is none.
    #[inline]
    pub(super) fn offset(&mut self, range: Range) -> Result<i64, Fault> {
        match self.next_byte() {
            b'+' | b'-' => self.number_in(range),
            _ => Ok(0),
        }
    }

    /// The target of a jump: a label, `1f`, `+3`, or `pc+3`.
    pub(super) fn target(&mut self) -> Result<Target<'a>, Fault> {
        const WANTED: &str = "a label, or a distance in slots with its sign: `+3`";
        if let Some(word) = self.take_word() {
            return match word {
                "pc" => Ok(Target::Distance(self.number_in_or(Range::FAR, "the distance behind `pc`")?)),
                _ => Ok(Target::Label(Goes::Label(word))),
            };
        }
        if matches!(self.next_byte(), b'+' | b'-') {
            return Ok(Target::Distance(self.number_in_or(Range::FAR, WANTED)?));
        }
        let token = self.next()?;
        match token.kind {
            // A comment stood before it.
            Kind::Word => Ok(Target::Label(Goes::Label(self.str(token.span)))),
            Kind::Number(_) if self.take_direction() => {
                Ok(Target::Label(Goes::Numbered(self.str(Span { end: self.at(), ..token.span }))))
            }
            _ => Self::expected(token, WANTED),
        }
    }

    /// A symbol's name: a word, or a map as the kernel names it, `map[id:5]`.
    pub(super) fn symbol_from(&mut self, word: Span) -> Result<&'a str, Fault> {
        if self.str(word) != "map" || !self.take(b'[') {
            return Ok(self.str(word));
        }
        let wanted = "a map's id, such as `map[id:5]`";
        let (id, at) = self.word_of(wanted)?;
        if id != "id" {
            return Err(ErrorKind::Expected { wanted }.at(at));
        }
        self.sign_of(b':', wanted)?;
        self.number_of(wanted)?;
        self.sign_of(b']', wanted)?;
        Ok(self.str(word.to(self.last())))
    }

    /// The statement's end, behind which a listing may have named the target: `<f+0x10>`.
    #[inline]
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.next_byte() == b'\n' {
            return Ok(());
        }
        self.end_behind_more()
    }

    fn end_behind_more(&mut self) -> Result<(), Fault> {
        let token = self.next()?;
        match token.kind {
            Kind::End => Ok(()),
            Kind::Sign(sign) if sign == pack("<") => {
                while self.next()?.kind != Kind::Sign(pack(">")) {
                    if self.peek()?.kind == Kind::End {
                        break;
                    }
                }
                self.end()
            }
            _ => Err(ErrorKind::Trailing.at(token.span)),
        }
    }
}
