//! LLVM's pseudo-C, and the kernel's way to write it.

use super::{
    ErrorKind, Fault, Span, call,
    lexer::{Kind, Lexer, Token, pack},
    statement::{Goes, Range, Statement, Target, low, low16},
    words::{self, Memory, Register},
};
use crate::{
    insn::Insn,
    operand::{AtomicOp, PseudoSrc, Size, Src, Swap, Width},
    reg::Reg,
};

/// How a line is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The kernel printed it: immediates of jumps are 32 bits without a sign, and an LDDW has no `ll`.
    pub(super) kernel: bool,
    /// The opcode byte in front of it is that of LDDW.
    pub(super) lddw: bool,
}

impl Reading {
    fn immediate(self, width: Width) -> Range {
        if self.kernel { Range::WORD } else { Range::immediate(width) }
    }
}

/// A word that begins a statement of this dialect and none of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    If,
    Goto,
    Gotol,
    Gotox,
    MayGoto,
    StoreRelease,
    LdPseudo,
}

const KEYWORDS: [(&str, Keyword); 7] = [
    ("if", Keyword::If),
    ("goto", Keyword::Goto),
    ("gotol", Keyword::Gotol),
    ("gotox", Keyword::Gotox),
    ("may_goto", Keyword::MayGoto),
    ("store_release", Keyword::StoreRelease),
    ("ld_pseudo", Keyword::LdPseudo),
];

/// All words that begin statements of this dialect.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().map(|&(word, _)| word).chain(call::WORDS)
}

impl Keyword {
    pub(super) fn of(word: &str) -> Option<Keyword> {
        KEYWORDS.iter().find(|(known, _)| *known == word).map(|&(_, keyword)| keyword)
    }

    /// The statement that it begins.
    pub(super) fn statement<'a>(self, lexer: &mut Lexer<'a>, reading: Reading) -> Result<Statement<'a>, Fault> {
        match self {
            Keyword::If => jump_if(lexer, reading),
            Keyword::Goto => jump(lexer, Insn::ja(0), Range::OFFSET),
            Keyword::Gotol => jump(lexer, Insn::gotol(0), Range::FAR),
            Keyword::MayGoto => jump(lexer, Insn::may_goto(0), Range::OFFSET),
            Keyword::Gotox => Ok(Insn::gotox(lexer.register_at(Width::W64)?).into()),
            Keyword::StoreRelease => store_release(lexer),
            Keyword::LdPseudo => ld_pseudo(lexer),
        }
    }
}

/// `r1 = …`, `r1 += …`, behind the register.
pub(super) fn assignment<'a>(
    lexer: &mut Lexer<'a>,
    (width, dst): (Width, Reg),
    reading: Reading,
) -> Result<Statement<'a>, Fault> {
    const ASSIGN: u32 = pack("=");
    let operator = lexer.operator()?;
    if operator == ASSIGN {
        return value(lexer, (width, dst), reading);
    }
    let Some(op) = words::alu(operator) else {
        return Err(ErrorKind::Expected { wanted: "an operator such as `=` or `+=`" }.at(lexer.last()));
    };
    let operand = source(lexer, width, reading.immediate(width))?;
    Ok(Insn::alu(width, op, dst, operand).into())
}

/// A register of this width, or a number.
fn source(lexer: &mut Lexer<'_>, width: Width, range: Range) -> Result<Src, Fault> {
    match lexer.next_is_word() {
        true => lexer.register_at(width).map(Src::Reg),
        false => lexer.number_in_or(range, "a register or a number").map(low).map(Src::Imm),
    }
}

/// What stands behind `r1 =`.
fn value<'a>(lexer: &mut Lexer<'a>, dst: (Width, Reg), reading: Reading) -> Result<Statement<'a>, Fault> {
    if lexer.take_exactly(b" *(") {
        return load(lexer, dst);
    }
    if let Some((width, src)) = lexer.take_register() {
        return match width == dst.0 {
            true => Ok(Insn::mov(width, dst.1, src).into()),
            false => Err(ErrorKind::RegisterWidth { wanted: dst.0 }.at(lexer.last())),
        };
    }
    if let Some(number) = lexer.take_number() {
        return number_value(lexer, dst, number.into(), reading);
    }
    let first = lexer.next()?;
    match first.kind {
        Kind::Word => word_value(lexer, dst, first, reading),
        Kind::Sign(sign) if sign == pack("*") => {
            lexer.sign_of(b'(', "`(`")?;
            load(lexer, dst)
        }
        Kind::Sign(sign) if sign == pack("(") => sign_extension(lexer, dst),
        Kind::Sign(sign) if sign == pack("-") && lexer.next_is_word() => {
            same_register(lexer, dst)?;
            Ok(Insn::neg(dst.0, dst.1).into())
        }
        _ => {
            let number = lexer.number_from(first, "a value: a register, a number, a load or a call")?;
            number_value(lexer, dst, number, reading)
        }
    }
}

