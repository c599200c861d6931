//! Mnemonics: the spellings of ubpf and its conformance suite, of rbpf, and of GNU as (`normal`), together.

use super::{
    ErrorKind, Fault, Span,
    lexer::{Kind, Lexer},
    pseudo_c,
    statement::{Goes, Range, Statement, low, low16},
    words::{self, Register},
};
use crate::{
    form::Form,
    insn::{Insn, InsnError},
    operand::{AluOp, AtomicOp, JmpOp, Operand, Size, Src, SwapBits, Width},
    reg::Reg,
    table::TABLE,
};

/// What a mnemonic asks for, before its operands are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mnemonic {
    Alu(Width, AluOp),
    Mov(Width),
    Neg(Width),
    /// A sign extension whose source size the word says, or else a third operand.
    MovSx(Width, Option<Size>),
    /// A byte swap; the word says the bits, or else a second operand.
    Swap(fn(SwapBits, Reg) -> Insn, Option<SwapBits>),
    Load(Size),
    LoadSx(Size),
    StoreImm(Size),
    StoreReg(Size),
    Lddw,
    LoadAbs(Size),
    LoadInd(Size),
    Atomic(AtomicOp, bool, Size),
    JumpIf(Width, JmpOp),
    Ja,
    Gotol,
}

/// A word and the width that its end says: 64 bits unless it is `32`.
fn split_width(word: &str) -> (&str, Width) {
    match word.strip_suffix("32") {
        Some(base) => (base, Width::W32),
        None => (word.strip_suffix("64").unwrap_or(word), Width::W64),
    }
}

fn size(letters: &str) -> Option<Size> {
    match letters {
        "b" => Some(Size::B),
        "h" => Some(Size::H),
        "w" => Some(Size::W),
        "dw" => Some(Size::DW),
        _ => None,
    }
}

const fn size_of(width: Width) -> Size {
    match width {
        Width::W32 => Size::W,
        Width::W64 => Size::DW,
    }
}

/// The names of the table's 64-bit rows of one form, without what they end in: `Add64K` is `add`.
fn row_names<T>(pick: impl Fn(Form) -> Option<T>) -> impl Iterator<Item = (&'static str, T)> {
    TABLE.iter().filter_map(move |row| Some((row.name.strip_suffix("64K")?, pick(row.form)?)))
}

/// The names that this dialect takes from the table's rows.
fn named<T>(base: &str, pick: impl Fn(Form) -> Option<T>) -> Option<T> {
    row_names(pick).find(|(name, _)| name.eq_ignore_ascii_case(base)).map(|(_, value)| value)
}

fn alu_form(form: Form) -> Option<AluOp> {
    match form {
        Form::Alu(_, op, Operand::K) => Some(op),
        _ => None,
    }
}

fn jump_form(form: Form) -> Option<JmpOp> {
    match form {
        Form::JumpIf(_, op, Operand::K) => Some(op),
        _ => None,
    }
}

impl Mnemonic {
    pub(super) fn of(word: &str) -> Option<Mnemonic> {
        let (base, width) = split_width(word);
        named(base, alu_form)
            .map(|op| Mnemonic::Alu(width, op))
            .or_else(|| named(base, jump_form).map(|op| Mnemonic::JumpIf(width, op)))
            .or_else(|| Mnemonic::of_move(word, base, width))
            .or_else(|| Mnemonic::of_memory(word))
            .or_else(|| Mnemonic::of_atomic(base, width))
    }

