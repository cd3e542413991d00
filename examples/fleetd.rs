#[path = "../tests/kubernetes/harness/mod.rs"]
mod harness;
#[tokio::main]
async fn main() {
    let fleet = harness::Fleet::start(harness::FleetOptions { audited: true, ..Default::default() }).await.unwrap();
    println!("hub {}", fleet.hub().kubeconfig().display());
    for m in fleet.members() { println!("{} {}", m.name(), m.kubeconfig().display()); }
    tokio::signal::ctrl_c().await.unwrap();
}