/// `r1 = 5`, `r1 = 5 ll`
fn number_value<'a>(
    lexer: &mut Lexer<'a>,
    (width, dst): (Width, Reg),
    number: i128,
    reading: Reading,
) -> Result<Statement<'a>, Fault> {
    let span = lexer.last();
    let wide = lexer.next_is_word() && lexer.peek().map(|next| lexer.str(next.span) == "ll")?;
    if wide {
        lexer.next()?;
    }
    if !wide && !reading.lddw {
        let number = reading.immediate(width).check(number, span)?;
        return Ok(Insn::mov(width, dst, low(number)).into());
    }
    if width == Width::W32 {
        return Err(ErrorKind::RegisterWidth { wanted: Width::W64 }.at(span));
    }
    Ok(Insn::lddw(dst, wide_number(number, span)?).into())
}

/// 64 bits, with or without a sign.
pub(super) fn wide_number(number: i128, span: Span) -> Result<u64, Fault> {
    let bits = u64::try_from(number).ok().or_else(|| i64::try_from(number).ok().map(i64::cast_unsigned));
    let (min, max) = (i64::MIN, i64::MAX);
    bits.ok_or_else(|| ErrorKind::OutOfRange { value: number, field: "the number", min, max }.at(span))
}

/// The register that is changed in place, once more.
fn same_register(lexer: &mut Lexer<'_>, dst: (Width, Reg)) -> Result<(), Fault> {
    if lexer.register()? == dst { Ok(()) } else { Err(ErrorKind::OtherRegister.at(lexer.last())) }
}

/// `r1 = r2`, `r1 = be16 r1`, `r1 = load_acquire(…)`, `r1 = SYMBOL ll`
fn word_value<'a>(
    lexer: &mut Lexer<'a>,
    (width, dst): (Width, Reg),
    first: Token,
    reading: Reading,
) -> Result<Statement<'a>, Fault> {
    let word = lexer.str(first.span);
    match words::register(word) {
        Register::Is(seen, src) if seen == width => return Ok(Insn::mov(width, dst, src).into()),
        Register::Is(..) => return Err(ErrorKind::RegisterWidth { wanted: width }.at(first.span)),
        Register::Missing => return Err(ErrorKind::Register.at(first.span)),
        Register::Not => {}
    }
    if lexer.next_byte() == b'(' {
        if word == "load_acquire" {
            return load_acquire(lexer, (width, dst));
        }
        if word == "addr_space_cast" {
            return addr_space_cast(lexer, dst);
        }
        if let Some(call) = words::atomic_call(word) {
            return atomic_call(lexer, (width, dst), call, first.span);
        }
        let known = ["load_acquire", "addr_space_cast", "atomic_fetch_add", "xchg_64", "cmpxchg_64"];
        let nearest = words::nearest(word, known.into_iter());
        return Err(ErrorKind::UnknownInstruction { nearest }.at(first.span));
    }
    if let (true, Some((swap, bits))) = (lexer.next_is_word(), words::swap(word)) {
        same_register(lexer, (width, dst))?;
        return Ok(match swap {
            Swap::ToBe => Insn::to_be(bits, dst),
            Swap::ToLe => Insn::to_le(bits, dst),
            Swap::Always => Insn::bswap(bits, dst),
        }
        .into());
    }
    symbol_value(lexer, (width, dst), first.span, reading)
}

/// `r1 = SYMBOL ll`
fn symbol_value<'a>(
    lexer: &mut Lexer<'a>,
    (width, dst): (Width, Reg),
    word: Span,
    reading: Reading,
) -> Result<Statement<'a>, Fault> {
    let name = lexer.symbol_from(word)?;
    if width == Width::W32 {
        return Err(ErrorKind::RegisterWidth { wanted: Width::W64 }.at(word));
    }
    if !reading.kernel {
        let wanted = "`ll`: the address of a symbol has 64 bits";
        let (ll, at) = lexer.word_of(wanted)?;
        if ll != "ll" {
            return Err(ErrorKind::Expected { wanted }.at(at));
        }
    }
    Ok(Statement { insn: Insn::lddw(dst, 0), goes: Goes::Symbol(name) })
}

