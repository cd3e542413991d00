//! Tables that fit the terminal.

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::output::Screen;

/// A table without borders: a header and rows, cells that say something bad in colour.
pub(super) fn render(screen: Screen, header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if screen.color_out {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(header.iter().map(|name| Cell::new(name.to_uppercase())));
    for row in rows {
        table.add_row(row.iter().map(|text| cell(text)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
        column.set_cell_alignment(CellAlignment::Left);
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cell(text: &str) -> Cell {
    let cell = Cell::new(if text.is_empty() { "-" } else { text });
    match text {
        "True" | "Healthy" | "Ready" | "yes" => cell.fg(Color::Green),
        "False" | "Degraded" | "Unreachable" => cell.fg(Color::Red),
        "Unknown" | "Progressing" | "Stale" | "removing" => cell.fg(Color::Yellow),
        _ => cell,
    }
}

/// `1 tenant`, `2 tenants`
pub(super) fn counted(number: usize, noun: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{many}")
}

/// How long ago, in one or two units as kubectl says it.
pub(super) fn age(then: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = (now.as_second() - then.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => format!("{}m{}s", seconds / 60, seconds % 60).replace("m0s", "m"),
        600..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
