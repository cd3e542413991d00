//! What a plain scalar means: kubectl's reading (YAML 1.1 numbers), with strict booleans.

use serde_json::{Number, Value};

/// The value of a plain scalar. `None` for what JSON cannot say: infinity, not-a-number, and integers beyond 64
/// bits, which would lose digits.
pub(super) fn resolve(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return None,
        _ => {}
    }
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return None;
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Some(Value::String(text.to_owned()));
    }
    match integer(negative, digits) {
        Integer::Value(value) => return Some(value),
        Integer::TooLarge => return None,
        Integer::No => {}
    }
    if is_float(digits) {
        return text.replace('_', "").parse::<f64>().ok().and_then(float);
    }
    Some(Value::String(text.to_owned()))
}

/// A whole number is written to JSON without a fraction: `8.0` and `08` are 8.
fn float(value: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

enum Integer {
    Value(Value),
    TooLarge,
    No,
}

/// As Go's `strconv.ParseInt(s, 0, 64)` without underscores: `0x`, `0o`, `0b`, and a leading `0` is octal.
fn integer(negative: bool, digits: &str) -> Integer {
    let digits = digits.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = if let Some(body) = lower.strip_prefix("0x") {
        (16, body)
    } else if let Some(body) = lower.strip_prefix("0o") {
        (8, body)
    } else if let Some(body) = lower.strip_prefix("0b") {
        (2, body)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if body.is_empty() || !body.chars().all(|c| c.is_digit(radix)) {
        return Integer::No;
    }
    let Ok(magnitude) = i128::from_str_radix(body, radix) else {
        return Integer::TooLarge;
    };
    let value = if negative { -magnitude } else { magnitude };
    if let Ok(value) = i64::try_from(value) {
        Integer::Value(value.into())
    } else if let Ok(value) = u64::try_from(value) {
        Integer::Value(value.into())
    } else {
        Integer::TooLarge
    }
}

/// `[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?` or `[0-9]+\.`, as YAML 1.1 in Go reads it. The sign is already off.
fn is_float(digits: &str) -> bool {
    let digits = digits.replace('_', "");
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits.as_str(), None),
    };
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => {
            all_digits(whole) && all_digits(part) && !(whole.is_empty() && part.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && all_digits(exponent)
    });
    mantissa_fits && exponent_fits
}