/// `u32`
fn memory_type(lexer: &mut Lexer<'_>, wanted: &'static str) -> Result<Memory, Fault> {
    if let Some(memory) = lexer.take_memory() {
        return Ok(memory);
    }
    let (word, span) = lexer.word_of(wanted)?;
    let memory = if word.len() > 3 { None } else { Memory::of(pack(word)) };
    memory.ok_or_else(|| ErrorKind::Expected { wanted }.at(span))
}

/// `u32 *)(`, `u32 *)skb`: the type, and where it stands.
fn pointer_type(lexer: &mut Lexer<'_>) -> Result<(Memory, Span), Fault> {
    let wanted = "a type of memory: `u8`, `u16`, `u32`, `u64`, `s8`, `s16` or `s32`";
    let found = (memory_type(lexer, wanted)?, lexer.last());
    if !lexer.take_exactly(b" *)") {
        lexer.sign_of(b'*', "`*)`")?;
        lexer.sign_of(b')', "`)`")?;
    }
    Ok(found)
}

/// The size of an unsigned type of memory.
fn unsigned((memory, span): (Memory, Span)) -> Result<Size, Fault> {
    match memory {
        Memory::Unsigned(size) => Ok(size),
        Memory::Signed(_) => Err(ErrorKind::Expected { wanted: "`u8`, `u16`, `u32` or `u64`" }.at(span)),
    }
}

/// `r2 + 4)`, behind its first bracket.
#[inline]
fn address(lexer: &mut Lexer<'_>) -> Result<(Reg, i16), Fault> {
    let base = lexer.register_at(Width::W64)?;
    let off = lexer.offset(Range::OFFSET)?;
    lexer.sign_of(b')', "`)`, or an offset with its sign")?;
    Ok((base, low16(off)))
}

/// `(u32 *)(r2 + 4)`
fn pointer(lexer: &mut Lexer<'_>) -> Result<(Size, Reg, i16), Fault> {
    lexer.sign_of(b'(', "`(`")?;
    let size = unsigned(pointer_type(lexer)?)?;
    lexer.sign_of(b'(', "`(`")?;
    let (base, off) = address(lexer)?;
    Ok((size, base, off))
}

/// Checks the width at which a register is seen that memory of this size goes to or comes from: narrow values fit both.
#[inline]
fn fits(seen: Width, size: Size, span: Span) -> Result<(), Fault> {
    match (seen, size) {
        (Width::W32, Size::DW) => Err(ErrorKind::RegisterWidth { wanted: Width::W64 }.at(span)),
        _ => Ok(()),
    }
}

/// `*(u32 *)(r2 + 4)`, `*(u8 *)skb[4]`, behind its first bracket.
fn load<'a>(lexer: &mut Lexer<'a>, (width, dst): (Width, Reg)) -> Result<Statement<'a>, Fault> {
    let (memory, span) = pointer_type(lexer)?;
    if !lexer.take(b'(') {
        let next = lexer.next()?;
        if next.kind == Kind::Word && lexer.str(next.span) == "skb" {
            return packet_load(lexer, dst, memory.size(), span);
        }
        if next.kind != Kind::Sign(pack("(")) {
            return Lexer::expected(next, "`(`, or `skb[`");
        }
    }
    let (base, off) = address(lexer)?;
    match memory {
        Memory::Unsigned(size) => {
            fits(width, size, span)?;
            Ok(Insn::load(size, dst, base, off).into())
        }
        Memory::Signed(_) if width == Width::W32 => Err(ErrorKind::RegisterWidth { wanted: Width::W64 }.at(span)),
        Memory::Signed(narrow) => Insn::load_sx(narrow.size(), dst, base, off)
            .map(Statement::from)
            .map_err(|error| ErrorKind::Insn(error).at(span)),
    }
}

