//! Image references: `registry/repository:tag@digest`.

use super::Wrong;
use crate::model::api::ImageOverride;

/// A reference in its parts. Nothing is made up: an image without a registry has none here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Reference<'a> {
    registry: Option<&'a str>,
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash is a port.
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag)),
            _ => (rest, None),
        };
        // As Docker reads it: a host has a dot or a port, or is localhost.
        let (registry, repository) = match rest.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
            _ => (None, rest),
        };
        Self {
            registry,
            repository,
            tag,
            digest,
        }
    }

    fn text(&self) -> String {
        let mut text = self
            .registry
            .map_or_else(String::new, |registry| format!("{registry}/"));
        text.push_str(self.repository);
        for (sign, part) in [(':', self.tag), ('@', self.digest)] {
            if let Some(part) = part {
                text.push(sign);
                text.push_str(part);
            }
        }
        text
    }
}

/// The image with some of its parts changed.
pub(super) fn changed(image: &str, change: &ImageOverride) -> Result<String, Wrong> {
    check(change)?;
    let mut reference = Reference::parse(image);
    if let Some(registry) = &change.registry {
        reference.registry = Some(registry);
    }
    if let Some(repository) = &change.repository {
        reference.repository = repository;
    }
    match (&change.tag, &change.digest) {
        (None, None) => {}
        // A digest beside another tag would still decide what runs.
        (tag, digest) => (reference.tag, reference.digest) = (tag.as_deref(), digest.as_deref()),
    }
    Ok(reference.text())
}

/// Whether the parts can stand in a reference.
pub(super) fn check(change: &ImageOverride) -> Result<(), Wrong> {
    let is = |text: &str, more: &[char]| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    };
    let path = |text: &str, more: &[char]| text.split('/').all(|part| is(part, more));
    let digest = |text: &str| {
        text.split_once(':').is_some_and(|(algorithm, hex)| {
            is(algorithm, &['+', '.', '_', '-']) && hex.len() >= 32 && is(hex, &[])
        })
    };
    let parts = [
        (
            "registry",
            &change.registry,
            change
                .registry
                .as_deref()
                .is_none_or(|text| path(text, &['.', '-', '_', ':'])),
        ),
        (
            "repository",
            &change.repository,
            change.repository.as_deref().is_none_or(|text| {
                path(text, &['.', '-', '_']) && !text.contains(|c: char| c.is_ascii_uppercase())
            }),
        ),
        (
            "tag",
            &change.tag,
            change
                .tag
                .as_deref()
                .is_none_or(|text| text.len() <= 128 && is(text, &['.', '-', '_'])),
        ),
        (
            "digest",
            &change.digest,
            change.digest.as_deref().is_none_or(digest),
        ),
    ];
    for (part, text, fits) in parts {
        if let (Some(text), false) = (text, fits) {
            return Err(Wrong::Image {
                part,
                text: text.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn of(change: Value) -> ImageOverride {
        serde_json::from_value(change).unwrap()
    }

    #[rstest]
    #[case::mirror("ghcr.io/shop/web:1.2", json!({"registry": "mirror.eu.example"}), "mirror.eu.example/shop/web:1.2")]
    #[case::port("localhost:5000/web", json!({"registry": "r.example:443/proxy"}), "r.example:443/proxy/web")]
    #[case::none_before("nginx", json!({"registry": "mirror.eu.example"}), "mirror.eu.example/nginx")]
    #[case::a_path_is_no_host("shop/web:1", json!({"registry": "r.example"}), "r.example/shop/web:1")]
    #[case::repository("ghcr.io/shop/web:1.2", json!({"repository": "shop/web-arm"}), "ghcr.io/shop/web-arm:1.2")]
    #[case::tag("ghcr.io/shop/web:1.2", json!({"tag": "1.3"}), "ghcr.io/shop/web:1.3")]
    #[case::tag_added("r.example:5000/web", json!({"tag": "1"}), "r.example:5000/web:1")]
    #[case::tag_for_digest(&format!("web:1@{DIGEST}"), json!({"tag": "2"}), "web:2")]
    #[case::digest_for_tag("web:1", json!({"digest": DIGEST}), &format!("web@{DIGEST}"))]
    #[case::both("web", json!({"tag": "2", "digest": DIGEST}), &format!("web:2@{DIGEST}"))]
    #[case::digest_stays(&format!("a.b/web@{DIGEST}"), json!({"registry": "c.d"}), &format!("c.d/web@{DIGEST}"))]
    fn the_named_parts_change_and_the_others_stay(
        #[case] image: &str,
        #[case] change: Value,
        #[case] expected: &str,
    ) {
        assert_eq!(changed(image, &of(change)).unwrap(), expected);
    }

    #[rstest]
    #[case::scheme(json!({"registry": "https://r.example"}))]
    #[case::slash(json!({"registry": "r.example/"}))]
    #[case::upper_case(json!({"repository": "Shop/web"}))]
    #[case::tag_in_repository(json!({"repository": "web:1"}))]
    #[case::tag(json!({"tag": "1/2"}))]
    #[case::digest(json!({"digest": "latest"}))]
    #[case::spaces(json!({"tag": "a b"}))]
    fn what_can_not_stand_in_a_reference_is_refused(#[case] change: Value) {
        assert!(changed("web", &of(change)).is_err());
    }

    proptest! {
        #[test]
        fn an_image_in_its_parts_is_the_same_image(image in "([a-z]{1,5}(\\.[a-z]{1,3})?(:[0-9]{2,4})?/)?[a-z]{1,6}(/[a-z]{1,6})?(:[a-z0-9.]{1,6})?(@sha256:[0-9a-f]{64})?") {
            prop_assert_eq!(Reference::parse(&image).text(), image);
        }

        #[test]
        fn changing_an_image_twice_is_changing_it_once(
            image in "([a-z]{1,5}\\.[a-z]{1,3}/)?[a-z]{1,6}(/[a-z]{1,6})?(:[a-z0-9]{1,6})?",
            registry in proptest::option::of("[a-z]{1,5}\\.[a-z]{1,3}(:[0-9]{2,4})?"),
            repository in proptest::option::of("[a-z]{1,5}/[a-z]{1,5}"),
            tag in proptest::option::of("[a-z0-9]{1,5}"),
        ) {
            let change = ImageOverride { registry, repository, tag, ..ImageOverride::default() };
            let once = changed(&image, &change).unwrap();
            prop_assert_eq!(changed(&once, &change).unwrap(), once);
        }
    }
}
