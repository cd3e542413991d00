//! The table of error codes. Each has a page `docs/errors/HUB####.md`.

use std::fmt;

use serde::{Serialize, Serializer};

/// A stable number for one kind of mistake, shown as `HUB####`.
///
/// Numbers are never reused. Ranges: 00xx syntax, 01xx schema, 02xx cross-references, 03xx refusals by the hub,
/// 04xx members and kubeconfigs, 05xx apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal;)*) => {
        impl Code {
            $(#[doc = $title] pub const $name: Code = Code($number);)*

            /// Every code with its title, in order of number.
            pub const ALL: &'static [(Code, &'static str)] = &[$((Code::$name, $title)),*];
        }
    };
}

// To add a code: one line here, and its page in docs/errors/. A test holds the two together.
codes! {
    SYNTAX = 1, "the text is not valid YAML or JSON";
    TAB_INDENT = 2, "a tab is used for indentation";
    DUPLICATE_KEY = 3, "a key stands twice in one mapping";
    BAD_ALIAS = 4, "an alias or merge key does not name an earlier anchor that fits";
    TOO_LARGE = 5, "the text nests too deeply or grows too large through aliases";
    NOT_AN_OBJECT = 6, "a document is not an object";
    BAD_KEY = 7, "a key of a mapping is not a string";
    BAD_SCALAR = 8, "a value has no counterpart in JSON";
    UNREADABLE = 9, "a file cannot be read";
    NO_DOCUMENTS = 10, "there is nothing to read";
    BAD_SCRIPT = 11, "a line of a simulation script is not understood";

    MISSING_KIND = 101, "apiVersion or kind is missing";
    MISSING_NAME = 102, "metadata.name is missing";
    BAD_NAME = 103, "a name or namespace is not valid";
    UNKNOWN_FIELD = 104, "a field does not exist in the kind's schema";
    WRONG_TYPE = 105, "a value has another type than the schema says";
    MISSING_FIELD = 106, "a required field is missing";
    NOT_ALLOWED = 107, "a value is not one of those allowed";
    DUPLICATE_ITEM = 108, "two items of a list have the same key";
    BAD_FORMAT = 109, "a value does not have the required form";
    OUT_OF_RANGE = 110, "a value is too small, too large, too short or too long";
    RULE_REFUSED = 111, "a validation rule of the kind refuses the object";
    NOT_IMPLEMENTED = 112, "a declared field is not implemented yet";
    OBJECT_TOO_LARGE = 113, "an object is larger than 1 MiB";
    BAD_EXPRESSION = 114, "a CEL expression does not compile or costs too much";
    BAD_POINTER = 120, "a JSON pointer is not valid";
    BAD_PLACEHOLDER = 121, "a placeholder means nothing";
    BAD_OVERRIDE = 122, "an override can't be made of any object";

    TENANT_UNKNOWN = 201, "a namespace belongs to no tenant";
    CLUSTER_UNKNOWN = 202, "a member is named for which there is no Cluster";
    DUPLICATE_OBJECT = 203, "an object stands in the files twice";
    SELECTS_NOTHING = 204, "a selector selects none of the given templates";
    NAMESPACE_TWICE = 205, "a namespace belongs to two tenants";
    KIND_RULE_TWICE = 206, "two rules are about one kind";

    HUB_UNREACHABLE = 301, "the hub API cannot be reached";
    HUB_CERTIFICATE = 302, "the certificate of the hub API is not trusted";
    NOT_INSTALLED = 303, "the hub API lacks what hub install makes";
    FORBIDDEN = 304, "the hub API does not allow it";
    NOT_FOUND = 305, "there is no such object";
    UNKNOWN_KIND = 306, "no kind has that name";
    REQUEST_REFUSED = 307, "the hub API refused a request";
    TIMED_OUT = 308, "waiting took longer than allowed";
    NOT_BOUND = 309, "the hub has placed no such workload";
    BAD_USAGE = 310, "the command line makes no sense";
    SYSTEM = 311, "this machine is in the way";

    KUBECONFIG_UNREADABLE = 401, "a kubeconfig cannot be used";
    KUBECONFIG_REFUSED = 402, "a kubeconfig asks for more than is allowed";
    MEMBER_UNREACHABLE = 403, "a member cannot be reached";
    MEMBER_CERTIFICATE = 404, "the certificate of a member is not trusted";
    MEMBER_FORBIDDEN = 405, "a member does not allow it";
    MEMBER_REFUSED = 406, "a member refused a request";
    MEMBER_TOO_OLD = 407, "a member is older than Kubernetes 1.30";
    MEMBER_CLAIMED = 408, "a member is claimed by another hub";
    NAME_TAKEN = 409, "a member has joined already, or its name is taken";
    FENCE_SILENT = 410, "the fence of a member does not refuse what it must";
    MEMBER_ENDING = 411, "what a member was left with is still being deleted";

    REFUSED_BY_SERVER = 501, "the hub API refused an object";
    FIELD_CONFLICT = 502, "another manager owns a field";
    NAMESPACE_MISSING = 503, "a namespace is not there";
    KIND_NOT_SERVED = 504, "the hub API does not serve a kind";
    NAMESPACE_MISMATCH = 505, "an object names another namespace than the command line";
    NOT_READY = 506, "a template is not available yet";
    NOT_APPLICABLE = 507, "an object would not be applied to a member";
}

impl Code {
    /// The number behind `HUB`.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// What the code means, in one line.
    #[must_use]
    pub fn title(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(code, _)| *code == self)
            .map_or("", |(_, title)| title)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HUB{:04}", self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