/// `[4]`, `[r2]`, `[r2 + 4]`
fn packet_load<'a>(lexer: &mut Lexer<'a>, dst: Reg, size: Size, span: Span) -> Result<Statement<'a>, Fault> {
    if dst != Reg::R0 {
        return Err(ErrorKind::Expected { wanted: "`r0 =`: packet loads have no other destination" }.at(span));
    }
    lexer.sign_of(b'[', "`[`")?;
    let made = match lexer.next_is_word() {
        true => {
            let src = lexer.register_at(Width::W64)?;
            Insn::ld_ind(size, src, low(lexer.offset(Range::WORD)?))
        }
        false => Insn::ld_abs(size, low(lexer.number_in(Range::WORD)?)),
    };
    lexer.sign_of(b']', "`]`")?;
    made.map(Statement::from).map_err(|error| ErrorKind::Insn(error).at(span))
}

/// `(s8)r2`, behind its first bracket.
fn sign_extension<'a>(lexer: &mut Lexer<'a>, (width, dst): (Width, Reg)) -> Result<Statement<'a>, Fault> {
    let wanted = "`s8`, `s16` or `s32`";
    let (memory, span) = (memory_type(lexer, wanted)?, lexer.last());
    let Memory::Signed(from) = memory else { return Err(ErrorKind::Expected { wanted }.at(span)) };
    lexer.sign_of(b')', "`)`")?;
    let src = lexer.register_at(width)?;
    Insn::movsx(width, from.size(), dst, src).map(Statement::from).map_err(|error| ErrorKind::Insn(error).at(span))
}

/// `(r2, 0, 1)`
fn addr_space_cast<'a>(lexer: &mut Lexer<'a>, dst: Reg) -> Result<Statement<'a>, Fault> {
    const SPACE: Range = Range::new("an address space", 0, 0xffff);
    lexer.sign_of(b'(', "`(`")?;
    let src = lexer.register_at(Width::W64)?;
    lexer.sign_of(b',', "`,`")?;
    let to = lexer.number_in(SPACE)?;
    lexer.sign_of(b',', "`,`")?;
    let from = lexer.number_in(SPACE)?;
    lexer.sign_of(b')', "`)`")?;
    Ok(Insn::addr_space_cast(dst, src, low16(to).cast_unsigned(), low16(from).cast_unsigned()).into())
}

/// `((u8 *)(r2 + 4))`
fn load_acquire<'a>(lexer: &mut Lexer<'a>, (width, dst): (Width, Reg)) -> Result<Statement<'a>, Fault> {
    let open = lexer.last();
    lexer.sign_of(b'(', "`(`")?;
    let (size, base, off) = pointer(lexer)?;
    lexer.sign_of(b')', "`)`")?;
    fits(width, size, open)?;
    Ok(Insn::load_acquire(size, dst, base, off).into())
}

/// `((u8 *)(r1 + 4), w2)`
fn store_release<'a>(lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
    lexer.sign_of(b'(', "`(`")?;
    let (size, base, off) = pointer(lexer)?;
    lexer.sign_of(b',', "`,`")?;
    let (width, src) = lexer.register()?;
    fits(width, size, lexer.last())?;
    lexer.sign_of(b')', "`)`")?;
    Ok(Insn::store_release(size, base, off, src).into())
}

/// `((u64 *)(r1 + 4), r2)`, `(r1 + 4, r2)`, `(r1 + 4, r0, r2)`
fn atomic_call<'a>(
    lexer: &mut Lexer<'a>,
    (width, dst): (Width, Reg),
    call: words::AtomicCall,
    word: Span,
) -> Result<Statement<'a>, Fault> {
    lexer.sign_of(b'(', "`(`")?;
    let (size, base, off) = if lexer.next_byte() == b'(' {
        pointer(lexer)?
    } else {
        let base = lexer.register_at(Width::W64)?;
        let size = call.width.map_or(Size::DW, |width| if width == Width::W32 { Size::W } else { Size::DW });
        (size, base, low16(lexer.offset(Range::OFFSET)?))
    };
    lexer.sign_of(b',', "`,`")?;
    fits(width, size, word)?;
    let result = if call.op == AtomicOp::CmpXchg {
        let (_, compared) = lexer.register()?;
        if compared != Reg::R0 {
            return Err(ErrorKind::Expected { wanted: "`r0`: the exchange compares with it" }.at(lexer.last()));
        }
        lexer.sign_of(b',', "`,`")?;
        Some(Reg::R0)
    } else {
        None
    };
    let ((seen, src), span) = (lexer.register()?, lexer.last());
    fits(seen, size, span)?;
    lexer.sign_of(b')', "`)`")?;
    if dst != result.unwrap_or(src) {
        return Err(ErrorKind::OtherRegister.at(span));
    }
    Insn::atomic(call.op, true, size, base, off, src)
        .map(Statement::from)
        .map_err(|error| ErrorKind::Insn(error).at(word))
}

