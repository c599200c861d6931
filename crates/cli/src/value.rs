//! Values of known types: as JSON, and as the text that bpftool prints.

use bpfasm::object::btf::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A value as JSON, in bpftool's forms: bit-fields and very wide integers are strings of hexadecimal digits.
pub struct Json<'a>(pub &'a Value<'a>);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bool(truth) => to.serialize_bool(*truth),
            Value::Char(byte) => to.serialize_char(char::from(*byte)),
            Value::Unsigned(number) | Value::Pointer(number) => to.serialize_u64(*number),
            Value::Signed(number) => to.serialize_i64(*number),
            Value::Bits(bits) => to.collect_str(&format_args!("{bits:#x}")),
            Value::Float(number) => to.serialize_f64(*number),
            Value::Text(text) => to.serialize_str(text),
            Value::Array(values) => to.collect_seq(values.iter().map(Json)),
            Value::Struct(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, &Json(value))?;
                }
                map.end()
            }
            _ => to.serialize_unit(),
        }
    }
}

/// Text laid out as bpftool lays out its typed dumps: JSON's shape with every field on a line of its own, and pointers and
/// bit-fields as C writes them.
#[derive(Default)]
pub struct Text {
    out: String,
    depth: usize,
    /// Whether something stands before the next element.
    follows: bool,
}

impl Text {
    /// An object or array, between its brackets.
    pub fn within(&mut self, brackets: [char; 2], body: impl FnOnce(&mut Self)) {
        let [open, close] = brackets;
        self.separate();
        self.out.push(open);
        self.depth += 1;
        self.follows = false;
        body(self);
        self.depth -= 1;
        if self.follows {
            self.line();
        }
        self.out.push(close);
        self.follows = true;
    }

    /// The name of the field that comes next.
    pub fn name(&mut self, name: &str) {
        self.separate();
        self.line();
        self.out.push_str(&quoted(name));
        self.out.push_str(": ");
        self.follows = false;
    }

    /// Something that needs no brackets.
    pub fn plain(&mut self, text: &str) {
        self.separate();
        self.out.push_str(text);
        self.follows = true;
    }

    /// A value.
    pub fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Bool(truth) => self.plain(&truth.to_string()),
            Value::Char(byte) if *byte == b' ' || byte.is_ascii_graphic() => {
                self.plain(&quoted(&char::from(*byte).to_string()));
            }
            Value::Char(byte) => self.plain(&format!("{byte:#x}")),
            Value::Unsigned(number) => self.plain(&number.to_string()),
            Value::Signed(number) => self.plain(&number.to_string()),
            Value::Bits(bits) => self.plain(&format!("{bits:#x}")),
            Value::Float(number) => self.plain(&number.to_string()),
            Value::Pointer(0) => self.plain("(nil)"),
            Value::Pointer(address) => self.plain(&format!("{address:#x}")),
            Value::Text(text) => self.plain(&quoted(text)),
            Value::Array(values) => self.within(['[', ']'], |text| values.iter().for_each(|value| text.value(value))),
            Value::Struct(fields) => self.within(['{', '}'], |text| {
                for (name, value) in fields {
                    text.name(name);
                    text.value(value);
                }
            }),
            _ => self.plain("null"),
        }
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.out
    }

    fn separate(&mut self) {
        if self.follows {
            self.out.push(',');
        }
    }

    fn line(&mut self) {
        self.out.push('\n');
        (0..self.depth).for_each(|_| self.out.push_str("    "));
    }
}

/// A string between quotes, as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value() -> Value<'static> {
        let field = |name: &'static str, value| (name.into(), value);
        Value::Struct(vec![
            field("packets", Value::Unsigned(7)),
            field("on", Value::Bool(true)),
            field("bits", Value::Bits(0x60)),
            field("next", Value::Pointer(0)),
            field("mac", Value::Array(vec![Value::Unsigned(2), Value::Unsigned(1)])),
            field("none", Value::Array(Vec::new())),
            field("in", Value::Struct(vec![field("c", Value::Char(7)), field("d", Value::Text("a\"b".into()))])),
            field("f", Value::Unknown),
        ])
    }

    #[test]
    fn json_has_bpftools_forms() {
        let json = serde_json::to_string(&Json(&value())).unwrap();
        let expected = r#"{"packets":7,"on":true,"bits":"0x60","next":0,"mac":[2,1],"none":[],"in":{"c":"\u0007","d":"a\"b"},"f":null}"#;
        assert_eq!(json, expected);
    }

    /// The layout of `bpftool map dump` of a map with BTF, with its eccentric brackets.
    #[test]
    fn text_is_laid_out_as_bpftools() {
        let mut text = Text::default();
        text.within(['[', ']'], |text| {
            (0..2).for_each(|_| {
                text.within(['{', '}'], |text| {
                    text.name("value");
                    text.value(&value());
                });
            });
        });
        let entry = r#"{
        "value": {
            "packets": 7,
            "on": true,
            "bits": 0x60,
            "next": (nil),
            "mac": [2,1
            ],
            "none": [],
            "in": {
                "c": 0x7,
                "d": "a\"b"
            },
            "f": null
        }
    }"#;
        assert_eq!(text.into_text(), format!("[{entry},{entry}\n]"));
    }
}
