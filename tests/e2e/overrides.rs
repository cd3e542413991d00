//! What is different in some members: overrides made, refused, changed and taken back, and shown before that.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map, create, deployment, everywhere_kind};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated("each_member_holds_what_the_overrides_say_for_it", each_its_own),
        Scenario::federated(
            "an_override_that_changes_or_goes_is_written_only_where_it_was",
            only_there,
        ),
        Scenario::federated(
            "an_override_that_can_not_be_made_stops_in_that_member_alone",
            not_there,
        ),
        Scenario::federated("an_override_that_makes_no_sense_is_refused_or_told_so", nonsense),
        Scenario::federated(
            "what_would_change_in_each_member_is_shown_before_it_does",
            shown_before,
        ),
    ]
}

fn policy(name: &str, kind: &str, rules: Value) -> Value {
    let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "OverridePolicy", "metadata": {"name": name},
        "spec": {"resourceSelectors": [{"apiVersion": api_version, "kind": kind}], "rules": rules},
    })
}

fn on(member: &str, mut rule: Value) -> Value {
    rule["clusters"] = json!({"names": [member]});
    rule
}

fn container(live: &Value) -> &Value {
    &live["spec"]["template"]["spec"]["containers"][0]
}

fn version(live: &Value) -> &Value {
    &live["metadata"]["resourceVersion"]
}

async fn each_its_own(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "overridden").await;
    let rules = json!([
        on("member-1", json!({"image": [{"container": "*", "registry": "mirror-1.example:5000"}]})),
        on("member-2", json!({"image": [{"container": "app", "tag": "2"}], "patch": [
            {"op": "add", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 5},
            {"op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": "${cluster.labels['region']}"},
        ]})),
        {"env": [{"container": "app", "set": [{"name": "WHERE", "value": "${cluster.name} in ${cluster.labels['region']}"}]}],
         "args": [{"container": "app", "append": ["--home=$${HOME}"]}],
         "command": [{"container": "app", "set": ["/bin/app"]}],
         "labels": {"set": {"cluster": "${cluster.name}"}}, "annotations": {"set": {"example.dev/note": "here"}}},
    ]);
    // Everybody's come first at the same priority, and have the last word at a higher one.
    let wide = |name: &str, priority: i32, note: &str| {
        json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "ClusterOverridePolicy", "metadata": {"name": format!("{}-{name}", shop.name)},
            "spec": {"priority": priority, "resourceSelectors": [
                {"apiVersion": "*", "kind": "*", "labelSelector": {"matchLabels": {"shop": shop.name}}},
            ], "rules": [{"annotations": {"set": {"example.dev/note": "first", note: "last"}}}]},
        })
    };
    let mut web = deployment("web");
    web["metadata"]["labels"]["shop"] = shop.name.as_str().into();
    shop.apply_and_wait(&[
        policy("ours", "Deployment", rules),
        wide("early", 0, "example.dev/early"),
        wide("late", 5, "example.dev/late"),
        web,
    ])
    .await;
    let images = [
        "mirror-1.example:5000/app:1",
        "example.dev/app:2",
        "example.dev/app:1",
    ];
    for (number, member) in fleet.members().iter().enumerate() {
        let live = shop.seen(number, "Deployment", "web").await;
        let app = container(&live);
        assert_eq!(app["image"], images[number], "{app}");
        let first = if number == 1 { member.region() } else { "1" };
        let place = format!("{} in {}", member.name(), member.region());
        assert_eq!(
            app["env"],
            json!([{"name": "A", "value": first}, {"name": "WHERE", "value": place}])
        );
        assert_eq!(
            (&app["args"], &app["command"]),
            (&json!(["--home=${HOME}"]), &json!(["/bin/app"]))
        );
        assert_eq!(live["metadata"]["labels"]["cluster"], member.name());
        let notes = &live["metadata"]["annotations"];
        assert_eq!(
            (
                &notes["example.dev/note"],
                &notes["example.dev/early"],
                &notes["example.dev/late"]
            ),
            (&json!("first"), &json!("last"), &json!("last"))
        );
    }
    let binding = shop.binding("Deployment", "web").await.unwrap();
    let by = &binding["spec"]["clusters"][0]["overrides"]["by"];
    let expected = [
        format!("ClusterOverridePolicy/{}-early", shop.name),
        "OverridePolicy/ours".to_owned(),
        format!("ClusterOverridePolicy/{}-late", shop.name),
    ];
    assert_eq!(*by, json!(expected));
    for name in ["early", "late"] {
        let wide = everywhere_kind(fleet.hub().admin(), "ClusterOverridePolicy");
        wide.delete(
            &format!("{}-{name}", shop.name),
            &kube::api::DeleteParams::default(),
        )
        .await
        .unwrap();
    }
    shop.everywhere("Deployment", "web", "the note is ours again", |live| {
        let notes = &live["metadata"]["annotations"];
        notes["example.dev/note"] == "here" && notes.get("example.dev/late").is_none()
    })
    .await;
    shop.close().await;
}