/// `*(u64 *)(r1 + 4) += r2`, behind `lock`.
pub(super) fn atomic<'a>(lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
    lexer.sign_of(b'*', "`*(u32 *)` or `*(u64 *)`")?;
    let star = lexer.last();
    let (size, base, off) = pointer(lexer)?;
    let Some(op) = words::atomic_operator(lexer.operator()?) else {
        return Err(ErrorKind::Expected { wanted: "`+=`, `|=`, `&=` or `^=`" }.at(lexer.last()));
    };
    let (seen, src) = lexer.register()?;
    fits(seen, size, lexer.last())?;
    Insn::atomic(op, false, size, base, off, src).map(Statement::from).map_err(|error| ErrorKind::Insn(error).at(star))
}

/// `(u32 *)(r1 + 4) = r2`, behind the star.
pub(super) fn store<'a>(lexer: &mut Lexer<'a>, reading: Reading) -> Result<Statement<'a>, Fault> {
    let (size, base, off) = pointer(lexer)?;
    lexer.sign_of(b'=', "`=`")?;
    if lexer.next_is_word() {
        let (seen, src) = lexer.register()?;
        fits(seen, size, lexer.last())?;
        return Ok(Insn::store(size, base, off, src).into());
    }
    let width = if size == Size::DW { Width::W64 } else { Width::W32 };
    let number = lexer.number_in_or(reading.immediate(width), "a register or a number")?;
    Ok(Insn::store(size, base, off, low(number)).into())
}

/// `r1 == 5 goto L`, behind `if`.
fn jump_if<'a>(lexer: &mut Lexer<'a>, reading: Reading) -> Result<Statement<'a>, Fault> {
    let (width, dst) = lexer.register()?;
    let Some(condition) = words::condition(lexer.operator()?) else {
        return Err(ErrorKind::Expected { wanted: "a comparison such as `==` or `s<`" }.at(lexer.last()));
    };
    let operand = source(lexer, width, reading.immediate(width))?;
    if !lexer.take_exactly(b" goto ") {
        let (word, span) = lexer.word_of("`goto`")?;
        if word != "goto" {
            return Err(ErrorKind::Expected { wanted: "`goto`" }.at(span));
        }
    }
    jump(lexer, Insn::jump_if(width, condition, dst, operand, 0), Range::OFFSET)
}

/// The target of a jump.
pub(super) fn jump<'a>(lexer: &mut Lexer<'a>, insn: Insn, reach: Range) -> Result<Statement<'a>, Fault> {
    match lexer.target()? {
        Target::Label(goes) => Ok(Statement { insn, goes }),
        Target::Distance(distance) => {
            let distance = low(reach.check(distance.into(), lexer.last())?);
            Ok(insn.with_distance(distance).unwrap_or(insn).into())
        }
    }
}

/// `r1, 1, 5`: an LDDW by the number in its src field.
fn ld_pseudo<'a>(lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
    const KINDS: [PseudoSrc; 6] = [
        PseudoSrc::MapFd,
        PseudoSrc::MapValue,
        PseudoSrc::BtfId,
        PseudoSrc::Func,
        PseudoSrc::MapIdx,
        PseudoSrc::MapIdxValue,
    ];
    let dst = lexer.register_at(Width::W64)?;
    lexer.sign_of(b',', "`,`")?;
    let index = lexer.number_in_or(Range::new("the pseudo source", 1, 6), "the number of a pseudo source")?;
    let kind = usize::try_from(index - 1).ok().and_then(|index| KINDS.get(index)).copied().unwrap_or(PseudoSrc::MapFd);
    lexer.sign_of(b',', "`,`")?;
    let (number, span) = (lexer.number_of("the value")?, lexer.last());
    let bits = wide_number(number, span)?;
    let [a, b, c, d, e, f, g, h] = bits.to_le_bytes();
    let (low, high) = (i32::from_le_bytes([a, b, c, d]), i32::from_le_bytes([e, f, g, h]));
    // Where the high half is reserved, a negative number is its low half with the sign extended.
    let high = if kind.uses_high() || high != low >> 31 { high } else { 0 };
    Insn::lddw_pseudo(dst, kind, low, high).map(Statement::from).map_err(|error| ErrorKind::Insn(error).at(span))
}
