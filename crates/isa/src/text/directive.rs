//! Directives: what a text says besides instructions.

use alloc::{borrow::Cow, string::String};

use super::{
    ErrorKind, Fault, Map, MapType, Span,
    assemble::{Assembly, Building},
    lexer::{Kind, Lexer},
    pseudo_c::wide_number,
    statement::Range,
    words,
};
use crate::slot::Slot;

/// The directives that mean something here.
const KNOWN: [&str; 9] = [".section", ".text", ".globl", ".global", ".type", ".map", ".license", ".quad", ".asciz"];

/// Directives that compilers emit and that say nothing about code.
const IGNORED: [&str; 17] = [
    ".size",
    ".p2align",
    ".align",
    ".balign",
    ".file",
    ".ident",
    ".loc",
    ".addrsig",
    ".addrsig_sym",
    ".cfi_startproc",
    ".cfi_endproc",
    ".cfi_sections",
    ".weak",
    ".hidden",
    ".local",
    ".extern",
    ".set",
];

/// Sections that say nothing about code, with what they contain.
fn is_ignored(section: &str) -> bool {
    [".BTF", ".debug", ".note", ".llvm", ".comment"].iter().any(|prefix| section.starts_with(prefix))
}

const COUNT: Range = Range::new("the number", 0, u32::MAX as i64);

impl<'a> Assembly<'a> {
    pub(super) fn directive(&mut self, word: &'a str, span: Span) -> Result<(), Fault> {
        match word {
            ".text" => self.enter(".text"),
            ".section" => return self.section_directive(),
            ".globl" | ".global" => {
                let (name, _) = self.lexer.word_of("a label")?;
                self.global.insert(name);
            }
            ".type" => self.type_directive()?,
            ".map" => self.map_directive()?,
            ".license" => self.license_directive()?,
            ".asciz" | ".string" | ".ascii" => self.text_directive(span)?,
            ".quad" | ".8byte" => self.quad_directive()?,
            _ if IGNORED.contains(&word) => {
                self.lexer.skip_statement();
                return Ok(());
            }
            _ => {
                let nearest = words::nearest(word, KNOWN.into_iter());
                return Err(ErrorKind::UnknownDirective { nearest }.at(span));
            }
        }
        self.lexer.end()
    }

    /// Makes this the section that code goes to.
    fn enter(&mut self, name: &'a str) {
        let known = self.sections.iter().position(|section| section.name == name);
        self.current = known.unwrap_or_else(|| {
            self.sections.push(Building::new(name));
            self.sections.len() - 1
        });
    }

    /// `.section tc`, `.section tc,"ax",@progbits`
    fn section_directive(&mut self) -> Result<(), Fault> {
        let (name, span) = self.lexer.raw_name();
        if name.is_empty() {
            return Err(ErrorKind::Expected { wanted: "a section's name" }.at(span));
        }
        self.lexer.skip_statement();
        if is_ignored(name) {
            self.lexer.skip_to_section();
            return Ok(());
        }
        self.enter(name);
        Ok(())
    }

    /// `.type f,@function`
    fn type_directive(&mut self) -> Result<(), Fault> {
        let (name, _) = self.lexer.word_of("a label")?;
        self.lexer.sign_of(b',', "`,`")?;
        self.lexer.take(b'%');
        let (kind, _) = self.lexer.word_of("`@function` or `@object`")?;
        if matches!(kind, "@function" | "function" | "STT_FUNC") {
            self.functions.insert(name);
        }
        Ok(())
    }

    /// `.map counts, hash, 4, 8, 1024`
    fn map_directive(&mut self) -> Result<(), Fault> {
        let (_, word) = self.lexer.word_of("the map's name")?;
        let name = self.lexer.symbol_from(word)?;
        let (span, line) = (self.lexer.span_of(name), self.lexer.line());
        if let Some(&first) = self.map_lines.get(name) {
            return Err(ErrorKind::DuplicateLabel { first }.at(span));
        }
        self.comma()?;
        let kind = self.lexer.next()?;
        let map_type = match kind.kind {
            Kind::Word => MapType::Name(self.lexer.str(kind.span), kind.span),
            Kind::Number(number) => {
                let number = COUNT.check(number.into(), kind.span)?;
                MapType::Number(u32::try_from(number).unwrap_or(u32::MAX))
            }
            _ => return Lexer::expected(kind, "a type of map, such as `hash`"),
        };
        let mut counts = [0; 3];
        for count in &mut counts {
            self.comma()?;
            *count = self.count()?;
        }
        let flags = if self.lexer.take(b',') { self.count()? } else { 0 };
        let [key_size, value_size, max_entries] = counts;
        self.map_lines.insert(name, line);
        self.maps.push(Map { name, map_type, key_size, value_size, max_entries, flags, span });
        Ok(())
    }

    fn comma(&mut self) -> Result<(), Fault> {
        let wanted = "`,`: a map is `.map NAME, TYPE, KEY, VALUE, ENTRIES[, FLAGS]`, sizes in bytes";
        self.lexer.sign_of(b',', wanted).map(drop)
    }

    fn count(&mut self) -> Result<u32, Fault> {
        let number = self.lexer.number_in(COUNT)?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn license_directive(&mut self) -> Result<(), Fault> {
        self.license = Some(self.quoted()?);
        Ok(())
    }

    /// Text, which only the licence is.
    fn text_directive(&mut self, span: Span) -> Result<(), Fault> {
        let text = self.quoted()?;
        if self.section().name != "license" {
            return Err(ErrorKind::Data.at(span));
        }
        self.license = Some(text);
        Ok(())
    }

    /// Text in quotes, its escapes undone.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Fault> {
        let token = self.lexer.next()?;
        if token.kind != Kind::Text {
            return Lexer::expected(token, "text in double quotes");
        }
        let Span { start, end } = token.span;
        let text = self.lexer.str(Span { start: start + 1, end: end.saturating_sub(1) });
        if !text.contains('\\') {
            return Ok(Cow::Borrowed(text));
        }
        let mut plain = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => plain.extend(letters.next().filter(|&letter| letter != '0')),
                letter => plain.push(letter),
            }
        }
        Ok(Cow::Owned(plain))
    }

    /// `.quad 0x95, 5`
    fn quad_directive(&mut self) -> Result<(), Fault> {
        let (endian, line) = (self.endian, self.lexer.line());
        loop {
            let number = self.lexer.number_of("a number of 64 bits")?;
            let word = wide_number(number, self.lexer.last())?;
            let bytes = match endian {
                crate::Endian::Little => word.to_le_bytes(),
                crate::Endian::Big => word.to_be_bytes(),
            };
            self.section().push_word(Slot::from_bytes(bytes, endian), line);
            if !self.lexer.take(b',') {
                return Ok(());
            }
        }
    }
}
