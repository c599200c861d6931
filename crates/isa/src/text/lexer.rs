//! From characters to tokens: one at a time, nothing kept.

use super::{ErrorKind, Fault, Span, words::Memory};
use crate::{operand::Width, reg::Reg};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word: letters, digits, `_`, `.`, `$`, `@`.
    Word,
    /// A number without its sign.
    Number(u64),
    /// An operator or a bracket, packed by [`pack`].
    Sign(u32),
    /// Text in double quotes, which the span includes.
    Text,
    /// A statement's end: a line break, a `;`, or the end of the text.
    End,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// Up to four characters of ASCII as one number, to be compared at once.
pub(super) const fn pack(text: &str) -> u32 {
    let (mut rest, mut packed, mut shift) = (text.as_bytes(), 0, 0);
    while let [byte, tail @ ..] = rest {
        packed |= (*byte as u32) << shift;
        (rest, shift) = (tail, shift + 8);
    }
    packed
}

/// Reads the tokens of a text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Where that began which was passed over last.
    last: usize,
    /// The line of what is next, counted from 1.
    line: u32,
    /// Whether `;` begins a comment, as on the kernel's lines, instead of ending the statement.
    semicolon_comments: bool,
}

/// What a byte begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Blank,
    Word,
    Digit,
    Break,
    Quote,
    Sign,
    Other,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b' ' | b'\t' | b'\r' => Class::Blank,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'.' | b'$' | b'@' => Class::Word,
            b'0'..=b'9' => Class::Digit,
            b'\n' | b';' => Class::Break,
            b'"' => Class::Quote,
            b'!'..=b'~' => Class::Sign,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

/// What each digit is worth; 255 for what is none.
static DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        digits[byte as usize] = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => u8::MAX,
        };
        byte += 1;
    }
    digits
};

#[inline]
fn is_word(byte: u8) -> bool {
    matches!(CLASSES[usize::from(byte)], Class::Word | Class::Digit)
}

