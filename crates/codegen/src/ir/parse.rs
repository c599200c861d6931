//! Reads what `print` writes, so that tests can show IR. A mistake in the text is a mistake in the test: it panics.

use super::*;
use bpfasm_isa::HelperId;

/// The function that `text` shows, written at the caller's line. Stores get results above all values that are named.
///
/// # Panics
/// Panics on text that [`print`](super::print) would not write.
#[track_caller]
pub(crate) fn parse(text: &str) -> Function {
    let loc = core::panic::Location::caller();
    let mut function = Function { blocks: Table::new(), slots: Table::new(), value_count: 0 };
    let mut stores = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut line = Line::new(line);
        if line.peek().starts_with("slot") {
            line.entity("slot");
            line.expect(":");
            function.slots.push(SlotData { bytes: u16::try_from(line.number()).unwrap() });
        } else if line.peek().starts_with("block") {
            let block = Block(line.entity("block"));
            assert_eq!(function.blocks.push(BlockData::new(loc)), block, "blocks come in order");
            if line.take("(") {
                function.blocks[block].params = line.list(Line::value);
            }
        } else {
            let block = function.blocks.keys().next_back().expect("a block before its instructions");
            match line.terminator() {
                Some(term) => function.blocks[block].term = term,
                None => {
                    let result = (!["store", "atomic_add"].contains(&line.peek())).then(|| {
                        let value = line.value();
                        line.expect("=");
                        value
                    });
                    let index = function.blocks[block].insts.len();
                    if result.is_none() {
                        stores.push((block, index));
                    }
                    let op = line.op();
                    function.blocks[block].insts.push(Inst { result: result.unwrap_or(Value(u32::MAX)), op, loc });
                }
            }
        }
    }
    let named = function.blocks.values().flat_map(|data| {
        data.params.iter().copied().chain(data.insts.iter().map(|inst| inst.result)).filter(|v| v.0 != u32::MAX)
    });
    function.value_count = named.map(|value| value.0 + 1).max().unwrap_or(0);
    for (block, index) in stores {
        let value = function.new_value();
        function.blocks[block].insts[index].result = value;
    }
    function
}

/// The words and signs of a line.
struct Line<'t> {
    tokens: Vec<&'t str>,
    at: usize,
}

impl<'t> Line<'t> {
    fn new(text: &'t str) -> Line<'t> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let len = if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(&rest[..len]);
            }
            rest = &rest[len..];
        }
        Line { tokens, at: 0 }
    }

    fn peek(&self) -> &'t str {
        self.tokens.get(self.at).copied().unwrap_or("")
    }

    fn next(&mut self) -> &'t str {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) {
        assert!(self.take(token), "{token} expected before {} in {:?}", self.peek(), self.tokens);
    }

    fn number(&mut self) -> u64 {
        let token = self.next();
        let parsed = match token.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => token.parse(),
        };
        parsed.unwrap_or_else(|_| panic!("a number, not {token}, in {:?}", self.tokens))
    }

    fn entity(&mut self, prefix: &str) -> u32 {
        let token = self.next();
        let digits = token.strip_prefix(prefix).unwrap_or_else(|| panic!("{prefix}N, not {token}"));
        digits.parse().unwrap()
    }

    fn value(&mut self) -> Value {
        Value(self.entity("v"))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = Vec::new();
        while !self.take(")") {
            items.push(item(self));
            self.take(",");
        }
        items
    }

    fn operand(&mut self) -> Operand {
        match self.peek() {
            "net" => {
                self.next();
                let size = self.size();
                Operand::Net(NetConst { size, value: self.number() })
            }
            token if token.starts_with('v') => Operand::Value(self.value()),
            _ => Operand::Const(self.number()),
        }
    }

    fn pair(&mut self) -> (Operand, Operand) {
        let a = self.operand();
        self.expect(",");
        (a, self.operand())
    }

    fn size(&mut self) -> Size {
        self.expect(".");
        match self.next() {
            "b" => Size::B,
            "h" => Size::H,
            "w" => Size::W,
            "dw" => Size::DW,
            other => panic!("a size, not {other}"),
        }
    }

    /// A name from a table that ends in the width.
    fn sized<T: Copy>(word: &str, all: &[T], name: fn(T) -> &'static str) -> (T, Width) {
        let (stem, width) = match word.strip_suffix("32") {
            Some(stem) => (stem, Width::W32),
            None => (word.strip_suffix("64").unwrap_or_else(|| panic!("a width after {word}")), Width::W64),
        };
        (*all.iter().find(|&&item| name(item) == stem).unwrap_or_else(|| panic!("unknown {word}")), width)
    }

    fn address(&mut self) -> (Space, Operand, i16) {
        let name = self.next();
        let space = *Space::ALL.iter().find(|space| space.name() == name).unwrap();
        let base = self.operand();
        let sign = if self.next() == "-" { -1 } else { 1 };
        (space, base, i16::try_from(i64::try_from(self.number()).unwrap() * sign).unwrap())
    }

    fn op(&mut self) -> Op {
        match self.next() {
            "context" => Op::Context,
            "net_swap" => Op::NetSwap { size: self.size(), a: self.operand() },
            "sign_extend" => Op::SignExtend { from: self.size(), a: self.operand() },
            "load" => {
                let size = self.size();
                let (space, base, off) = self.address();
                Op::Load { space, size, base, off }
            }
            "store" => {
                let size = self.size();
                let (space, base, off) = self.address();
                self.expect(",");
                Op::Store { space, size, base, off, value: self.operand() }
            }
            "atomic_add" => {
                let size = self.size();
                let (space, base, off) = self.address();
                self.expect(",");
                Op::AtomicAdd { space, size, base, off, value: self.operand() }
            }
            "address" if self.peek().starts_with("map") => Op::MapAddr(MapRef(self.entity("map"))),
            "address" if self.peek().starts_with("global") => Op::GlobalAddr(GlobalRef(self.entity("global"))),
            "address" => Op::StackAddr(StackSlot(self.entity("slot"))),
            "call" => {
                let name = self.next();
                let helper = HelperId::from_name(name).unwrap_or_else(|| HelperId(name.parse().unwrap()));
                self.expect("(");
                Op::Call { helper, args: Args::new(&self.list(Line::operand)) }
            }
            word => {
                let (op, width) = Line::sized(word, BinOp::ALL, BinOp::name);
                let (a, b) = self.pair();
                Op::Bin { op, width, a, b }
            }
        }
    }

    fn terminator(&mut self) -> Option<Terminator> {
        match self.peek() {
            "jump" => {
                self.next();
                let target = Block(self.entity("block"));
                let args = if self.take("(") { self.list(Line::operand) } else { Vec::new() };
                Some(Terminator::Jump { target, args })
            }
            "branch" => {
                self.next();
                self.expect(".");
                let (cond, width) = Line::sized(self.next(), Cond::ALL, Cond::name);
                let (a, b) = self.pair();
                self.expect(",");
                let then = Block(self.entity("block"));
                self.expect(",");
                Some(Terminator::Branch { cond, width, a, b, then, otherwise: Block(self.entity("block")) })
            }
            "return" => {
                self.next();
                Some(Terminator::Return(self.operand()))
            }
            "unreachable" => Some(Terminator::Unreachable),
            _ => None,
        }
    }
}
