//! An entry of a map, as bpftool prints it: typed where the map has types, and in bytes.

use std::borrow::Cow;

use bpfasm::loader::map::{Map, possible_cpus};
use bpfasm::loader::observe::MapTypes;
use bpfasm::object::btf::Value;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::error::Error;
use crate::hex::Hex;
use crate::value::{Json, Text};

/// A map, and what is needed to print its entries.
pub struct Printer {
    types: Option<MapTypes>,
    /// Bytes of a value; of one CPU's, where there is one for each.
    value_size: usize,
    /// The CPUs that have a value each.
    cpus: Option<&'static [u32]>,
}

/// An entry to print.
pub struct Entry<'a> {
    printer: &'a Printer,
    key: &'a [u8],
    value: &'a [u8],
}

impl Printer {
    /// Asks for the types of a map.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn new(map: &Map) -> Result<Self, Error> {
        let cpus = if map.as_map_fd().is_per_cpu() { Some(possible_cpus()?) } else { None };
        let value_size = usize::try_from(map.value_size()).unwrap_or(usize::MAX);
        Ok(Self { types: MapTypes::of(map)?, value_size, cpus })
    }

    /// Whether entries are printed by their types.
    pub fn is_typed(&self) -> bool {
        self.types.is_some()
    }

    /// An entry, as [`Map::lookup`] gives its value.
    pub fn entry<'a>(&'a self, key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
        Entry { printer: self, key, value }
    }

    /// The value of each CPU, where there are several.
    fn per_cpu<'a>(&self, value: &'a [u8]) -> Option<Vec<(u32, &'a [u8])>> {
        let places = value.chunks(self.value_size.next_multiple_of(8).max(8));
        let own = places.map(|place| place.get(..self.value_size).unwrap_or(place));
        self.cpus.map(|cpus| cpus.iter().copied().zip(own).collect())
    }
}

impl Entry<'_> {
    /// Key and value by their types, as one value with these two fields.
    fn formatted(&self) -> Option<Value<'_>> {
        let types = self.printer.types.as_ref()?;
        let field = |name: &'static str, value| (Cow::Borrowed(name), value);
        let mut fields = Vec::new();
        fields.extend(types.key(self.key).map(|key| field("key", key)));
        fields.push(match self.printer.per_cpu(self.value) {
            None => field("value", types.value(self.value)),
            Some(values) => {
                let of_cpu = |(cpu, value): (u32, &[u8])| {
                    let cpu = field("cpu", Value::Unsigned(cpu.into()));
                    // The value borrows from the types alone.
                    Value::Struct(vec![cpu, field("value", types.value(value))])
                };
                field("values", Value::Array(values.into_iter().map(of_cpu).collect()))
            }
        });
        Some(Value::Struct(fields))
    }

    /// Adds it to a typed listing. False if there are no types.
    pub fn write(&self, text: &mut Text) -> bool {
        let formatted = self.formatted();
        formatted.iter().for_each(|formatted| text.value(formatted));
        formatted.is_some()
    }

    /// Its bytes, laid out as bpftool does.
    pub fn plain(&self) -> String {
        let Some(values) = self.printer.per_cpu(self.value) else {
            return plain(self.key, &rows(self.value), self.value.len());
        };
        let mut text = format!("key:\n{}\n", rows(self.key));
        let line_break = if self.printer.value_size > 16 { '\n' } else { ' ' };
        for (cpu, value) in values {
            text += &format!("value (CPU {cpu:02}):{line_break}{}\n", rows(value));
        }
        text
    }
}

/// Bytes as bpftool prints those of maps: 16 a line, in two halves.
fn rows(bytes: &[u8]) -> String {
    let halves = |row: &[u8]| row.chunks(8).map(|half| Hex(half).to_string()).collect::<Vec<_>>().join("  ");
    bytes.chunks(16).map(halves).collect::<Vec<_>>().join("\n")
}

/// A key and what stands for its value: on one line, if both are short.
pub fn plain(key: &[u8], value: &str, value_size: usize) -> String {
    let is_long = key.len() > 16 || value_size > 16;
    let line_break = if is_long { '\n' } else { ' ' };
    let between = if key.len() + value_size <= 24 && !is_long { "  " } else { "\n" };
    let mut text = String::new();
    if !key.is_empty() {
        text += &format!("key:{line_break}{}{between}", rows(key));
    }
    if value_size != 0 {
        text += &format!("value:{line_break}{value}");
    }
    text + "\n"
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("key", &Bytes(self.key))?;
        match self.printer.per_cpu(self.value) {
            None => map.serialize_entry("value", &Bytes(self.value))?,
            Some(values) => {
                let values: Vec<_> =
                    values.into_iter().map(|(cpu, value)| OfCpu { cpu, value: Bytes(value) }).collect();
                map.serialize_entry("values", &values)?;
            }
        }
        if let Some(formatted) = self.formatted() {
            map.serialize_entry("formatted", &Json(&formatted))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct OfCpu<'a> {
    cpu: u32,
    value: Bytes<'a>,
}

/// Bytes, each a string such as `0x0a`.
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(|byte| format!("{byte:#04x}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_entries_are_on_one_line() {
        let rows = [
            (4, 4, "key: 00 00 00 00  value: 00 00 00 00\n"),
            (0, 2, "value: 00 00\n"),
            (12, 13, "key: 00 00 00 00 00 00 00 00  00 00 00 00\nvalue: 00 00 00 00 00 00 00 00  00 00 00 00 00\n"),
            (1, 17, "key:\n00\nvalue:\n00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n00\n"),
        ];
        for (key, value, text) in rows {
            let printer = Printer { types: None, value_size: value, cpus: None };
            assert_eq!(printer.entry(&[0; 12][..key], &[0; 17][..value]).plain(), text);
        }
    }

    #[test]
    fn each_cpu_has_its_value() {
        let printer = Printer { types: None, value_size: 2, cpus: Some(&[0, 3]) };
        let value = [1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0];
        let entry = printer.entry(&[9], &value);
        assert_eq!(entry.plain(), "key:\n09\nvalue (CPU 00): 01 02\nvalue (CPU 03): 03 04\n");
        let json = serde_json::to_string(&entry).unwrap();
        let expected =
            r#"{"key":["0x09"],"values":[{"cpu":0,"value":["0x01","0x02"]},{"cpu":3,"value":["0x03","0x04"]}]}"#;
        assert_eq!(json, expected);
    }
}