/// Where a piece of a text stands in it.
pub(super) fn span_of(text: &str, piece: &str) -> Span {
    let start = piece.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
    Span { start, end: start.wrapping_add(piece.len()) }
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0, last: 0, line: 1, semicolon_comments: false }
    }

    /// Where that stands which was passed over last.
    #[inline]
    pub(super) const fn last(&self) -> Span {
        Span { start: self.last, end: self.at }
    }

    /// Says that what was passed over last began there.
    pub(super) fn begin_last(&mut self, start: usize) {
        self.last = start;
    }

    /// Where the next token is looked for, in bytes.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The line of what is next, counted from 1.
    pub(super) const fn line(&self) -> u32 {
        self.line
    }

    /// Passes over bytes that are no token.
    pub(super) fn skip_bytes(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.text.len());
    }

    /// Whether the kernel's list of live registers follows: one letter a register, a digit where it lives, else a dot.
    pub(super) fn is_liveness(&self) -> bool {
        let mut next = self.clone();
        next.skip_blanks();
        let (registers, behind) = next.rest().split_at_checked(10).unwrap_or_default();
        registers.iter().all(|&byte| byte == b'.' || byte.is_ascii_digit()) && behind.starts_with(b" (")
    }

    /// A name that ends at a blank or a comma, or stands in quotes.
    pub(super) fn raw_name(&mut self) -> (&'a str, Span) {
        self.skip_blanks();
        let start = self.at;
        let rest = self.rest();
        let ends = |&byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b';');
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
        let span = Span { start, end: self.at };
        (self.str(span).trim_matches('"'), span)
    }

    /// Passes over all lines up to the next `.section` or `.text`.
    pub(super) fn skip_to_section(&mut self) {
        while self.find_statement() {
            let line = self.text.get(self.at..).unwrap_or_default();
            if line.starts_with(".section") || line.starts_with(".text") {
                return;
            }
            self.skip_line();
        }
    }

    /// Where a piece of the text stands.
    pub(super) fn span_of(&self, piece: &str) -> Span {
        span_of(self.text, piece)
    }

    /// What the span covers.
    #[inline]
    pub(super) fn str(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Until the line's end, `;` begins a comment.
    pub(super) fn take_semicolon_as_comment(&mut self) {
        self.semicolon_comments = true;
    }

    #[inline]
    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes over blanks.
    #[inline]
    fn skip_blanks(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        while let Some(b' ' | b'\t' | b'\r') = bytes.get(at) {
            at += 1;
        }
        self.at = at;
    }

    /// Passes over everything before the line break.
    pub(super) fn skip_line(&mut self) {
        let rest = self.rest();
        self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }

    /// Passes over the rest of a broken statement.
    pub(super) fn skip_statement(&mut self) {
        let rest = self.rest();
        let ends = |&byte: &u8| byte == b'\n' || byte == b';' && !self.semicolon_comments;
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    /// Passes over line breaks, separators, blanks and lines of comment, up to a statement. `false` at the text's end.
    pub(super) fn find_statement(&mut self) -> bool {
        loop {
            self.skip_blanks();
            match self.byte(0) {
                b'\n' => self.find_line(),
                b';' if self.at == 0 => self.skip_line(),
                b';' => self.at += 1,
                0 if self.at >= self.text.len() => return false,
                b'#' | b'/' if self.comment() => {}
                _ => return true,
            }
        }
    }

    /// Passes over a line break.
    #[inline]
    fn find_line(&mut self) {
        self.at += 1;
        self.line = self.line.saturating_add(1);
        self.semicolon_comments = false;
        // So our own text is indented.
        self.take_exactly(b"    ");
        // A line that begins with a semicolon is one of source text, as listings and logs have.
        self.skip_blanks();
        if self.byte(0) == b';' {
            self.skip_line();
        }
    }

    /// Whether a comment begins here, of those that no setting tells.
    #[inline]
    fn is_comment(&self) -> bool {
        matches!((self.byte(0), self.byte(1)), (b'#', _) | (b'/', b'/' | b'*'))
    }

    /// Passes over a comment, if one begins here: `#` and `//` to the line's end, `/*` to `*/`.
    fn comment(&mut self) -> bool {
        match (self.byte(0), self.byte(1)) {
            (b'#', _) | (b'/', b'/') => self.skip_line(),
            (b';', _) if self.semicolon_comments => self.skip_line(),
            (b'/', b'*') => {
                let rest = self.rest();
                let length = rest.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |end| end + 2);
                let lines = rest.iter().take(length).filter(|&&byte| byte == b'\n').count();
                self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
                self.at += length;
            }
            _ => return false,
        }
        true
    }

    /// The byte that the next token begins with, unless it is one of a comment; 0 at the text's end.
    #[inline]
    pub(super) fn next_byte(&mut self) -> u8 {
        self.skip_blanks();
        self.byte(0)
    }

    /// Whether a word is next.
    #[inline]
    pub(super) fn next_is_word(&mut self) -> bool {
        CLASSES[usize::from(self.next_byte())] == Class::Word
    }

    /// Passes over so many bytes, which were looked at.
    #[inline]
    fn pass(&mut self, bytes: usize) {
        (self.last, self.at) = (self.at, self.at + bytes);
    }

    /// Passes over this sign, if it is next and no longer one begins so.
    #[inline]
    pub(super) fn take(&mut self, sign: u8) -> bool {
        let found = self.next_byte() == sign && self.byte(1) != b'=';
        if found {
            self.pass(1);
        }
        found
    }

    /// Passes over this text, if it is next letter for letter.
    #[inline]
    pub(super) fn take_exactly<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        let found = self.ahead() == *text;
        if found {
            self.pass(N);
        }
        found
    }

    /// The next bytes, zeros behind the text's end.
    #[inline]
    fn ahead<const N: usize>(&self) -> [u8; N] {
        match self.rest().first_chunk() {
            Some(bytes) => *bytes,
            None => self.padded(),
        }
    }

    #[cold]
    fn padded<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for (byte, &given) in bytes.iter_mut().zip(self.rest()) {
            *byte = given;
        }
        bytes
    }

    /// The word that is next, if one is.
    #[inline]
    pub(super) fn take_word(&mut self) -> Option<&'a str> {
        let next = self.next_byte();
        if CLASSES[usize::from(next)] != Class::Word || self.is_signed_operator(next) {
            return None;
        }
        self.pass(self.word_length());
        Some(self.str(self.last()))
    }

    /// The register that is next, if one is.
    #[inline]
    pub(super) fn take_register(&mut self) -> Option<(Width, Reg)> {
        self.skip_blanks();
        let [letter, first, second, third] = self.ahead();
        let width = match letter {
            b'r' => Width::W64,
            b'w' => Width::W32,
            _ => return None,
        };
        let (index, length) = match (first, second) {
            (b'1', b'0') if !is_word(third) => (10, 3),
            (b'0'..=b'9', _) if !is_word(second) => (first - b'0', 2),
            _ => return None,
        };
        self.pass(length);
        Some((width, Reg::from_index(index)?))
    }

    /// The type of memory that is next, if one is.
    #[inline]
    pub(super) fn take_memory(&mut self) -> Option<Memory> {
        self.skip_blanks();
        let bytes: [u8; 4] = self.ahead();
        let length = if is_word(bytes[2]) { 3 } else { 2 };
        let memory = Memory::of(u32::from_le_bytes(bytes) & (0x00ff_ffff >> (8 * (3 - length))))?;
        if length == 3 && is_word(bytes[3]) {
            return None;
        }
        self.pass(length);
        Some(memory)
    }

    /// The operator that is next, packed, if one is and no comment.
    #[inline]
    pub(super) fn take_operator(&mut self) -> Option<u32> {
        let byte = self.next_byte();
        let prefix = usize::from(self.is_signed_operator(byte));
        if prefix == 0 && (CLASSES[usize::from(byte)] != Class::Sign || self.is_comment()) {
            return None;
        }
        let bytes: [u8; 4] = self.ahead();
        let [first, second, third, _] = (u32::from_le_bytes(bytes) >> (8 * prefix)).to_le_bytes();
        let length = match () {
            () if second == b'=' => 2,
            () if second == first && third == b'=' => 3,
            () => 1,
        } + prefix;
        self.pass(length);
        Some(u32::from_le_bytes(bytes) & (u32::MAX >> (8 * (4 - length))))
    }

    /// The number that is next, if it is a plain one of less than 64 bits; others are for [`Lexer::next`].
    #[inline]
    pub(super) fn take_number(&mut self) -> Option<i64> {
        let sign = self.next_byte();
        let signed = usize::from(matches!(sign, b'+' | b'-'));
        let bytes = self.rest();
        let (radix, most, prefix) = match bytes.get(signed..)? {
            [b'0', b'x', ..] => (16, 15, 2),
            _ => (10, 18, 0),
        };
        let digits = bytes.get(signed + prefix..)?;
        let (mut value, mut count) = (0, 0);
        while let Some(&byte) = digits.get(count)
            && let digit = DIGITS[usize::from(byte)]
            && digit < radix
        {
            if count == most {
                return None;
            }
            value = value * i64::from(radix) + i64::from(digit);
            count += 1;
        }
        if count == 0 || digits.get(count).is_some_and(|&byte| is_word(byte)) {
            return None;
        }
        self.pass(signed + prefix + count);
        Some(if sign == b'-' { -value } else { value })
    }

    /// The next token, without passing over it.
    pub(super) fn peek(&self) -> Result<Token, Fault> {
        self.clone().next()
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token, Fault> {
        let bytes = self.text.as_bytes();
        loop {
            let start = self.at;
            let Some(&byte) = bytes.get(start) else {
                self.last = start;
                return Ok(Token { kind: Kind::End, span: self.last() });
            };
            let kind = match CLASSES[usize::from(byte)] {
                Class::Blank => {
                    self.at += 1;
                    continue;
                }
                Class::Word if self.is_signed_operator(byte) => Kind::Sign(self.sign(1)),
                Class::Word => {
                    self.at += self.word_length();
                    Kind::Word
                }
                Class::Digit => self.number()?,
                Class::Break if byte == b';' && self.comment() => continue,
                Class::Break => Kind::End,
                Class::Sign if matches!(byte, b'#' | b'/') && self.comment() => continue,
                Class::Sign => Kind::Sign(self.sign(0)),
                Class::Quote => self.quoted()?,
                Class::Other => {
                    let wide = self.text.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                    return Err(ErrorKind::Character.at(Span { start, end: start + wide }));
                }
            };
            self.last = start;
            return Ok(Token { kind, span: self.last() });
        }
    }

    /// Passes over the `f` or `b` that follows a number directly: whether there was one.
    pub(super) fn take_direction(&mut self) -> bool {
        let found = matches!(self.byte(0), b'f' | b'b');
        self.at += usize::from(found);
        found
    }

    /// Passes over the `#` and the number or name that follow a call directly on the kernel's lines; gives the number.
    pub(super) fn take_hash(&mut self) -> Option<u64> {
        if self.byte(0) != b'#' || !(is_word(self.byte(1)) || self.byte(1) == b'-') {
            return None;
        }
        self.at += 1;
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !is_word(byte) && byte != b'-').unwrap_or(rest.len());
        let word = self.text.get(self.at..self.at + length).unwrap_or_default();
        self.at += length;
        let number: i64 = word.parse().ok()?;
        // Of a negative immediate the kernel prints the sign; what is meant are its 32 bits.
        u64::try_from(number & 0xffff_ffff).ok()
    }

    /// How long the word is that is next, in bytes.
    #[inline]
    fn word_length(&self) -> usize {
        let rest = self.rest();
        rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len())
    }

    /// Whether the `s` that is next is part of an operator such as `s>=`.
    #[inline]
    fn is_signed_operator(&self, next: u8) -> bool {
        next == b's' && matches!(self.byte(1), b'<' | b'>' | b'/' | b'%')
    }

    /// An operator, behind `prefix` characters that belong to it, packed.
    fn sign(&mut self, prefix: usize) -> u32 {
        let bytes = u64::from_le_bytes(self.ahead()) >> (8 * prefix);
        let [first, second, third, ..] = bytes.to_le_bytes();
        let length = match (first, second) {
            (b'<', b'<') | (b'>', b'>') if third == b'=' => 3,
            (b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^' | b'=' | b'!', b'=') => 2,
            _ => 1,
        } + prefix;
        let [a, b, c, d, ..] = self.ahead::<8>();
        self.at += length;
        u32::from_le_bytes([a, b, c, d]) & (u32::MAX >> (8 * (4 - length)))
    }

    /// A number: decimal, or with `0x`, `0b`, `0o` in front.
    fn number(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        let (radix, prefix) = match (self.byte(0), self.byte(1) | 0x20) {
            (b'0', b'x') => (16, 2),
            (b'0', b'b') if matches!(self.byte(2), b'0' | b'1') => (2, 2),
            (b'0', b'o') => (8, 2),
            _ => (10, 0),
        };
        self.at += prefix;
        let digits = self.at;
        let (mut value, mut fits) = (0_u64, true);
        for &byte in self.rest() {
            let digit = DIGITS[usize::from(byte)];
            if digit >= radix {
                break;
            }
            let (more, too_large) = value.overflowing_mul(radix.into());
            let (more, carries) = more.overflowing_add(digit.into());
            (value, fits) = (more, fits && !too_large && !carries);
            self.at += 1;
        }
        let any = self.at > digits;
        // `1f` and `1b` are jumps to numbered labels; other letters behind a number belong to no token.
        let numbered = radix == 10 && matches!(self.byte(0), b'f' | b'b') && !is_word(self.byte(1));
        if numbered {
            return Ok(Kind::Number(value));
        }
        if !any || is_word(self.byte(0)) {
            while is_word(self.byte(0)) {
                self.at += 1;
            }
            return Err(ErrorKind::Number.at(Span { start, end: self.at }));
        }
        if !fits {
            return Err(ErrorKind::NumberTooLarge.at(Span { start, end: self.at }));
        }
        Ok(Kind::Number(value))
    }

    fn quoted(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        let rest = self.rest();
        let end = rest.iter().skip(1).position(|&byte| byte == b'"' || byte == b'\n');
        match end.filter(|&end| rest.get(end + 1) == Some(&b'"')) {
            Some(end) => {
                self.at += end + 2;
                Ok(Kind::Text)
            }
            None => {
                self.skip_line();
                Err(ErrorKind::OpenText.at(Span { start, end: self.at }))
            }
        }
    }
}