async fn only_there(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "only-there").await;
    shop.apply_and_wait(&[config_map("text", "plain")]).await;
    let mut before = Vec::new();
    for number in 0..3 {
        before.push(shop.seen(number, "ConfigMap", "text").await);
    }
    let says = |text: &str| {
        let patch = json!([{"op": "replace", "path": "/data/text", "value": text}]);
        policy(
            "second",
            "ConfigMap",
            json!([on("member-2", json!({"patch": patch}))]),
        )
    };
    for text in ["other", "another", "plain"] {
        if text == "plain" {
            shop.delete("OverridePolicy", "second").await;
        } else {
            shop.apply(&[says(text)]).await;
        }
        shop.within(
            SOON,
            &[1],
            "ConfigMap",
            "text",
            &format!("it says {text}"),
            |live| live["data"]["text"] == text,
        )
        .await;
        shop.condition("ConfigMap", "text", "Applied", "True", "Applied")
            .await;
        let binding = shop.binding("ConfigMap", "text").await.unwrap();
        let changed: Vec<bool> = binding["spec"]["clusters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cluster| cluster.get("overrides").is_some())
            .collect();
        assert_eq!(changed, [false, text != "plain", false]);
    }
    for number in [0, 2] {
        let now = shop.seen(number, "ConfigMap", "text").await;
        assert_eq!(
            version(&now),
            version(&before[number]),
            "member {}: {now}",
            number + 1
        );
    }
    shop.close().await;
}