    fn of_move(word: &str, base: &str, width: Width) -> Option<Mnemonic> {
        Some(match (word, base) {
            ("ja", _) => Mnemonic::Ja,
            ("jal" | "ja32", _) => Mnemonic::Gotol,
            ("movsx832", _) => Mnemonic::MovSx(Width::W32, Some(Size::B)),
            ("movsx1632", _) => Mnemonic::MovSx(Width::W32, Some(Size::H)),
            ("movsx864", _) => Mnemonic::MovSx(Width::W64, Some(Size::B)),
            ("movsx1664", _) => Mnemonic::MovSx(Width::W64, Some(Size::H)),
            ("movsx3264", _) => Mnemonic::MovSx(Width::W64, Some(Size::W)),
            ("endbe", _) => Mnemonic::Swap(Insn::to_be, None),
            ("endle", _) => Mnemonic::Swap(Insn::to_le, None),
            ("bswap", _) => Mnemonic::Swap(Insn::bswap, None),
            (_, "mov") => Mnemonic::Mov(width),
            (_, "neg") => Mnemonic::Neg(width),
            (_, "movs") => Mnemonic::MovSx(width, None),
            _ => {
                let digits = word.find(|letter: char| letter.is_ascii_digit())?;
                let (name, bits) = word.split_at(digits);
                let bits = SwapBits::from_bits(bits.parse().ok()?)?;
                match name {
                    "be" => Mnemonic::Swap(Insn::to_be, Some(bits)),
                    "le" => Mnemonic::Swap(Insn::to_le, Some(bits)),
                    "swap" | "bswap" => Mnemonic::Swap(Insn::bswap, Some(bits)),
                    _ => return None,
                }
            }
        })
    }

    fn of_memory(word: &str) -> Option<Mnemonic> {
        type Make = fn(Size) -> Mnemonic;
        const PREFIXES: [(&str, Make); 6] = [
            ("ldxs", Mnemonic::LoadSx),
            ("ldx", Mnemonic::Load),
            ("ldabs", Mnemonic::LoadAbs),
            ("ldind", Mnemonic::LoadInd),
            ("stx", Mnemonic::StoreReg),
            ("st", Mnemonic::StoreImm),
        ];
        const ADD: fn(Size) -> Mnemonic = |size| Mnemonic::Atomic(AtomicOp::Add, false, size);
        if word == "lddw" {
            return Some(Mnemonic::Lddw);
        }
        let adds = [("stxxadd", ADD), ("xadd", ADD)];
        let made = |(prefix, make): (&str, Make)| word.strip_prefix(prefix).and_then(size).map(make);
        PREFIXES.into_iter().chain(adds).find_map(made)
    }

    /// `aadd`, `afadd32`, `axchg`, `acmp`, as GNU as has them.
    fn of_atomic(base: &str, width: Width) -> Option<Mnemonic> {
        let (op, fetch) = match base {
            "aadd" => (AtomicOp::Add, false),
            "aor" => (AtomicOp::Or, false),
            "aand" => (AtomicOp::And, false),
            "axor" => (AtomicOp::Xor, false),
            "afadd" => (AtomicOp::Add, true),
            "afor" => (AtomicOp::Or, true),
            "afand" => (AtomicOp::And, true),
            "afxor" => (AtomicOp::Xor, true),
            "axchg" => (AtomicOp::Xchg, true),
            "acmp" => (AtomicOp::CmpXchg, true),
            _ => return None,
        };
        Some(Mnemonic::Atomic(op, fetch, size_of(width)))
    }
}

/// Words to compare a misspelt one with.
const KNOWN: [&str; 21] = [
    "mov", "mov32", "neg", "lddw", "ldxb", "ldxh", "ldxw", "ldxdw", "stb", "sth", "stw", "stdw", "stxb", "stxh",
    "stxw", "stxdw", "ja", "call", "exit", "be16", "lock",
];

/// The word of this dialect that is closest to `word`.
pub(super) fn nearest(word: &str) -> Option<&'static str> {
    let named = |form| alu_form(form).map(drop).or(jump_form(form).map(drop));
    words::nearest(word, KNOWN.into_iter().chain(row_names(named).map(|(name, ())| name)))
}

impl Mnemonic {
    /// The statement that it begins.
    pub(super) fn statement<'a>(self, lexer: &mut Lexer<'a>, word: Span) -> Result<Statement<'a>, Fault> {
        self.operands(lexer).map_err(|error| match error.kind {
            // What cannot be is the word's fault, not that of an operand.
            kind @ ErrorKind::Insn(_) => kind.at(word),
            _ => error,
        })
    }
}

