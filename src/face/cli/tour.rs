//! What a demo shows: whose it is, and what to try in it from another terminal.

use std::path::Path;

/// The namespaces of the demo's teams, as `policies/` names them.
pub const TEAMS: [&str; 2] = ["shop", "blog"];

/// What to type. `programs` is where `hub` is, `folder` where the kubeconfigs are, `shop` where its manifests are.
#[must_use]
pub fn tour(programs: &Path, folder: &Path, shop: &Path, members: usize) -> String {
    let (programs, folder, shop) = (programs.display(), folder.display(), shop.display());
    format!(
        "
Look around from another terminal:

  export PATH={programs}:$PATH KUBECONFIG={folder}/hub.kubeconfig

  hub status                                     the fleet at a glance
  hub get clusters                               the members
  hub get tenants                                the teams
  hub explain deployment/payments -n shop        why it runs in Europe only: its policy says so
  hub explain deployment/blog -n blog            why it runs outside the US only: its tenant says so
  kubectl get deployments -n shop                templates; READY sums over the members
  kubectl get workloadbindings -n shop           where each one runs
  kubectl --kubeconfig {folder}/member-{members}.kubeconfig get pods -n shop

Change something and watch it follow:

  kubectl scale deployment/web --replicas 5 -n shop
  kubectl --kubeconfig {folder}/member-1.kubeconfig delete deployment/cart -n shop    # it comes back
  hub events -n shop                             and the hub says so
  hub delete -f {shop} -n shop    # the members run the blog alone

"
    )
}
