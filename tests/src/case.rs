//! One case of the suite.

use std::time::Duration;

use crate::{
    Need, Sandbox,
    need::{self, Supply},
    soak,
};

/// What a case does: it panics, or it has passed.
type Body = Box<dyn Fn(&Sandbox) + Send + Sync>;

/// One case: a name, its needs, and the function that runs in a [`Sandbox`].
///
/// ```no_run
/// use bpfasm_tests::{Case, need::{CAP_BPF, CAP_NET_ADMIN, CLSACT}};
///
/// Case::new("clsact::counts_a_packet", &[&CAP_BPF, &CAP_NET_ADMIN, &CLSACT], |sandbox| {
///     assert!(sandbox.scratch().is_dir());
/// });
/// ```
pub struct Case {
    name: String,
    needs: Vec<&'static Need>,
    limit: Duration,
    body: Body,
}

impl Case {
    /// A case. [`need::NETNS`] is the first need of each, since each gets a [`Sandbox`].
    pub fn new(
        name: impl Into<String>,
        needs: &[&'static Need],
        body: impl Fn(&Sandbox) + Send + Sync + 'static,
    ) -> Self {
        let needs = [&need::NETNS].into_iter().chain(needs.iter().copied()).collect();
        Case { name: name.into(), needs, limit: soak::limit(), body: Box::new(body) }
    }

    /// The same case with more time than the usual minute (an hour for full counts), after which it is killed.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Case { limit, ..self }
    }

    /// The name by which it is listed, filtered and run.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time after which it is killed and has failed.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether it needs this.
    pub fn needs(&self, need: &Need) -> bool {
        self.needs.iter().any(|own| own.name() == need.name())
    }

    /// The needs that this machine does not meet: name and reason of each.
    pub fn missing(&self) -> Vec<String> {
        self.needs
            .iter()
            .filter_map(|need| need.met().err().map(|reason| format!("{}: {reason}", need.name())))
            .collect()
    }

    /// What its needs have the suite prepare before it runs.
    pub fn supplies(&self) -> impl Iterator<Item = &'static Supply> {
        self.needs.iter().filter_map(|need| need.supply())
    }

    /// Runs it here, in this process.
    pub fn run(&self, sandbox: &Sandbox) {
        (self.body)(sandbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static MET: Need = Need::new("MET", || Ok(()));
    static UNMET: Need = Need::new("UNMET", || Err("the reason".into()));

    #[test]
    fn a_missing_need_is_named_with_its_reason() {
        let missing = Case::new("a", &[&MET, &UNMET], |_| ()).missing();
        assert!(missing.contains(&"UNMET: the reason".to_owned()), "{missing:?}");
        assert!(!missing.iter().any(|reason| reason.starts_with("MET")), "{missing:?}");
    }

    #[test]
    fn every_case_needs_a_network_namespace() {
        assert!(Case::new("a", &[], |_| ()).needs(&need::NETNS));
        assert!(!Case::new("a", &[], |_| ()).needs(&MET));
    }
}
