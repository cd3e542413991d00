//! What a store must keep: order, revisions, and honesty about what it forgot.

use futures::FutureExt as _;
use serde_json::json;

use super::*;

fn key(name: &str) -> Key {
    Key::new("pods", Some("shop"), name)
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"}})
}

#[test]
fn a_write_needs_what_it_expects() {
    let store = Store::default();
    let first = store.put(&key("a"), Expect::Absent, pod("a")).unwrap();
    assert_eq!(store.put(&key("a"), Expect::Absent, pod("a")), Err(Moved));
    let at = object::revision(&first);
    let second = store.put(&key("a"), Expect::At(at), pod("a")).unwrap();
    assert!(object::revision(&second) > at);
    assert_eq!(store.put(&key("a"), Expect::At(at), pod("a")), Err(Moved));
    assert_eq!(store.remove(&key("a"), at), Err(Moved));
    let last = store.remove(&key("a"), object::revision(&second)).unwrap();
    assert_eq!(object::revision(&last), store.revision());
    assert_eq!(store.get(&key("a")), None);
    assert_eq!(store.put(&key("a"), Expect::At(at), pod("a")), Err(Moved));
}

#[test]
fn a_list_of_a_namespace_has_no_neighbours() {
    let store = Store::default();
    for (namespace, name) in [("a", "x"), ("ab", "x"), ("b", "x"), ("a", "w")] {
        let key = Key::new("pods", Some(namespace), name);
        let object = json!({"metadata": {"name": name, "namespace": namespace}});
        store.put(&key, Expect::Absent, object).unwrap();
    }
    let names = |namespace| -> Vec<String> {
        let (objects, _) = store.list("pods", namespace);
        objects
            .iter()
            .map(|object| format!("{}/{}", object::meta(object, "namespace"), object::name(object)))
            .collect()
    };
    assert_eq!(names(Some("a")), ["a/w", "a/x"]);
    assert_eq!(names(None), ["a/w", "a/x", "ab/x", "b/x"]);
}

#[tokio::test]
async fn a_watch_from_the_past_sees_every_change_once_and_waits_for_more() {
    let store = Store::default();
    let first = store.put(&key("a"), Expect::Absent, pod("a")).unwrap();
    store
        .put(&Key::new("nodes", None, "n"), Expect::Absent, pod("n"))
        .unwrap();
    store.put(&key("b"), Expect::Absent, pod("b")).unwrap();
    let mut watch = store.watch("pods", object::revision(&first)).unwrap();
    let next = watch.next().await.unwrap();
    assert_eq!((&*next.key.name, next.old.is_some()), ("b", false));
    assert!(watch.next().now_or_never().is_none());
    let (waiting, ()) = tokio::join!(watch.next(), async {
        store.remove(&key("a"), object::revision(&first)).unwrap();
    });
    let gone = waiting.unwrap();
    assert_eq!((&*gone.key.name, gone.new.is_none()), ("a", true));
    assert_eq!(watch.revision(), store.revision());
}

#[tokio::test]
async fn what_was_forgotten_is_said_not_skipped() {
    let store = Store::default();
    let first = store.put(&key("a"), Expect::Absent, pod("a")).unwrap();
    let mut behind = store.watch("pods", object::revision(&first)).unwrap();
    store.put(&key("b"), Expect::Absent, pod("b")).unwrap();
    store.compact();
    assert!(behind.next().await.is_err());
    assert!(store.watch("pods", object::revision(&first)).is_err());
    assert!(store.watch("pods", store.revision()).is_ok());
}
