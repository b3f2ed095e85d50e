//! What a server is apart from its state: flavor, zone, enterprise project, tags.
//!
//! Owns the texts and how they stand in a row. Invariant: they are written once, when the server is
//! made, since a list page shows a thousand servers.

use std::sync::{Arc, LazyLock};

use serde_json::json;

/// What a server is apart from its state. Texts may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Particulars {
    /// ID of its flavor.
    pub flavor: String,
    /// Its availability zone.
    pub availability_zone: String,
    /// ID of its enterprise project.
    pub enterprise_project_id: String,
    /// Its tags, `key=value` or a bare word each.
    pub tags: Vec<String>,
}

impl Default for Particulars {
    fn default() -> Self {
        Self {
            flavor: "physical.s4.medium".to_owned(),
            availability_zone: "az1".to_owned(),
            enterprise_project_id: "0".to_owned(),
            tags: vec!["__type_baremetal".to_owned()],
        }
    }
}

/// Members of a row, as JSON without braces.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) flavor: String,
    pub(super) zone: String,
    pub(super) tags: String,
}

impl Particulars {
    /// The members that tell these; the same for all servers that have nothing of their own.
    pub(super) fn written(&self) -> Arc<Written> {
        static USUAL: LazyLock<Arc<Written>> =
            LazyLock::new(|| Arc::new(Written::of(&Particulars::default())));
        if *self == Self::default() {
            return Arc::clone(&USUAL);
        }
        Arc::new(Written::of(self))
    }
}

impl Written {
    fn of(particulars: &Particulars) -> Self {
        let Particulars {
            flavor,
            availability_zone,
            enterprise_project_id,
            tags,
        } = particulars;
        let (flavor, project) = (json!(flavor), json!(enterprise_project_id));
        Self {
            flavor: format!(
                r#""flavor":{{"id":{flavor},"name":{flavor},"disk":"1200","vcpus":"32","ram":"262144"}}"#
            ),
            zone: format!(
                r#""OS-EXT-AZ:availability_zone":{}"#,
                json!(availability_zone)
            ),
            tags: format!(
                r#""tags":{},"sys_tags":[{{"key":"_sys_enterprise_project_id","value":{project}}}],"enterprise_project_id":{project}"#,
                json!(tags)
            ),
        }
    }
}
