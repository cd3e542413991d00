//! Placing pods, and what becomes of them on their nodes.

use rstest::rstest;

use super::super::{Play, Rule};
use super::*;

#[tokio::test(start_paused = true)]
async fn a_pod_that_fits_nowhere_says_why_and_runs_when_room_is_made() {
    let world = World::new(2);
    let big = json!({"containers": [{"name": "a", "image": "a", "resources": {"requests": {"cpu": "6"}}}]});
    for name in ["a", "b", "c"] {
        world.create("", "pods", bare_pod(name, &big));
    }
    world.after(2).await;
    let last = world.get("pods", "c").unwrap();
    assert_eq!(last["status"]["conditions"][0]["reason"], "Unschedulable");
    assert_eq!(
        last["status"]["conditions"][0]["message"],
        "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 No preemption victims \
         found for incoming pod."
    );
    world.delete("", "pods", "a", Propagation::Background);
    world.after(2).await;
    assert_eq!(world.get("pods", "c").unwrap()["status"]["phase"], "Running");
}

#[rstest]
#[case(Play::ImagePullBackOff, "Pending", "ImagePullBackOff", 0)]
#[case(Play::CrashLoop { runs: Duration::from_secs(1), exit_code: 1 }, "Running", "CrashLoopBackOff", 1)]
#[case(Play::NeverReady, "Running", "", 0)]
#[tokio::test(start_paused = true)]
async fn pods_fail_as_the_script_says(
    #[case] play: Play,
    #[case] phase: &str,
    #[case] reason: &str,
    #[case] restarts: i64,
) {
    let world = World::new(1);
    world.levers.kubelet(|script| {
        script.rules.push(Rule {
            play: Some(play),
            ..Rule::default()
        });
    });
    world.create("", "pods", bare_pod("web", &json!({})));
    world.after(15).await;
    let pod = world.get("pods", "web").unwrap();
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(pod["status"]["phase"], phase);
    assert_eq!(
        status["state"]["waiting"]["reason"].as_str().unwrap_or_default(),
        reason
    );
    assert_eq!(status["restartCount"], restarts);
    assert_eq!(status["ready"], false);
}

#[rstest]
#[case(None, "Succeeded", 0)]
#[case(Some(Play::Fail { after: Duration::from_secs(1), exit_code: 7 }), "Failed", 7)]
#[tokio::test(start_paused = true)]
async fn pods_that_are_not_restarted_end(#[case] play: Option<Play>, #[case] phase: &str, #[case] code: i64) {
    let world = World::new(1);
    world.levers.kubelet(|script| {
        script.rules.push(Rule {
            play,
            ..Rule::default()
        });
    });
    world.create("", "pods", bare_pod("job", &json!({"restartPolicy": "Never"})));
    world.after(5).await;
    let pod = world.get("pods", "job").unwrap();
    assert_eq!(pod["status"]["phase"], phase);
    assert_eq!(
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"],
        code
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_has_its_time_to_end() {
    let world = World::new(1);
    world
        .levers
        .kubelet(|script| script.termination = Duration::from_secs(10));
    world.create("", "pods", bare_pod("web", &json!({})));
    world.after(5).await;
    world.delete("", "pods", "web", Propagation::Background);
    world.after(9).await;
    assert!(crate::sandbox::object::is_deleting(
        &world.get("pods", "web").unwrap()
    ));
    world.after(2).await;
    assert!(world.get("pods", "web").is_none());
}

#[tokio::test(start_paused = true)]
async fn pods_on_nodes_of_others_are_left_alone() {
    let world = World::new(0);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lent"}});
    world.create("", "nodes", node);
    world.create("", "pods", bare_pod("web", &json!({"nodeName": "lent"})));
    world.after(5).await;
    assert!(world.get("pods", "web").unwrap()["status"]["phase"] != "Running");
}

#[tokio::test(start_paused = true)]
async fn kinds_without_an_actor_have_their_status_by_script() {
    let world = World::new(0);
    let template = json!({"spec": {
        "restartPolicy": "Never", "containers": [{"name": "sum", "image": "sum:1"}],
    }});
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sum", "namespace": "shop"},
        "spec": {"template": template},
    });
    world.create("batch", "jobs", job);
    world
        .levers
        .script_status("jobs.batch", |_, _| Some(json!({"succeeded": 1})));
    world.after(1).await;
    assert_eq!(world.get("jobs.batch", "sum").unwrap()["status"]["succeeded"], 1);
}
