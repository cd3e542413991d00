//! Fields that stand twice in a JSON text: parsing keeps the last one in silence.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// `duplicate field "spec.replicas"` for each; nothing for a text that is not JSON.
pub(super) fn find(body: &[u8]) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    let look = Look {
        place: String::new(),
        found: &found,
    };
    let mut reader = serde_json::Deserializer::from_slice(body);
    // What can't be read was refused before.
    let _ = look.deserialize(&mut reader);
    found.into_inner()
}

struct Look<'f> {
    place: String,
    found: &'f RefCell<Vec<String>>,
}

impl Look<'_> {
    fn below(&self, step: &str) -> Self {
        let point = if self.place.is_empty() || step.starts_with('[') {
            ""
        } else {
            "."
        };
        Self {
            place: format!("{}{point}{step}", self.place),
            found: self.found,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let below = self.below(&name);
            if !seen.insert(name) {
                self.found
                    .borrow_mut()
                    .push(format!("duplicate field {:?}", below.place));
            }
            map.next_value_seed(below)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while list
            .next_element_seed(self.below(&format!("[{index}]")))?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}
