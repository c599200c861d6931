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
    Label(&'a str, Span),
    /// The next label of this number, or the last one: `1f`, `1b`.
    Numbered { number: u64, forward: bool, span: Span },
    /// A symbol whose address is loaded.
    Symbol(&'a str, Span),
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
    Distance(i64, Span),
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

    pub(super) fn check(self, value: i128, span: Span) -> Result<i64, Fault> {
        let Range { field, min, max } = self;
        let fitting = i64::try_from(value).ok().filter(|value| (min..=max).contains(value));
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

    /// Passes over this sign, if it is next.
    pub(super) fn take(&mut self, sign: u8) -> bool {
        self.take_sign(sign).is_some()
    }

    /// Passes over this sign, which must be next.
    pub(super) fn sign_of(&mut self, sign: u8, wanted: &'static str) -> Result<Span, Fault> {
        if let Some(span) = self.take_sign(sign) {
            return Ok(span);
        }
        // A comment may stand before it.
        let token = self.next()?;
        if token.kind == Kind::Sign(sign.into()) { Ok(token.span) } else { Self::expected(token, wanted) }
    }

    /// The word that must be next.
    pub(super) fn word_of(&mut self, wanted: &'static str) -> Result<(&'a str, Span), Fault> {
        let token = self.next()?;
        match token.kind {
            Kind::Word => Ok((self.str(token.span), token.span)),
            _ => Self::expected(token, wanted),
        }
    }

    /// The register that must be next, and the width that its name says.
    pub(super) fn register(&mut self) -> Result<(Width, Reg, Span), Fault> {
        const WANTED: &str = "a register";
        if let Some((word, span)) = self.take_short_word() {
            return match words::register(word) {
                Register::Is(width, reg) => Ok((width, reg, span)),
                Register::Missing => Err(ErrorKind::Register.at(span)),
                Register::Not => Err(ErrorKind::Expected { wanted: WANTED }.at(span)),
            };
        }
        let token = self.next()?;
        let word = if token.kind == Kind::Word { self.str(token.span) } else { "" };
        match words::register(word) {
            Register::Is(width, reg) => Ok((width, reg, token.span)),
            Register::Missing => Err(ErrorKind::Register.at(token.span)),
            Register::Not => Self::expected(token, WANTED),
        }
    }

    /// The register that must be next, seen at this width.
    pub(super) fn register_at(&mut self, wanted: Width) -> Result<Reg, Fault> {
        let (width, reg, span) = self.register()?;
        if width == wanted { Ok(reg) } else { Err(ErrorKind::RegisterWidth { wanted }.at(span)) }
    }

    /// The number that begins with this token, which may be its sign.
    pub(super) fn number_from(&mut self, token: Token, wanted: &'static str) -> Result<(i128, Span), Fault> {
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
                Ok((if negative { -number } else { number }, token.span.to(digits.span)))
            }
            _ => Self::expected(digits, wanted),
        }
    }

    /// The number that must be next.
    pub(super) fn number_of(&mut self, wanted: &'static str) -> Result<(i128, Span), Fault> {
        let token = self.next()?;
        self.number_from(token, wanted)
    }

    /// The number that must be next, within a range.
    pub(super) fn number_in(&mut self, range: Range) -> Result<i64, Fault> {
        let (number, span) = self.number_of("a number")?;
        range.check(number, span)
    }

    /// A distance from a register, with its sign in front; 0 where there is none.
    pub(super) fn offset(&mut self, range: Range) -> Result<i64, Fault> {
        match self.next_byte() {
            b'+' | b'-' => self.number_in(range),
            _ => Ok(0),
        }
    }

    /// The target of a jump: a label, `1f`, `+3`, or `pc+3`.
    pub(super) fn target(&mut self) -> Result<Target<'a>, Fault> {
        const WANTED: &str = "a label, or a distance in slots with its sign: `+3`";
        let token = self.next()?;
        match token.kind {
            Kind::Word if self.str(token.span) == "pc" => {
                let (distance, span) = self.number_of("the distance behind `pc`")?;
                Ok(Target::Distance(Range::FAR.check(distance, span)?, token.span.to(span)))
            }
            Kind::Word => Ok(Target::Label(Goes::Label(self.str(token.span), token.span))),
            Kind::Number(number) => {
                let direction = self.take_direction();
                let Some(forward) = direction else { return Self::expected(token, WANTED) };
                let span = Span { end: self.at(), ..token.span };
                Ok(Target::Label(Goes::Numbered { number, forward, span }))
            }
            Kind::Sign(_) => {
                let (distance, span) = self.number_from(token, WANTED)?;
                let distance = Range::FAR.check(distance, span)?;
                Ok(Target::Distance(distance, span))
            }
            _ => Self::expected(token, WANTED),
        }
    }

    /// A symbol's name: a word, or a map as the kernel names it, `map[id:5]`.
    pub(super) fn symbol_from(&mut self, word: Span) -> Result<(&'a str, Span), Fault> {
        if self.str(word) != "map" || !self.take(b'[') {
            return Ok((self.str(word), word));
        }
        let wanted = "a map's id, such as `map[id:5]`";
        let (id, at) = self.word_of(wanted)?;
        if id != "id" {
            return Err(ErrorKind::Expected { wanted }.at(at));
        }
        self.sign_of(b':', wanted)?;
        self.number_of(wanted)?;
        let end = self.sign_of(b']', wanted)?;
        let span = word.to(end);
        Ok((self.str(span), span))
    }

    /// The statement's end, behind which a listing may have named the target: `<f+0x10>`.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.next_byte() == b'\n' {
            return Ok(());
        }
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
