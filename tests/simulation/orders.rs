//! Everything a tenant stands on is deleted, in any order, while a member is silent (PROTOCOL §2.6).

use crate::shop::{SHOP, api, apply_all, delete, federation, gone, judge, observe, seed, settled, until};

/// What is deleted: kind and name at the hub API. The Cluster is the silent member's.
const DELETED: [(&str, &str); 5] = [
    ("Namespace", SHOP),
    ("Tenant", SHOP),
    ("PropagationPolicy", "everywhere"),
    ("Cluster", "member-3"),
    ("Deployment", "web"),
];

/// All orders of five things.
fn orders() -> Vec<[usize; 5]> {
    let mut orders = Vec::new();
    for number in 0..120 {
        let (mut rest, mut left) = (number, vec![0, 1, 2, 3, 4]);
        let mut order = [0; 5];
        for (place, size) in order.iter_mut().zip([24, 6, 2, 1, 1]) {
            *place = left.remove(rest / size % left.len());
            rest %= size;
        }
        orders.push(order);
    }
    orders
}

async fn ends_in(order: [usize; 5], seed: u64) {
    let federation = federation(seed).await;
    let observer = observe(&federation);
    apply_all(federation.hub()).await;
    settled(&federation).await;
    let [first, second, silent] = federation.members() else {
        unreachable!("three members")
    };
    silent.faults().freeze();
    for place in order {
        let (of, name) = DELETED[place];
        delete(federation.hub(), of, name).await;
    }
    gone(&[federation.hub(), first, second]).await;
    let clusters = api(federation.admin(), "Cluster");
    assert!(
        clusters.get_opt("member-3").await.unwrap().is_some(),
        "{order:?}: a silent member's Cluster stays"
    );
    silent.faults().thaw();
    gone(&[federation.hub(), silent]).await;
    until(
        &format!("{order:?}: the member's Cluster goes when it has returned"),
        async || match clusters.get_opt("member-3").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await;
    judge(&federation, &observer);
    federation.end().await;
}

#[test]
fn the_120_deletion_orders_with_a_silent_member_all_end() {
    let seed = seed();
    let orders = orders();
    assert_eq!(
        orders.iter().collect::<std::collections::BTreeSet<_>>().len(),
        120
    );
    for order in orders {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(ends_in(order, seed));
    }
}
