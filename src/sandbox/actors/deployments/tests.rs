//! Single passes, from sizes to sizes.

use rstest::rstest;

use super::*;

fn deployment(replicas: i64, surge: i64, unavailable: i64) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
            "template": {"spec": {"containers": [{"image": "new"}]}},
        },
    })
}

/// Sizes and available pods of the old and the new ReplicaSet, scaled last for that many replicas.
fn sets(old: (i64, i64), new: (i64, i64), desired: i64, most: i64) -> Vec<Object> {
    [("old", old, "1"), ("new", new, "2")]
        .into_iter()
        .map(|(image, (size, available), revision)| {
            let annotations = json!({
                "deployment.kubernetes.io/revision": revision,
                "deployment.kubernetes.io/desired-replicas": desired.to_string(),
                "deployment.kubernetes.io/max-replicas": most.to_string(),
            });
            std::sync::Arc::new(json!({
                "metadata": {"name": image, "namespace": "shop", "uid": image, "annotations": annotations,
                             "creationTimestamp": format!("2026-01-01T00:00:0{revision}Z")},
                "spec": {"replicas": size, "template": {"spec": {"containers": [{"image": image}]}}},
                "status": {"replicas": size, "availableReplicas": available},
            }))
        })
        .collect()
}

fn pass(deployment: &Value, sets: &[Object]) -> (i64, i64) {
    let size = |name: &str| {
        let set = sets.iter().find(|set| object::name(set) == name).unwrap();
        set["spec"]["replicas"].as_i64().unwrap()
    };
    let mut sizes = (size("old"), size("new"));
    for act in reconcile(deployment, sets, false, Timestamp::UNIX_EPOCH).acts {
        if let Act::Replace(REPLICA_SETS, _, set) = act {
            let size = set["spec"]["replicas"].as_i64().unwrap();
            match object::name(&set) {
                "old" => sizes.0 = size,
                _ => sizes.1 = size,
            }
        }
    }
    sizes
}

#[rstest]
#[case::new_grows_into_the_surge((10, 10), (0, 0), (10, 3))]
#[case::old_shrinks_to_the_minimum((10, 10), (3, 0), (8, 3))]
#[case::new_fills_what_old_left((8, 8), (3, 0), (8, 5))]
#[case::nothing_while_new_is_unready((8, 8), (5, 0), (8, 5))]
#[case::old_goes_as_new_comes((8, 8), (5, 5), (3, 5))]
#[case::unhealthy_old_goes_first((10, 5), (3, 3), (5, 3))]
#[case::old_is_gone((0, 0), (10, 10), (0, 10))]
fn a_rolling_pass_moves_as_upstream(
    #[case] old: (i64, i64),
    #[case] new: (i64, i64),
    #[case] after: (i64, i64),
) {
    assert_eq!(pass(&deployment(10, 3, 2), &sets(old, new, 10, 13)), after);
}

#[rstest]
#[case::up((8, 8), (5, 5), 20, (14, 9))]
#[case::down((8, 8), (5, 5), 5, (5, 3))]
#[case::to_nothing((8, 8), (5, 5), 0, (0, 0))]
fn another_size_is_shared_by_proportion(
    #[case] old: (i64, i64),
    #[case] new: (i64, i64),
    #[case] replicas: i64,
    #[case] after: (i64, i64),
) {
    assert_eq!(pass(&deployment(replicas, 3, 2), &sets(old, new, 10, 13)), after);
}

#[rstest]
#[case(json!("25%"), json!("25%"), 10, (3, 2))]
#[case(json!("25%"), json!("25%"), 1, (1, 0))]
#[case(json!(0), json!("1%"), 10, (0, 1))]
#[case(json!("100%"), json!(50), 4, (4, 4))]
fn percentages_round_towards_more_pods(
    #[case] surge: Value,
    #[case] unavailable: Value,
    #[case] replicas: i64,
    #[case] numbers: (i64, i64),
) {
    let mut deployment = deployment(replicas, 0, 0);
    deployment["spec"]["strategy"]["rollingUpdate"] =
        json!({"maxSurge": surge, "maxUnavailable": unavailable});
    let spec = Spec::of(&deployment);
    assert_eq!((spec.surge(), spec.unavailable()), numbers);
}

#[test]
fn a_name_that_is_taken_gives_the_next_template_another_hash() {
    let mut web = deployment(1, 1, 0);
    let create = |web: &Value| match reconcile(web, &[], false, Timestamp::UNIX_EPOCH).acts.remove(0) {
        Act::Create(_, set) => set,
        act => panic!("{act:?}"),
    };
    let set = create(&web);
    let taken = Failure::already_exists("apps", "replicasets", object::name(&set));
    let Some(Act::Replace(_, "status", new)) = refused(&web, &set, &taken, Timestamp::UNIX_EPOCH) else {
        panic!("no status");
    };
    web = new;
    assert_ne!(object::name(&create(&web)), object::name(&set));
}