async fn not_there(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "not-there").await;
    shop.apply_and_wait(&[config_map("text", "one"), deployment("web")])
        .await;
    let wrong = [
        json!({"patch": [{"op": "replace", "path": "/data/nope", "value": "x"}]}),
        json!({"labels": {"set": {"tier": "${cluster.labels['tier']}"}}}),
        json!({"patch": [{"op": "copy", "from": "/data", "path": "/metadata/annotations"}, {"op": "move", "from": "/metadata/annotations/text", "path": "/metadata/name"}]}),
    ];
    let words = [
        "there is nothing at /data/nope",
        "no label tier",
        "an override never changes what an object is",
    ];
    for (wrong, words) in wrong.into_iter().zip(words) {
        // The last one breaks a rule of the schema too, if it is written as it is.
        if words.starts_with("an override never") {
            let answer = shop
                .try_apply(
                    &[policy("wrong", "ConfigMap", json!([on("member-2", wrong)]))],
                    &[],
                )
                .await;
            assert_eq!(answer.code, 1, "{answer:?}");
            assert!(
                answer.stderr.contains("HUB0111") && answer.stderr.contains(words),
                "{answer:?}"
            );
            continue;
        }
        shop.apply(&[policy("wrong", "ConfigMap", json!([on("member-2", wrong)]))])
            .await;
        eventually(SOON, words, async || {
            let message = shop
                .condition("ConfigMap", "text", "Applied", "False", "OverrideFailed")
                .await;
            let place = "OverridePolicy";
            if message.contains(words) && message.contains("member-2") && message.contains(place) {
                Ok(())
            } else {
                Err(NotYet(message))
            }
        })
        .await;
    }
    // The others go on, what ran there stays, and nothing else is touched.
    shop.edit("ConfigMap", "text", json!({"data": {"text": "two"}}))
        .await;
    shop.within(SOON, &[0, 2], "ConfigMap", "text", "the others go on", |live| {
        live["data"]["text"] == "two"
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(shop.seen(1, "ConfigMap", "text").await["data"]["text"], "one");
    shop.condition("ConfigMap", "text", "Applied", "False", "OverrideFailed")
        .await;
    shop.condition("Deployment", "web", "Applied", "True", "Applied")
        .await;
    // No container of that name, in all of them.
    let env = json!([{"env": [{"container": "nope", "set": [{"name": "A"}]}]}]);
    shop.apply(&[policy("nobody", "Deployment", env)]).await;
    let message = shop
        .condition("Deployment", "web", "Applied", "False", "OverrideFailed")
        .await;
    assert!(
        message.contains("there is no container nope; there are: app"),
        "{message}"
    );
    for name in ["wrong", "nobody"] {
        shop.delete("OverridePolicy", name).await;
    }
    shop.everywhere(
        "ConfigMap",
        "text",
        "it follows when the override is gone",
        |live| live["data"]["text"] == "two",
    )
    .await;
    shop.condition("ConfigMap", "text", "Applied", "True", "Applied")
        .await;
    shop.condition("Deployment", "web", "Applied", "True", "Applied")
        .await;
    shop.close().await;
}

async fn nonsense(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "nonsense").await;
    let api = shop.on_hub("OverridePolicy");
    let refused = [
        (json!([{}]), "a rule changes something"),
        (
            json!([{"image": [{"container": "app"}]}]),
            "names a registry, a repository, a tag or a digest",
        ),
        (
            json!([{"args": [{"container": "*", "append": ["x"]}]}]),
            "arguments are those of one container",
        ),
        (
            json!([{"labels": {"set": {"hanse.dev/tenant": "x"}}}]),
            "labels of the hub can't be changed",
        ),
        (
            json!([{"patch": [{"op": "replace", "path": "/metadata/name", "value": "x"}]}]),
            "an override never changes what an object is",
        ),
        (
            json!([{"patch": [{"op": "add", "path": "/metadata/annotations/hanse.dev~1adopt", "value": "x"}]}]),
            "labels and annotations of the hub can't be changed",
        ),
        (
            json!([{"patch": [{"op": "copy", "path": "/x"}]}]),
            "from goes with op move and copy",
        ),
        (json!([{"patch": [{"op": "put", "path": "/x"}]}]), "put"),
        (json!([{"patch": [{"op": "remove", "path": "x"}]}]), "path"),
    ];
    for (rules, words) in refused {
        let mut object = policy("p", "ConfigMap", rules);
        object["metadata"]["namespace"] = shop.name.as_str().into();
        let object: kube::api::DynamicObject = serde_json::from_value(object).unwrap();
        let error = api
            .create(&kube::api::PostParams::default(), &object)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    // What only the hub can tell it tells on the policy and on what that selects.
    shop.apply_and_wait(&[config_map("text", "one")]).await;
    let cel = json!([{"clusters": {"cel": "cluster.name =="}, "labels": {"set": {"a": "${HOME}"}}}]);
    let mut object = policy("late", "ConfigMap", cel);
    object["metadata"]["namespace"] = shop.name.as_str().into();
    create(&api, object).await;
    eventually(SOON, "the policy says what is wrong with it", async || {
        let live = crate::shop::value(&api.get("late").await?);
        let ready = crate::shop::condition_of(&live, "Ready");
        let message = ready["message"].as_str().unwrap_or_default();
        let told =
            message.contains("spec.rules[0].clusters.cel: ") && message.contains("${HOME} is no placeholder");
        if ready["reason"] == "PolicyInvalid" && told {
            Ok(())
        } else {
            Err(NotYet(ready.to_string()))
        }
    })
    .await;
    let message = shop
        .condition("ConfigMap", "text", "Applied", "False", "OverrideFailed")
        .await;
    assert!(
        message.contains("it can't be told yet what it means for this member"),
        "{message}"
    );
    shop.close().await;
}

async fn diff(shop: &Shop<'_>, verb: &[&str], manifests: &[Value]) -> Answer {
    let text: Vec<String> = manifests.iter().map(Value::to_string).collect();
    let mut arguments = verb.to_vec();
    arguments.extend(["-n", &shop.name, "-f", "-"]);
    shop.hub
        .run_with_input(&arguments, &text.join("\n---\n"))
        .await
        .unwrap()
}

async fn shown_before(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "shown").await;
    let secret = |bytes: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": bytes}});
    let all = [config_map("text", "one"), secret("opensesame"), deployment("web")];
    shop.apply_and_wait(&all).await;

    let same = diff(&shop, &["diff"], &all).await;
    assert_eq!((same.code, same.stdout.as_str()), (0, ""), "{same:?}");

    let next = [config_map("text", "two"), secret("mellon"), deployment("web")];
    for (verb, code) in [(&["diff"][..], 1), (&["apply", "--dry-run"], 0)] {
        let answer = diff(&shop, verb, &next).await;
        assert_eq!(answer.code, code, "{answer:?}");
        for member in fleet.members() {
            let head = format!("--- {}/configmap/text (runs)", member.name());
            assert!(answer.stdout.contains(&head), "{answer:?}");
        }
        assert!(
            answer.stdout.contains("-  text: one\n+  text: two\n"),
            "{answer:?}"
        );
        assert!(
            answer.stdout.contains("(before)") && answer.stdout.contains("(after)"),
            "{answer:?}"
        );
        for bytes in ["opensesame", "mellon", "b3BlbnNlc2FtZQ", "bWVsbG9u"] {
            assert!(
                !answer.stdout.contains(bytes) && !answer.stderr.contains(bytes),
                "{answer:?}"
            );
        }
        assert!(
            !answer.stdout.contains("deployment.apps/web (runs)"),
            "{answer:?}"
        );
    }

    // An override alone shows what it does to what is there.
    let rule = json!({"image": [{"container": "app", "tag": "2"}]});
    let answer = diff(
        &shop,
        &["diff"],
        &[policy("two", "Deployment", json!([on("member-2", rule)]))],
    )
    .await;
    assert_eq!(answer.code, 1, "{answer:?}");
    let heads: Vec<&str> = answer
        .stdout
        .lines()
        .filter(|line| line.starts_with("+++"))
        .collect();
    assert_eq!(
        heads,
        ["+++ member-2/deployment.apps/web (would run)"],
        "{answer:?}"
    );
    assert!(answer.stdout.contains("image: example.dev/app:2"), "{answer:?}");

    // What can't be made is said with its place, and so is what is new.
    let wrong = json!({"patch": [{"op": "remove", "path": "/data/nope"}]});
    let files = [
        config_map("new", "x"),
        policy("wrong", "ConfigMap", json!([on("member-3", wrong)])),
    ];
    let answer = diff(&shop, &["diff"], &files).await;
    assert_eq!(answer.code, 2, "{answer:?}");
    let told = "member-3: configmap/new: failed to make OverridePolicy";
    assert!(
        answer.stderr.contains(told) && answer.stderr.contains("HUB0507"),
        "{answer:?}"
    );
    assert!(
        answer.stdout.contains("+++ member-1/configmap/new (would run)\n"),
        "{answer:?}"
    );
    assert!(answer.stdout.contains("+  text: x\n"), "{answer:?}");

    // A policy that takes it away from a member.
    let mut only = json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": shop.name}});
    only["spec"] = json!({"resourceSelectors": [{"apiVersion": "*", "kind": "*"}], "placement": {"terms": [{"clusters": {"exclude": ["member-1"]}}]}});
    let answer = diff(&shop, &["diff"], &[only]).await;
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.stdout.contains("--- member-1/configmap/text (runs)")
            && answer.stdout.contains("-  text: one"),
        "{answer:?}"
    );
    assert!(!answer.stdout.contains("member-2/"), "{answer:?}");

    // Nothing was written anywhere.
    for number in 0..3 {
        assert_eq!(
            shop.seen(number, "ConfigMap", "text").await["data"]["text"],
            "one"
        );
        assert!(
            shop.in_member(number, "ConfigMap")
                .get_opt("new")
                .await
                .unwrap()
                .is_none()
        );
        let live = shop.seen(number, "Deployment", "web").await;
        assert_eq!(container(&live)["image"], "example.dev/app:1");
    }
    assert!(
        shop.on_hub("OverridePolicy")
            .get_opt("two")
            .await
            .unwrap()
            .is_none()
    );
    shop.close().await;
}
