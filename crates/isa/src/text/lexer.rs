//! From characters to tokens: one at a time, nothing kept.

use super::{ErrorKind, Fault, Span};

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

/// A token that was looked at, and where the reader is behind it.
#[derive(Clone, Copy, Debug)]
struct Peeked {
    token: Token,
    at: usize,
    line: u32,
}

/// Reads the tokens of a text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// The next token, once it was looked at.
    peeked: Option<Peeked>,
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

fn is_word(byte: u8) -> bool {
    matches!(CLASSES[usize::from(byte)], Class::Word | Class::Digit)
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0, peeked: None, line: 1, semicolon_comments: false }
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
        self.peeked = None;
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
        self.peeked = None;
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
        while self.to_statement() {
            let line = self.text.get(self.at..).unwrap_or_default();
            if line.starts_with(".section") || line.starts_with(".text") {
                return;
            }
            self.skip_line();
        }
    }

    /// What the span covers.
    pub(super) fn str(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Until the line's end, `;` begins a comment.
    pub(super) fn take_semicolon_as_comment(&mut self) {
        self.semicolon_comments = true;
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes over blanks.
    fn skip_blanks(&mut self) {
        while matches!(self.byte(0), b' ' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    /// Passes over everything before the line break.
    pub(super) fn skip_line(&mut self) {
        self.peeked = None;
        let rest = self.rest();
        self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }

    /// Passes over the rest of a broken statement.
    pub(super) fn skip_statement(&mut self) {
        self.peeked = None;
        let rest = self.rest();
        let ends = |&byte: &u8| byte == b'\n' || byte == b';' && !self.semicolon_comments;
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    /// Passes over line breaks, separators, blanks and lines of comment, up to a statement. `false` at the text's end.
    pub(super) fn to_statement(&mut self) -> bool {
        self.peeked = None;
        loop {
            self.skip_blanks();
            match self.byte(0) {
                b'\n' => {
                    self.at += 1;
                    self.line = self.line.saturating_add(1);
                    self.semicolon_comments = false;
                    // A line that begins with a semicolon is one of source text, as listings and logs have.
                    self.skip_blanks();
                    if self.byte(0) == b';' {
                        self.skip_line();
                    }
                }
                b';' if self.at == 0 => self.skip_line(),
                b';' => self.at += 1,
                0 if self.at >= self.text.len() => return false,
                _ => match self.comment() {
                    true => {}
                    false => return true,
                },
            }
        }
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
    pub(super) fn next_byte(&mut self) -> u8 {
        self.skip_blanks();
        self.byte(0)
    }

    /// Whether a word is next.
    pub(super) fn next_is_word(&mut self) -> bool {
        CLASSES[usize::from(self.next_byte())] == Class::Word
    }

    /// Passes over this sign, if it is next and no longer one begins so. Looks at no more than that: most signs are passed over here.
    pub(super) fn take_sign(&mut self, sign: u8) -> Option<Span> {
        let found = self.next_byte() == sign && self.byte(1) != b'=';
        found.then(|| {
            let start = self.at;
            (self.peeked, self.at) = (None, start + 1);
            Span { start, end: self.at }
        })
    }

    /// The word that is next, if it has no more than three letters: registers and types of memory.
    pub(super) fn take_short_word(&mut self) -> Option<(&'a str, Span)> {
        self.skip_blanks();
        let rest = self.rest();
        let length = rest.iter().take(4).position(|&byte| !is_word(byte)).unwrap_or(rest.len());
        if length == 0 || length > 3 || CLASSES[usize::from(self.byte(0))] != Class::Word {
            return None;
        }
        let span = Span { start: self.at, end: self.at + length };
        (self.peeked, self.at) = (None, span.end);
        Some((self.str(span), span))
    }

    /// The next token, without passing over it.
    pub(super) fn peek(&mut self) -> Result<Token, Fault> {
        if let Some(peeked) = self.peeked {
            return Ok(peeked.token);
        }
        let (at, line) = (self.at, self.line);
        let token = self.lex()?;
        self.peeked = Some(Peeked { token, at: self.at, line: self.line });
        (self.at, self.line) = (at, line);
        Ok(token)
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token, Fault> {
        match self.peeked.take() {
            Some(Peeked { token, at, line }) => {
                (self.at, self.line) = (at, line);
                Ok(token)
            }
            None => self.lex(),
        }
    }

    fn lex(&mut self) -> Result<Token, Fault> {
        let bytes = self.text.as_bytes();
        loop {
            let start = self.at;
            let Some(&byte) = bytes.get(start) else {
                return Ok(Token { kind: Kind::End, span: Span { start, end: start } });
            };
            let kind = match CLASSES[usize::from(byte)] {
                Class::Blank => {
                    self.at += 1;
                    continue;
                }
                Class::Word if byte == b's' && matches!(self.byte(1), b'<' | b'>' | b'/' | b'%') => self.sign(1),
                Class::Word => self.word(),
                Class::Digit => self.number()?,
                Class::Break if byte == b';' && self.comment() => continue,
                Class::Break => Kind::End,
                Class::Sign if matches!(byte, b'#' | b'/') && self.comment() => continue,
                Class::Sign => self.sign(0),
                Class::Quote => self.quoted()?,
                Class::Other => {
                    let wide = self.text.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                    return Err(ErrorKind::Character.at(Span { start, end: start + wide }));
                }
            };
            return Ok(Token { kind, span: Span { start, end: self.at } });
        }
    }

    /// Passes over the `f` or `b` that follows a number directly: whether it was `f`.
    pub(super) fn take_direction(&mut self) -> Option<bool> {
        let forward = match self.byte(0) {
            b'f' => true,
            b'b' => false,
            _ => return None,
        };
        self.at += 1;
        Some(forward)
    }

    /// Passes over the `#` and the number or name that follow a call directly on the kernel's lines; gives the number.
    pub(super) fn take_hash(&mut self) -> Option<u64> {
        if self.byte(0) != b'#' || !(is_word(self.byte(1)) || self.byte(1) == b'-') {
            return None;
        }
        self.peeked = None;
        self.at += 1;
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !is_word(byte) && byte != b'-').unwrap_or(rest.len());
        let word = self.text.get(self.at..self.at + length).unwrap_or_default();
        self.at += length;
        let number: i64 = word.parse().ok()?;
        // Of a negative immediate the kernel prints the sign; what is meant are its 32 bits.
        u64::try_from(number & 0xffff_ffff).ok()
    }

    fn word(&mut self) -> Kind {
        let rest = self.rest();
        self.at += rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len());
        Kind::Word
    }

    /// An operator, behind `prefix` characters that belong to it.
    fn sign(&mut self, prefix: usize) -> Kind {
        let (first, second, third) = (self.byte(prefix), self.byte(prefix + 1), self.byte(prefix + 2));
        let length = match (first, second) {
            (b'<', b'<') | (b'>', b'>') if third == b'=' => 3,
            (b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^' | b'=' | b'!', b'=') => 2,
            _ => 1,
        };
        let packed = u32::from_le_bytes(match length {
            1 => [first, 0, 0, 0],
            2 => [first, second, 0, 0],
            _ => [first, second, third, 0],
        });
        self.at += prefix + length;
        Kind::Sign(if prefix == 0 { packed } else { packed << 8 | u32::from(b's') })
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
            let Some(digit) = char::from(byte).to_digit(radix) else { break };
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