/// `r1`, `%r1`, `fp`
pub(super) fn register(lexer: &mut Lexer<'_>) -> Result<Reg, Fault> {
    lexer.take(b'%');
    if lexer.next_byte() == b'f' && lexer.take_exactly(b"fp") {
        return Ok(Reg::FP);
    }
    lexer.register_at(Width::W64)
}

fn comma(lexer: &mut Lexer<'_>) -> Result<(), Fault> {
    lexer.sign_of(b',', "`,`").map(drop)
}

/// A register, or a number in the range.
fn source(lexer: &mut Lexer<'_>, range: Range) -> Result<Src, Fault> {
    match lexer.next_is_word() || lexer.next_byte() == b'%' {
        true => register(lexer).map(Src::Reg),
        false => lexer.number_in_or(range, "a register or a number").map(low).map(Src::Imm),
    }
}

/// `[r1+8]`
fn address(lexer: &mut Lexer<'_>) -> Result<(Reg, i16), Fault> {
    lexer.sign_of(b'[', "`[`")?;
    let base = register(lexer)?;
    let off = lexer.offset(Range::OFFSET)?;
    lexer.sign_of(b']', "`]`, or an offset with its sign")?;
    Ok((base, low16(off)))
}

fn made(insn: Result<Insn, InsnError>) -> Result<Statement<'static>, Fault> {
    insn.map(Statement::from).map_err(|error| ErrorKind::Insn(error).at(Span::default()))
}

impl Mnemonic {
    fn operands<'a>(self, lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
        match self {
            Mnemonic::Alu(width, op) => {
                let dst = register(lexer)?;
                comma(lexer)?;
                Ok(Insn::alu(width, op, dst, source(lexer, Range::immediate(width))?).into())
            }
            Mnemonic::Mov(width) => {
                let dst = register(lexer)?;
                comma(lexer)?;
                Ok(Insn::mov(width, dst, source(lexer, Range::immediate(width))?).into())
            }
            Mnemonic::Neg(width) => Ok(Insn::neg(width, register(lexer)?).into()),
            Mnemonic::MovSx(width, from) => sign_extension(lexer, width, from),
            Mnemonic::Swap(make, bits) => swap(lexer, make, bits),
            Mnemonic::Load(_) | Mnemonic::LoadSx(_) => self.load(lexer),
            Mnemonic::StoreImm(_) | Mnemonic::StoreReg(_) | Mnemonic::Atomic(..) => self.store(lexer),
            Mnemonic::Lddw => lddw(lexer),
            Mnemonic::LoadAbs(size) => made(Insn::ld_abs(size, low(lexer.number_in(Range::WORD)?))),
            Mnemonic::LoadInd(size) => {
                let src = register(lexer)?;
                comma(lexer)?;
                made(Insn::ld_ind(size, src, low(lexer.number_in(Range::WORD)?)))
            }
            Mnemonic::JumpIf(width, op) => {
                let dst = register(lexer)?;
                comma(lexer)?;
                let operand = source(lexer, Range::immediate(width))?;
                comma(lexer)?;
                jump(lexer, Insn::jump_if(width, op, dst, operand, 0), Range::OFFSET)
            }
            Mnemonic::Ja => jump(lexer, Insn::ja(0), Range::OFFSET),
            Mnemonic::Gotol => jump(lexer, Insn::gotol(0), Range::FAR),
        }
    }

    fn load<'a>(self, lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
        let dst = register(lexer)?;
        comma(lexer)?;
        let (base, off) = address(lexer)?;
        match self {
            Mnemonic::LoadSx(size) => made(Insn::load_sx(size, dst, base, off)),
            Mnemonic::Load(size) => Ok(Insn::load(size, dst, base, off).into()),
            _ => Lexer::expected(lexer.peek()?, "a load"),
        }
    }

    fn store<'a>(self, lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
        let (base, off) = address(lexer)?;
        comma(lexer)?;
        match self {
            Mnemonic::StoreImm(size) => {
                let width = if size == Size::DW { Width::W64 } else { Width::W32 };
                let imm = low(lexer.number_in(Range::immediate(width))?);
                Ok(Insn::store(size, base, off, imm).into())
            }
            Mnemonic::StoreReg(size) => Ok(Insn::store(size, base, off, register(lexer)?).into()),
            Mnemonic::Atomic(op, fetch, size) => made(Insn::atomic(op, fetch, size, base, off, register(lexer)?)),
            _ => Lexer::expected(lexer.peek()?, "a store"),
        }
    }
}

