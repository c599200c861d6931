//! Tables without lines: a header, columns two blanks apart, numbers to the right.

use comfy_table::{CellAlignment, Table, presets};

/// A table to be filled with rows of as many cells as the header has.
pub struct Plain {
    table: Table,
    /// From this column on, cells are numbers.
    numbers_from: usize,
}

impl Plain {
    /// An empty table.
    pub fn new<const COLUMNS: usize>(header: [&str; COLUMNS], numbers_from: usize) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(header);
        Self { table, numbers_from }
    }

    /// Adds a row.
    pub fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.table.add_row(cells);
    }

    /// The lines, without blanks at their ends.
    pub fn text(mut self) -> String {
        for (place, column) in self.table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if place >= self.numbers_from {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.table.trim_fmt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut table = Plain::new(["name", "ns"], 1);
        table.row(["a".to_owned(), "1234".to_owned()]);
        table.row(["blocked".to_owned(), "7".to_owned()]);
        assert_eq!(table.text(), "name       ns\na        1234\nblocked     7");
    }
}
