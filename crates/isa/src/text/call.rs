//! Calls, which both dialects write alike.

use super::{
    Fault, Span,
    lexer::{Kind, Lexer},
    mnemonic,
    pseudo_c::jump,
    statement::{Goes, Range, Statement, low, low16},
};
use crate::{HelperId, insn::Insn};

/// The words that begin a statement of both dialects; `lock` goes on differently.
pub(super) const WORDS: [&str; 4] = ["call", "callx", "exit", "lock"];

/// The statement that a word of both dialects begins.
pub(super) fn statement<'a>(lexer: &mut Lexer<'a>, word: &str) -> Option<Result<Statement<'a>, Fault>> {
    Some(match word {
        "call" => call(lexer),
        "callx" => mnemonic::register(lexer).map(|target| Insn::callx(target).into()),
        "exit" => Ok(Insn::exit().into()),
        _ => return None,
    })
}

/// A call of the helper with this number.
fn helper(id: i32) -> Insn {
    Insn::call_helper(HelperId(id.cast_unsigned()))
}

/// What stands behind `call`: `23`, `bpf_redirect`, `f`, `pc+5`, `kfunc 5`, `bpf_redirect#23`; in other words `helper 23`,
/// `local f`, `runtime 5`.
fn call<'a>(lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
    let first = lexer.next()?;
    if first.kind != Kind::Word {
        let number = lexer.number_from(first, "a helper's number or name, or a function's name")?;
        let id = Range::WORD.check(number, lexer.last())?;
        return Ok(helper(low(id)).into());
    }
    let word = lexer.str(first.span);
    let next = lexer.peek()?.kind;
    match word {
        "pc" if matches!(next, Kind::Sign(_)) => {
            let distance = lexer.number_in(Range::FAR)?;
            lexer.take_hash();
            Ok(Insn::call_local(low(distance)).into())
        }
        "helper" if next != Kind::End => Ok(helper(low(lexer.number_in(Range::WORD)?)).into()),
        "local" if next != Kind::End => jump(lexer, Insn::call_local(0), Range::FAR),
        "kfunc" | "runtime" if next != Kind::End => kfunc(lexer),
        _ => named_call(lexer, word, first.span),
    }
}

/// `0x1234`, `0x1234, 2`
fn kfunc<'a>(lexer: &mut Lexer<'a>) -> Result<Statement<'a>, Fault> {
    let id = low(lexer.number_in(Range::WORD)?);
    let index = if lexer.take(b',') { low16(lexer.number_in(Range::OFFSET)?) } else { 0 };
    Ok(Insn::call_kfunc(id, index).into())
}

/// A call by name, behind which the kernel prints `#` and the instruction's immediate.
fn named_call<'a>(lexer: &mut Lexer<'a>, word: &'a str, span: Span) -> Result<Statement<'a>, Fault> {
    let number = lexer.take_hash();
    if let Some(helper) = word.strip_prefix("bpf_").and_then(HelperId::from_name) {
        return Ok(Insn::call_helper(helper).into());
    }
    match number {
        None => Ok(Statement { insn: Insn::call_local(0), goes: Goes::Label(word) }),
        Some(id) => {
            let id = low(Range::WORD.check(id.into(), span)?);
            Ok(match word {
                "unknown" => helper(id),
                _ => Insn::call_kfunc(id, 0),
            }
            .into())
        }
    }
}