/// `r1, r2` or `r1, r2, 8`
fn sign_extension<'a>(lexer: &mut Lexer<'a>, width: Width, from: Option<Size>) -> Result<Statement<'a>, Fault> {
    let dst = register(lexer)?;
    comma(lexer)?;
    let src = register(lexer)?;
    let from = match from {
        Some(size) => size,
        None => {
            comma(lexer)?;
            let wanted = "how many bits are extended: 8, 16 or 32";
            let (bits, span) = (lexer.number_of(wanted)?, lexer.last());
            let size = u64::try_from(bits / 8).ok().filter(|_| bits % 8 == 0).and_then(Size::from_bytes);
            size.ok_or_else(|| ErrorKind::Expected { wanted }.at(span))?
        }
    };
    made(Insn::movsx(width, from, dst, src))
}

/// `r1` or `r1, 16`
fn swap<'a>(
    lexer: &mut Lexer<'a>,
    make: fn(SwapBits, Reg) -> Insn,
    bits: Option<SwapBits>,
) -> Result<Statement<'a>, Fault> {
    let dst = register(lexer)?;
    let bits = match bits {
        Some(bits) => bits,
        None => {
            comma(lexer)?;
            let wanted = "how many bits are swapped: 16, 32 or 64";
            let (number, span) = (lexer.number_of(wanted)?, lexer.last());
            let bits = u32::try_from(number).ok().and_then(SwapBits::from_bits);
            bits.ok_or_else(|| ErrorKind::Expected { wanted }.at(span))?
        }
    };
    Ok(make(bits, dst).into())
}

/// `r1, 0x1122334455667788` or `r1, SYMBOL`
fn lddw<'a>(lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
    let dst = register(lexer)?;
    comma(lexer)?;
    let first = lexer.next()?;
    if first.kind == Kind::Word && words::register(lexer.str(first.span)) == Register::Not {
        let name = lexer.symbol_from(first.span)?;
        return Ok(Statement { insn: Insn::lddw(dst, 0), goes: Goes::Symbol(name) });
    }
    let number = lexer.number_from(first, "a number, or a symbol")?;
    Ok(Insn::lddw(dst, pseudo_c::wide_number(number, lexer.last())?).into())
}

/// A target, whose sign may be left out.
fn jump<'a>(lexer: &mut Lexer<'a>, insn: Insn, reach: Range) -> Result<Statement<'a>, Fault> {
    match lexer.take_number() {
        Some(distance) => {
            let distance = low(reach.check(distance.into(), lexer.last())?);
            Ok(insn.with_distance(distance).unwrap_or(insn).into())
        }
        None => pseudo_c::jump(lexer, insn, reach),
    }
}

/// `add [r1+8], r2`, `fetch add32 [r1+8], r2`, behind `lock`.
pub(super) fn locked<'a>(lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
    const WANTED: &str = "an atomic operation: `add`, `or`, `and`, `xor`, `xchg` or `cmpxchg`, with `32` for a word";
    let (mut word, mut span) = lexer.word_of(WANTED)?;
    let mut fetch = word == "fetch";
    if fetch {
        (word, span) = lexer.word_of(WANTED)?;
    }
    let (base, width) = split_width(word);
    let op = match base {
        "add" => AtomicOp::Add,
        "or" => AtomicOp::Or,
        "and" => AtomicOp::And,
        "xor" => AtomicOp::Xor,
        "xchg" => AtomicOp::Xchg,
        "cmpxchg" => AtomicOp::CmpXchg,
        _ => return Err(ErrorKind::Expected { wanted: WANTED }.at(span)),
    };
    fetch |= matches!(op, AtomicOp::Xchg | AtomicOp::CmpXchg);
    Mnemonic::Atomic(op, fetch, size_of(width)).store(lexer)
}
